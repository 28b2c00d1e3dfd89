package bundle

import (
	"bytes"
	"crypto/x509"
	"slices"
	"strings"

	"officiant/bundle/kubepki"
)

// trustCheck checks the files that say whom to trust: who may log in, and which
// servers are believed.
type trustCheck struct{ *authorityCheck }

// loginFiles checks the files that say who may log in. With the root in them, or an
// authority of another family, leaves of a sibling authority would log in too.
func (c *trustCheck) loginFiles(files []kubepki.File) {
	for _, f := range files {
		data, ok := c.b.Files[f.Path]
		if f.Kind != kubepki.TrustFile || !ok {
			continue
		}
		list, err := c.signatures.authorityFile(data)
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
			c.add(f.Path, "holds %d certificates; whoever any of them certifies could log in, so it must hold "+
				"the %s intermediate, and those %s names beside it", len(list), f.Authority, FactsFile)
			list = list[:1]
		}
		c.intermediate(f.Path, list[0], f.Authority)
		for _, cert := range list[1:] {
			c.authority(f.Path, cert, f.Authority)
		}
		c.beside(f.Path, list, f.Authority)
	}
}

// clientTrust checks the file that says whose clients the API server lets in: the trust
// files of some families, one after the other, and nothing else.
func (c *trustCheck) clientTrust(f kubepki.File, data []byte) {
	var want []byte
	var names []string
	for _, a := range f.Families {
		names = append(names, c.specs[a].File)
		want = append(want, c.b.Files[c.specs[a].File]...)
	}
	if !bytes.Equal(data, want) {
		c.add(f.Path, "is not what %s hold, in this order and nothing else: whoever another authority certifies "+
			"could log in", strings.Join(names, " and "))
	}
}

// configTrust checks a kubeconfig's CA data, which is what the family's trust
// file holds: kubeadm hands it on to nodes that join.
func (c *trustCheck) configTrust(file string, data []byte, a kubepki.Authority) {
	list, err := c.signatures.authorityFile(data)
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

// serverTrust checks the file for clients that need the chain up to the root.
func (c *trustCheck) serverTrust(f kubepki.File, data []byte) {
	list, err := c.signatures.authorityFile(data)
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

// externalServerTrust wants the whole way up: the authorities of ca.crt, the CAs
// between them and the roots, the roots.
func (c *trustCheck) externalServerTrust(f kubepki.File, list []*x509.Certificate) {
	c.intermediate(f.Path, list[0], f.Authority)
	if c.root == nil {
		return
	}
	between, above, err := kubepki.Between(c.family(f.Authority), c.roots(), c.issuers)
	if err != nil {
		return // intermediate has said so
	}
	want := slices.Concat(c.family(f.Authority), between, above)
	if !slices.EqualFunc(list, want, (*x509.Certificate).Equal) {
		c.add(f.Path, "is not the authorities of %s, the CAs between them and the root, and the root",
			c.specs[f.Authority].File)
	}
}

// adoptedAreThere wants each adopted authority in its trust file, where this node
// has that, so that none is declared before or after its time.
func (c *trustCheck) adoptedAreThere(files []kubepki.File) {
	for _, f := range files {
		if _, ok := c.facts.Adopted[f.Authority]; !ok || f.Kind != kubepki.TrustFile {
			continue
		}
		list := append([]*x509.Certificate{c.authorities[f.Authority]}, c.trusted[f.Authority]...)
		here := func(cert *x509.Certificate) bool { return cert != nil && c.adopts(cert, f.Authority) }
		if !slices.ContainsFunc(list, here) {
			c.add(FactsFile, "adopts an authority that %s does not hold", f.Path)
		}
	}
}
