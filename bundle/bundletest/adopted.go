package bundletest

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"officiant/bundle"
	"officiant/bundle/kubeconfig"
	"officiant/bundle/kubepki"
)

// Former makes authorities as kubeadm makes a cluster's own: self-signed, without
// path length or extended usages, of the names it gives them.
func (p *PKI) Former(t testing.TB) map[kubepki.Authority]Authority {
	t.Helper()
	former := map[kubepki.Authority]Authority{}
	for _, spec := range kubepki.Authorities(p.Cluster) {
		if spec.Authority == kubepki.Root {
			continue
		}
		key := Key(t)
		template := &x509.Certificate{
			SerialNumber: Serial(), Subject: pkix.Name{CommonName: spec.CommonName}, DNSNames: []string{spec.CommonName},
			NotBefore: Now.Add(-200 * 24 * time.Hour), NotAfter: Now.Add(9 * 365 * 24 * time.Hour),
			KeyUsage:              x509.KeyUsageKeyEncipherment | x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
			BasicConstraintsValid: true, IsCA: true,
		}
		former[spec.Authority] = Authority{Sign(t, template, template, key.Public(), key), key}
	}
	return former
}

// FormerLeaves are the node's certificates as the former authorities made them.
func (p *PKI) FormerLeaves(t testing.TB, n *Node, former map[kubepki.Authority]Authority) map[string]*x509.Certificate {
	t.Helper()
	leaves := map[string]*x509.Certificate{}
	for _, l := range p.Leaves(t, n.Node) {
		issuer := former[l.Authority]
		leaves[l.Name] = Sign(t, LeafTemplate(l), issuer.Certificate, n.Keys[l.Name].Public(), issuer.Key)
	}
	return leaves
}

// TrustParts are a node's first bundle of a cluster that is adopted: it keeps
// the former leaves, and trusts the new authorities beside the former ones.
func (p *PKI) TrustParts(t testing.TB, n *Node, former map[kubepki.Authority]Authority) bundle.Parts {
	t.Helper()
	parts := p.Parts(t, n)
	parts.Leaves = p.FormerLeaves(t, n, former)
	parts.Trusted, parts.Adopted = map[kubepki.Authority][]*x509.Certificate{}, certificatesOf(former)
	for family, a := range p.Authorities {
		parts.Trusted[family] = []*x509.Certificate{a.Certificate}
	}
	parts.Authorities = parts.Adopted
	return parts
}

// IssueParts are its second: everything anew, the former authorities beside.
func (p *PKI) IssueParts(t testing.TB, n *Node, former map[kubepki.Authority]Authority) bundle.Parts {
	t.Helper()
	parts := p.Parts(t, n)
	parts.Trusted, parts.Adopted = map[kubepki.Authority][]*x509.Certificate{}, certificatesOf(former)
	for family, c := range parts.Adopted {
		parts.Trusted[family] = []*x509.Certificate{c}
	}
	return parts
}

// trusts are the families of which a node has a trust file.
func (p *PKI) trusts(t testing.TB, n *Node) []kubepki.Authority {
	t.Helper()
	files, err := kubepki.Files(p.Cluster, n.Node)
	if err != nil {
		t.Fatal(err)
	}
	var families []kubepki.Authority
	for _, f := range files {
		if f.Kind == kubepki.TrustFile {
			families = append(families, f.Authority)
		}
	}
	return families
}

func certificatesOf(all map[kubepki.Authority]Authority) map[kubepki.Authority]*x509.Certificate {
	out := map[kubepki.Authority]*x509.Certificate{}
	for family, a := range all {
		out[family] = a.Certificate
	}
	return out
}

// BundleOfParts builds and signs a bundle.
func (p *PKI) BundleOfParts(t testing.TB, n *Node, sequence int, parts bundle.Parts) *bundle.Bundle {
	t.Helper()
	b, err := bundle.Build(p.Header(n, sequence), parts)
	if err != nil {
		t.Fatal(err)
	}
	p.Seal(t, b)
	return b
}

// CertificatePEM renders a certificate.
func CertificatePEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// WriteFormer leaves below root what kubeadm leaves on a node, the authorities'
// keys on control-plane nodes included.
func (p *PKI) WriteFormer(t testing.TB, root string, n *Node, former map[kubepki.Authority]Authority) {
	t.Helper()
	write := func(path string, data []byte) {
		at := filepath.Join(root, "etc/kubernetes", filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ca := map[kubepki.Authority]string{}
	for _, spec := range kubepki.Authorities(p.Cluster) {
		ca[spec.Authority] = spec.File
	}
	for _, family := range p.trusts(t, n) {
		write(ca[family], CertificatePEM(former[family].Certificate))
		if n.Has(kubepki.ControlPlane) {
			write(ca[family][:len(ca[family])-len(".crt")]+".key", PrivatePEM(t, former[family].Key))
		}
	}
	if n.Has(kubepki.ControlPlane) {
		write("pki/sa.key", PrivatePEM(t, p.Account))
		write("pki/sa.pub", PublicPEM(t, p.Account.Public()))
	}
	leaves := p.FormerLeaves(t, n, former)
	for _, l := range p.Leaves(t, n.Node) {
		cert, key := CertificatePEM(leaves[l.Name]), PrivatePEM(t, n.Keys[l.Name])
		if k := l.Kubeconfig; k != nil {
			write(l.File, (&kubeconfig.Config{Cluster: k.Cluster, User: k.User, Context: k.Context, Server: k.Server,
				CA: CertificatePEM(former[l.Authority].Certificate), Certificate: cert, Key: key}).Render())
			continue
		}
		write(l.File, cert)
		write(l.KeyFile, key)
	}
}
