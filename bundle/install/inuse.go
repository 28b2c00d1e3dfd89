package install

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"

	"officiant/bundle/kubeconfig"
	"officiant/bundle/kubepki"
	"officiant/bundle/privatekey"
)

// InUse is a leaf as it stands below /etc/kubernetes, whoever put it there.
type InUse struct {
	File  string              // of the certificate
	Chain []*x509.Certificate // the leaf first; empty when there is none
	Key   crypto.Signer       // nil when there is none
	Lost  []string            // what of a kubeconfig a bundle's file in its place will not have
}

// credentials reads keys and certificates where Kubernetes has them.
type credentials struct{ below }

// inUse reads a leaf's certificate and key. A key that is not the certificate's
// is an error; so is a file that does not read.
func (h credentials) inUse(l kubepki.Leaf) (*InUse, error) {
	u := &InUse{File: h.at(kubernetesDir + "/" + l.File)}
	data, err := h.files.ReadFile(u.File)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	defer clear(data)
	there := err == nil
	if l.Kubeconfig != nil {
		u.Key, err = h.configKey(u.File)
		if there {
			c, err := kubeconfig.Read(u.File, data)
			if err != nil {
				return nil, err
			}
			clear(c.Key)
			if c.CertificateFile != "" {
				return nil, fmt.Errorf("%s: has no certificate in it, but the path of one: %s", u.File, c.CertificateFile)
			}
			data, u.Lost = c.Certificate, c.Besides
			if c.Others > 0 {
				u.Lost = append(u.Lost, "what its current context does not use")
			}
		}
	} else {
		u.Key, err = h.readKey(h.at(kubernetesDir + "/" + l.KeyFile))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if u.Chain, err = chain(data); err != nil {
		return nil, fmt.Errorf("%s: %w", u.File, err)
	}
	if u.Key != nil && len(u.Chain) > 0 && !sameKey(u.Key.Public(), u.Chain[0].PublicKey) {
		return nil, fmt.Errorf("%s: the private key of %s on this node is not its own", u.File, l.Name)
	}
	return u, nil
}

// chain reads the certificates of a PEM file, which may be empty.
func chain(data []byte) ([]*x509.Certificate, error) {
	var list []*x509.Certificate
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			return list, nil
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(list)+1, err)
		}
		list = append(list, c)
	}
}

// readKey reads a private key from a file of its own.
func (h credentials) readKey(at string) (crypto.Signer, error) { return readKey(h.files, at) }

// configKey reads the private key out of a kubeconfig, as `kubeadm certs
// generate-csr` leaves it there.
func (h credentials) configKey(at string) (crypto.Signer, error) {
	data, err := h.files.ReadFile(at)
	if err != nil {
		return nil, err
	}
	defer clear(data)
	c, err := kubeconfig.Read(at, data)
	if err != nil {
		return nil, err
	}
	if len(c.Key) == 0 {
		return nil, fmt.Errorf("%s: no private key in it: %w", at, fs.ErrNotExist)
	}
	defer clear(c.Key)
	key, err := privatekey.Parse(c.Key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	return key, nil
}
