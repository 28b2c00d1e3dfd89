package main

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// etcKubernetes is where kubeadm looks for a node's files.
const etcKubernetes = "etc/kubernetes"

// snapshot tells every file and folder below tree/etc/kubernetes apart from any
// other: by kind, mode and content.
func snapshot(tree string) (map[string]string, error) {
	seen := map[string]string{}
	err := filepath.WalkDir(filepath.Join(tree, etcKubernetes), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(filepath.Join(tree, etcKubernetes), path)
		if err != nil {
			return err
		}
		seen[name] = info.Mode().String()
		if info.Mode().IsRegular() {
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			seen[name] += fmt.Sprintf(" %x", sha256.Sum256(content))
		}
		return nil
	})
	return seen, err
}

// unchanged says what differs between two snapshots.
func unchanged(before, after map[string]string) error {
	var changed []string
	for name, was := range before {
		switch is, ok := after[name]; {
		case !ok:
			changed = append(changed, name+" is gone")
		case is != was:
			changed = append(changed, name+" was changed")
		}
	}
	for name := range after {
		if _, ok := before[name]; !ok {
			changed = append(changed, name+" is new")
		}
	}
	if changed == nil {
		return nil
	}
	slices.Sort(changed)
	return fmt.Errorf("kubeadm changed the tree: %s", strings.Join(changed, ", "))
}

// onlyFiles fails unless the files below tree/etc/kubernetes are these.
func onlyFiles(tree string, want ...string) error {
	var have []string
	seen, err := snapshot(tree)
	if err != nil {
		return err
	}
	for name, what := range seen {
		if !strings.HasPrefix(what, "d") {
			have = append(have, name)
		}
	}
	var wrong []string
	for _, name := range want {
		if !slices.Contains(have, name) {
			wrong = append(wrong, name+" is missing")
		}
	}
	for _, name := range have {
		if !slices.Contains(want, name) {
			wrong = append(wrong, name+" is one too many")
		}
	}
	if wrong == nil {
		return nil
	}
	slices.Sort(wrong)
	return errors.New(strings.Join(wrong, ", "))
}

// pairs fails unless every certificate of the tree has its key and every key its
// certificate: kubeadm never compares them, and is content with an sa.pub alone.
func pairs(tree string) error {
	base := filepath.Join(tree, etcKubernetes)
	compared := 0
	err := filepath.WalkDir(base, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		public, key, err := halves(path)
		if err != nil || public == nil && key == nil {
			return err
		}
		compared++
		if !belongs(key, public) {
			return fmt.Errorf("%s: key and certificate do not belong together", strings.TrimPrefix(path, base+"/"))
		}
		return nil
	})
	if err == nil && compared == 0 {
		return fmt.Errorf("there is no key below %s", base)
	}
	return err
}

// halves returns the certificate or public key and the private key of which
// path holds at least one; none for an authority's certificate.
func halves(path string) (public, key []byte, err error) {
	stem := strings.TrimSuffix(path, filepath.Ext(path))
	switch filepath.Ext(path) {
	case ".conf":
		return embedded(path)
	case ".crt":
		if public, err = os.ReadFile(path); err != nil {
			return nil, nil, err
		}
		if chain := certificates(public); len(chain) > 0 && chain[0].IsCA {
			return nil, nil, nil
		}
	case ".pub":
		if public, err = os.ReadFile(path); err != nil {
			return nil, nil, err
		}
	case ".key": // its certificate, or its public key, as sa.key has it
		public, err = os.ReadFile(stem + ".crt")
		if os.IsNotExist(err) {
			public, err = os.ReadFile(stem + ".pub")
		}
		if err != nil {
			return nil, nil, err
		}
	default:
		return nil, nil, nil
	}
	key, err = os.ReadFile(stem + ".key")
	return public, key, err
}

var dataField = regexp.MustCompile(`(?m)^ *(client-certificate-data|client-key-data): *"?([A-Za-z0-9+/=]+)"? *$`)

// embedded returns the client certificate and key of a kubeconfig.
func embedded(path string) (certificate, key []byte, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	for _, match := range dataField.FindAllSubmatch(text, -1) {
		data, err := base64.StdEncoding.DecodeString(string(match[2]))
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", path, err)
		}
		if string(match[1]) == "client-key-data" {
			key = data
		} else {
			certificate = data
		}
	}
	return certificate, key, nil
}

// belongs says whether the first private key of keyPEM is that of the first
// certificate or public key of otherPEM.
func belongs(keyPEM, otherPEM []byte) bool {
	privates := privateKeys(keyPEM)
	block, _ := pem.Decode(otherPEM)
	if len(privates) == 0 || block == nil {
		return false
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if certificate, certErr := x509.ParseCertificate(block.Bytes); certErr == nil {
		public, err = certificate.PublicKey, nil
	}
	if err != nil {
		return false
	}
	comparable, ok := privates[0].Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && comparable.Equal(public)
}

// privateKeys returns every private key that stands in data as PEM.
func privateKeys(data []byte) []crypto.Signer {
	var keys []crypto.Signer
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			return keys
		}
		var key any
		var err error
		switch block.Type {
		case "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		default:
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		}
		if signer, ok := key.(crypto.Signer); ok && err == nil {
			keys = append(keys, signer)
		}
	}
}

// certificates returns every certificate that stands in data as PEM.
func certificates(data []byte) []*x509.Certificate {
	var out []*x509.Certificate
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			return out
		}
		if certificate, err := x509.ParseCertificate(block.Bytes); err == nil {
			out = append(out, certificate)
		}
	}
}

// noAuthorityKey fails when a private key anywhere below dir, kubeconfigs
// included, is that of an authority whose certificate is below dir. The folder
// except stands for the token's own and is not looked at.
func noAuthorityKey(dir, except string) error {
	authorities := map[string]string{} // by subject public key
	var keys []crypto.Signer
	var places []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path == except {
			return fs.SkipDir
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		_, inside, err := embedded(path)
		if err != nil {
			inside = nil // not a kubeconfig
		}
		for _, certificate := range certificates(data) {
			if certificate.IsCA {
				authorities[string(certificate.RawSubjectPublicKeyInfo)] = certificate.Subject.String()
			}
		}
		for _, key := range privateKeys(bytes.Join([][]byte{data, inside}, []byte("\n"))) {
			keys, places = append(keys, key), append(places, path)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(authorities) == 0 {
		return fmt.Errorf("there is no authority's certificate below %s", dir)
	}
	for i, key := range keys {
		public, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			return fmt.Errorf("%s: %w", places[i], err)
		}
		if name, ok := authorities[string(public)]; ok {
			return fmt.Errorf("%s holds the private key of the authority %s", places[i], name)
		}
	}
	return nil
}
