package refusaltest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGuard shows that the guard can fail: for a sentence nobody says, and for an
// exception that is no sentence.
func TestGuard(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.go")
	source := "package a\nimport \"errors\"\nvar x = errors.New(\"it is \" +\n\"not there\")\n" +
		"var y = fail(\"%q has %d keys, and no more\", 1)\nvar z = \"two words\"\n"
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := Sentences(file)
	if err != nil || strings.Join(all, "|") != "it is not there|%q has %d keys, and no more" {
		t.Fatal(all, err)
	}
	if got := missing(all, []string{`a: "x" has 3 keys, and no more`}, nil); len(got) != 1 ||
		!strings.Contains(got[0], "it is not there") {
		t.Error(got)
	}
	except := map[string]string{"it is not": "why", "gone": "why", "%q has": ""}
	if got := missing(all, nil, except); len(got) != 3 {
		t.Error(got)
	}
}

func TestCommand(t *testing.T) {
	if got := Commands("is x; `tr a b <FILE >OTHER` makes it, `one`"); len(got) != 1 {
		t.Error(got)
	}
	read := func(data []byte) error {
		if string(data) == "a" {
			return errors.New("is a; `tr a b <FILE >OTHER` makes it b")
		}
		return nil
	}
	Hold(t, Table{Read: read, Rows: []Row{{Of: "a", Data: "a", Says: "is a", Not: "c"}}})
}
