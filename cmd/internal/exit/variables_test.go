package exit

import (
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestVariables: a flag that is given wins, a variable stands in where none is, and help
// names it; what else has a flag of that name is left alone.
func TestVariables(t *testing.T) {
	for _, c := range []struct{ line, env, want, says string }{
		{"run", "", "", ""},
		{"run", "room.yaml", "room.yaml", "--station room.yaml, from $STATION\n"},
		{"run --station given", "room.yaml", "given", ""},
		{"run --station=", "room.yaml", "", ""},
		{"write", "room.yaml", "", ""},
		{"other", "room.yaml", "", ""},
	} {
		var got string
		var talk strings.Builder
		root := &cobra.Command{Use: "tool"}
		for _, name := range []string{"run", "write"} {
			sub := &cobra.Command{Use: name, Run: func(*cobra.Command, []string) {}}
			sub.Flags().StringVar(&got, "station", "", "station `FILE`")
			root.AddCommand(sub)
		}
		other := &cobra.Command{Use: "other", Run: func(*cobra.Command, []string) {}}
		other.Flags().Bool("station", false, "a truth")
		root.AddCommand(other)
		out := io.Writer(&talk)
		get := func(name string) string { return map[string]string{"STATION": c.env}[name] }
		Variables(root, []Variable{{Name: "STATION", Flag: "station", Except: []string{"write"}}}, get, &out)
		root.SetArgs(strings.Fields(c.line))
		if err := root.Execute(); err != nil || got != c.want || talk.String() != c.says {
			t.Errorf("%s with %q: %q, %v, said %q", c.line, c.env, got, err, talk.String())
		}
		run, _, _ := root.Find([]string{"run"})
		if usage := run.Flags().Lookup("station").Usage; !strings.Contains(usage, "(default $STATION)") {
			t.Error(usage)
		}
	}
}
