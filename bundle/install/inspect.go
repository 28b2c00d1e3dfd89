package install

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"officiant/bundle/durable"
	"officiant/bundle/kubepki"
)

// owners finds files and folders that somebody may exchange: those of another
// user, and folders that others may write to. On a machine all belong to root;
// below another root they may belong to whoever has the node's state, too. What etcd
// alone reads may be its user's: a file that is replaced keeps its owner.
func (n *Node) owners(v *Verification, files []kubepki.File) error {
	allowed := []int{0}
	if info, err := n.files().Stat(n.State().Dir()); err == nil && filepath.Clean(n.Root) != "/" {
		if o := ownerOf(info); o != nil {
			allowed = append(allowed, o.uid)
		}
	}
	paths := []string{kubernetesDir, kubernetesDir + "/pki", kubernetesDir + "/pki/etcd",
		StateDir, StateDir + "/" + pinsFile, StateDir + "/" + installedFile, StateDir + "/" + identityFile}
	etcds := map[string]bool{}
	for _, f := range files {
		path := kubernetesDir + "/" + f.Path
		paths = append(paths, path)
		etcds[path] = etcdAlone(f)
	}
	for _, path := range paths {
		info, err := n.files().Stat(n.at(path))
		if errors.Is(err, fs.ErrNotExist) {
			continue // where it has to be there, others say so
		}
		if err != nil {
			return err
		}
		if o := ownerOf(info); o != nil && !slices.Contains(allowed, o.uid) && !etcds[path] {
			v.add(path, "belongs to user %d, must belong to root", o.uid)
		}
		if mode := info.Mode().Perm(); info.IsDir() && mode&0o022 != 0 {
			v.add(path, "mode is %04o: others may exchange what is in it", mode)
		}
	}
	return nil
}

// etcdAlone says whether nobody but etcd, and who asks after it, reads a file.
func etcdAlone(f kubepki.File) bool {
	others := func(c kubepki.Consumer) bool { return c.Component != "etcd" }
	return f.Leaf != "" && len(f.Consumers) > 0 && !slices.ContainsFunc(f.Consumers, others)
}

// unlisted finds what lies beside the bundle's files and might be taken for
// credentials: everything below pki, and kubeconfigs. Certificate requests, which
// kubeadm leaves there, are of no use to anybody.
func (n *Node) unlisted(v *Verification, allow []string) error {
	files, err := filesOf(v.Bundle)
	if err != nil {
		return nil // Check has said so
	}
	known := map[string]bool{}
	for _, f := range files {
		known[kubernetesDir+"/"+f.Path] = true
	}
	for _, path := range allow {
		known[strings.TrimPrefix(filepath.ToSlash(filepath.Clean(path)), "/")] = true
	}
	facts, err := v.Bundle.Facts()
	if err != nil {
		return nil // Check has said so
	}
	for name, family := range authorityKeyNames { // told apart as what they are
		if _, ok := facts.Adopted[family]; ok {
			known[kubernetesDir+"/"+name] = true
		}
	}
	look := func(path string) {
		if known[path] || strings.HasSuffix(path, ".csr") || durable.IsTemp(path) {
			return
		}
		v.add(path, "is not from the bundle in place")
	}
	entries, err := n.files().ReadDir(n.at(kubernetesDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("looking for other files: %w", err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".conf") {
			look(kubernetesDir + "/" + e.Name())
		}
	}
	for _, folder := range []string{kubernetesDir + "/pki", kubernetesDir + "/pki/etcd"} {
		info, err := n.files().Lstat(n.at(folder))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return fmt.Errorf("looking for other files: %w", err)
		case strings.HasSuffix(folder, "/etcd") && info.Mode()&fs.ModeSymlink == 0:
			continue // walked from above
		}
		if err := n.filesBelow(folder, look); err != nil {
			return fmt.Errorf("looking for other files: %w", err)
		}
	}
	return nil
}

// filesBelow calls look with each file below a folder, which may be a link.
func (n *Node) filesBelow(folder string, look func(path string)) error {
	top := n.at(folder)
	return n.files().Walk(top, func(at string, e fs.DirEntry) error {
		if e.IsDir() {
			return nil
		}
		rel, err := filepath.Rel(top, at)
		if err != nil {
			return err
		}
		path := folder + "/" + filepath.ToSlash(rel)
		if path == kubernetesDir+"/pki/etcd" {
			return nil // a link to the folder, looked into on its own
		}
		look(path)
		return nil
	})
}
