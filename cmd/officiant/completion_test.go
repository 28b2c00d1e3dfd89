package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"officiant/cmd/internal/completion"
)

// TestEveryFormatCompletes: whichever command says in which formats it prints, a
// shell can complete them.
func TestEveryFormatCompletes(t *testing.T) {
	found := 0
	var look func(c *cobra.Command)
	look = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			look(sub)
		}
		f := c.Flags().Lookup("output")
		if f == nil {
			return
		}
		found++
		if len(completion.Choices(strings.ReplaceAll(f.Usage, "`", ""))) < 2 {
			t.Errorf("%s -o: %q says no values", c.CommandPath(), f.Usage)
		}
	}
	look(newRootCommand(&options{Now: time.Now}))
	if found < 5 {
		t.Errorf("only %d commands print in formats", found)
	}
}

// TestShellCompletes asks what a shell asks.
func TestShellCompletes(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"ceremony ver", "verify\tCheck a finished ceremony"},
		{"ceremony run plan.yaml --wai", "--waive\t"},
		{"ceremony run plan.yaml --waive sw", "\nswap\n"},
		{"ceremony verify DIR -o ", "table\njson\nyaml\n:4\n"},
		{"ceremony sign DIR --qr ", "blocks\nascii\nnone\n:4\n"},
		{"ceremony run ", "yaml\nyml\n:8\n"},
		{"ceremony verify ", ":16\n"},
		{"ceremony run plan.yaml --dir ", ":16\n"},
		{"ceremony run plan.yaml --reason ", ":4\n"},
		{"--color ", "auto\nalways\nnever\n:4\n"},
		{"ceremony verify --color n", "never\n:4\n"},
		{"schema ", "plan\nstation\n:4\n"},
	} {
		var out bytes.Buffer
		args := append([]string{"__complete"}, strings.Split(c.args, " ")...)
		code := execute(t.Context(), &options{Stdout: &out, Stderr: &bytes.Buffer{}, Now: time.Now}, args)
		if code != 0 || !strings.Contains(out.String(), c.want) {
			t.Errorf("%q: exit code %d, %q, want %q", c.args, code, out.String(), c.want)
		}
	}
}
