package kubepki

import (
	"bytes"
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"slices"
	"time"
)

var (
	oidKeyUsage        = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidNameConstraints = asn1.ObjectIdentifier{2, 5, 29, 30}
)

// Above says what is wrong with a CA of an external PKI above
// our intermediates: an external root, or a CA between it and them. below is the
// number of CAs below it on the longest path. An empty result means that chains
// through it verify for servers and clients, in Go and in OpenSSL.
func Above(cert *x509.Certificate, below int) []string {
	wrong := above(cert, below)
	if weak(cert.SignatureAlgorithm) && SelfSigned(cert) != nil { // nobody looks at what a root signs itself with
		wrong = append(wrong, fmt.Sprintf("signature algorithm is %s", cert.SignatureAlgorithm))
	}
	return wrong
}

func above(cert *x509.Certificate, below int) []string {
	var wrong []string
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	switch {
	case cert.Version != 3:
		bad("is a certificate of X.509 version %d, which cannot say that it is a CA's: Go and OpenSSL want version 3",
			cert.Version)
	case !cert.BasicConstraintsValid || !cert.IsCA:
		bad("is not the certificate of a CA")
	case !MayCertify(cert):
		bad("its key usage does not allow certificates to be signed")
	}
	if cert.BasicConstraintsValid && cert.MaxPathLen >= 0 && cert.MaxPathLen < below {
		bad("path length %d, and %d CAs stand below it", cert.MaxPathLen, below)
	}
	if len(cert.Subject.Names) == 0 {
		bad("has no subject, and what it certifies would name no issuer (RFC 5280, 4.1.2.4)")
	}
	if len(cert.SubjectKeyId) == 0 {
		bad("has no subject key identifier (RFC 5280, 4.2.1.2)")
	}
	if len(cert.UnhandledCriticalExtensions) > 0 {
		bad("has unknown critical extension %s", cert.UnhandledCriticalExtensions[0])
	}
	if slices.ContainsFunc(cert.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oidNameConstraints) }) {
		bad("has name constraints; names like kubernetes.default are not among a company's")
	}
	if usages := len(cert.ExtKeyUsage) + len(cert.UnknownExtKeyUsage); usages > 0 && !slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageAny) &&
		!(slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageServerAuth) && slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageClientAuth)) {
		bad("its extended key usage leaves out serverAuth or clientAuth, and what it lacks no certificate below it has")
	}
	if problem := authorityKey(cert.PublicKey); problem != "" {
		bad("%s", problem)
	}
	return wrong
}

// MayCertify says whether a CA's key usage lets it sign certificates. One that has
// no such extension may (RFC 5280 section 4.2.1.3); old company roots have none.
func MayCertify(cert *x509.Certificate) bool {
	return cert.KeyUsage&x509.KeyUsageCertSign != 0 || cert.KeyUsage == 0 &&
		!slices.ContainsFunc(cert.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oidKeyUsage) })
}

func authorityKey(pub any) string {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < 2048 || k.N.BitLen() > 8192 {
			return fmt.Sprintf("key is RSA of %d bits, not 2048 to 8192", k.N.BitLen())
		}
		return ""
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() || k.Curve == elliptic.P384() || k.Curve == elliptic.P521() {
			return ""
		}
		return "key is on curve " + k.Curve.Params().Name
	}
	return fmt.Sprintf("key is %T, neither RSA nor ECDSA", pub)
}

// weak names the signature algorithms that nobody should accept any more.
func weak(a x509.SignatureAlgorithm) bool {
	switch a {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1, x509.DSAWithSHA256, x509.UnknownSignatureAlgorithm:
		return true
	}
	return false
}

// MaxAbove is how many CAs may be between an external root and one of our
// intermediates.
const MaxAbove = 4

// Chain finds the CAs between a certificate and a root among pool, the issuer
// first; none when the root signed it itself. All signatures are checked, dates
// are not. A CA that two roots have certified is there twice: the way that ends at
// this root is taken, the earlier one in pool where there are two.
func Chain(cert, root *x509.Certificate, pool []*x509.Certificate) ([]*x509.Certificate, error) {
	var first error
	tried := make([]bool, len(pool))
	var way []*x509.Certificate
	var up func(below *x509.Certificate) bool
	up = func(below *x509.Certificate) bool {
		if signed(below, root) {
			return true
		}
		dead := true
		for i, c := range pool {
			if tried[i] || !signed(below, c) {
				continue
			}
			dead = false
			if len(way) == MaxAbove {
				far := fmt.Errorf("more than %d CAs stand between %q and the root", MaxAbove, cert.Subject)
				first = cmp.Or(first, far)
				return false
			}
			tried[i], way = true, append(way, c)
			if up(c) {
				return true
			}
			way = way[:len(way)-1]
		}
		if dead {
			first = cmp.Or(first, noIssuer(below, root, pool))
		}
		return false
	}
	if up(cert) {
		return way, nil
	}
	return nil, first
}

