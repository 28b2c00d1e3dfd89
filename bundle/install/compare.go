package install

import (
	"crypto/x509"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"officiant/bundle"
	"officiant/bundle/kubepki"
)

// comparison holds what is in place against the bundle it came from.
type comparison struct {
	below
	state   *State
	search  keySearch
	kubelet kubeletUse
}

// tree compares every file with what the bundle says of it.
func (c comparison) tree(v *Verification) error {
	files, err := filesOf(v.Bundle)
	if err != nil {
		return nil // Check has said so
	}
	leaves, err := v.Bundle.LeafCertificates()
	if err != nil {
		return nil // Check has said so
	}
	c.leavesInPlace(files, leaves)
	for _, f := range files {
		path := placeOf(f)
		now, err := c.read(path)
		switch {
		case err != nil:
			v.add(path, "%v", err)
		case now == nil:
			v.add(path, "missing")
		default:
			if now.mode&^f.Mode != 0 {
				v.add(path, "mode is %04o, must be %04o", now.mode, f.Mode)
			}
			if problem := holds(v.Bundle, f, leaves[f.Leaf], now.data); problem != "" {
				v.add(path, "%s", problem)
			}
		}
	}
	if err := c.secretModes(v); err != nil {
		return err
	}
	if err := c.owners(v, files); err != nil {
		return err
	}
	uses, notUsed := c.kubelet.inUse(v.Bundle, files)
	v.Kubelet, v.Findings = uses, append(v.Findings, notUsed...)
	found, left, err := c.search.all(v.Bundle)
	v.Left = left
	v.Findings = append(v.Findings, found...)
	slices.SortStableFunc(v.Findings, func(a, b bundle.Finding) int { return strings.Compare(a.File, b.File) })
	v.Findings = slices.Compact(v.Findings) // a missing file is missed twice
	return err
}

// leavesInPlace puts the certificates the node has now in place of the bundle's:
// a private key has to belong to the certificate beside it.
func (c comparison) leavesInPlace(files []kubepki.File, leaves map[string]*x509.Certificate) {
	for _, f := range files {
		if f.Kind != kubepki.CertificateFile {
			continue
		}
		now, err := c.read(placeOf(f))
		if err != nil || now == nil {
			continue
		}
		if cert := bundle.FirstCertificate(f.Path, now.data); cert != nil {
			leaves[f.Leaf] = cert
		}
	}
}

// secretModes finds files of the state directory that others may read.
func (c comparison) secretModes(v *Verification) error {
	top := c.state.Dir()
	look := func(at string, e fs.DirEntry) error {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(c.root, at)
		if err != nil {
			return err
		}
		if e.Type()&fs.ModeSymlink != 0 {
			v.add(filepath.ToSlash(rel), "is a link, not a file")
			return nil
		}
		if info.Mode().Perm()&0o077 == 0 {
			return nil
		}
		want := secretMode
		if e.IsDir() {
			want = stateMode
		}
		v.add(filepath.ToSlash(rel), "mode is %04o, must be %04o", info.Mode().Perm(), want)
		return nil
	}
	info, err := c.files.Stat(top)
	if err != nil {
		return err
	}
	if err := look(top, fs.FileInfoToDirEntry(info)); err != nil {
		return err
	}
	return c.files.Walk(top, look)
}
