package lint

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"
	"time"

	"officiant/bundle/kubepki"
)

// everyCert holds for authorities and leaves alike.
var everyCert = []rule{
	{"k8s_serial", "RFC 5280, 4.1.2.2", nil, serialForm},
	{"k8s_serial_used", "RFC 5280, 4.1.2.2; etcd's --client-crl-file matches serials alone", nil, serialUsed},
	{"k8s_weak_key", "NIST SP 800-57 part 1, 5.6", nil, weakKey},
	{"k8s_signature_algorithm", "RFC 5280, 4.1.1.2", nil, signatureAlgorithm},
	{"k8s_validity", "RFC 5280, 4.1.2.5", nil, validity},
	{"k8s_extension", "nothing is signed that is not planned", nil, extensions},
	{"k8s_subject_attributes", "Kubernetes reads CN as user and O as groups", nil, subjectAttributes},
	{"k8s_san_kind", "Kubernetes reads DNS names and IP addresses", nil, sanKind},
	{"k8s_issuer", "RFC 5280, 4.1.2.4 and 4.2.1.1", nil, issuerFits},
	{"k8s_outlives_issuer", "RFC 5280, 6.1; Go refuses the chain from then on", issuedByAnother, outlives},
}

func serialForm(cert *x509.Certificate, _ Context) string {
	s := cert.SerialNumber
	switch {
	case s == nil || s.Sign() <= 0:
		return "serial is not positive"
	case s.BitLen() > 159:
		return "serial is longer than 20 octets"
	case s.BitLen() < 64: // 127 random bits are that small once in 2^63 times
		return "serial is too short to be random"
	}
	return ""
}

func serialUsed(cert *x509.Certificate, in Context) string {
	if in.Used != nil && in.Used(cert.SerialNumber) {
		return fmt.Sprintf("serial %x was used before", cert.SerialNumber)
	}
	return ""
}

func weakKey(cert *x509.Certificate, _ Context) string {
	switch k := cert.PublicKey.(type) {
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() && k.Curve != elliptic.P384() && k.Curve != elliptic.P521() {
			return "key is on curve " + k.Curve.Params().Name + ", not P-256, P-384 or P-521"
		}
	case *rsa.PublicKey:
		if k.N.BitLen() < 2048 {
			return fmt.Sprintf("RSA key has %d bits, fewer than 2048", k.N.BitLen())
		}
		if k.E < 65537 {
			return fmt.Sprintf("RSA key has the exponent %d, smaller than 65537", k.E)
		}
	default: // kubeadm loads RSA and ECDSA alone
		return fmt.Sprintf("key is %s, neither ECDSA nor RSA", cert.PublicKeyAlgorithm)
	}
	return ""
}

// strengths lists the signature algorithms each kind of issuer key may use.
var strengths = map[string][]x509.SignatureAlgorithm{
	"P-256": {x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512},
	"P-384": {x509.ECDSAWithSHA384, x509.ECDSAWithSHA512},
	"P-521": {x509.ECDSAWithSHA512},
	"RSA":   {x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA},
}

func signatureAlgorithm(cert *x509.Certificate, in Context) string {
	var issuer crypto.PublicKey = cert.PublicKey
	if in.Issuer != nil {
		issuer = in.Issuer.PublicKey
	}
	return unfit(cert.SignatureAlgorithm, issuer)
}

// unfit says that an issuer's key does not sign by the algorithm, or nothing.
func unfit(algorithm x509.SignatureAlgorithm, issuer crypto.PublicKey) string {
	kind := "neither ECDSA nor RSA"
	switch k := issuer.(type) {
	case *ecdsa.PublicKey:
		kind = k.Curve.Params().Name
	case *rsa.PublicKey:
		kind = "RSA"
	}
	if slices.Contains(strengths[kind], algorithm) {
		return ""
	}
	return fmt.Sprintf("signature algorithm %s does not fit the issuer's key (%s)", algorithm, kind)
}

