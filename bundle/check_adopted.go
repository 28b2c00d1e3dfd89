package bundle

import (
	"crypto/x509"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
)

// adopts says whether node.json declares this very certificate as the family's
// authority that no ceremony made: that of a cluster that is being adopted.
func (c *authorityCheck) adopts(cert *x509.Certificate, a kubepki.Authority) bool {
	want, ok := c.facts.Adopted[a]
	return ok && a != kubepki.Root && fingerprint.Of(cert.Raw) == want
}

// byAdopted says whether the family's leaves are still those of an adopted authority.
func (c *authorityCheck) byAdopted(a kubepki.Authority) bool {
	issuer := c.authorities[a]
	return issuer != nil && c.adopts(issuer, a)
}

// adopted checks what holds for an adopted authority. Whoever made it made it
// otherwise than a ceremony would, and it goes in the last stage.
func (c *authorityCheck) adopted(file string, cert *x509.Certificate) {
	if !cert.BasicConstraintsValid || !cert.IsCA {
		c.add(file, "adopted, but not a CA certificate")
		return
	}
	if !selfIssued(cert) || c.signatures.authoritySigned(cert, cert) != nil {
		c.add(file, "adopted, but not self-signed: an authority below another is none of a cluster that made its own")
	}
	if problem := certifiedKeyKind(cert.PublicKey); problem != "" {
		c.add(file, "%s", problem)
	}
}

// carried checks a leaf that an adopted authority issued, and that stays until
// the next stage: what makes it useless, or another node's.
func (c *leafCheck) carried(file string, cert *x509.Certificate, want kubepki.Leaf) {
	if problem := certifiedKeyKind(cert.PublicKey); problem != "" {
		c.add(file, "%s", problem)
	}
	for _, problem := range kubepki.NotOf(cert, c.facts.Node, want) {
		c.add(file, "%s", problem)
	}
	c.until(cert)
	c.dates(file, cert)
}
