package bundle

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"maps"

	"officiant/bundle/kubepki"
)

// With returns the bundle as it would be with other files: those a node has
// instead, so that Check can compare them with the same facts. A nil content means
// that the file is not there. Nobody has signed the result.
func (b *Bundle) With(files map[string][]byte) *Bundle {
	c := &Bundle{Header: b.Header, Files: maps.Clone(b.Files)}
	maps.Copy(c.Files, files)
	maps.DeleteFunc(c.Files, func(_ string, data []byte) bool { return data == nil })
	c.Sums = renderSums(c.Header, listFiles(c.Files))
	return c
}

// RootCertificates reads officiant/root.crt: the root above the authorities that
// issue, then the other trusted roots.
func (b *Bundle) RootCertificates() ([]*x509.Certificate, error) { return b.list(RootFile) }

// AuthorityCertificates reads the roots, and the intermediates of the trust files,
// in the files' order: the one that issues is first.
func (b *Bundle) AuthorityCertificates() (map[kubepki.Authority][]*x509.Certificate, error) {
	facts, err := b.Facts()
	if err != nil {
		return nil, err
	}
	files, err := kubepki.Files(facts.Cluster, facts.Node)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", FactsFile, err)
	}
	certs := map[kubepki.Authority][]*x509.Certificate{}
	if certs[kubepki.Root], err = b.RootCertificates(); err != nil {
		return nil, err
	}
	for _, f := range files {
		if f.Kind != kubepki.TrustFile {
			continue
		}
		if certs[f.Authority], err = b.list(f.Path); err != nil {
			return nil, err
		}
	}
	return certs, nil
}

func (b *Bundle) list(path string) ([]*x509.Certificate, error) {
	list, err := certificates(b.Files[path])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return list, nil
}

// ServiceAccountPublic reads the public half of sa.key: the first key of
// pki/sa.pub, and the only one that kubeadm looks at.
func (b *Bundle) ServiceAccountPublic() (crypto.PublicKey, error) {
	keys, err := ParsePublicKeys(b.Files["pki/sa.pub"])
	if err != nil {
		return nil, fmt.Errorf("pki/sa.pub: %w", err)
	}
	return keys[0], nil
}

// NextRelease reads the release key that the bundle announces; nil if it announces none.
func (b *Bundle) NextRelease() (crypto.PublicKey, error) {
	data, ok := b.Files[NextReleaseFile]
	if !ok {
		return nil, nil
	}
	return ParseReleaseKey(NextReleaseFile, data)
}