func validity(cert *x509.Certificate, _ Context) string {
	if !cert.NotBefore.Before(cert.NotAfter) {
		return "it ends before it begins"
	}
	return ""
}

// The extensions a profile makes: RFC 5280, 4.2.1.
var planned = []asn1.ObjectIdentifier{
	{2, 5, 29, 14}, // subject key identifier
	{2, 5, 29, 15}, // key usage
	{2, 5, 29, 17}, // subject alternative name
	{2, 5, 29, 19}, // basic constraints
	{2, 5, 29, 35}, // authority key identifier
	{2, 5, 29, 37}, // extended key usage
}

func extensions(cert *x509.Certificate, _ Context) string {
next:
	for _, e := range cert.Extensions {
		for _, p := range planned {
			if e.Id.Equal(p) {
				continue next
			}
		}
		return "extension " + e.Id.String() + " is in no profile"
	}
	if !cert.BasicConstraintsValid {
		return "basic constraints are missing"
	}
	if len(cert.SubjectKeyId) == 0 {
		return "subject key identifier is missing"
	}
	return ""
}

var (
	oidCommonName   = asn1.ObjectIdentifier{2, 5, 4, 3}
	oidOrganization = asn1.ObjectIdentifier{2, 5, 4, 10}
)

func subjectAttributes(cert *x509.Certificate, _ Context) string {
	names := 0
	for _, a := range cert.Subject.Names {
		switch {
		case a.Type.Equal(oidCommonName):
			names++
		case !a.Type.Equal(oidOrganization):
			return "subject holds attribute " + a.Type.String() + " beside CN and O"
		}
		if s, ok := a.Value.(string); !ok || s == "" {
			return "subject holds an empty attribute"
		}
	}
	if names != 1 {
		return fmt.Sprintf("subject holds %d common names, not one", names)
	}
	return ""
}

func sanKind(cert *x509.Certificate, _ Context) string {
	if len(cert.EmailAddresses) > 0 || len(cert.URIs) > 0 {
		return "an alternative name is an e-mail address or URI"
	}
	return ""
}

func issuerFits(cert *x509.Certificate, in Context) string {
	if in.Kind == Root {
		if in.Issuer != nil || !bytes.Equal(cert.RawIssuer, cert.RawSubject) {
			return "the certificate of a root is not issued by itself"
		}
		if !bytes.Equal(cert.AuthorityKeyId, cert.SubjectKeyId) {
			return "the authority key identifier is not the root's own"
		}
		return ""
	}
	i := in.Issuer
	switch {
	case i == nil:
		return "the issuer's certificate is not known"
	case !i.IsCA || !kubepki.MayCertify(i):
		return "the issuer may not sign certificates"
	case !bytes.Equal(cert.RawIssuer, i.RawSubject):
		return "issuer name is not the issuer's subject"
	case len(i.SubjectKeyId) == 0 || !bytes.Equal(cert.AuthorityKeyId, i.SubjectKeyId):
		return "authority key identifier is not the issuer's"
	case bytes.Equal(cert.RawSubject, i.RawSubject):
		return "subject is the issuer's own"
	case bytes.Equal(cert.RawSubjectPublicKeyInfo, i.RawSubjectPublicKeyInfo):
		return "key is the issuer's own"
	}
	return ""
}

func outlives(cert *x509.Certificate, in Context) string {
	if in.Issuer == nil {
		return "the issuer's certificate is not known"
	}
	if cert.NotAfter.After(in.Issuer.NotAfter) {
		return fmt.Sprintf("it ends %s, after its issuer (%s)",
			cert.NotAfter.UTC().Format(time.RFC3339), in.Issuer.NotAfter.UTC().Format(time.RFC3339))
	}
	if cert.NotBefore.Before(in.Issuer.NotBefore) {
		return fmt.Sprintf("it begins %s, before its issuer (%s)",
			cert.NotBefore.UTC().Format(time.RFC3339), in.Issuer.NotBefore.UTC().Format(time.RFC3339))
	}
	return ""
}
