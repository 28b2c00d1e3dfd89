package bundle

import (
	"crypto/x509"
	"slices"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
)

// adopts says whether node.json declares this very certificate as the family's
// authority that no ceremony made: that of a cluster that is being brought in.
func (c *checker) adopts(cert *x509.Certificate, a kubepki.Authority) bool {
	want, ok := c.facts.Adopted[a]
	return ok && a != kubepki.Root && fingerprint.Of(cert.Raw) == want
}

// byAdopted says whether the family's leaves are still those of an adopted authority.
func (c *checker) byAdopted(a kubepki.Authority) bool {
	issuer := c.authorities[a]
	return issuer != nil && c.adopts(issuer, a)
}

// adopted checks what holds for an adopted authority. Whoever made it made it
// otherwise than a ceremony would, and it goes in the last stage.
func (c *checker) adopted(file string, cert *x509.Certificate) {
	if !cert.BasicConstraintsValid || !cert.IsCA {
		c.add(file, "adopted, but not a CA certificate")
		return
	}
	if !selfIssued(cert) || c.authoritySigned(cert, cert) != nil {
		c.add(file, "adopted, but not self-signed: an authority below another is none of a cluster that made its own")
	}
	if problem := certifiedKeyKind(cert.PublicKey); problem != "" {
		c.add(file, "%s", problem)
	}
}

// carried checks a leaf that an adopted authority issued, and that stays until
// the next stage: what makes it useless, or another node's.
func (c *checker) carried(file string, cert *x509.Certificate, want kubepki.Leaf) {
	if problem := certifiedKeyKind(cert.PublicKey); problem != "" {
		c.add(file, "%s", problem)
	}
	for _, problem := range kubepki.NotOf(cert, c.facts.Node, want) {
		c.add(file, "%s", problem)
	}
	c.until(cert)
	c.dates(file, cert)
}

// adoptedAreThere wants each adopted authority in its trust file, where this node
// has that, so that none is declared before or after its time.
func (c *checker) adoptedAreThere(files []kubepki.File) {
	for _, f := range files {
		if _, ok := c.facts.Adopted[f.Authority]; !ok || f.Kind != kubepki.TrustFile {
			continue
		}
		list := append([]*x509.Certificate{c.authorities[f.Authority]}, c.trusted[f.Authority]...)
		if !slices.ContainsFunc(list, func(cert *x509.Certificate) bool { return cert != nil && c.adopts(cert, f.Authority) }) {
			c.add(FactsFile, "adopts an authority that %s does not hold", f.Path)
		}
	}
}
