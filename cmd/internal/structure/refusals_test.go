package structure

import (
	"bufio"
	"cmp"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// profile is what `make refusals` has the tests write: which statements have run.
var profile = flag.String("profile", "", "coverage of all tests, as go tool covdata textfmt writes it")

// said is a text of several words in a statement, which is what a refusal is made of.
type said struct {
	file   string // below the module
	line   int
	column int
	text   string
}

// block is a run of statements that are executed together.
type block struct {
	begin, end [2]int // line and column
	runs       int
}

var profileLine = regexp.MustCompile(`^officiant/(\S+\.go):(\d+)\.(\d+),(\d+)\.(\d+) \d+ (\d+)$`)

// blocks reads a profile, by file. The same block of two test binaries is one.
func blocks(text string) map[string][]block {
	runs := map[string]map[[4]int]int{}
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		m := profileLine.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		var n [5]int
		for i := range n {
			n[i], _ = strconv.Atoi(m[i+2])
		}
		if runs[m[1]] == nil {
			runs[m[1]] = map[[4]int]int{}
		}
		runs[m[1]][[4]int(n[:4])] += n[4]
	}
	all := map[string][]block{}
	for file, list := range runs {
		for at, n := range list {
			all[file] = append(all[file], block{[2]int{at[0], at[1]}, [2]int{at[2], at[3]}, n})
		}
	}
	return all
}

// sentences are the texts of several words in the functions of a file.
func sentences(name string, source any) ([]said, error) {
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, name, source, 0)
	if err != nil {
		return nil, err
	}
	var list []said
	for _, d := range f.Decls {
		function, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		ast.Inspect(function, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				text, _ := strconv.Unquote(l.Value)
				at := set.Position(l.Pos())
				if len(strings.Fields(format.ReplaceAllString(text, ""))) >= 3 {
					list = append(list, said{name, at.Line, at.Column, text})
				}
			}
			return true
		})
	}
	return list, nil
}

var format = regexp.MustCompile(`%[-+#0-9.\[\]*]*[a-zA-Z]`)

// unmet are the sentences that no test has had said: the innermost block they stand in
// never ran.
func unmet(list []said, all []block) []said {
	return slices.DeleteFunc(slices.Clone(list), func(s said) bool {
		at := [2]int{s.line, s.column}
		in := block{runs: 1}
		for _, b := range all {
			if slices.Compare(b.begin[:], at[:]) <= 0 && slices.Compare(at[:], b.end[:]) < 0 &&
				slices.Compare(in.begin[:], b.begin[:]) <= 0 {
				in = b
			}
		}
		return in.runs > 0
	})
}

// exception is a sentence that no test has said, by its beginning, and why.
type exception struct{ file, begin, why string }

const exceptionsFile = "testdata/unmet-refusals.txt"

func exceptions(text string) (list []exception, err error) {
	for n, line := range strings.Split(text, "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		part := strings.Split(line, "\t")
		if len(part) != 3 || part[1] == "" || part[2] == "" || strings.HasPrefix(part[2], "not yet") {
			return nil,
				fmt.Errorf("line %d is not FILE, a sentence's beginning and a reason, with tabs between", n+1)
		}
		begin, err := strconv.Unquote(`"` + part[1] + `"`)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
		list = append(list, exception{part[0], begin, part[2]})
	}
	return list, nil
}

// hold says which sentences are neither met nor excepted, and which exceptions are
// none: the list shrinks.
func hold(missing []said, except []exception) (problems []string) {
	used := make([]bool, len(except))
	for _, s := range missing {
		i := slices.IndexFunc(except, func(e exception) bool {
			return e.file == s.file && strings.HasPrefix(s.text, e.begin)
		})
		if i < 0 {
			problems = append(problems, fmt.Sprintf("%s:%d: no test has it said: %q", s.file, s.line, s.text))
			continue
		}
		used[i] = true
	}
	for i, e := range except {
		if !used[i] {
			problems = append(problems, fmt.Sprintf("%s: %q is said in a test, or is gone: take it off %s",
				e.file, e.begin,
				exceptionsFile))
		}
	}
	return problems
}

// TestEveryRefusalIsMet: each sentence in a statement is said in some test of
// those that wrote the profile, or is on the list of exceptions with its reason.
func TestEveryRefusalIsMet(t *testing.T) {
	text, err := os.ReadFile(exceptionsFile)
	if err != nil {
		t.Fatal(err)
	}
	except, err := exceptions(string(text))
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join("..", "..", "..")
	for _, e := range except {
		source, err := os.ReadFile(filepath.Join(root, e.file))
		if err != nil {
			t.Errorf("%s: %v", exceptionsFile, err)
			continue
		}
		list, err := sentences(e.file, source)
		if err != nil || !slices.ContainsFunc(list, func(s said) bool {
			return strings.HasPrefix(s.text,
				e.begin)
		}) {
			t.Errorf("%s says nothing that begins with %q: take it off %s (%v)", e.file, e.begin,
				exceptionsFile, err)
		}
	}
	if *profile == "" {
		return // the list itself is sound; make refusals has the tests run
	}
	data, err := os.ReadFile(*profile)
	if err != nil {
		t.Fatal(err)
	}
	var missing []said
	for file, all := range blocks(string(data)) {
		source, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		list, err := sentences(file, source)
		if err != nil {
			t.Fatal(err)
		}
		missing = append(missing, unmet(list, all)...)
	}
	slices.SortFunc(missing, func(a, b said) int {
		return cmp.Or(strings.Compare(a.file, b.file), a.line-b.line)
	})
	for _, problem := range hold(missing, except) {
		t.Error(problem)
	}
}

// TestUnmet shows that it can fail: for a sentence whose block never ran, for an
// exception whose sentence is said, and for a line without a reason.
func TestUnmet(t *testing.T) {
	source := `package a

func a(b bool) error {
	if b {
		return fmt.Errorf("%q is not there", 1)
	}
	return errors.New("it is not here")
}
`
	list, err := sentences("a.go", source)
	if err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
	// Two binaries: in the second the function has run, and the condition never held.
	all := blocks("mode: set\nofficiant/a.go:3.22,4.7 1 0\nofficiant/a.go:4.7,6.3 1 0\nofficiant/a.go:7.2,7.36 1 0\n" +
		"officiant/a.go:3.22,4.7 1 1\nofficiant/a.go:7.2,7.36 1 1\n")
	missing := unmet(list, all["a.go"])
	if len(missing) != 1 || missing[0].text != "%q is not there" {
		t.Fatal(missing)
	}
	except, err := exceptions("# why\na.go\t%q is\tnobody can\n")
	if err != nil || len(hold(missing, except)) != 0 {
		t.Error(err, hold(missing, except))
	}
	if len(hold(missing, nil)) != 1 || len(hold(nil, except)) != 1 {
		t.Error("a sentence that no test has said, or one that is excepted and said, passes")
	}
	for _, why := range []string{"", "not yet: a test"} {
		if _, err := exceptions("a.go\t%q is\t" + why); err == nil {
			t.Errorf("an exception with the reason %q passes", why)
		}
	}
}
