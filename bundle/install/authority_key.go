package install

import (
	"bytes"
	"crypto"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/privatekey"
)

// maxKeyFile is above what any PEM file below /etc/kubernetes has.
const maxKeyFile = 1 << 20

// keySearch looks for private keys of authorities.
type keySearch struct {
	below
	record
}

// none refuses a node on which a CA's private key lies: kubeadm would
// not be in external CA mode there, and no such key belongs on any node. left are
// those of a cluster that is being adopted, for as long as the bundle has its
// authorities.
func (s keySearch) none(b *bundle.Bundle) (left []string, err error) {
	findings, left, err := s.all(b)
	if err != nil {
		return nil, err
	}
	if len(findings) > 0 {
		return nil, &Refused{"this node", findings}
	}
	return left, nil
}

// all finds private keys of certificate authorities below
// /etc/kubernetes: by the names kubeadm gives them, and by what they hold. left
// are files with those of authorities the bundle adopts.
func (s keySearch) all(b *bundle.Bundle) (findings []bundle.Finding, left []string, err error) {
	known, err := s.authorityPublicKeys(b)
	if err != nil {
		return nil, nil, err
	}
	facts, err := b.Facts()
	if err != nil {
		return nil, nil, err
	}
	found, err := s.keyFiles(facts.Cluster.Places, known)
	if err != nil {
		return nil, nil, fmt.Errorf("looking for CA keys: %w", err)
	}
	for _, f := range found {
		if _, adopted := facts.Adopted[f.family]; adopted && (f.foreign || f.named) {
			left = append(left, f.file)
			continue
		}
		findings = append(findings, f.finding())
	}
	return findings, left, nil
}

// keyFile is a file with an authority's private key.
type keyFile struct {
	file    string
	family  kubepki.Authority
	named   bool // as kubeadm names it; it was not opened
	foreign bool // of an authority that no ceremony made
}

func (f keyFile) finding() bundle.Finding {
	problem := fmt.Sprintf("is the private key of authority %s", f.family)
	if f.named {
		problem = "a CA's private key belongs on no node; with it there, kubeadm would not be in external CA mode"
	}
	return bundle.Finding{File: f.file, Problem: problem}
}

func (s keySearch) keyFiles(p kubepki.Places, known []authorityKey) ([]keyFile, error) {
	folders := append([]string{kubernetesDir}, s.certificateFolders(p)...)
	if p.EtcdCAFile != "" {
		folders = append(folders, path.Dir(underRoot(p.EtcdCAFile)))
	}
	var files []keyFile
	for _, folder := range folders {
		if info, err := s.files.Lstat(s.at(folder)); err != nil || folder != kubernetesDir &&
			info.Mode()&fs.ModeSymlink == 0 && slices.Contains([]string{kubernetesDir, defaultPKI}, path.Dir(folder)) {
			continue // not there, or walked from above
		}
		found, err := s.keysBelow(folder, authorityKeysAt(p), known)
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			if !slices.Contains(files, f) {
				files = append(files, f)
			}
		}
	}
	return files, nil
}

// authorityKeysAt are the places, below the root, at which kubeadm has authorities' keys.
func authorityKeysAt(p kubepki.Places) map[string]kubepki.Authority {
	at := map[string]kubepki.Authority{}
	for name, family := range map[string]kubepki.Authority{
		"ca.key": kubepki.KubernetesAuthority, "etcd/ca.key": kubepki.EtcdAuthority,
		"front-proxy-ca.key": kubepki.FrontProxyAuthority, "root.key": kubepki.Root,
	} {
		at[defaultPKI+"/"+name] = family
		at[underRoot(p.Dir())+"/"+name] = family
	}
	return at
}

// keysBelow is keyFiles for one folder, which may be a link.
func (s keySearch) keysBelow(
	folder string, named map[string]kubepki.Authority, known []authorityKey,
) ([]keyFile, error) {
	top := s.at(folder)
	var files []keyFile
	err := s.files.Walk(top, func(at string, e fs.DirEntry) error {
		rel, err := filepath.Rel(top, at)
		if err != nil || e.IsDir() {
			return err
		}
		path := folder + "/" + filepath.ToSlash(rel)
		if family, ok := named[path]; ok {
			files = append(files, keyFile{file: path, family: family, named: true})
			return nil
		}
		held := s.heldKey(at)
		for _, k := range known {
			if held != nil && sameKey(held, k.public) {
				files = append(files, keyFile{file: path, family: k.family, foreign: k.foreign})
			}
		}
		return nil
	})
	return files, err
}

// heldKey is the public half of the private key in a file; nil when there is none.
// What cannot be read here cannot be judged here.
func (s keySearch) heldKey(at string) crypto.PublicKey {
	info, err := s.files.Stat(at) // through a link, as whoever uses the key
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxKeyFile {
		return nil
	}
	data, err := s.files.ReadFile(at)
	if err != nil {
		return nil
	}
	defer clear(data)
	if !bytes.Contains(data, []byte("PRIVATE KEY-----")) {
		return nil
	}
	key, err := privatekey.Read(data)
	if err != nil {
		return nil
	}
	return key.Public()
}

// authorityKey is the public half of an authority's key.
type authorityKey struct {
	family  kubepki.Authority
	public  crypto.PublicKey
	foreign bool
}

// authorityPublicKeys are those of the bundle, and of the bundle in place: when
// the last stage of an adoption takes an authority away, its key is still looked for.
func (s keySearch) authorityPublicKeys(b *bundle.Bundle) ([]authorityKey, error) {
	keys, err := bundleKeys(b)
	if err != nil {
		return nil, err
	}
	before, _, err := s.since()
	if err != nil || before == nil || sumOf(before) == sumOf(b) {
		return keys, nil // what is not whole is told elsewhere
	}
	former, err := bundleKeys(before)
	if err != nil {
		return keys, nil
	}
	for _, k := range former {
		if !slices.ContainsFunc(
			keys,
			func(have authorityKey) bool { return have.family == k.family && sameKey(have.public, k.public) },
		) {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

func bundleKeys(b *bundle.Bundle) ([]authorityKey, error) {
	facts, err := b.Facts()
	if err != nil {
		return nil, err
	}
	certs, err := b.AuthorityCertificates()
	if err != nil {
		return nil, err
	}
	var keys []authorityKey
	for _, family := range slices.Sorted(maps.Keys(certs)) {
		for _, cert := range certs[family] {
			adopted, ok := facts.Adopted[family]
			keys = append(keys, authorityKey{family, cert.PublicKey, ok && fingerprint.Of(cert.Raw) == adopted})
		}
	}
	return keys, nil
}

// named names the files below the root that have an authority's
// private key by kubeadm's names. They are not opened.
func (s keySearch) named(p kubepki.Places) []string {
	var found []string
	for _, path := range slices.Sorted(maps.Keys(authorityKeysAt(p))) {
		if _, err := s.files.Lstat(s.at(path)); err == nil {
			found = append(found, path)
		}
	}
	return found
}
