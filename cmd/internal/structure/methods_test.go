package structure

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// most is how many methods a type may have: one with more has more than one reason to
// change.
const most = 40

// TestMethods counts the methods of every type outside tests.
func TestMethods(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	counted := map[string]int{}
	for _, folder := range []string{"bundle", "ceremony", "cmd", "signer", "softhsm"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			return methods(counted, filepath.Dir(path), path, nil)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(counted) < 100 {
		t.Fatalf("only %d types have methods", len(counted))
	}
	for _, v := range overGrown(counted) {
		t.Error(v)
	}
}

// methods adds the methods of a file to those of its folder's types.
func methods(counted map[string]int, folder, path string, source any) error {
	f, err := parser.ParseFile(token.NewFileSet(), path, source, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Recv == nil {
			continue
		}
		of := fn.Recv.List[0].Type
		if star, ok := of.(*ast.StarExpr); ok {
			of = star.X
		}
		if generic, ok := of.(*ast.IndexExpr); ok {
			of = generic.X
		}
		if name, ok := of.(*ast.Ident); ok {
			counted[folder+" "+name.Name]++
		}
	}
	return nil
}

func overGrown(counted map[string]int) []string {
	var out []string
	for name, n := range counted {
		if n > most {
			out = append(out, fmt.Sprintf("%s has %d methods, more than %d", name, n, most))
		}
	}
	slices.Sort(out)
	return out
}

func TestMethodsCanFail(t *testing.T) {
	source := "package p\n\ntype t[A any] struct{}\n"
	for i := range most + 1 {
		source += fmt.Sprintf("func (*t[A]) m%d() {}\n", i)
	}
	counted := map[string]int{}
	if err := methods(counted, "p", "p.go", source); err != nil {
		t.Fatal(err)
	}
	if got := overGrown(counted); len(got) != 1 || got[0] != "p t has 41 methods, more than 40" {
		t.Errorf("got %q", got)
	}
}
