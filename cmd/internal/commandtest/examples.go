package commandtest

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Examples requires an example of every command, which must be a command line of that
// command with flags that it has. newRoot makes a fresh root command of the program.
func Examples(t *testing.T, newRoot func() *cobra.Command, examples int) {
	t.Helper()
	without := []string{"completion", "help", "version"}
	typed := 0
	Each(newRoot(), func(c *cobra.Command, path []string) {
		if c.HasSubCommands() || c.Hidden || slices.Contains(without, path[0]) {
			return
		}
		if c.Example == "" {
			t.Errorf("%s has no example", c.CommandPath())
			return
		}
		for _, line := range strings.Split(strings.ReplaceAll(c.Example, "\\\n", " "), "\n") {
			typed++
			words := shellWords(t, line)
			found, rest, err := newRoot().Find(words[1:])
			if err != nil || found.CommandPath() != c.CommandPath() {
				t.Errorf("%s: types another command: %v", line, err)
			} else if err := found.ParseFlags(rest); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
	})
	if typed < examples {
		t.Errorf("%d examples, and %d typed", examples, typed)
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
