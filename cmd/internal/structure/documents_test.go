package structure

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestIndexes: every page of docs stands in the index, every decision in theirs.
func TestIndexes(t *testing.T) {
	docs := filepath.Join("..", "..", "..", "docs")
	for _, c := range []struct{ index, pattern string }{
		{"README.md", "*.md"},
		{filepath.Join("decisions", "README.md"), "*.md"},
		{filepath.Join("signers", "README.md"), "*.md"},
	} {
		folder := filepath.Dir(filepath.Join(docs, c.index))
		text, err := os.ReadFile(filepath.Join(docs, c.index))
		if err != nil {
			t.Fatal(err)
		}
		pages, err := filepath.Glob(filepath.Join(folder, c.pattern))
		if err != nil || len(pages) < 5 {
			t.Fatalf("%s: %d pages, %v", c.index, len(pages), err)
		}
		if missing := unlisted(string(text), pages); len(missing) > 0 {
			t.Errorf("docs/%s does not link to %s", c.index, strings.Join(missing, ", "))
		}
	}
}

func unlisted(index string, pages []string) []string {
	var out []string
	for _, page := range pages {
		if name := filepath.Base(page); name != "README.md" && !strings.Contains(index, "("+name+")") {
			out = append(out, name)
		}
	}
	return out
}

func TestIndexesCanFail(t *testing.T) {
	got := unlisted("| [a](a.md) |", []string{"x/a.md", "x/b.md", "x/README.md"})
	if !slices.Equal(got, []string{"b.md"}) {
		t.Errorf("a page that the index lacks is not found: %q", got)
	}
}

var linked = regexp.MustCompile(`\]\(([^)#\s]+)(#[^)]*)?\)`)

// TestLinks: every link from page to page leads somewhere.
func TestLinks(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	links := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range linked.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(link[1], "://") || strings.HasPrefix(link[1], "mailto:") {
				continue
			}
			links++
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), link[1])); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", page, link[1])
			}
		}
	}
	if links < 100 {
		t.Errorf("only %d links were found", links)
	}
}
