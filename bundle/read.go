package bundle

import (
	"crypto"
	"crypto/x509"
	"fmt"

	"officiant/bundle/kubepki"
)

// RootCertificate reads officiant/root.crt.
func (b *Bundle) RootCertificate() (*x509.Certificate, error) { return b.first(RootFile) }

// AuthorityCertificates reads the root and the intermediates of the trust files.
func (b *Bundle) AuthorityCertificates() (map[kubepki.Authority]*x509.Certificate, error) {
	facts, err := b.Facts()
	if err != nil {
		return nil, err
	}
	files, err := kubepki.Files(facts.Cluster, facts.Node)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", FactsFile, err)
	}
	certs := map[kubepki.Authority]*x509.Certificate{}
	if certs[kubepki.Root], err = b.RootCertificate(); err != nil {
		return nil, err
	}
	for _, f := range files {
		if f.Kind != kubepki.TrustFile {
			continue
		}
		if certs[f.Authority], err = b.first(f.Path); err != nil {
			return nil, err
		}
	}
	return certs, nil
}

// first reads the first certificate of a file.
func (b *Bundle) first(path string) (*x509.Certificate, error) {
	list, err := certificates(b.Files[path])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return list[0], nil
}

// ServiceAccountPublic reads pki/sa.pub.
func (b *Bundle) ServiceAccountPublic() (crypto.PublicKey, error) {
	pub, err := parsePublicKey(b.Files["pki/sa.pub"])
	if err != nil {
		return nil, fmt.Errorf("pki/sa.pub: %w", err)
	}
	return pub, nil
}
