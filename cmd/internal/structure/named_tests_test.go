package structure

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Pages that say which test shows what.
var namingTests = []string{"guarantees.md", "threat-model.md"}

var namedTest = regexp.MustCompile("`([a-z0-9/-]+)\\.((?:Test|Fuzz)[A-Za-z0-9]+)`|`stories/([a-z_0-9]+\\.txtar)`")

// TestNamedTests looks up each test that a page names.
func TestNamedTests(t *testing.T) {
	for _, page := range namingTests {
		text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", page))
		if err != nil {
			t.Fatal(err)
		}
		names := namedTest.FindAllStringSubmatch(string(text), -1)
		if len(names) < 30 {
			t.Errorf("docs/%s names %d tests", page, len(names))
		}
		for _, n := range names {
			if !testExists(t, n[1], n[2], n[3]) {
				t.Errorf("docs/%s names %s, and there is no such test", page, n[0])
			}
		}
	}
	if testExists(t, "ceremony/audit", "TestThatIsNotThere", "") || testExists(t, "ceremony/nowhere", "TestByHand", "") || testExists(t, "", "", "nothing.txtar") {
		t.Error("a test is found that is not there")
	}
}

func testExists(t *testing.T, pkg, test, story string) bool {
	t.Helper()
	if story != "" {
		_, err := os.Stat(filepath.Join("..", "..", "..", "cmd", "internal", "stories", "testdata", "script", story))
		return err == nil
	}
	files, err := filepath.Glob(filepath.Join("..", "..", "..", filepath.FromSlash(pkg), "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\nfunc "+test+"(") {
			return true
		}
	}
	return false
}

// TestEveryGuaranteeIsNamed wants a part of the page for each guarantee, with tests.
func TestEveryGuaranteeIsNamed(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "guarantees.md"))
	if err != nil {
		t.Fatal(err)
	}
	parts := regexp.MustCompile(`(?m)^## (\d)\. `).Split(string(text), -1)
	if len(parts) != 10 {
		t.Fatalf("%d guarantees, want 9", len(parts)-1)
	}
	for i, part := range parts[1:] {
		if !namedTest.MatchString(part) {
			t.Errorf("guarantee %d names no test", i+1)
		}
	}
}
