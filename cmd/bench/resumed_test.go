package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestCounter: a line counts once, when all of it is there.
func TestCounter(t *testing.T) {
	c := &counter{path: filepath.Join(t.TempDir(), "record"), what: []byte("issued")}
	for _, step := range []struct {
		text string
		n    int
	}{{"", 0}, {"issued\nother\niss", 1}, {"issued\nother\nissued", 1}, {"issued\nother\nissued\nissued\n", 3}} {
		if step.text != "" {
			if err := os.WriteFile(c.path, []byte(step.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.read(); err != nil || c.n != step.n {
			t.Errorf("%q: %d, want %d: %v", step.text, c.n, step.n, err)
		}
	}
}

// TestRest: what comes before issuing is no part of the rest.
func TestRest(t *testing.T) {
	c := &conducted{steps: []step{{title: "Check", took: time.Hour},
		{title: issueStep + "10 certificates", took: 10 * time.Second},
		{title: "Sign 10 bundles", took: 5 * time.Second},
		{title: auditStep, took: 7 * time.Second}}}
	if got := c.rest(0.8).Round(time.Millisecond); got != 14*time.Second {
		t.Errorf("the rest took %s, want 14 s", got)
	}
}
