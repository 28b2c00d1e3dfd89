package refusaltest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"strings"
)

// Sentences are the texts of several words in Go files, those put together by + as
// one. Tags of fields and import paths are none.
func Sentences(files ...string) ([]string, error) {
	var all []string
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			return nil, err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch e := n.(type) {
			case *ast.Field, *ast.ImportSpec:
				if field, ok := e.(*ast.Field); ok {
					field.Tag = nil
				}
			case *ast.BinaryExpr:
				if text, ok := constant(e); ok {
					all = keep(all, text)
					return false
				}
			case *ast.BasicLit:
				if text, ok := constant(e); ok {
					all = keep(all, text)
				}
			}
			return true
		})
	}
	return all, nil
}

// constant is the text of a literal, or of several with + between. What is no literal
// in it, such as a name, stands for anything.
func constant(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return "", false
		}
		text, err := strconv.Unquote(e.Value)
		return text, err == nil
	case *ast.BinaryExpr:
		if e.Op != token.ADD {
			return "", false
		}
		left, first := constant(e.X)
		right, second := constant(e.Y)
		switch {
		case !first && !second:
			return "", false
		case !first:
			left = "%s"
		case !second:
			right = "%s"
		}
		return left + right, true
	case *ast.ParenExpr:
		return constant(e.X)
	}
	return "", false
}

func keep(all []string, text string) []string {
	words := strings.Fields(verb.ReplaceAllString(text, ""))
	if len(words) < 3 || strings.HasPrefix(text, "-----BEGIN ") || text == strings.ToUpper(text) { // a PEM block's name
		return all
	}
	return append(all, text)
}

var verb = regexp.MustCompile(`%[-+#0-9.\[\]*]*[a-zA-Z]`)

// missing says which sentences nobody said, and which exceptions are none.
func missing(sentences, said []string, except map[string]string) []string {
	var problems []string
	used := map[string]bool{}
	for _, s := range sentences {
		excepted := false
		for begin, why := range except {
			if strings.HasPrefix(s, begin) && why != "" {
				used[begin], excepted = true, true
			}
		}
		if !excepted && !anySays(said, s) {
			problems = append(problems, fmt.Sprintf("no row says: %s", strconv.Quote(s)))
		}
	}
	for begin := range except {
		if !used[begin] {
			problems = append(
				problems,
				fmt.Sprintf("an exception that is no sentence of the sources, or has no reason: %q", begin),
			)
		}
	}
	return problems
}

// anySays looks for the parts of a format, in their order, in one of the texts.
func anySays(said []string, format string) bool {
	parts := verb.Split(strings.ReplaceAll(format, "%%", "%"), -1)
	for _, text := range said {
		rest, ok := text, true
		for _, p := range parts {
			i := strings.Index(rest, p)
			if ok = i >= 0; !ok {
				break
			}
			rest = rest[i+len(p):]
		}
		if ok {
			return true
		}
	}
	return false
}
