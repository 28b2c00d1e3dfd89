package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"officiant/bundle/phrase"
	"officiant/ceremony/next"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/infile"
	"officiant/signer"
)

// longestCertificates is above any file with certificates that is looked into.
const longestCertificates = 4 << 20

// certificatesIn gathers the authorities' certificates in files and folders.
func certificatesIn(ctx context.Context, left *next.Survivors, paths []string) error {
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
			data, err := infile.ReadFile(ctx, file, longestCertificates)
			if err != nil {
				return err
			}
			return left.TakeFile(next.File{Name: file, Data: data})
		})
		if err != nil {
			return fmt.Errorf("--from: %w", err)
		}
	}
	return nil
}

// keys opens each token of the station once, and takes the cluster's keys in it.
func (o *recoverOptions) keys(ctx context.Context, left *next.Survivors) error {
	st, err := openStation(o.options, o.station)
	if err != nil {
		return err
	}
	to := o.reach().at(st)
	to.finalTry = o.finalTry
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
		ref, err := st.Ref(left.Cluster, name)
		if err != nil {
			return err
		}
		store, err := to.open(ctx, ref, askPIN(o.options))
		if errors.Is(err, signer.ErrAbsent) { // the root's may stay in its safe
			fmt.Fprintf(o.Stderr, "note: the token of %s is not inserted, so its keys were not searched\n",
				exit.Line(name))
			continue
		}
		if err != nil {
			return err
		}
		if err := errors.Join(keysIn(ctx, left, store, st.Keys[name]), store.Close()); err != nil {
			return err
		}
	}
	return nil
}

func keysIn(ctx context.Context, left *next.Survivors, store signer.Store, uri string) error {
	lister, ok := store.(signer.Lister)
	if !ok {
		return fmt.Errorf("%w: its keys cannot be listed", signer.ErrUnsupported)
	}
	infos, err := lister.List(ctx)
	if err != nil {
		return err
	}
	for _, i := range infos {
		if _, ours := left.Owns(i.Label); !ours || i.Algorithm == "" {
			continue
		}
		key, err := store.Find(ctx, signer.Ref{URI: uri, Label: i.Label})
		if err != nil {
			return err
		}
		token := i.Device.Label
		if i.Device.Serial != "" {
			token += ", serial " + i.Device.Serial
		}
		if err := left.TakeKey(i.Label, token, key.Public()); err != nil {
			return err
		}
	}
	return nil
}

// tellSurvivors shows what is found: keys, with the certificate of each, and
// certificates without a key.
func tellSurvivors(w io.Writer, left *next.Survivors) error {
	var b strings.Builder
	for _, k := range left.Keys {
		fmt.Fprintf(
			&b,
			"%s\n  key          in token %s\n  public key   SHA-256 %s\n",
			exit.Line(k.Name),
			exit.Line(k.Token),
			k.SPKI,
		)
		switch c := k.Certificate; {
		case c != nil:
			fmt.Fprintf(
				&b,
				"  certificate  %s, %s, in %s\n",
				exit.Line(c.Certificate.Subject.String()),
				valid(c.Certificate),
				exit.Line(c.File),
			)
		case k.Pinned:
			fmt.Fprintf(&b, "  it is the release key that %s pinned\n", phrase.Count(left.Nodes, "node"))
		case k.Of("release"):
			b.WriteString("  no node pinned it as a release key: the plan leaves it out\n")
		default:
			b.WriteString("  certificate  none found in the places given\n")
		}
	}
	for _, c := range left.Certificates {
		if !c.HasKey {
			fmt.Fprintf(&b, "%s\n  key          none in the station's tokens: it can sign nothing\n  certificate  %s, in %s\n",
				exit.Line(c.Certificate.Subject.String()), valid(c.Certificate), exit.Line(c.File))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// unknown says what can be known of the time before, and what cannot.
func unknown(left *next.Survivors) string {
	account := "The plan creates a new service-account pair: every token signed so far is refused once the\n" +
		"bundles are installed. To keep the pair, have each control-plane node's key sealed to it, beside\n" +
		"its request (officiant-node share --to NODE.req --out NODE.sa.key.age), and sa.pub under --from.\n"
	if left.Keeps() {
		account = "The service-account pair stays: it came sealed to each control-plane node.\n"
	}
	return fmt.Sprintf(`
Known: %s pinned this root and this release key, and ceremony %d is the highest seen.
A node whose status is not here may have seen a higher one: it refuses the new bundles.

Not known any more, and in no record from now on:
  - which serial numbers were used, and which certificates are in circulation; each
    stays valid until it ends, and none can be found in an inventory
  - what was revoked, and up to which number lists of revoked certificates went
  - who had to approve; the people of this plan are whom you name in it
  - who can open the service-account key
%s
`, phrase.Count(left.Nodes, "node"), left.Sequence, account)
}
