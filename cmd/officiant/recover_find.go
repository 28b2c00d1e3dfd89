package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"officiant/bundle/fingerprint"
	"officiant/cmd/internal/exit"
	"officiant/signer"
)

// remains is what is left of a cluster whose records are lost.
type remains struct {
	cluster       string
	sequence      int // the highest that any node has seen
	root, release fingerprint.SHA256
	nodes         int // that said so
	certificates  []*leftCertificate
	keys          []*leftKey
}

// leftCertificate is an authority's certificate, and the first file it was in.
type leftCertificate struct {
	cert *x509.Certificate
	file string
	used bool // there is a key for it
}

// leftKey is a key of the cluster in a token.
type leftKey struct {
	name        string // its label without the cluster
	token       string
	public      crypto.PublicKey
	spki        fingerprint.SHA256
	certificate *leftCertificate // nil: none is left
}

// seen reads what nodes have seen: they have to agree on root and release key.
func (r *remains) seen(dir string) error {
	statuses, err := readStatuses(dir)
	if err != nil {
		return err
	}
	first := ""
	for _, node := range slices.Sorted(maps.Keys(statuses)) {
		s := statuses[node]
		switch {
		case s.Pins == nil:
			continue
		case s.Pins.Cluster != r.cluster:
			return refuse("node %s is of cluster %s, not %s", exit.Line(node), exit.Line(s.Pins.Cluster), exit.Line(r.cluster))
		case first == "":
			first, r.root, r.release = node, s.Pins.Root, s.Pins.Release
		case s.Pins.Root != r.root || s.Pins.Release != r.release:
			return refuse("nodes %s and %s pinned different roots or release keys: bring them to the same bundles first, or leave one's status out and compare its words at install", exit.Line(first), exit.Line(node))
		}
		r.nodes++
		r.sequence = max(r.sequence, s.Pins.HighestSequence)
	}
	if r.sequence < 1 {
		return &exit.Error{Code: exit.Refused,
			Err:   fmt.Errorf("%s: no status of a node that installed a bundle, so nobody can say above which sequence the new chain has to begin", dir),
			Hints: []string{"on each node: officiant-node status -o json >NODE.json"}}
	}
	return nil
}

// longestCertificates is above any file with certificates that is looked into.
const longestCertificates = 4 << 20

// certificatesIn gathers the authorities' certificates in files and folders.
func (r *remains) certificatesIn(paths []string) error {
	for _, path := range paths {
		err := filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			if info, err := d.Info(); err != nil || info.Size() > longestCertificates {
				return err
			}
			if ext := filepath.Ext(file); ext == ".key" || ext == ".conf" || ext == ".txt" {
				return nil // private keys, kubeconfigs and a node's identity have nothing for us
			}
			data, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			if filepath.Ext(file) == ".tar" {
				return r.takeTar(file, data)
			}
			r.take(file, data)
			return nil
		})
		if err != nil {
			return fmt.Errorf("--from: %w", err)
		}
	}
	return nil
}

// takeTar looks into a bundle that is one file. Its signature does not matter here:
// what is taken is held against keys in tokens and what nodes pinned.
func (r *remains) takeTar(file string, data []byte) error {
	for t := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		content, err := io.ReadAll(t)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		r.take(file+": "+h.Name, content)
	}
}

// take keeps each authority's certificate once.
func (r *remains) take(file string, data []byte) {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil || !c.IsCA || slices.ContainsFunc(r.certificates, func(l *leftCertificate) bool { return l.cert.Equal(c) }) {
			continue
		}
		r.certificates = append(r.certificates, &leftCertificate{cert: c, file: file})
	}
}

