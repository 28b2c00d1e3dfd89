package install

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

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
	var findings []bundle.Finding
	for i, folder := range []string{kubernetesDir, kubernetesDir + "/pki", kubernetesDir + "/pki/etcd"} {
		info, err := os.Lstat(n.at(folder))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return findings, nil
		case err != nil:
			return nil, fmt.Errorf("looking for CA keys: %w", err)
		case i > 0 && info.Mode()&fs.ModeSymlink == 0:
			continue // walked from above; a walk does not enter links, but kubeadm does
		}
		found, err := n.keysBelow(folder, known)
		if err != nil {
			return nil, fmt.Errorf("looking for CA keys: %w", err)
		}
		findings = append(findings, found...)
	}
	return findings, nil
}

var authorityKeyNames = map[string]bool{"pki/ca.key": true, "pki/etcd/ca.key": true, "pki/front-proxy-ca.key": true, "pki/root.key": true}

// keysBelow is authorityKeys for one folder, which may be a link.
func (n *Node) keysBelow(folder string, known map[kubepki.Authority][]crypto.PublicKey) ([]bundle.Finding, error) {
	top, err := filepath.EvalSymlinks(n.at(folder))
	if err != nil {
		return nil, err
	}
	var findings []bundle.Finding
	err = filepath.WalkDir(top, func(at string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(top, at)
		if err != nil || e.IsDir() {
			return err
		}
		path := folder + "/" + filepath.ToSlash(rel)
		if authorityKeyNames[strings.TrimPrefix(path, kubernetesDir+"/")] {
			findings = append(findings, bundle.Finding{File: path,
				Problem: "a CA's private key belongs on no node; with it there, kubeadm would not be in external CA mode"})
			return nil
		}
		held := heldKey(at)
		for family, list := range known {
			if held != nil && slices.ContainsFunc(list, func(public crypto.PublicKey) bool { return sameKey(held, public) }) {
				findings = append(findings, bundle.Finding{File: path,
					Problem: fmt.Sprintf("is the private key of authority %s", family)})
			}
		}
		return nil
	})
	return findings, err
}

// heldKey is the public half of the private key in a file; nil when there is none.
// What cannot be read here cannot be judged here.
func heldKey(at string) crypto.PublicKey {
	info, err := os.Stat(at) // through a link, as whoever uses the key
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxKeyFile {
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

func authorityPublicKeys(b *bundle.Bundle) (map[kubepki.Authority][]crypto.PublicKey, error) {
	certs, err := b.AuthorityCertificates()
	if err != nil {
		return nil, err
	}
	keys := map[kubepki.Authority][]crypto.PublicKey{}
	for family, list := range certs {
		for _, cert := range list {
			keys[family] = append(keys[family], cert.PublicKey)
		}
	}
	return keys, nil
}
