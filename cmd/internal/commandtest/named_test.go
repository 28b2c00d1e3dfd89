package commandtest

import (
	"slices"
	"testing"

	"github.com/spf13/cobra"
)

// TestNamed shows that it can fail: for a command and a flag that are none, and for
// those that no test types.
func TestNamed(t *testing.T) {
	program := func() *cobra.Command {
		run := func(*cobra.Command, []string) {}
		root := &cobra.Command{Use: "tool"}
		group := &cobra.Command{Use: "group"}
		try := &cobra.Command{Use: "try FILE", Run: run}
		try.Flags().Bool("hard", false, "")
		try.Flags().Bool("soft", false, "")
		group.AddCommand(try, &cobra.Command{Use: "rest", Run: run})
		root.AddCommand(group)
		return root
	}
	for text, want := range map[string][]string{
		"first: tool group try FILE --hard; --soft is of something else": nil,
		"tool packs it":                  nil,
		"tool group tri FILE":            {`tool group has no command "tri"`},
		"so: `tool group try A --heard`": {"tool group try has no --heard"},
		"tool group try A --soft":        {"tool group try --soft is typed in no test"},
		"tool group rest":                {"tool group rest is typed in no test"},
		"tool --hard":                    {"tool has no --hard"},
	} {
		if _, problems := named(program(), text, "exec tool group try x --hard"); !slices.Equal(problems, want) {
			t.Errorf("%q: %q, want %q", text, problems, want)
		}
	}
}
