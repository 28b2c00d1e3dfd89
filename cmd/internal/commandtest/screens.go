package commandtest

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// updates says whether the tests' own flag -update asks to write the screens anew.
func updates() bool {
	f := flag.Lookup("update")
	return f != nil && f.Value.String() == "true"
}

// widths are the screens that people have: columns, and none for a pipe.
var widths = []string{"60", "80", "120", ""}

// Screens compares the help of every command below root, and the output of the command
// lines of main, with the files of dir, one for each: at 60, 80 and 120 columns and in a
// pipe. Identical screens are stored once. With -update the files are rewritten.
func Screens(t *testing.T, dir string, root *cobra.Command, main map[string]string, run Run) {
	t.Helper()
	wanted := map[string]bool{}
	hold := func(name string, args []string) {
		t.Helper()
		wanted[name+".txt"] = true
		golden(t, filepath.Join(dir, name+".txt"), run.sections(t, args))
	}
	Each(root, func(_ *cobra.Command, path []string) {
		hold(strings.Join(append([]string{root.Name()}, path...), "-"), append(path[:len(path):len(path)], "--help"))
	})
	for name, line := range main {
		hold("shows-"+name, strings.Fields(line))
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !wanted[f.Name()] {
			t.Errorf("%s: no command shows it", filepath.Join(dir, f.Name()))
		}
	}
}

// sections are what a command line shows, screen by screen.
func (run Run) sections(t *testing.T, args []string) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "$ %s\n", strings.Join(args, " "))
	seen := map[string][]string{}
	var order []string
	for _, columns := range widths {
		text := run.show(t, args, columns)
		if seen[text] == nil {
			order = append(order, text)
		}
		if columns == "" {
			columns = "a pipe"
		}
		seen[text] = append(seen[text], columns)
	}
	for _, text := range order {
		fmt.Fprintf(&b, "\n═══ %s ═══\n%s", strings.Join(seen[text], ", "), text)
	}
	return b.String()
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if updates() {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Errorf("%v: go test -run %s -update writes it", err, t.Name())
		return
	}
	if string(want) != got {
		t.Errorf("%s is another now; look at it, and at what -update makes of it:\n%s", file,
			firstDifference(string(want), got))
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		if i >= len(w) || i >= len(g) {
			return fmt.Sprintf("line %d: %d lines there, %d now", i+1, len(w), len(g))
		}
		if w[i] != g[i] {
			return fmt.Sprintf("line %d\nthere %q\nnow   %q", i+1, w[i], g[i])
		}
	}
	return ""
}

// Written unpacks a ceremony that an earlier program held, which never changes, and
// returns its folder.
func Written(t *testing.T, pack string) string {
	t.Helper()
	f, err := os.Open(pack)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	packed, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	dir, r := t.TempDir(), tar.NewReader(packed)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		if err != nil || !filepath.IsLocal(h.Name) {
			t.Fatalf("%s: %v", pack, err)
		}
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		if h.Typeflag == tar.TypeDir {
			if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