// keysOf opens each token of the station once, and takes the cluster's keys in it.
func (r *remains) keysOf(ctx context.Context, o *recoverOptions) error {
	st, err := openStation(o.options, o.station)
	if err != nil {
		return err
	}
	to := reach{finalTry: o.finalTry, timeout: st.Patience()}
	opened := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(st.Keys)) {
		token, err := signer.TokenOf(st.Keys[name])
		if err != nil {
			return err
		}
		if opened[token] {
			continue
		}
		opened[token] = true
		ref, err := st.Ref(r.cluster, name)
		if err != nil {
			return err
		}
		store, err := to.open(ctx, ref, askPIN(o.options))
		if errors.Is(err, signer.ErrAbsent) { // the root's may stay in its safe
			fmt.Fprintf(o.Stderr, "note: the token of %s is not in, so its keys are not looked for\n", exit.Line(name))
			continue
		}
		if err != nil {
			return err
		}
		if err := errors.Join(r.keysIn(ctx, store, st.Keys[name]), store.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (r *remains) keysIn(ctx context.Context, store signer.Store, uri string) error {
	lister, ok := store.(signer.Lister)
	if !ok {
		return fmt.Errorf("%w: its keys cannot be listed", signer.ErrUnsupported)
	}
	infos, err := lister.List(ctx)
	if err != nil {
		return err
	}
	for _, i := range infos {
		name, ours := strings.CutPrefix(i.Label, r.cluster+"/")
		if !ours || i.Algorithm == "" {
			continue
		}
		key, err := store.Find(ctx, signer.Ref{URI: uri, Label: i.Label})
		if err != nil {
			return err
		}
		spki, err := fingerprint.SPKI(key.Public())
		if err != nil {
			return err
		}
		k := &leftKey{name: name, token: i.Device.Label, public: key.Public(), spki: spki}
		if i.Device.Serial != "" {
			k.token += ", serial " + i.Device.Serial
		}
		for _, c := range r.certificates {
			if !bytes.Equal(spki[:], spkiOf(c.cert)) {
				continue
			}
			c.used = true
			if k.certificate == nil || c.cert.NotAfter.After(k.certificate.cert.NotAfter) {
				k.certificate = c // of several for one key, the one that lasts longest
			}
		}
		r.keys = append(r.keys, k)
	}
	return nil
}

func spkiOf(c *x509.Certificate) []byte {
	f := fingerprint.Of(c.RawSubjectPublicKeyInfo)
	return f[:]
}

// write shows what is found: keys, with the certificate of each, and certificates
// without a key.
func (r *remains) write(w io.Writer) error {
	var b strings.Builder
	for _, k := range r.keys {
		fmt.Fprintf(&b, "%s\n  key          in token %s\n  public key   SHA-256 %s\n", exit.Line(k.name), exit.Line(k.token), k.spki)
		switch c := k.certificate; {
		case c != nil:
			fmt.Fprintf(&b, "  certificate  %s, %s, in %s\n", exit.Line(c.cert.Subject.String()), valid(c.cert), exit.Line(c.file))
		case k.spki == r.release:
			fmt.Fprintf(&b, "  it is the release key that %s pinned\n", counted(r.nodes, "node"))
		case k.of("release"):
			b.WriteString("  it is no release key that nodes pinned: the plan leaves it out\n")
		default:
			b.WriteString("  certificate  none is left in the places given\n")
		}
	}
	for _, c := range r.certificates {
		if !c.used {
			fmt.Fprintf(&b, "%s\n  key          none in the station's tokens: it can sign nothing\n  certificate  %s, in %s\n", exit.Line(c.cert.Subject.String()), valid(c.cert), exit.Line(c.file))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// unknown says what can be known of the time before, and what cannot.
func (r *remains) unknown() string {
	return fmt.Sprintf(`
Known: %s pinned this root and this release key, and ceremony %d is the highest seen.
A node whose status is not here may have seen a higher one: it refuses the new bundles.

Not known any more, and in no record from now on:
  - which serial numbers were used, and which certificates are in circulation; each
    stays valid until it ends, and none can be found in an inventory
  - what was revoked, and up to which number lists of revoked certificates went
  - who had to approve; the people of this plan are whom you name in it
  - the sealed service-account key. Nodes have theirs; the plan makes a new pair, and
    every token signed so far is refused once the bundles are installed

`, counted(r.nodes, "node"), r.sequence)
}
