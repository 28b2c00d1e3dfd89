package structure

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// readers are the packages that read records line by line: what proves one, what goes
// on with one, what prints one, what shows how far one has come, and history for everybody else.
var readers = []string{"ceremony/transcript", "ceremony/history", "ceremony/progress", "ceremony",
	"ceremony/abandon", "ceremony/audit", "ceremony/report", "ceremony/status"}

// reads finds where a file reads a record by itself.
func reads(fset *token.FileSet, f *ast.File) (found []string) {
	ast.Inspect(f, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := s.X.(*ast.Ident); ok && x.Name == "transcript" &&
			slices.Contains([]string{"Read", "Scan", "Decode", "Resume"}, s.Sel.Name) {
			found = append(found, fset.Position(s.Pos()).String()+": transcript."+s.Sel.Name)
		}
		return true
	})
	return found
}

// TestRecordsAreReadInOnePlace: what is on record, ceremony/history answers; no program
// and no plan reads a record with rules of its own.
func TestRecordsAreReadInOnePlace(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	fset := token.NewFileSet()
	seen := 0
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil || slices.Contains(readers, filepath.ToSlash(rel)) || strings.HasSuffix(rel, "test") {
			return err
		}
		f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		seen++
		for _, place := range reads(fset, f) {
			t.Errorf("%s: read it through ceremony/history", place)
		}
		return nil
	})
	if err != nil || seen < 100 {
		t.Fatalf("%d files: %v", seen, err)
	}
	const forbidden = "package main\nimport \"officiant/ceremony/transcript\"\nvar _, _ = transcript.Read(\"\", nil)\n"
	f, err := parser.ParseFile(fset, "forbidden.go", forbidden, 0)
	if err != nil || len(reads(fset, f)) != 1 {
		t.Errorf("a file that reads a record is not found: %v", err)
	}
}

// roots are what the project's root holds, and what work in it leaves there.
var roots = []string{
	".ci", ".gitattributes", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md",
	"SECURITY.md",
	"bundle", "ceremony", "cmd", "docs", "go.mod", "go.sum", "signer", "softhsm",
}

// strangers are names in the root that are not of the project. .gitignore's are what
// building leaves.
func strangers(names, ignored []string) (found []string) {
	for _, name := range names {
		if name != ".git" && !slices.Contains(roots, name) && !slices.Contains(ignored, name) {
			found = append(found, name)
		}
	}
	return found
}

// TestRootHoldsTheProject: a note that slipped into the root is found.
func TestRootHoldsTheProject(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	data, err := os.ReadFile(filepath.Join(root, ".gitignore"))
	if err != nil {
		t.Fatal(err)
	}
	var ignored []string
	for _, line := range strings.Fields(string(data)) {
		ignored = append(ignored, strings.Trim(line, "/"))
	}
	for _, name := range strangers(names, ignored) {
		t.Errorf("%s is no part of the project", name)
	}
	for _, name := range roots {
		if !slices.Contains(names, name) {
			t.Errorf("%s is missing", name)
		}
	}
	found := strangers([]string{"README.md", "build", "STOP-READ-ME.txt"}, ignored)
	if !slices.Equal(found, []string{"STOP-READ-ME.txt"}) {
		t.Errorf("a stray note is not found: %q", found)
	}
}
