package main

import (
	"flag"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"officiant/bundle/bundletest"
	"officiant/bundle/install"
	"officiant/cmd/internal/commandtest"
	"officiant/cmd/internal/exit"
)

var writeAnew = flag.Bool("update", false, "write the schemas anew")

var outputFolder = filepath.Join("..", "..", "docs", "formats", "output")

// outputs are the types of what commands print with -o json.
var outputs = map[string]any{"officiant-node status": install.Status{}, "officiant-node verify": verdict{}}

// TestOutputSchemas: the schemas of what commands print are those of their types.
func TestOutputSchemas(t *testing.T) {
	commandtest.Schemas(t, outputFolder, *writeAnew, outputs, nil)
}

// TestOutputs runs every command that takes -o, before and after an install and with
// findings: what it prints follows the schema.
func TestOutputs(t *testing.T) {
	d := newDesk(t, bundletest.First())
	follows := func(code int, command string, args ...string) {
		t.Helper()
		d.run(code, "", append([]string{command, "-o", "json"}, args...)...)
		commandtest.Follows(t, outputFolder, "officiant-node "+command, []byte(d.stdout))
		d.run(code, "", append([]string{command, "-o", "yaml"}, args...)...)
		if strings.HasPrefix(d.stdout, "{") || !strings.Contains(d.stdout, ": ") {
			t.Errorf("%s: no YAML:\n%s", command, d.stdout)
		}
	}
	follows(exit.Done, "status", "--root", d.root)
	b := d.bundle(1)
	follows(exit.Unverified, "verify", b)
	follows(exit.Done, "verify", b, "--release-key", d.release)
	d.run(exit.Done, "", "install", b, "--root", d.root, "--release-key", d.release)
	follows(exit.Done, "status", "--root", d.root)
	follows(exit.Done, "verify", "--root", d.root, "--release-key", d.release)
	bundletest.WriteFile(t, filepath.Join(d.root, "etc/kubernetes/pki/ca.crt"), []byte("changed\n"))
	follows(exit.Unverified, "verify", "--root", d.root, "--release-key", d.release)
	follows(exit.Unverified, "status", "--root", d.root)
	commandtest.Each(newRootCommand(&options{}), func(c *cobra.Command, _ []string) {
		f := c.Flags().Lookup("output")
		if f != nil && strings.Contains(f.Usage, "yaml") && outputs[c.CommandPath()] == nil {
			t.Errorf("%s is not tried", c.CommandPath())
		}
	})
}
