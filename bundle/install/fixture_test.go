package install_test

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/bundle/install"
	"officiant/bundle/install/installtest"
	"officiant/bundle/kubepki"
)

// machine is a node with its keys in place, as `officiant-node request` leaves it.
type machine struct {
	who *bundletest.Node
	*install.Node
}

func newMachine(t testing.TB, p *bundletest.PKI, n kubepki.Node) machine {
	t.Helper()
	who := p.NewNode(t, n)
	m := machine{who, installtest.Asked(t, installtest.Folder(t), who)}
	must(t, m.State().WriteRequest(n.Name, []byte("the request as it was sent")))
	must(t, os.MkdirAll(filepath.Join(m.Root, "etc/kubernetes/manifests"), 0o755))
	must(t, os.WriteFile(filepath.Join(m.Root, "etc/kubernetes/manifests/etcd.yaml"), []byte("not ours\n"), 0o600))
	return m
}

func (m machine) at(path string) string { return filepath.Join(m.Root, filepath.FromSlash(path)) }

// copy makes a second machine of the same content elsewhere.
func (m machine) copy(t testing.TB) machine { return m.copyTo(t, installtest.Folder(t)) }

func (m machine) copyTo(t testing.TB, dir string) machine {
	t.Helper()
	return machine{m.who, installtest.Copy(t, m.Node, dir)}
}

// tree describes everything below a root: kind, mode and content.
func tree(t testing.TB, root string) map[string]string {
	t.Helper()
	all := map[string]string{}
	must(t, filepath.WalkDir(root, func(at string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, at)
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		content := ""
		switch {
		case e.Type().IsRegular():
			data, err := os.ReadFile(at)
			if err != nil {
				return err
			}
			content = string(data)
		case e.Type()&fs.ModeSymlink != 0:
			if content, err = os.Readlink(at); err != nil {
				return err
			}
		}
		all[filepath.ToSlash(rel)] = fmt.Sprintf("%v %s", info.Mode(), content)
		return nil
	}))
	return all
}

// files is tree without folders, temporary files, and what skip names.
func files(t testing.TB, root string, skip ...string) map[string]string {
	all := tree(t, root)
	maps.DeleteFunc(all, func(path, content string) bool {
		return content[0] == 'd' || durable.IsTemp(path) || slices.Contains(skip, path)
	})
	return all
}

// unlike lists the paths in which two trees differ.
func unlike(a, b map[string]string) []string {
	var list []string
	for path := range a {
		if a[path] != b[path] {
			list = append(list, path)
		}
	}
	for path := range b {
		if _, ok := a[path]; !ok {
			list = append(list, path)
		}
	}
	slices.Sort(list)
	return list
}

func temps(t testing.TB, root string) []string {
	var list []string
	for path := range tree(t, root) {
		if durable.IsTemp(path) {
			list = append(list, path)
		}
	}
	return list
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// place installs and demands success.
func (m machine) place(t testing.TB, p *bundletest.PKI, b *bundle.Bundle) *install.Report {
	t.Helper()
	return m.placeCompared(t, p, b, nil)
}

// placeCompared is place, by people who compared the words of a new root.
func (m machine) placeCompared(t testing.TB, p *bundletest.PKI, b *bundle.Bundle, root *fingerprint.SHA256) *install.Report {
	t.Helper()
	r, err := m.Install(b, install.Options{Release: p.Release.Public(), NewRoot: root})
	must(t, err)
	return r
}

// sound demands that what is installed verifies.
func (m machine) sound(t testing.TB, p *bundletest.PKI) {
	t.Helper()
	v, err := m.Verify(install.VerifyOptions{Release: p.Release.Public()})
	must(t, err)
	if len(v.Findings) > 0 {
		t.Fatalf("findings on a sound node: %v", v.Findings)
	}
}

func has(list []string, part string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.Contains(s, part) })
}
