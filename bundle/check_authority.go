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

// rootCertificate checks officiant/root.crt and the pin. A pinned root may stand
// beside its successor until nothing it certified is in use.
func (c *checker) rootCertificate() {
	data, ok := c.b.Files[RootFile]
	if !ok {
		return
	}
	list, err := certificates(data)
	if err != nil {
		c.add(RootFile, "%v", err)
		return
	}
	if !c.listed(list, kubepki.Root) {
		c.add(RootFile, "holds %d certificates, not the root and those %s names beside it", len(list), FactsFile)
		return
	}
	c.root = list[0]
	pinned := c.o.Root == nil
	for _, cert := range list {
		pinned = pinned || fingerprint.Of(cert.Raw) == *c.o.Root
		if err := kubepki.SelfSigned(cert); err != nil {
			c.add(RootFile, "is not self-signed: it %v", err)
		}
		c.rootFields(cert)
	}
	if !pinned {
		c.add(RootFile, "is not the pinned root: SHA-256 is %s, pinned is %s", fingerprint.Of(c.root.Raw), *c.o.Root)
	}
	c.common(RootFile, c.root, nil)
	c.beside(RootFile, list, kubepki.Root)
}

// beside takes the authorities of a file that issue nothing in this bundle. They
// may end before it does: nothing in it depends on them.
func (c *checker) beside(file string, list []*x509.Certificate, a kubepki.Authority) {
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

// trust checks the files that say who may log in. With the root in them, or an
// authority of another family, leaves of a sibling authority would log in too.
func (c *checker) trust(files []kubepki.File) {
	for _, f := range files {
		data, ok := c.b.Files[f.Path]
		if f.Kind != kubepki.TrustFile || !ok {
			continue
		}
		list, err := certificates(data)
		if err != nil {
			c.add(f.Path, "%v", err)
			continue
		}
		for _, cert := range list {
			if c.adopts(cert, f.Authority) {
				continue
			}
			if selfIssued(cert) || holdsKey(c.everyAuthority()[kubepki.Root], cert.PublicKey) {
				c.add(f.Path, "holds the root or another self-signed certificate; leaves of every authority below it could log in")
			}
		}
		if !c.listed(list, f.Authority) {
			c.add(f.Path, "holds %d certificates; whoever any of them certifies could log in, so it must hold the %s intermediate, "+
				"and those %s names beside it", len(list), f.Authority, FactsFile)
			list = list[:1]
		}
		c.intermediate(f.Path, list[0], f.Authority)
		for _, cert := range list[1:] {
			c.authority(f.Path, cert, f.Authority)
		}
		c.beside(f.Path, list, f.Authority)
	}
}

// configTrust checks a kubeconfig's CA data, which is what the family's trust
// file holds: kubeadm hands it on to nodes that join.
func (c *checker) configTrust(file string, data []byte, a kubepki.Authority) {
	list, err := certificates(data)
	if err != nil {
		c.add(file, "certificate-authority-data: %v", err)
		return
	}
	if !c.listed(list, a) {
		c.add(file, "certificate-authority-data holds %d certificates, not what %s holds", len(list), c.specs[a].File)
	}
	for _, cert := range list {
		if selfIssued(cert) && !c.adopts(cert, a) {
			c.add(file, "certificate-authority-data holds the root or another self-signed certificate")
			return
		}
	}
	c.intermediate(file, list[0], a)
	if v := c.facts.Cluster.KubernetesVersion; len(list) > 1 && !kubepki.SeveralInKubeconfig(v) {
		c.add(file, "certificate-authority-data holds %d certificates, which kubeadm of %s does not take", len(list), v)
	}
}

// listed says whether a file holds what node.json says: one authority that
// issues, and after it those the node trusts beside it.
func (c *checker) listed(list []*x509.Certificate, a kubepki.Authority) bool {
	return slices.EqualFunc(list[1:], c.facts.Trusted[a], func(cert *x509.Certificate, f fingerprint.SHA256) bool {
		return fingerprint.Of(cert.Raw) == f
	})
}

// intermediate checks an issuing authority's certificate and takes it as the
// issuer of this bundle's leaves.
func (c *checker) intermediate(file string, cert *x509.Certificate, a kubepki.Authority) {
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
	if !c.adopts(cert, a) {
		c.common(file, cert, issuer)
	} else {
		c.until(cert)
		c.dates(file, cert)
	}
	c.authority(file, cert, a)
}

// authority checks an intermediate's fields, and that a root of this bundle
// certified it: for the one that issues, the first.
func (c *checker) authority(file string, cert *x509.Certificate, a kubepki.Authority) {
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
		if err := c.authoritySigned(cert, root); err != nil {
			c.notSigned(file, kubepki.Root, err)
		}
	}
}

// pair is two certificates, by the SHA-256 of each.
type pair struct{ signed, issuer fingerprint.SHA256 }

// authoritySigned is cert.CheckSignatureFrom(issuer), once for the same two.
func (k *Checker) authoritySigned(cert, issuer *x509.Certificate) error {
	p := pair{fingerprint.Of(cert.Raw), fingerprint.Of(issuer.Raw)}
	if known, ok := k.signed.Load(p); ok {
		return known.(signedOrNot).error
	}
	err := cert.CheckSignatureFrom(issuer)
	k.signed.Store(p, signedOrNot{err})
	return err
}

// signedOrNot is what a signature's check said.
type signedOrNot struct{ error }

func (c *checker) authorityFields(file string, cert *x509.Certificate, spec kubepki.AuthoritySpec) {
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
func (c *checker) namesIssuer(file string, cert, issuer *x509.Certificate, a kubepki.Authority) bool {
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

func (c *checker) notSigned(file string, a kubepki.Authority, err error) {
	c.add(file, "signature is not authority %s's: %v", a, err)
}

func selfIssued(cert *x509.Certificate) bool {
	return bytes.Equal(cert.RawSubject, cert.RawIssuer)
}

// serverTrust checks the file for clients that need the chain up to the root.
func (c *checker) serverTrust(f kubepki.File, data []byte) {
	list, err := certificates(data)
	if err != nil {
		c.add(f.Path, "%v", err)
		return
	}
	if c.external {
		c.externalServerTrust(f, list)
		return
	}
	beside := c.trusted[f.Authority]
	roots := rootsOf(beside, c.trusted[kubepki.Root])
	if len(list) != 2+len(beside)+len(roots) {
		c.add(f.Path, "holds %d certificates, not the %s intermediate and the root", len(list), f.Authority)
		return
	}
	c.intermediate(f.Path, list[0], f.Authority)
	if !slices.EqualFunc(list[1:1+len(beside)], beside, (*x509.Certificate).Equal) {
		c.add(f.Path, "does not hold the authorities of %s", c.specs[f.Authority].File)
	}
	list = list[1+len(beside):]
	if c.root != nil && !list[0].Equal(c.root) {
		c.add(f.Path, "its second certificate is not the root of this bundle")
	}
	if !slices.EqualFunc(list[1:], roots, (*x509.Certificate).Equal) {
		c.add(f.Path, "does not end with the roots of the authorities it holds")
	}
}

// sharedKeys finds authorities that are one key under two names: what one of
// them issues, the other one's clients would take.
func (c *checker) sharedKeys() {
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
func (c *checker) fileOf(authorities ...kubepki.Authority) string {
	for _, a := range authorities {
		if file := c.specs[a].File; file != "" {
			return file
		}
	}
	return RootFile
}
