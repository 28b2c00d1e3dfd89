package install

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"officiant/bundle"
	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/bundle/kubeconfig"
	"officiant/bundle/kubepki"
	"officiant/bundle/privatekey"
)

// Verification is what Verify found on a node.
type Verification struct {
	Bundle   *bundle.Bundle // in place; nil when it cannot be read
	Pins     *Pins
	Files    []InPlace // those the bundle put there, sorted
	Kubelet  *Kubelet  // what it does about its certificate; nil where none is certified
	Left     []string  // files with private keys of authorities that the bundle adopts
	Findings []bundle.Finding
}

// InPlace is a file as the node has it.
type InPlace struct {
	Path        string            // below the root
	Certificate *x509.Certificate // its first, or a kubeconfig's; nil when it has none
}

func (v *Verification) add(file, format string, args ...any) {
	v.Findings = append(v.Findings, bundle.Finding{File: file, Problem: fmt.Sprintf(format, args...)})
}

// VerifyOptions says what a node is checked against.
type VerifyOptions struct {
	Release  crypto.PublicKey    // without it nothing says where the bundle came from
	Root     *fingerprint.SHA256 // SHA-256 the root certificate must have; nil: the one pinned
	ValidFor time.Duration       // everything must be valid this much longer
	Allow    []string            // files below the root that are there besides the bundle's
}

// verifier judges what is in place: by where it came from, by what it says, and by
// what lies beside it.
type verifier struct {
	below
	record
	compared comparison
	now      func() time.Time
}

// verify holds the files of /etc/kubernetes against the bundle they came from,
// and, as they are now, against everything Check knows.
func (r verifier) verify(o VerifyOptions) (*Verification, error) {
	if err := r.contained(); err != nil {
		return nil, err
	}
	v := &Verification{}
	if j, err := r.interrupted(); err != nil {
		return nil, err
	} else if j != nil {
		v.add("", "an %s was interrupted; run install again to finish it", j.Operation)
	}
	var err error
	if v.Pins, err = r.state.Pins(); err != nil {
		return nil, err
	}
	v.Bundle, err = r.installed()
	var refusal *bundle.Refusal
	switch {
	case errors.As(err, &refusal):
		v.add(StateDir+"/"+installedFile, "%v", err)
		return v, nil
	case err != nil:
		return nil, err
	case v.Bundle == nil || v.Pins == nil:
		v.add("", "no bundle is installed below %s", r.root)
		return v, nil
	}
	if err := v.origin(o.Release); err != nil {
		return nil, err
	}
	if o.Root != nil && *o.Root != v.Pins.Root {
		v.add(bundle.RootFile, "the root's SHA-256 is %s, not the one asked for", v.Pins.Root)
	}
	if err := r.contents(v, o); err != nil {
		return nil, err
	}
	if err := r.unlisted(v, o.Allow); err != nil {
		return nil, err
	}
	return v, r.compared.tree(v)
}

// contents checks what the files in place say: names, usages, issuers, dates.
// A file that was changed is judged as it is, so that one learns what it says.
func (r verifier) contents(v *Verification, o VerifyOptions) error {
	files, err := filesOf(v.Bundle)
	if err != nil {
		files = nil // Check says so
	}
	now, paths := map[string][]byte{}, map[string]string{}
	for _, f := range files {
		path := placeOf(f)
		paths[f.Path] = path
		v.Files = append(v.Files, InPlace{Path: path})
		if f.Kind == kubepki.KeyFile || f.Kind == kubepki.ServiceAccountKey {
			continue
		}
		there, err := r.read(path)
		switch {
		case err != nil: // tree says so
		case there == nil:
			now[f.Path] = nil
		case f.Kind != kubepki.KubeconfigFile:
			now[f.Path] = append([]byte{}, there.data...)
		default:
			if k, err := kubeconfig.Read(f.Path, there.data); err == nil { // else tree says so
				clear(k.Key)
				k.Key = nil
				now[f.Path] = k.Render()
			}
		}
		v.Files[len(v.Files)-1].Certificate = bundle.FirstCertificate(f.Path, now[f.Path])
	}
	against := bundle.CheckOptions{Now: r.now(), Root: &v.Pins.Root, ValidFor: o.ValidFor}
	for _, f := range v.Bundle.With(now).Check(against) {
		if path, ok := paths[f.File]; ok {
			f.File = path
		}
		v.Findings = append(v.Findings, f)
	}
	return nil
}

