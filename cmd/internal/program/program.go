// Package program gives a root command what every program here has: version, manual pages,
// completion, examples, and environment variables that replace flags.
package program

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"officiant/cmd/internal/completion"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/manual"
)

// Program is what its texts and commands come from.
type Program struct {
	Version   string
	Suffix    string // what this build is, after the version; "" for the usual one
	Built     string // when, for the manual pages; "" when not known
	Stdout    io.Writer
	Stderr    *io.Writer // --quiet and --color put another in its place
	Variables []exit.Variable
	Getenv    func(key string) string
	Examples  map[string]string   // by command
	Values    map[string][]string // that a flag takes, by its name, where its usage does not say so
}

// Complete adds all of it to root, which has its own commands by then.
func (p Program) Complete(root *cobra.Command) *cobra.Command {
	root.AddCommand(p.version(root.Name()),
		manual.Command(root, p.Version, p.Built, exit.ExactArgs(1, "one folder")))
	exit.Program(root, p.Version+p.Suffix, p.Stderr)
	exit.Variables(root, p.Variables, p.Getenv, p.Stderr)
	manual.Examples(root, p.Examples)
	manual.Help(root)
	completion.Add(root, p.Values)
	completion.Bash(root, p.Stdout)
	return root
}

func (p Program) version(name string) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  exit.ExactArgs(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(p.Stdout, "%s %s%s\n", name, p.Version, p.Suffix)
			return err
		},
	}
}
