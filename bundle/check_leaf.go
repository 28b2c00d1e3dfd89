package bundle

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"officiant/bundle/certfile"
	"officiant/bundle/kubeconfig"
	"officiant/bundle/kubepki"
)

// leafCheck holds end-entity certificates against the fact table and their issuers.
type leafCheck struct {
	*authorityCheck
	trust *trustCheck
	keys  map[string]crypto.PublicKey // the node's own, by Leaf.Name; nil in the room
}

// certificateFile checks a file that holds a leaf and its issuing intermediate.
func (c *leafCheck) certificateFile(file string, data []byte, leaf kubepki.Leaf) {
	list, err := certificates(data)
	if err != nil {
		c.add(file, "%v", err)
		return
	}
	alone := c.byAdopted(leaf.Authority)
	switch {
	case alone && len(list) != 1:
		c.add(file, "holds %d certificates, not the leaf alone: its authority is nobody's intermediate", len(list))
	case !alone && len(list) != 2:
		c.add(file, "holds %d certificates, not the leaf and its issuing intermediate", len(list))
	}
	if len(list) >= 2 {
		c.intermediate(file, list[1], leaf.Authority)
	}
	c.leaf(file, list[0], leaf)
}

// kubeconfigFile checks names, server, CA and client certificate of a kubeconfig.
func (c *leafCheck) kubeconfigFile(file string, data []byte, leaf kubepki.Leaf) {
	k, err := kubeconfig.Parse(file, data)
	if err != nil {
		c.add(file, "%s", about(file, err))
		return
	}
	if len(k.Key) > 0 {
		c.add(file, "holds a private key; the node has its own")
	}
	want := leaf.Kubeconfig
	if want == nil {
		c.add(file, "is not a kubeconfig this node has")
		return
	}
	for _, f := range []struct{ what, got, want string }{
		{"cluster entry", k.Cluster, want.Cluster},
		{"user", k.User, want.User},
		{"context", k.Context, want.Context},
		{"server", k.Server, want.Server},
	} {
		if f.got != f.want {
			c.add(file, "%s is %q, must be %q", f.what, f.got, f.want)
		}
	}
	c.trust.configTrust(file, k.CA, leaf.Authority)
	c.certificateFile(file, k.Certificate, leaf)
}

// leaf holds an end-entity certificate against its row of the fact table.
func (c *leafCheck) leaf(file string, cert *x509.Certificate, want kubepki.Leaf) {
	issuer := c.authorities[want.Authority]
	if c.byAdopted(want.Authority) {
		c.carried(file, cert, want)
	} else {
		c.subject(file, cert, want)
		c.names(file, cert, want)
		c.usages(file, cert, want.KeyUsage, want.ExtKeyUsage)
		c.common(file, cert, issuer)
	}
	if cert.IsCA {
		c.add(file, "is a CA certificate")
	}
	if c.namesIssuer(file, cert, issuer, want.Authority) {
		c.verify(file, cert, issuer, want)
	}
	for family, list := range c.everyAuthority() {
		if holdsKey(list, cert.PublicKey) {
			c.add(file, "has the key of authority %s", family)
		}
	}
	if c.keys == nil {
		return
	}
	own, ok := c.keys[want.Name]
	if !ok {
		c.add(file, "this node has no key %s", want.Name)
	} else if !equalKeys(own, cert.PublicKey) {
		c.add(file, "was made for another key than this node's %s", want.Name)
	}
}

func (c *leafCheck) subject(file string, cert *x509.Certificate, want kubepki.Leaf) {
	commonNames := 0
	for _, a := range cert.Subject.Names {
		switch {
		case a.Type.Equal(asn1.ObjectIdentifier{2, 5, 4, 3}):
			commonNames++
		case !a.Type.Equal(asn1.ObjectIdentifier{2, 5, 4, 10}):
			c.add(file, "subject has attribute %s beside CN and O", a.Type)
		}
	}
	if commonNames != 1 || cert.Subject.CommonName != want.CommonName {
		c.add(file, "CN is %q, must be %q", cert.Subject.CommonName, want.CommonName)
	}
	// DER sorts a set, so the order of organizations says nothing.
	if !sameSet(cert.Subject.Organization, want.Organization) {
		c.add(file, "O is %q, must be %q", cert.Subject.Organization, want.Organization)
	}
}

func (c *leafCheck) names(file string, cert *x509.Certificate, want kubepki.Leaf) {
	if !sameSet(cert.DNSNames, want.DNSNames) {
		c.add(file, "DNS names are %q, must be %q", cert.DNSNames, want.DNSNames)
	}
	var got, must []string
	for _, ip := range cert.IPAddresses {
		a, _ := netip.AddrFromSlice(ip) // crypto/x509 takes 4 bytes or 16
		got = append(got, a.Unmap().String())
	}
	for _, a := range want.IPAddresses {
		must = append(must, a.Unmap().String())
	}
	if !sameSet(got, must) {
		c.add(file, "IP addresses are %q, must be %q", got, must)
	}
	if n := certfile.CountAltNames(cert.Extensions); n != len(cert.DNSNames)+len(cert.IPAddresses) {
		c.add(file, "has subject alternative names that are neither DNS names nor IP addresses")
	}
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// span writes a duration as people ask for it: in days, where it is whole days.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= day && d%day == 0 {
		return fmt.Sprintf("%d days", d/day)
	}
	return d.String()
}

// verify checks the signature, and asks Go's verifier, which Kubernetes and
// etcd use, with exactly the trust they will have: the intermediate alone.
func (c *leafCheck) verify(file string, cert, issuer *x509.Certificate, want kubepki.Leaf) {
	pool := x509.NewCertPool()
	pool.AddCert(issuer)
	at := c.now
	if at.Before(cert.NotBefore) || at.After(cert.NotAfter) || at.Before(issuer.NotBefore) || at.After(issuer.NotAfter) {
		at = latest(cert.NotBefore, issuer.NotBefore) // dates were judged elsewhere
	}
	refused := make([]error, len(want.ExtKeyUsage))
	signed := false
	for i, usage := range want.ExtKeyUsage {
		chains, err := cert.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{usage}})
		refused[i] = err
		signed = signed || err == nil && len(chains[0]) == 2
	}
	// The verifier has checked the signature where it found a chain of the two:
	// it is looked at apart only where it found none.
	if !signed {
		if err := cert.CheckSignatureFrom(issuer); err != nil {
			c.notSigned(file, want.Authority, err)
			return
		}
	}
	for i, err := range refused {
		if err != nil {
			c.add(file, "does not verify for %s: %v", extKeyUsages(want.ExtKeyUsage[i:i+1], 0), err)
		}
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// certifiedKeyKind says what is wrong with a certified key, or nothing.
// Kubernetes loads RSA and ECDSA keys only.
func certifiedKeyKind(pub any) string {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < 2048 {
			return fmt.Sprintf("key is RSA of %d bits; 2048 is the least", k.N.BitLen())
		}
		return ""
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() || k.Curve == elliptic.P384() || k.Curve == elliptic.P521() {
			return ""
		}
		return "key is on curve " + k.Curve.Params().Name
	}
	return fmt.Sprintf("key is %T; Kubernetes takes RSA and ECDSA", pub)
}

func serviceAccountKeyKind(pub any) string {
	if k, ok := pub.(*ecdsa.PublicKey); ok && k.Curve != elliptic.P256() {
		return "key is ECDSA " + k.Curve.Params().Name + "; it must be ECDSA P-256 or RSA"
	}
	return certifiedKeyKind(pub)
}
