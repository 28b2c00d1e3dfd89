package request

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"slices"
	"strings"

	"officiant/bundle/charset"
	"officiant/bundle/kubeconfig"
	"officiant/bundle/kubepki"
	"officiant/bundle/privatekey"
)

// Folder is what a `kubeadm certs generate-csr` folder holds for one node.
type Folder struct {
	Keys    Keys
	CSRs    map[string][]byte // PEM, by Leaf.Name
	Ignored []string          // CSRs in it that the node's roles do not need, sorted
}

// FromCSRDir reads the CSRs and keys of these leaves. kubeadm writes
// certificates' files to --cert-dir and kubeconfigs to --kubeconfig-dir; the
// former may be the folder itself or "pki" in it, the latter is the folder. A
// CSR that is missing, has another key than the one beside it, or asks for a
// name its leaf does not have, is an error; several are joined.
func FromCSRDir(dir fs.FS, leaves []kubepki.Leaf) (*Folder, error) {
	f := &Folder{Keys: Keys{}, CSRs: map[string][]byte{}}
	var problems []error
	read := map[string]bool{}
	for _, l := range leaves {
		at, err := f.read(dir, l)
		if err != nil {
			problems = append(problems, err)
		}
		read[at] = true
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	err := fs.WalkDir(dir, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && path.Ext(name) == ".csr" && !read[name] {
			f.Ignored = append(f.Ignored, name)
		}
		return err
	})
	return f, err
}

// read takes one leaf's CSR and key, and returns the CSR's place.
func (f *Folder) read(dir fs.FS, l kubepki.Leaf) (at string, err error) {
	at, data, err := readCSR(dir, l.Name)
	if err != nil {
		return at, err
	}
	csr, err := parseCSR(data)
	if err != nil {
		return at, fmt.Errorf("%s: %w", at, err)
	}
	if extra := asksBeyond(csr, l); len(extra) > 0 {
		return at, fmt.Errorf("%s: asks for %s, which this node's %s does not get", at, strings.Join(extra,
			", "), l.Name)
	}
	key, keyAt, err := readKey(dir, strings.TrimSuffix(at, ".csr"), l.Kubeconfig != nil)
	if err != nil {
		return at, err
	}
	if pub, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !pub.Equal(csr.PublicKey) {
		return at, fmt.Errorf("%s: is not the key of %s", keyAt, at)
	}
	f.CSRs[l.Name], f.Keys[l.Name] = data, key
	return at, nil
}

// missingError is that of a CSR that is not there, by its name.
type missingError string

func (e missingError) Error() string { return string(e) + ": is missing, also in pki" }
func (e missingError) Unwrap() error { return fs.ErrNotExist }

// maxFile bounds each file of the folder.
const maxFile = 1 << 20

// readFile reads a file of the folder that is no larger than any of them. What is not
// there at all is a fs.ErrNotExist, and a link to nothing is none.
func readFile(dir fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(dir, name)
	if errors.Is(err, fs.ErrNotExist) {
		if link, err := fs.Lstat(dir, name); err == nil && link.Mode()&fs.ModeSymlink != 0 {
			return nil, errors.New("is a link to nothing")
		}
	}
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, errors.New("is a directory")
	case !info.Mode().IsRegular():
		return nil, errors.New("is a pipe, a socket or a device, where a file belongs")
	case info.Size() > maxFile:
		return nil, fmt.Errorf("has %d bytes, more than the %d that are read", info.Size(), maxFile)
	}
	return fs.ReadFile(dir, name)
}

// readCSR finds a CSR by the name kubeadm gives it, and returns its PEM with
// nothing around it.
func readCSR(dir fs.FS, name string) (at string, data []byte, err error) {
	at = "pki/" + name + ".csr"
	data, err = readFile(dir, at)
	if errors.Is(err, fs.ErrNotExist) {
		at = name + ".csr"
		data, err = readFile(dir, at)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return at, nil, missingError(at)
	}
	if err != nil {
		return at, nil, fmt.Errorf("%s: %w", at, unnamed(err))
	}
	if !bytes.HasPrefix(data, []byte{0x30}) { // DER is named as such
		if data, err = charset.UTF8(data); err != nil {
			return at, nil, fmt.Errorf("%s: %w", at, err)
		}
	}
	block, err := csrBlock(data)
	if err != nil {
		return at, nil, fmt.Errorf("%s: %w", at, err)
	}
	return at, pem.EncodeToMemory(block), nil
}

