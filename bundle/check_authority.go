package bundle

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
)

const maxRSA = 8192

// certificates reads PEM certificates and nothing else: no text between them, no
// PEM headers, no second way to write the same.
func certificates(data []byte) ([]*x509.Certificate, error) {
	var list []*x509.Certificate
	var again []byte
	for rest := data; len(rest) > 0; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			return nil, fmt.Errorf("holds something else than PEM certificates")
		}
		if block.Type != "CERTIFICATE" || len(block.Headers) > 0 {
			return nil, fmt.Errorf("holds a PEM block %.40q; only plain certificates belong here", block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(list)+1, err)
		}
		// Checking one signature by a key of 4 Mbit, in a bundle nobody has
		// vouched for yet, takes half an hour.
		if k, ok := cert.PublicKey.(*rsa.PublicKey); ok && k.N.BitLen() > maxRSA {
			return nil, fmt.Errorf("certificate %d: its RSA key has %d bits, more than %d", len(list)+1, k.N.BitLen(), maxRSA)
		}
		list = append(list, cert)
		again = append(again, certificatePEM(cert)...)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("holds no certificate")
	}
	if !bytes.Equal(again, data) {
		return nil, fmt.Errorf("holds something else than PEM certificates")
	}
	return list, nil
}

// certificateList is what a file of certificates holds, or why it does not.
type certificateList struct {
	list []*x509.Certificate
	err  error
}

// authorityFile reads a file of authorities' certificates. They are the same for every
// node, and nothing changes them.
func (k *Checker) authorityFile(data []byte) ([]*x509.Certificate, error) {
	found := k.trust.of(data, func(data []byte) certificateList {
		list, err := certificates(data)
		return certificateList{list, err}
	})
	return found.list, found.err
}

// authorityCheck checks roots, authorities and the CAs between them, and knows
// them for whoever checks what they issued.
type authorityCheck struct {
	*certificateCheck
	signatures  *Checker
	b           *Bundle
	pinned      *fingerprint.SHA256 // the root that must be there; nil when none is
	facts       *Facts
	specs       map[kubepki.Authority]kubepki.AuthoritySpec
	root        *x509.Certificate                         // the first
	authorities map[kubepki.Authority]*x509.Certificate   // those that issue
	trusted     map[kubepki.Authority][]*x509.Certificate // beside them, roots too
	external    bool                                      // the root is somebody else's
	issuers     []*x509.Certificate                       // between it and the authorities
}

func newAuthorityCheck(
	each *certificateCheck, signatures *Checker, b *Bundle, pinned *fingerprint.SHA256, f *Facts,
) *authorityCheck {
	specs := map[kubepki.Authority]kubepki.AuthoritySpec{}
	for _, s := range kubepki.Authorities(f.Cluster) {
		specs[s.Authority] = s
	}
	return &authorityCheck{certificateCheck: each, signatures: signatures, b: b, pinned: pinned, facts: f,
		specs:       specs,
		authorities: map[kubepki.Authority]*x509.Certificate{},
		trusted:     map[kubepki.Authority][]*x509.Certificate{}}
}

// rootCertificate checks officiant/root.crt and the pin. A pinned root may stand
// beside its successor until nothing it certified is in use.
func (c *authorityCheck) rootCertificate() {
	data, ok := c.b.Files[RootFile]
	if !ok {
		return
	}
	list, err := c.signatures.authorityFile(data)
	if err != nil {
		c.add(RootFile, "%v", err)
		return
	}
	if !c.listed(list, kubepki.Root) {
		c.add(RootFile, "holds %d certificates, not the root and those %s names beside it", len(list), FactsFile)
		return
	}
	c.root = list[0]
	pinned := c.pinned == nil
	for _, cert := range list {
		pinned = pinned || fingerprint.Of(cert.Raw) == *c.pinned
		if err := c.signatures.selfSigned(cert); err != nil {
			c.add(RootFile, "is not self-signed: it %v", err)
		}
		c.rootFields(cert)
	}
	if !pinned {
		c.add(RootFile, "is not the pinned root: SHA-256 is %s, pinned is %s", fingerprint.Of(c.root.Raw), *c.pinned)
	}
	c.common(RootFile, c.root, nil)
	c.beside(RootFile, list, kubepki.Root)
}

// beside takes the authorities of a file that issue nothing in this bundle. They
// may end before it does: nothing in it depends on them.
func (c *authorityCheck) beside(file string, list []*x509.Certificate, a kubepki.Authority) {
	for i, cert := range list[1:] {
		if !c.adopts(cert, a) {
			c.form(file, cert)
		}
		if holdsKey(list[:i+1], cert.PublicKey) {
			c.add(file, "holds two certificates of one key")
		}
		c.trusted[a] = append(c.trusted[a], cert)
	}
}

// listed says whether a file holds what node.json says: one authority that
// issues, and after it those the node trusts beside it.
func (c *authorityCheck) listed(list []*x509.Certificate, a kubepki.Authority) bool {
	return slices.EqualFunc(list[1:], c.facts.Trusted[a], func(cert *x509.Certificate, f fingerprint.SHA256) bool {
		return fingerprint.Of(cert.Raw) == f
	})
}

// intermediate checks an issuing authority's certificate and takes it as the
// issuer of this bundle's leaves.
func (c *authorityCheck) intermediate(file string, cert *x509.Certificate, a kubepki.Authority) {
	if known, ok := c.authorities[a]; ok {
		if !cert.Equal(known) {
			c.add(file, "holds another %s authority than the rest of the bundle", a)
		}
		return
	}
	c.authorities[a] = cert
	issuer := c.root
	if c.external {
		issuer = nil // a CA between them may be; see belowExternal
	}
	switch {
	case a.Online(): // nothing in the bundle is issued by it, so it may end sooner
		c.form(file, cert)
	case !c.adopts(cert, a):
		c.common(file, cert, issuer)
	default:
		c.until(cert)
		c.dates(file, cert)
	}
	c.authority(file, cert, a)
}

