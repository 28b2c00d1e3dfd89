package bundle

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"officiant/bundle/kubeconfig"
	"officiant/bundle/kubepki"
)

// LeafCertificates reads the leaves, by Leaf.Name.
func (b *Bundle) LeafCertificates() (map[string]*x509.Certificate, error) {
	facts, err := b.Facts()
	if err != nil {
		return nil, err
	}
	files, err := kubepki.Files(facts.Cluster, facts.Node)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", FactsFile, err)
	}
	leaves := map[string]*x509.Certificate{}
	for _, f := range files {
		data := b.Files[f.Path]
		switch f.Kind {
		case kubepki.CertificateFile:
		case kubepki.KubeconfigFile:
			c, err := kubeconfig.Parse(f.Path, data)
			if err != nil {
				return nil, err
			}
			data = c.Certificate
		default:
			continue
		}
		list, err := certificates(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Path, err)
		}
		leaves[f.Leaf] = list[0]
	}
	return leaves, nil
}

// FirstCertificate is the certificate a file is about: its first, or the client's of a
// kubeconfig; nil if there is none. It checks nothing.
func FirstCertificate(path string, data []byte) *x509.Certificate {
	block, _ := pem.Decode(data)
	if block == nil {
		config, err := kubeconfig.Parse(path, data)
		if err != nil {
			return nil
		}
		clear(config.Key)
		block, _ = pem.Decode(config.Certificate)
	}
	if block == nil || block.Type != "CERTIFICATE" {
		return nil
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil
	}
	return cert
}