// csrBlock finds the certificate request in a text that openssl or a person wrote
// around it; some programs give it another name.
func csrBlock(data []byte) (*pem.Block, error) {
	var found *pem.Block
	what := ""
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		switch {
		case block.Type != csrPEM && block.Type != "NEW "+csrPEM:
			what = block.Type
		case found != nil:
			return nil, errors.New("holds several certificate requests, and nothing says which is meant")
		default:
			found = &pem.Block{Type: csrPEM, Bytes: block.Bytes}
		}
	}
	switch {
	case found != nil:
		return found, nil
	case len(bytes.TrimSpace(data)) == 0:
		return nil, errors.New("is empty")
	case strings.HasSuffix(what, "PRIVATE KEY"):
		return nil, errors.New("holds a private key and no certificate request")
	case what == "CERTIFICATE":
		return nil, errors.New("holds a certificate and no request for one")
	case what != "":
		return nil, errors.New("holds another kind of PEM block and no certificate request")
	case bytes.HasPrefix(data, []byte{0x30}):
		return nil, errors.New("is DER and not PEM; `openssl req -inform der -in FILE -out OTHER` makes PEM of it")
	}
	return nil, errors.New("is not one PEM block " + csrPEM)
}

// readKey reads BASE.key, or the key inside the kubeconfig BASE. A kubeconfig
// without a key, made by hand, may have it beside it, as a certificate has.
func readKey(dir fs.FS, base string, inside bool) (key crypto.Signer, at string, err error) {
	at = base + ".key"
	if inside {
		key, err := configKey(dir, base)
		if key != nil || err != nil && !errors.Is(err, fs.ErrNotExist) {
			return key, base, err
		}
	}
	data, err := readFile(dir, at)
	if inside && errors.Is(err, fs.ErrNotExist) {
		if _, err := readFile(dir, base); errors.Is(err, fs.ErrNotExist) {
			return nil, base, fmt.Errorf("%s: is missing, and so is %s: the request %[1]s.csr is without its key",
				base, at)
		}
		return nil, base, fmt.Errorf("%s: has no client-key-data, and there is no %s beside it", base, at)
	}
	if err != nil {
		return nil, at, fmt.Errorf("%s: %w", at, unnamed(err))
	}
	defer clear(data)
	text := data
	if charset.Name(data) != "" && !bytes.HasPrefix(data, []byte{0x30}) { // DER is named as such
		if text, err = charset.UTF8(data); err != nil {
			return nil, at, fmt.Errorf("%s: %w", at, err)
		}
		defer clear(text)
	}
	if key, err = privatekey.Read(text); err != nil {
		return nil, at, fmt.Errorf("%s: %w", at, err)
	}
	return key, at, nil
}

// configKey is the key of a kubeconfig, inside or in a file that it names; nil when it
// has none.
func configKey(dir fs.FS, at string) (crypto.Signer, error) {
	data, err := readFile(dir, at)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at, unnamed(err))
	}
	defer clear(data)
	c, err := kubeconfig.Read(at, data)
	if err != nil {
		return nil, err
	}
	if c.KeyFile != "" && !path.IsAbs(c.KeyFile) {
		return namedKey(dir, at, path.Join(path.Dir(at), c.KeyFile))
	}
	if c.KeyFile != "" {
		return nil, fmt.Errorf("%s: its client-key is the file %s; put that beside it as %s.key, or in it: "+
			"kubectl config view --raw --flatten --kubeconfig %[1]s", at, c.KeyFile, path.Base(at))
	}
	if c.Key == nil {
		return nil, nil
	}
	defer clear(c.Key)
	key, err := privatekey.Parse(c.Key)
	if err != nil {
		return nil, fmt.Errorf("%s: client-key-data: %w", at, err)
	}
	return key, nil
}

// namedKey reads the key in a file that a kubeconfig names.
func namedKey(dir fs.FS, config, at string) (crypto.Signer, error) {
	data, err := readFile(dir, at)
	if err != nil {
		return nil, fmt.Errorf("%s: its client-key is the file %s: %v", config, at, unnamed(err))
	}
	defer clear(data)
	key, err := privatekey.Read(data)
	if err != nil {
		return nil, fmt.Errorf("%s: its client-key is the file %s, which %w", config, at, err)
	}
	return key, nil
}

// unnamed is an error about a file without its name, which stands before it.
func unnamed(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// asksBeyond lists the names a CSR asks for that the leaf does not have. The
// ceremony would refuse them; better to hear it on the node.
func asksBeyond(csr *x509.CertificateRequest, l kubepki.Leaf) []string {
	var extra []string
	if csr.Subject.CommonName != l.CommonName {
		extra = append(extra, fmt.Sprintf("CN %q", csr.Subject.CommonName))
	}
	for _, o := range csr.Subject.Organization {
		if !slices.Contains(l.Organization, o) {
			extra = append(extra, fmt.Sprintf("O %q", o))
		}
	}
	for _, name := range csr.DNSNames {
		if !l.Grants(name) {
			extra = append(extra, fmt.Sprintf("DNS name %q", name))
		}
	}
	for _, ip := range csr.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); !ok || !slices.Contains(l.IPAddresses, a.Unmap()) {
			extra = append(extra, "IP address "+ip.String())
		}
	}
	if n := len(csr.EmailAddresses) + len(csr.URIs); n > 0 {
		extra = append(extra, "email addresses or URIs")
	}
	return extra
}