// origin compares the bundle in place with release key and pins.
func (v *Verification) origin(release crypto.PublicKey) error {
	b, p := v.Bundle, v.Pins
	if b.Cluster != p.Cluster || b.Node != p.Node {
		v.add(bundle.SumsFile, "is for node %s of cluster %s; this is node %s of cluster %s", b.Node, b.Cluster, p.Node, p.Cluster)
	}
	if b.Sequence > p.HighestSequence || b.Sequence == p.HighestSequence && sumOf(b) != p.HighestBundle {
		v.add(bundle.SumsFile, "is not a bundle whose installation this node has on record")
	}
	if release == nil {
		return nil
	}
	spki, err := fingerprint.SPKI(release)
	if err != nil {
		return fmt.Errorf("release key: %w", err)
	}
	// After a rollback the bundle in place may be by the key that was pinned
	// before, and announce the one that is.
	next := announcedBy(b)
	rolledBack := b.Sequence < p.HighestSequence && next != nil && *next == p.Release
	if spki != p.Release && !rolledBack {
		v.add(bundle.SignatureFile, "the release key given is not the one this node pinned: SHA-256 is %s, pinned is %s", spki, p.Release)
	}
	var refusal *bundle.Refusal
	if err := b.CheckSignature(release); errors.As(err, &refusal) {
		v.add(refusal.File, "%s", refusal.Reason)
	} else if err != nil {
		return err
	}
	return nil
}

const wasChanged = "was changed: it is not what the bundle holds"

// holds says what is wrong with an installed file; nothing when it is right.
func holds(b *bundle.Bundle, f kubepki.File, leaf *x509.Certificate, data []byte) string {
	switch f.Kind {
	case kubepki.KeyFile:
		return fits(data, leaf)
	case kubepki.KubeconfigFile:
		return holdsConfig(b, f, leaf, data)
	case kubepki.ServiceAccountKey:
		key, err := privatekey.Parse(data)
		if err != nil {
			return err.Error()
		}
		public, err := b.ServiceAccountPublic()
		if err != nil || !sameKey(key.Public(), public) {
			return "does not belong to sa.pub"
		}
		return ""
	}
	if !bytes.Equal(data, b.Files[f.Path]) {
		return wasChanged
	}
	return ""
}

func fits(keyData []byte, leaf *x509.Certificate) string {
	key, err := privatekey.Parse(keyData)
	if err != nil {
		return err.Error()
	}
	if leaf == nil || !sameKey(key.Public(), leaf.PublicKey) {
		return "the private key does not belong to its certificate"
	}
	return ""
}

func holdsConfig(b *bundle.Bundle, f kubepki.File, leaf *x509.Certificate, data []byte) string {
	now, err := kubeconfig.Read(f.Path, data)
	if err != nil {
		return err.Error()
	}
	want, err := kubeconfig.Parse(f.Path, b.Files[f.Path])
	if err != nil {
		return err.Error()
	}
	if len(now.Key) == 0 {
		return "holds no private key"
	}
	if problem := fits(now.Key, leaf); problem != "" {
		return problem
	}
	clear(now.Key)
	now.Key, want.Key = nil, nil
	if !bytes.Equal(now.Render(), want.Render()) {
		return wasChanged
	}
	if len(now.Besides) > 0 {
		return wasChanged + ": has " + strings.Join(now.Besides, ", ")
	}
	return ""
}

// unlisted finds what lies beside the bundle's files and might be taken for
// credentials: everything below pki, and kubeconfigs. Certificate requests, which
// kubeadm leaves there, are of no use to anybody.
func (r verifier) unlisted(v *Verification, allow []string) error {
	files, err := filesOf(v.Bundle)
	if err != nil {
		return nil // Check has said so
	}
	known := map[string]bool{}
	for _, f := range files {
		known[placeOf(f)] = true
	}
	for _, path := range allow {
		known[strings.TrimPrefix(filepath.ToSlash(filepath.Clean(path)), "/")] = true
	}
	facts, err := v.Bundle.Facts()
	if err != nil {
		return nil // Check has said so
	}
	for path, family := range authorityKeysAt(facts.Cluster.Places) { // told apart as what they are
		if _, ok := facts.Adopted[family]; ok {
			known[path] = true
		}
	}
	look := func(path string) {
		if known[path] || strings.HasSuffix(path, ".csr") || durable.IsTemp(path) {
			return
		}
		v.add(path, "is not from the bundle in place")
	}
	entries, err := r.files.ReadDir(r.at(kubernetesDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("looking for other files: %w", err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".conf") {
			look(kubernetesDir + "/" + e.Name())
		}
	}
	for _, folder := range r.certificateFolders(facts.Cluster.Places) {
		if err := r.filesBelow(folder, look); err != nil {
			return fmt.Errorf("looking for other files: %w", err)
		}
	}
	return nil
}
