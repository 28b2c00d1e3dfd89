package main

import (
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestExamples: every command has an example, and what an example types is a command
// with flags that it has.
func TestExamples(t *testing.T) {
	without := []string{"completion", "help", "version"}
	typed := 0
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			walk(sub)
		}
		first := strings.Split(strings.TrimPrefix(c.CommandPath(), c.Root().Name()+" "), " ")[0]
		if c.HasSubCommands() || c.Hidden || strings.Contains(strings.Join(without, " "), first) {
			return
		}
		if c.Example == "" {
			t.Errorf("%s has no example", c.CommandPath())
			return
		}
		for _, line := range strings.Split(strings.ReplaceAll(c.Example, "\\\n", " "), "\n") {
			typed++
			words := shellWords(t, line)
			root := newRootCommand(&options{Stdout: io.Discard, Stderr: io.Discard})
			found, rest, err := root.Find(words[1:])
			if err != nil || found.CommandPath() != c.CommandPath() {
				t.Errorf("%s: types another command: %v", line, err)
			} else if err := found.ParseFlags(rest); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
	}
	walk(newRootCommand(&options{Stdout: io.Discard, Stderr: io.Discard}))
	if typed < len(examples) {
		t.Errorf("%d examples, and %d typed", len(examples), typed)
	}
}

// shellWords has a shell part a command into its words.
func shellWords(t *testing.T, line string) []string {
	t.Helper()
	out, err := exec.Command("sh", "-c", "for w in "+line+"; do echo \"$w\"; done").Output()
	if err != nil {
		t.Fatal(line, err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}
