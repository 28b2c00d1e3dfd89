package bundle

import (
	"crypto/x509"
	"slices"
	"time"

	"officiant/bundle/kubepki"
)

// externalRoots is the first format whose root may be somebody else's.
const externalRoots = 3

// addIssuers adds the CAs between an external root and the authorities that the
// node has files of.
func (b *Bundle) addIssuers(p Parts, files []kubepki.File) error {
	if !p.External {
		return nil
	}
	between, _, err := kubepki.Between(p.below(files), p.roots(), p.Issuers)
	if err != nil || len(between) == 0 {
		return err
	}
	b.Files[IssuersFile] = certificatesPEM(between)
	return nil
}

// below are the authorities that a node has trust files of, in the files' order.
func (p Parts) below(files []kubepki.File) []*x509.Certificate {
	var list []*x509.Certificate
	for _, f := range files {
		if f.Kind == kubepki.TrustFile && p.Authorities[f.Authority] != nil {
			list = append(append(list, p.Authorities[f.Authority]), p.Trusted[f.Authority]...)
		}
	}
	return list
}

// above is what stands above a family's authorities below an external root: the
// CAs between, then the roots.
func (m *maker) above(a kubepki.Authority) ([]byte, error) {
	family := append([]*x509.Certificate{m.parts.Authorities[a]}, m.parts.Trusted[a]...)
	between, above, err := kubepki.Between(family, m.parts.roots(), m.parts.Issuers)
	return certificatesPEM(append(between, above...)), err
}

// externalIssuers reads the CAs between an external root and the authorities.
func (c *authorityCheck) externalIssuers(f *Facts) {
	c.external = f.External
	if f.External && c.b.Format < externalRoots {
		c.add(FactsFile, "says that the root is external, which format %d cannot be", c.b.Format)
	}
	data, ok := c.b.Files[IssuersFile]
	if !ok || !f.External {
		return
	}
	list, err := c.signatures.authorityFile(data)
	if err != nil {
		c.add(IssuersFile, "%v", err)
		return
	}
	c.issuers = list
	for _, cert := range list {
		c.common(IssuersFile, cert, nil)
		if selfIssued(cert) {
			c.add(IssuersFile, "holds a self-signed certificate; the root stands in %s", RootFile)
		}
	}
}

// rootFields checks what a root has to be: ours exactly what the table says,
// somebody else's fit for what stands below it.
func (c *authorityCheck) rootFields(cert *x509.Certificate) {
	if !c.external {
		c.authorityFields(RootFile, cert, c.specs[kubepki.Root])
		return
	}
	for _, problem := range kubepki.Above(cert, 1) {
		c.add(RootFile, "%s", problem)
	}
}

// belowExternal checks an authority that an external root certified, or a CA
// between the two.
func (c *authorityCheck) belowExternal(file string, cert *x509.Certificate, a kubepki.Authority) {
	spec := c.specs[a]
	spec.KeyUsage |= cert.KeyUsage & x509.KeyUsageDigitalSignature // some companies' CAs add it
	c.authorityFields(file, cert, spec)
	if c.root == nil {
		c.add(file, "its issuer, authority %s, is not in the bundle", kubepki.Root)
		return
	}
	now := c.now
	if c.authorities[a] != cert {
		now = time.Time{} // nothing here depends on what is only trusted
	}
	var failed error
	for _, root := range c.roots() {
		chain, err := kubepki.Chain(cert, root, c.issuers)
		if err == nil {
			for _, problem := range kubepki.Chained(cert, root, chain, now) {
				c.add(file, "%s", problem)
			}
			return
		}
		failed = err
	}
	c.add(file, "%v", failed)
}

// roots are the one above the issuing authorities, then those beside it.
func (c *authorityCheck) roots() []*x509.Certificate {
	return append([]*x509.Certificate{c.root}, c.trusted[kubepki.Root]...)
}

// family are a family's authorities: the one that issues, then those beside it.
func (c *authorityCheck) family(a kubepki.Authority) []*x509.Certificate {
	return append([]*x509.Certificate{c.authorities[a]}, c.trusted[a]...)
}

// between wants IssuersFile to hold the CAs that the authorities need, each
// once, in their order, and no others: whoever trusts the root would use them.
func (c *authorityCheck) between(files []kubepki.File) {
	if !c.external || c.root == nil {
		return
	}
	var below []*x509.Certificate
	for _, f := range files {
		if f.Kind == kubepki.TrustFile && c.authorities[f.Authority] != nil {
			below = append(below, c.family(f.Authority)...)
		}
	}
	between, _, err := kubepki.Between(below, c.roots(), c.issuers)
	if err == nil && !slices.EqualFunc(between, c.issuers, (*x509.Certificate).Equal) {
		c.add(IssuersFile, "does not hold the CAs between the root and the authorities, and them alone")
	}
}
