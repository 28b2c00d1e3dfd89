package install

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"officiant/bundle"
	"officiant/bundle/kubepki"
	"officiant/bundle/privatekey"
)

// maxKeyFile is above what any PEM file below /etc/kubernetes has.
const maxKeyFile = 1 << 20

// noAuthorityKeys refuses a node on which a CA's private key lies: kubeadm would
// not be in external CA mode there, and no such key belongs on any node.
func (n *Node) noAuthorityKeys(b *bundle.Bundle) error {
	findings, err := n.authorityKeys(b)
	if err != nil {
		return err
	}
	if len(findings) > 0 {
		return &Refused{"this node", findings}
	}
	return nil
}

// authorityKeys finds private keys of certificate authorities below
// /etc/kubernetes: by the names kubeadm gives them, and by what they hold.
func (n *Node) authorityKeys(b *bundle.Bundle) ([]bundle.Finding, error) {
	known, err := authorityPublicKeys(b)
	if err != nil {
		return nil, err
	}
	named := map[string]bool{"pki/ca.key": true, "pki/etcd/ca.key": true, "pki/front-proxy-ca.key": true, "pki/root.key": true}
	var findings []bundle.Finding
	top := n.at(kubernetesDir)
	err = filepath.WalkDir(top, func(at string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && at == top {
			return fs.SkipAll
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(top, at)
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		path := filepath.ToSlash(rel)
		if named[path] {
			findings = append(findings, bundle.Finding{File: kubernetesDir + "/" + path,
				Problem: "a CA's private key belongs on no node; with it there, kubeadm would not be in external CA mode"})
			return nil
		}
		held := heldKey(at, e)
		for name, public := range known {
			if held != nil && sameKey(held, public) {
				findings = append(findings, bundle.Finding{File: kubernetesDir + "/" + path,
					Problem: fmt.Sprintf("is the private key of authority %s", name)})
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for CA keys: %w", err)
	}
	return findings, nil
}

// heldKey is the public half of the private key in a file; nil when there is none.
// What cannot be read here cannot be judged here.
func heldKey(at string, e fs.DirEntry) crypto.PublicKey {
	info, err := e.Info()
	if err != nil || info.Size() > maxKeyFile {
		return nil
	}
	data, err := os.ReadFile(at)
	if err != nil {
		return nil
	}
	defer clear(data)
	if !bytes.Contains(data, []byte("PRIVATE KEY-----")) {
		return nil
	}
	key, err := privatekey.Parse(data)
	if err != nil {
		return nil
	}
	return key.Public()
}

func authorityPublicKeys(b *bundle.Bundle) (map[kubepki.Authority]crypto.PublicKey, error) {
	certs, err := b.AuthorityCertificates()
	if err != nil {
		return nil, err
	}
	keys := map[kubepki.Authority]crypto.PublicKey{}
	for name, cert := range certs {
		keys[name] = cert.PublicKey
	}
	return keys, nil
}
