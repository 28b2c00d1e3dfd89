package install

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"

	"officiant/bundle/kubepki"
)

// owners finds files and folders that somebody may exchange: those of another
// user, and folders that others may write to. On a machine all belong to root;
// below another root they may belong to whoever has the node's state, too. What etcd
// alone reads may be its user's: a file that is replaced keeps its owner.
func (c comparison) owners(v *Verification, files []kubepki.File) error {
	allowed := []int{0}
	if info, err := c.files.Stat(c.state.Dir()); err == nil && filepath.Clean(c.root) != "/" {
		if o := ownerOf(info); o != nil {
			allowed = append(allowed, o.uid)
		}
	}
	paths := append(foldersOf(files), kubernetesDir, StateDir,
		StateDir+"/"+pinsFile, StateDir+"/"+installedFile, StateDir+"/"+identityFile)
	etcds := map[string]bool{}
	for _, f := range files {
		path := placeOf(f)
		paths = append(paths, path)
		etcds[path] = etcdAlone(f)
		if ofExternalEtcd(f) { // a folder of etcd's, which may be its user's
			etcds[path], etcds[filepath.Dir(path)] = true, true
		}
	}
	for _, path := range paths {
		info, err := c.files.Stat(c.at(path))
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
