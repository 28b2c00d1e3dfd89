package install

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"officiant/bundle/certfile"
	"officiant/bundle/kubeconfig"
	"officiant/bundle/kubepki"
	"officiant/bundle/privatekey"
)

// InUse is a leaf as it is below /etc/kubernetes, whoever put it there.
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
	if l.Kubeconfig != nil {
		return h.inConfig(l)
	}
	u := &InUse{File: h.at(l.Place)}
	data, err := h.files.ReadFile(u.File)
	if err == nil {
		u.Chain, err = certificatesOf(u.File, data)
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		u.Key, err = h.readKey(h.at(l.KeyPlace))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return u, u.matches(l)
}

// inConfig reads a kubeconfig's, as client-go does: what is not in the file is in the
// files that it names.
func (h credentials) inConfig(l kubepki.Leaf) (*InUse, error) {
	u := &InUse{File: h.at(l.Place)}
	data, err := h.files.ReadFile(u.File)
	if errors.Is(err, fs.ErrNotExist) {
		return u, nil
	}
	if err != nil {
		return nil, err
	}
	defer clear(data)
	c, err := kubeconfig.Read(u.File, data)
	if err != nil {
		return nil, err
	}
	defer clear(c.Key)
	for _, named := range []string{c.CertificateFile, c.KeyFile} {
		if strings.HasSuffix(named, "/"+rotatedKubelet) {
			return nil, fmt.Errorf("%s: has no certificate in it, but the path of one: %s", u.File, named)
		}
	}
	switch {
	case c.CertificateFile != "":
		u.File = h.named(c.CertificateFile)
		certificates, err := h.files.ReadFile(u.File)
		if err != nil {
			return nil, fmt.Errorf("%s names a file: %w", l.File, err)
		}
		if u.Chain, err = certificatesOf(u.File, certificates); err != nil {
			return nil, err
		}
	case c.Certificate != nil:
		if u.Chain, err = certificatesOf(u.File, c.Certificate); err != nil {
			return nil, err
		}
	}
	switch {
	case c.KeyFile != "":
		if u.Key, err = h.readKey(h.named(c.KeyFile)); err != nil {
			return nil, fmt.Errorf("%s names a file: %w", l.File, err)
		}
	case c.Key != nil:
		if u.Key, err = privatekey.Read(c.Key); err != nil {
			return nil, fmt.Errorf("%s: %w", u.File, err)
		}
	}
	if u.Lost = c.Besides; c.Others > 0 {
		u.Lost = append(u.Lost, "what its current context does not use")
	}
	return u, u.matches(l)
}

// named is where a file lies that a kubeconfig in /etc/kubernetes names.
func (h credentials) named(file string) string {
	if path.IsAbs(file) {
		return h.at(strings.TrimPrefix(path.Clean(file), "/"))
	}
	return h.at(path.Join(kubernetesDir, file))
}

func (u *InUse) matches(l kubepki.Leaf) error {
	if u.Key != nil && len(u.Chain) > 0 && !sameKey(u.Key.Public(), u.Chain[0].PublicKey) {
		for i, c := range u.Chain[1:] {
			if sameKey(u.Key.Public(), c.PublicKey) {
				return fmt.Errorf("%s: the certificate of %s is number %d in it, after %s; programs take the first, "+
					"which has to be the key's", u.File, l.Name, i+2, u.Chain[0].Subject)
			}
		}
		return fmt.Errorf("%s: the private key of %s on this node is not its own", u.File, l.Name)
	}
	return nil
}

func certificatesOf(file string, data []byte) ([]*x509.Certificate, error) {
	list, err := certfile.PEM(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return list, nil
}

// readKey reads a private key from a file of its own.
func (h credentials) readKey(at string) (crypto.Signer, error) {
	return readKey(h.files, at, privatekey.Read)
}

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
	key, err := privatekey.Read(c.Key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	return key, nil
}