// authority checks an intermediate's fields, and that a root of this bundle
// certified it: for the one that issues, the first.
func (c *authorityCheck) authority(file string, cert *x509.Certificate, a kubepki.Authority) {
	if c.adopts(cert, a) {
		c.adopted(file, cert)
		return
	}
	if c.external {
		c.belowExternal(file, cert, a)
		return
	}
	c.authorityFields(file, cert, c.specs[a])
	root := c.root
	if c.authorities[a] != cert {
		for _, other := range c.trusted[kubepki.Root] {
			if issuedBy(cert, other) {
				root = other
			}
		}
	}
	if c.namesIssuer(file, cert, root, kubepki.Root) {
		if err := c.signatures.authoritySigned(cert, root); err != nil {
			c.notSigned(file, kubepki.Root, err)
		}
	}
}

// pair is two certificates, by the SHA-256 of each.
type pair struct{ signed, issuer fingerprint.SHA256 }

// authoritySigned is cert.CheckSignatureFrom(issuer), once for the same two.
func (k *Checker) authoritySigned(cert, issuer *x509.Certificate) error {
	return k.once(cert, issuer, func() error { return cert.CheckSignatureFrom(issuer) })
}

// selfSigned is kubepki.SelfSigned(cert), once for each: a thousand bundles have
// one root.
func (k *Checker) selfSigned(cert *x509.Certificate) error {
	return k.once(cert, cert, func() error { return kubepki.SelfSigned(cert) })
}

func (k *Checker) once(cert, issuer *x509.Certificate, check func() error) error {
	p := pair{fingerprint.Of(cert.Raw), fingerprint.Of(issuer.Raw)}
	if known, ok := k.signed.Load(p); ok {
		return known.(signedOrNot).error
	}
	err := check()
	k.signed.Store(p, signedOrNot{err})
	return err
}

// signedOrNot is what a signature's check said.
type signedOrNot struct{ error }

func (c *authorityCheck) authorityFields(file string, cert *x509.Certificate, spec kubepki.AuthoritySpec) {
	if !cert.BasicConstraintsValid || !cert.IsCA {
		c.add(file, "is not a CA certificate")
		return
	}
	if cert.MaxPathLen != spec.MaxPathLen {
		c.add(file, "path length is %s, must be %d", pathLen(cert), spec.MaxPathLen)
	}
	c.usages(file, cert, spec.KeyUsage, spec.ExtKeyUsage)
}

func pathLen(cert *x509.Certificate) string {
	if cert.MaxPathLen < 0 {
		return "unlimited"
	}
	return fmt.Sprint(cert.MaxPathLen)
}

// namesIssuer checks that cert says of itself that the issuer issued it, by
// name and key id; false means that its signature need not be looked at.
func (c *authorityCheck) namesIssuer(file string, cert, issuer *x509.Certificate, a kubepki.Authority) bool {
	if issuer == nil {
		c.add(file, "its issuer, authority %s, is not in the bundle", a)
		return false
	}
	if !bytes.Equal(cert.RawIssuer, issuer.RawSubject) {
		c.add(file, "was issued by %q, not by authority %s (%q)", cert.Issuer, a, issuer.Subject)
		return false
	}
	if len(cert.AuthorityKeyId) > 0 && len(issuer.SubjectKeyId) > 0 && !bytes.Equal(cert.AuthorityKeyId, issuer.SubjectKeyId) {
		c.add(file, "names another key of its issuer than authority %s has", a)
	}
	return true
}

func (c *authorityCheck) notSigned(file string, a kubepki.Authority, err error) {
	c.add(file, "signature is not authority %s's: %v", a, err)
}

func selfIssued(cert *x509.Certificate) bool {
	return bytes.Equal(cert.RawSubject, cert.RawIssuer)
}

// sharedKeys finds authorities that are one key under two names: what one of
// them issues, the other one's clients would take.
func (c *authorityCheck) sharedKeys() {
	all := c.everyAuthority()
	names := make([]kubepki.Authority, 0, len(all))
	for a := range all {
		names = append(names, a)
	}
	slices.Sort(names)
	for i, a := range names {
		for _, other := range names[i+1:] {
			if slices.ContainsFunc(all[a], func(cert *x509.Certificate) bool { return holdsKey(all[other], cert.PublicKey) }) {
				c.add(c.fileOf(a, other), "authorities %s and %s have the same key", a, other)
			}
		}
	}
}

// fileOf is where the first of these authorities that has a file of its own lies.
func (c *authorityCheck) fileOf(authorities ...kubepki.Authority) string {
	for _, a := range authorities {
		if file := c.specs[a].File; file != "" {
			return file
		}
	}
	return RootFile
}

// everyAuthority yields the roots and the intermediates the bundle has, by family.
func (c *authorityCheck) everyAuthority() map[kubepki.Authority][]*x509.Certificate {
	all := map[kubepki.Authority][]*x509.Certificate{}
	for a, cert := range c.authorities {
		all[a] = append(all[a], cert)
	}
	if c.root != nil {
		all[kubepki.Root] = append(all[kubepki.Root], c.root)
	}
	for a, list := range c.trusted {
		all[a] = append(all[a], list...)
	}
	return all
}
