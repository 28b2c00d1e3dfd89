package main

import (
	"strings"
	"testing"
)

// TestReaders: each command that a signal may cut short is one.
func TestReaders(t *testing.T) {
	root := newRootCommand(&options{})
	for name := range readers {
		c, rest, err := root.Find(strings.Fields(name)[1:])
		if err != nil || len(rest) > 0 || c.CommandPath() != name {
			t.Errorf("%s: %v", name, err)
		}
	}
}
