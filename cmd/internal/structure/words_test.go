package structure

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
	"strings"
	"testing"
)

// retired are words that the field has another word for: in comments, messages and
// pages. docs/terms.md says which stay in formats.
var retired = []struct {
	pattern *regexp.Regexp
	say     string
}{
	{regexp.MustCompile(`(?i)\b(lives?|signed|certified|made) elsewhere\b`), "external"},
	{regexp.MustCompile(`(?i)\b(brought in|bring(s|ing)? \w+ (cluster|node) in)\b`), "adopted"},
	{regexp.MustCompile(`(?i)\bsisters?\b`), "peer"},
	{regexp.MustCompile(`(?i)\bneighbou?rs?\b`), "another cluster's ceremony"},
	{regexp.MustCompile(`(?i)\b(tally|tallies)\b`), "progress"},
	{regexp.MustCompile(`(?i)\bwatchers?\b`), "observer"},
	{regexp.MustCompile(`(?i)\bcrowds?\b`), "group"},
	{regexp.MustCompile(`(?i)\bdues\b`), "due certificates"},
	{regexp.MustCompile(`(?i)\bsenders?\b`), "requester"},
	{regexp.MustCompile(`(?i)\bformer (ceremon|record)`), "previous"},
}

// retiredNames are words that no name of ours has in it, split as Go names are.
var retiredNames = map[string]string{
	"elsewhere": "external", "brought in": "adopted", "sister": "peer", "tally": "progress",
	"watcher": "observer", "crowd": "group", "dues": "due certificates", "remains": "survivors",
	"sender": "requester", "come back": "reinsert", "put in": "insert", "carry on": "inherit",
	"forget": "release", "neighbour": "another cluster's",
}

// keepTheirWords are files whose bytes a format fixes, or that list the words.
var keepTheirWords = []string{
	"bundle/readme.go", // README.txt of a bundle is built again byte for byte by the audit
	"docs/terms.md", "CHANGELOG.md", "cmd/internal/structure/words_test.go",
	"bundle/nearest/doc.go", "bundle/fingerprint/doc.go", // of letters and words in a row
}

// relayModule implements interfaces of client-go.
const relayModule = "cmd/officiant-signer-relay/"

// spoken finds the retired words in a text, each with its line.
func spoken(text string) (found []string) {
	for n, line := range strings.Split(text, "\n") {
		for _, w := range retired {
			if hit := w.pattern.FindString(line); hit != "" {
				found = append(found, fmt.Sprintf("%d: %q: say %s", n+1, hit, w.say))
			}
		}
	}
	return found
}

var humps = regexp.MustCompile(`[A-Z]+[a-z0-9]*|[a-z0-9]+`)

// named finds names in a Go file that are made of retired words.
func named(f *ast.File) (found []string) {
	ast.Inspect(f, func(n ast.Node) bool {
		name, ok := n.(*ast.Ident)
		if !ok {
			return true
		}
		words := " " + strings.ToLower(strings.Join(humps.FindAllString(name.Name, -1), " ")) + " "
		for old, say := range retiredNames {
			if strings.Contains(words, " "+old+" ") && !slices.Contains(found, name.Name+": say "+say) {
				found = append(found, name.Name+": say "+say)
			}
		}
		return true
	})
	return found
}

// TestWordsOfTheField reads all Go files and pages for words that were retired.
func TestWordsOfTheField(t *testing.T) {
	root, read := filepath.Join("..", "..", ".."), 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		file := filepath.ToSlash(strings.TrimPrefix(path, root+string(filepath.Separator)))
		switch ext := filepath.Ext(path); {
		case err != nil:
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "build" ||
			d.Name() == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || ext != ".go" && ext != ".md" || slices.Contains(keepTheirWords, file):
			return nil
		}
		read++
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		found := spoken(string(text))
		if filepath.Ext(path) == ".go" {
			f, err := parser.ParseFile(token.NewFileSet(), path, text, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, name := range named(f) {
				if !strings.HasPrefix(file, relayModule) || name != "Forget: say release" { // client-go's name
					found = append(found, name)
				}
			}
		}
		for _, problem := range found {
			t.Errorf("%s:%s", file, problem)
		}
		return nil
	})
	if err != nil || read < 500 {
		t.Fatalf("%d files read: %v", read, err)
	}
}

func TestWordsOfTheFieldCanFail(t *testing.T) {
	if got := spoken("a\nThe sister node signs, and the root lives elsewhere."); len(got) != 2 {
		t.Errorf("found in a text: %q", got)
	}
	source := "package a\nfunc (w *newWatcher) comeBack(Year, broughtIn int) {}"
	f, err := parser.ParseFile(token.NewFileSet(), "a.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := named(f); len(got) != 3 {
		t.Errorf("found in a file: %q", got)
	}
}
