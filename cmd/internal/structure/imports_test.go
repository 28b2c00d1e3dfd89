package structure

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// listed is what go list says about a package.
type listed struct {
	ImportPath string
	Standard   bool
	CgoFiles   []string
	Imports    []string
	Module     *struct{ Path string }
}

// module is the name in go.mod.
const module = "officiant"

// goList runs go list in the module's root. It is told to go on when a package
// does not compile: that is for the compiler to say.
func goList(t *testing.T, args ...string) []listed {
	t.Helper()
	root := filepath.Join("..", "..", "..")
	lookAtFolders(t, root)
	cmd := exec.Command("go", append([]string{"list", "-e", "-json=ImportPath,Standard,CgoFiles,Imports,Module"}, args...)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var all []listed
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var one listed
		if err := decoder.Decode(&one); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
}

// lookAtFolders opens every folder of sources, go.mod and go.sum. go test keeps
// a result for as long as what the test itself opened is as it was, and does
// not see what go list reads.
func lookAtFolders(t *testing.T, root string) {
	t.Helper()
	for _, file := range []string{"go.mod", "go.sum"} {
		if _, err := os.Stat(filepath.Join(root, file)); err != nil {
			t.Fatal(err)
		}
	}
	for _, folder := range []string{"bundle", "ceremony", "cmd", "signer", "softhsm"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(_ string, _ fs.DirEntry, err error) error { return err })
		if err != nil {
			t.Fatal(err)
		}
	}
}

// ours returns, for each of our packages, which of our packages it imports, in
// builds with the tags given. Names are relative to the module.
func ours(t *testing.T, args ...string) map[string][]string {
	t.Helper()
	imports := map[string][]string{}
	for _, tags := range []string{"", "airgap"} {
		for _, p := range goList(t, append(args, "-tags", tags, "./...")...) {
			name, ok := relative(p.ImportPath)
			if !ok {
				continue
			}
			imports[name] = append(imports[name], nil...)
			for _, imported := range p.Imports {
				if other, ok := relative(imported); ok && !slices.Contains(imports[name], other) {
					imports[name] = append(imports[name], other)
				}
			}
		}
	}
	return imports
}

// relative strips the module's name.
func relative(path string) (string, bool) {
	if path == module {
		return ".", true
	}
	return strings.CutPrefix(path, module+"/")
}

// matches says whether name is the package, or in the tree, that a pattern names.
func matches(pattern, name string) bool {
	tree, ok := strings.CutSuffix(pattern, "/...")
	return name == pattern || ok && (name == tree || strings.HasPrefix(name, tree+"/"))
}

func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, name) })
}

// rowOf finds the row of a package; its own comes before that of a tree.
func rowOf(rows []row, name string) (row, bool) {
	i := slices.IndexFunc(rows, func(r row) bool { return r.pkg == name })
	if i < 0 {
		i = slices.IndexFunc(rows, func(r row) bool { return matches(r.pkg, name) })
	}
	if i < 0 {
		return row{}, false
	}
	return rows[i], true
}