// noIssuer says why no issuer of a certificate was found: also when one is there
// whose name is written otherwise.
func noIssuer(below, root *x509.Certificate, pool []*x509.Certificate) error {
	if weak(below.SignatureAlgorithm) {
		return fmt.Errorf("%q is signed with an algorithm that Kubernetes does not verify (%s): have it signed with "+
			"SHA-256 or better, "+
			"and RSASSA-PSS with a salt as long as its hash", below.Subject, algorithm(below))
	}
	for _, c := range append([]*x509.Certificate{root}, pool...) {
		if !SameName(below.RawIssuer, c.RawSubject) {
			continue
		}
		switch same := bytes.Equal(below.RawIssuer, c.RawSubject); {
		case same && c.Version == 3 && !c.IsCA:
			return fmt.Errorf("%q names %q as its issuer, which is the certificate of no CA", below.Subject, c.Subject)
		case same && !MayCertify(c):
			return fmt.Errorf("%q names %q as its issuer, whose key usage does not allow certificates to be signed",
				below.Subject, c.Subject)
		case same && signed(below, c):
			return fmt.Errorf("%q was issued by %q, and the way from there leads back to it and to no root",
				below.Subject, c.Subject)
		}
		if c == root && bytes.Equal(below.RawIssuer, c.RawSubject) {
			return fmt.Errorf("%q names the root as its issuer, and its signature is not by the root's key", below.Subject)
		}
		if bytes.Equal(below.RawIssuer, c.RawSubject) {
			return fmt.Errorf("%q names %q as its issuer, and its signature is not by that CA's key", below.Subject, c.Subject)
		}
		return fmt.Errorf("%q names its issuer %q in another encoding (string type, case or spaces) than the "+
			"certificate of that CA has; "+
			"Kubernetes compares names byte by byte and builds no such chain: have it issued with the CA's name as its "+
			"certificate has it",
			below.Subject, below.Issuer)
	}
	return fmt.Errorf("%q was issued by %q, which is neither the root nor a CA that came with it", below.Subject,
		below.Issuer)
}

// algorithm names what crypto/x509 has no name for as well as it can.
func algorithm(c *x509.Certificate) string {
	if c.SignatureAlgorithm != x509.UnknownSignatureAlgorithm {
		return c.SignatureAlgorithm.String()
	}
	if _, _, err := pssHash(c.Raw); err == nil {
		return "RSASSA-PSS with another salt"
	}
	return "unknown"
}

func signed(cert, issuer *x509.Certificate) bool {
	return bytes.Equal(cert.RawIssuer, issuer.RawSubject) && cert.CheckSignatureFrom(issuer) == nil
}

// Chained says what is wrong with a chain to an external root: with the root, and with
// each CA between it and cert, as Chain found them. A zero now ignores dates; otherwise
// each must be valid then and not outlive its issuer.
func Chained(cert, root *x509.Certificate, chain []*x509.Certificate, now time.Time) []string {
	var wrong []string
	below := cert
	for i, c := range append(slices.Clone(chain), root) {
		for _, problem := range Above(c, i+1) {
			wrong = append(wrong, fmt.Sprintf("%q: %s", c.Subject, problem))
		}
		if below.NotAfter.After(c.NotAfter) {
			wrong = append(wrong, fmt.Sprintf("%q is valid until %s, its issuer %q only until %s", below.Subject, day(below.NotAfter), c.Subject, day(c.NotAfter)))
		}
		if !now.IsZero() && (now.Before(c.NotBefore) || now.After(c.NotAfter)) {
			wrong = append(wrong, fmt.Sprintf("%q is valid from %s to %s, and it is %s", c.Subject, day(c.NotBefore), day(c.NotAfter), day(now)))
		}
		below = c
	}
	return wrong
}

func day(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Between lists the CAs of pool between authorities and their roots, in
// the authorities' order, each path from the bottom up, none of them twice. A self-signed
// authority of an adopted cluster has no such path. It also lists the roots
// above any of them, in the roots' order.
func Between(authorities, roots, pool []*x509.Certificate) (between, above []*x509.Certificate, err error) {
	used := make([]bool, len(roots))
	for _, cert := range authorities {
		if bytes.Equal(cert.RawSubject, cert.RawIssuer) {
			continue
		}
		var chain []*x509.Certificate
		found := false
		for i, root := range roots {
			if chain, err = Chain(cert, root, pool); err == nil {
				used[i], found = true, true
				break
			}
		}
		if !found {
			return nil, nil, err
		}
		for _, c := range chain {
			if !slices.ContainsFunc(between, c.Equal) {
				between = append(between, c)
			}
		}
	}
	for i, root := range roots {
		if used[i] {
			above = append(above, root)
		}
	}
	return between, above, nil
}
