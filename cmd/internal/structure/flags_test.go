package structure

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// pages are files whose texts are whole pages for people, with whole commands in them,
// and no messages of a program.
var pages = map[string]string{
	"bundle/readme.go":          "README.txt of a bundle",
	"bundle/verifytext.go":      "VERIFY.txt of a bundle",
	"ceremony/report/script.go": "the script of a ceremony, on paper",
	"ceremony/steps.go":         "the steps as the script has them, on paper",
	"bundle/kubepki/rows.go":    "what Kubernetes' programs, etcd and etcdctl are given",
	"ceremony/plan/new.go":      "a plan's comments, for those who review it",
}

// TestFlagsAreNamedInCmd: no package but the commands' own names one of their options in
// a message. Others say what is wrong; with which option it is put right, a command says.
func TestFlagsAreNamedInCmd(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	ours := flagsOf(t, filepath.Join(root, "cmd", "officiant"), filepath.Join(root, "cmd", "officiant-node"))
	if len(ours) < 50 || !slices.Contains(ours, "kubeadm") || !slices.Contains(ours, "release-key") {
		t.Fatalf("found %d flags only: %q", len(ours), ours)
	}
	for _, top := range []string{"bundle", "ceremony", "signer", "softhsm"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") ||
				strings.HasSuffix(filepath.Dir(path), "test") {
				return err
			}
			name, err := filepath.Rel(root, path)
			if err != nil || pages[filepath.ToSlash(name)] != "" {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, found := range flagsNamed(t, string(text), ours) {
				t.Errorf("%s:%s: say what helps, and let cmd name the option", name, found)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestFlagsAreFound: what looks for options finds one in a message, and no other
// program's, nor one in a comment.
func TestFlagsAreFound(t *testing.T) {
	const source = `package x

// Comments may say --kubeadm.
import "fmt"

var err = fmt.Errorf("node %s: give it with --kubeadm FILE, or " +
	"--out=DIR; kube-apiserver has --client-ca-file", "a", "pkcs11-tool --kubeadm", "a--out", "--out")
`
	got := flagsNamed(t, source, []string{"kubeadm", "out"})
	if want := []string{"6: --kubeadm", "7: --out"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

var argument = regexp.MustCompile(`^--[a-z-]+(=\S*)?$`)

var flagName = regexp.MustCompile(`(?:^|[^a-z-])--([a-z][a-z0-9-]*)`)

// flagsNamed lists the options of ours in a source's strings, as "LINE: --NAME".
func flagsNamed(t *testing.T, source string, ours []string) (found []string) {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "x.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		l, ok := n.(*ast.BasicLit)
		if !ok || l.Kind != token.STRING {
			return true
		}
		text, _ := strconv.Unquote(l.Value)
		// Another program's options; and an argument for another program, by itself.
		if strings.Contains(text, "pkcs11-tool") || argument.MatchString(text) {
			return true
		}
		for _, m := range flagName.FindAllStringSubmatch(text, -1) {
			if slices.Contains(ours, m[1]) {
				found = append(found, strconv.Itoa(set.Position(l.Pos()).Line)+": --"+m[1])
			}
		}
		return true
	})
	return found
}

// flagsOf lists the options that commands define: the names in calls such as
// Flags().StringVar(&x, "name", …).
func flagsOf(t *testing.T, dirs ...string) (names []string) {
	t.Helper()
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || len(call.Args) < 3 {
					return true
				}
				s, ok := call.Fun.(*ast.SelectorExpr)
				if !ok || !strings.HasSuffix(s.Sel.Name, "Var") && !strings.HasSuffix(s.Sel.Name, "VarP") {
					return true
				}
				if l, ok := call.Args[1].(*ast.BasicLit); ok && l.Kind == token.STRING {
					name, _ := strconv.Unquote(l.Value)
					names = append(names, name)
				}
				return true
			})
		}
	}
	return names
}
