package commandtest

import (
	"fmt"
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

	"github.com/spf13/cobra"
)

// Named wants each command of a program that the module's sources name in a text to be
// one that it has, with flags that it has, and to be typed in some test. module is the
// module's folder, and least how many such texts there are.
func Named(t *testing.T, newRoot func() *cobra.Command, module string, least int) {
	t.Helper()
	texts, err := sources(module)
	if err != nil {
		t.Fatal(err)
	}
	typed, err := typedIn(module)
	if err != nil {
		t.Fatal(err)
	}
	found, root := 0, newRoot()
	for _, text := range texts {
		n, problems := named(root, text.text, typed)
		found += n
		for _, problem := range problems {
			t.Errorf("%s: %s", text.file, problem)
		}
	}
	if found < least {
		t.Errorf("%d commands are named, fewer than %d", found, least)
	}
}

var (
	aFlag    = regexp.MustCompile(`(?:^|\s|\[)--([a-z][a-z0-9-]+)`)
	theirEnd = regexp.MustCompile("[,;:()|`\n\"]|\\. |\\.$| then | and | or ")
)

// named counts the commands of the program in a text, and says what is wrong with them.
func named(root *cobra.Command, text, typed string) (found int, problems []string) {
	name := root.Name()
	if !strings.Contains(text, name+" ") {
		return 0, nil
	}
	text = strings.ReplaceAll(text, "\\\n", " ")
	begin := regexp.MustCompile(`(?:^|[^\w/.-])(--[a-z-]+ )?` + regexp.QuoteMeta(name) + ` ([a-z-].*)`)
	for _, m := range begin.FindAllStringSubmatch(text, -1) {
		if m[1] != "" {
			continue // the value of a flag
		}
		line := m[2]
		if end := theirEnd.FindStringIndex(line); end != nil {
			line = line[:end[0]]
		}
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		c, rest := root, words
		for len(rest) > 0 && below(c, rest[0]) != nil {
			c, rest = below(c, rest[0]), rest[1:]
		}
		if c.Parent() == nil && len(aFlag.FindAllString(line, -1)) == 0 {
			continue // words about the program
		}
		if found++; c.HasSubCommands() && strings.HasPrefix(strings.Join(rest, " "), "%") {
			continue // one of several commands, whose names the code has
		}
		if c.HasSubCommands() && !c.Runnable() && len(rest) > 0 && regexp.MustCompile(`^[a-z]+$`).MatchString(rest[0]) {
			problems = append(problems, fmt.Sprintf("%s has no command %q", c.CommandPath(), rest[0]))
			continue
		}
		for _, flag := range aFlag.FindAllStringSubmatch(line, -1) {
			switch {
			case c.Flags().Lookup(flag[1]) == nil && c.InheritedFlags().Lookup(flag[1]) == nil && flag[1] != "version":
				problems = append(problems, fmt.Sprintf("%s has no --%s", c.CommandPath(), flag[1]))
			case !strings.Contains(typed, "--"+flag[1]):
				problems = append(problems, fmt.Sprintf("%s --%s is typed in no test", c.CommandPath(), flag[1]))
			}
		}
		path := strings.Fields(c.CommandPath())[1:]
		if !c.HasSubCommands() && !strings.Contains(typed, strings.Join(path, " ")) &&
			!strings.Contains(typed, `"`+strings.Join(path, `", "`)+`"`) {
			problems = append(problems, fmt.Sprintf("%s is typed in no test", c.CommandPath()))
		}
	}
	return found, problems
}

func below(c *cobra.Command, name string) *cobra.Command {
	i := slices.IndexFunc(c.Commands(), func(sub *cobra.Command) bool { return sub.Name() == name && !sub.Hidden })
	if i < 0 {
		return nil
	}
	return c.Commands()[i]
}

// source is a text in a file of the module.
type source struct{ file, text string }

// sources are the texts in the module's programs, those that + puts together as one.
func sources(module string) (all []source, err error) {
	err = files(module, func(name string, data []byte) error {
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") ||
			strings.HasPrefix(name, "cmd/acceptance/") || strings.HasPrefix(name, "cmd/bench/") ||
			strings.HasSuffix(filepath.Dir(name), "test") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, data, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			e, ok := n.(ast.Expr)
			if !ok {
				return true
			}
			text, whole := folded(e)
			if text != "" {
				all = append(all, source{name, text})
			}
			return !whole
		})
		return nil
	})
	return all, err
}

// folded is the text of a literal, or of a sum of texts, in which NAME stands for what
// is none; whole, when e is such an expression.
func folded(e ast.Expr) (text string, whole bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			text, err := strconv.Unquote(e.Value)
			return text, err == nil
		}
	case *ast.BinaryExpr:
		if e.Op != token.ADD {
			return "", false
		}
		left, first := folded(e.X)
		right, second := folded(e.Y)
		if !first && !second {
			return "", false
		}
		if !first {
			left = "NAME"
		}
		if !second {
			right = "NAME"
		}
		return left + right, true
	}
	return "", false
}

// typedIn is all that tests type: their sources, scripts and screens.
func typedIn(module string) (string, error) {
	var all strings.Builder
	err := files(module, func(name string, data []byte) error {
		if strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, ".sh") ||
			strings.HasPrefix(name, "cmd/") && strings.Contains(name, "/testdata/") {
			all.Write(data)
			all.WriteByte('\n')
		}
		return nil
	})
	return all.String(), err
}

func files(module string, do func(name string, data []byte) error) error {
	return filepath.WalkDir(module, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(module, path)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (name == "build" || name == "docs" || strings.HasPrefix(name, ".git")):
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return do(filepath.ToSlash(name), data)
	})
}
