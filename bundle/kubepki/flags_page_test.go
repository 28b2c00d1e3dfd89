package kubepki

import (
	"cmp"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of docs/flags.md")

// component is a section of the page, in its order.
var components = []string{
	"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "etcd", "etcdctl", "kubectl", "kubeadm",
}

var reloads = map[Reload]string{
	Live: "read again by itself", Restart: "restart", PerUse: "read at each use",
}

// flagRows are the lines of the page's tables: who reads which file by which flag,
// on a first control-plane node with etcd and lists, the newest release we know.
func flagRows(t *testing.T) map[string][]string {
	t.Helper()
	c := Cluster{
		Name: "demo", KubernetesVersion: Newest(), ControlPlaneEndpoint: "api.demo.test:6443", RevocationLists: true,
	}
	n := Node{Name: "cp-1", Roles: []Role{ControlPlane, Etcd}, Address: netip.MustParseAddr("10.0.0.11"), First: true}
	files, err := Files(c, n)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for _, f := range files {
		for _, by := range f.Consumers {
			how := cmp.Or(by.Flag, "(looked for by name)")
			line := fmt.Sprintf("| `%s` | `%s` | %s |", how, f.Path, reloads[by.Reload])
			rows[by.Component] = append(rows[by.Component], line)
		}
	}
	for _, lines := range rows {
		slices.Sort(lines)
	}
	return rows
}

// TestFlagsPage holds docs/flags.md to the table that installs go by.
func TestFlagsPage(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "flags.md")
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rows := flagRows(t)
	if len(rows) != len(components) {
		t.Errorf("the page has sections for %d components, the table %d", len(components), len(rows))
	}
	var made strings.Builder
	for _, name := range components {
		fmt.Fprintf(&made, "### %s\n\n| Flag | File | When the file changes |\n|---|---|---|\n%s\n\n",
			name, strings.Join(rows[name], "\n"))
	}
	const begin, end = "<!-- by component -->\n\n", "<!-- end of components -->"
	before, rest, ok1 := strings.Cut(string(page), begin)
	there, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatal("the page has no place for the tables")
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+made.String()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if there != made.String() {
		t.Errorf("the page's tables are not the program's; -update writes them\n%s", made.String())
	}
	// What the page has people type by hand names each of these flags, too.
	for name, lines := range rows {
		for _, line := range lines {
			flagOf := strings.Split(line, "`")[1]
			if by := name != "kubectl" && name != "kubeadm"; by && !strings.Contains(after, flagOf) {
				t.Errorf("the examples started by hand lack %s of %s", flagOf, name)
			}
		}
	}
}
