package lint

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// cases are the tests' sources: each rule has a row {"k8s_…", … } with bad input in one.
func cases(t *testing.T) (all []byte) {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text...)
	}
	return all
}

// Every rule has an identifier of its own, a citation, and a case that breaks it.
func TestEveryRuleIsTested(t *testing.T) {
	tests := cases(t)
	seen := map[string]bool{}
	for _, table := range [][]rule{everyCert, caRules, leafRules, familyRules, expectedRules} {
		for _, r := range table {
			if seen[r.id] || r.citation == "" {
				t.Errorf("%s: twice, or without a citation", r.id)
			}
			seen[r.id] = true
			if !bytes.Contains(tests, []byte(`{"`+r.id+`", `)) {
				t.Errorf("%s: no case breaks it", r.id)
			}
		}
	}
}

func TestEveryCRLRuleIsTested(t *testing.T) {
	tests := cases(t)
	seen := map[string]bool{}
	for _, r := range crlRules {
		if seen[r.id] || r.citation == "" {
			t.Errorf("%s: twice, or without a citation", r.id)
		}
		seen[r.id] = true
		if !bytes.Contains(tests, []byte(`{"`+r.id+`", `)) {
			t.Errorf("%s: no case breaks it", r.id)
		}
	}
	if len(crlSuite()) < 5 {
		t.Errorf("only %d lints of zlint are run", len(crlSuite()))
	}
}

// What is passed over exists: a renamed lint must not go unnoticed.
func TestPassedOverExists(t *testing.T) {
	s := suite()
	if len(s.lints) < 100 {
		t.Errorf("only %d lints are run", len(s.lints))
	}
	for name := range passedOver {
		found := false
		for _, l := range s.lints {
			found = found || l.Name == name
		}
		if !found {
			t.Errorf("zlint has no %s", name)
		}
	}
}