// violations lists what the imports have that the table does not allow.
func violations(imports map[string][]string) []string {
	var out []string
	for name, imported := range imports {
		r, ok := rowOf(table, name)
		if !ok {
			out = append(out, name+" is not in the table")
			continue
		}
		for _, other := range imported {
			if !matchesAny(r.may, other) && !matchesAny(everybody, other) {
				out = append(out, fmt.Sprintf("%s imports %s", name, other))
			}
			if matchesAny(testsOnly, other) && !matchesAny(testsOnly, name) {
				out = append(out, fmt.Sprintf("%s imports %s, which is for tests", name, other))
			}
		}
		for _, b := range bounds {
			if !matches(b.pkg, name) || matchesAny(testsOnly, name) {
				continue
			}
			for _, other := range reached(imports, name) {
				if matchesAny(b.never, other) || b.only != nil && !matchesAny(b.only, other) {
					out = append(out, fmt.Sprintf("%s reaches %s: %s", name, other, b.why))
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

// reached lists the packages a package imports, and those these import.
func reached(imports map[string][]string, from string) []string {
	seen := map[string]bool{}
	var order []string
	for next := slices.Clone(imports[from]); len(next) > 0; next = next[1:] {
		if name := next[0]; !seen[name] {
			seen[name] = true
			order = append(order, name)
			next = append(next, imports[name]...)
		}
	}
	return order
}

func TestImports(t *testing.T) {
	imports := ours(t)
	if len(imports) < 2 {
		t.Fatalf("go list finds only %d of our packages", len(imports))
	}
	for _, v := range violations(imports) {
		t.Error(v)
	}
}

// TestTable holds the table against itself: each name in it is a row's.
func TestTable(t *testing.T) {
	for i, r := range table {
		if slices.ContainsFunc(table[:i], func(o row) bool { return o.pkg == r.pkg }) {
			t.Errorf("%s is in the table twice", r.pkg)
		}
		for _, name := range r.may {
			if !slices.ContainsFunc(table, func(o row) bool { return matches(name, o.pkg) }) {
				t.Errorf("%s may import %s, which has no row", r.pkg, name)
			}
		}
	}
}

// TestForbiddenImports puts imports that are not allowed into the real tree, as
// an overlay, and shows that each is found.
func TestForbiddenImports(t *testing.T) {
	for _, c := range []struct{ file, imports, want string }{
		{"bundle/kubepki/forbidden.go", "signer", "bundle/kubepki imports signer"},
		{"bundle/kubepki/forbidden.go", "bundle/durable", "bundle/kubepki imports bundle/durable"},
		{"ceremony/transcript/forbidden.go", "ceremony/plan", "ceremony/transcript imports ceremony/plan"},
		{"ceremony/plan/forbidden.go", "ceremony/transcript", "ceremony/plan imports ceremony/transcript"},
		{"ceremony/plan/forbidden.go", "ceremony/history", "ceremony/plan reaches ceremony/history: "},
		{"ceremony/schedule/forbidden.go", "ceremony/transcript", "ceremony/schedule imports ceremony/transcript"},
		{"ceremony/history/forbidden.go", "ceremony/approval", "ceremony/history reaches ceremony/approval: "},
		{"ceremony/audit/forbidden.go", "ceremony/profile", "ceremony/audit imports ceremony/profile"},
		{"ceremony/approval/forbidden.go", "ceremony/issue", "ceremony/audit reaches ceremony/issue: "},
		{"ceremony/forbidden.go", "signer/pkcs11", "ceremony imports signer/pkcs11"},
		{"cmd/officiant-node/forbidden.go", "signer", "cmd/officiant-node imports signer"},
		{"cmd/officiant-node/forbidden.go", "ceremony/audit", "cmd/officiant-node reaches ceremony/approval: "},
		{"cmd/officiant/forbidden.go", "signer/signertest", "cmd/officiant imports signer/signertest"},
		{"cmd/officiant/forbidden.go", "bundle/bundletest", "cmd/officiant imports bundle/bundletest, which is for tests"},
		{"cmd/internal/terminal/forbidden.go", "signer", "cmd/internal/terminal imports signer"},
		{"bundle/unheard/forbidden.go", "bundle", "bundle/unheard is not in the table"},
		{"unheard.go", "bundle", ". is not in the table"},
	} {
		t.Run(c.file+" imports "+c.imports, func(t *testing.T) {
			files := map[string]string{c.file: c.imports}
			// Packages of the chain that may not exist yet.
			files["ceremony/audit/chain.go"] = "ceremony/approval"
			if c.file != "ceremony/approval/forbidden.go" {
				files["ceremony/approval/chain.go"] = "bundle/fingerprint"
			}
			found := violations(ours(t, "-overlay", overlay(t, files)))
			if !slices.ContainsFunc(found, func(v string) bool { return strings.HasPrefix(v, c.want) }) {
				t.Errorf("not found: %s\nfound: %s", c.want, strings.Join(found, "\n"))
			}
		})
	}
}

// overlay writes files with one import each, and returns what go list takes to
// see them in the module.
func overlay(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	root, err := filepath.Abs(filepath.Join("..", "..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	replace := map[string]string{}
	for file, imported := range files {
		name := filepath.Base(filepath.Dir(file))
		if strings.HasPrefix(file, "cmd/officiant") {
			name = "main"
		}
		if name == "." {
			name = module
		}
		content := fmt.Sprintf("package %s\n\nimport _ %q\n", name, module+"/"+imported)
		path := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		replace[filepath.Join(root, file)] = path
	}
	data, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
