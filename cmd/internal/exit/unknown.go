package exit

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"officiant/bundle/nearest"
)

// unknown refuses a name that is none of a group's commands.
func unknown(what string, group *cobra.Command, name string) error {
	return Usagef("unknown %s %q for %q%s", what, name, group.CommandPath(), nearest.Hint(name, commands(group)))
}

func commands(group *cobra.Command) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, c := range group.Commands() {
			if c.IsAvailableCommand() && !yield(c.Name()) {
				return
			}
		}
	}
}

// flagError says which flag was meant by one there is not.
func flagError(c *cobra.Command, err error) error {
	name, ok := strings.CutPrefix(err.Error(), "unknown flag: --")
	if !ok {
		return &Error{Code: Usage, Err: err}
	}
	var known []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			known = append(known, f.Name)
		}
	})
	if k, ok := nearest.Name(name, slices.Values(known)); ok {
		err = fmt.Errorf("%w; did you mean --%s?", err, k)
	}
	return &Error{Code: Usage, Err: err}
}

// help is the error of help that was asked for and is none: the function cobra
// calls for it has nowhere to return one.
type help struct{ err error }

// helpFor makes help about a command there is not a usage error. cobra prints the
// help of the group it would be in, and reports success.
func helpFor(root *cobra.Command) *help {
	h := &help{}
	usual := root.HelpFunc()
	root.SetHelpFunc(func(c *cobra.Command, args []string) {
		// Flags may stand before and after a name: "ceremony --help nowhere".
		if names := c.Flags().Args(); c.HasSubCommands() && len(names) > 0 {
			if meant, _, err := c.Find(names); err == nil && meant != c {
				usual(meant, nil)
				return
			}
			h.err = unknown("command", c, names[0])
			return
		}
		usual(c, args)
	})
	root.SetHelpCommand(&cobra.Command{
		Use:   "help [command]",
		Short: "Help about any command",
		RunE: func(_ *cobra.Command, args []string) error {
			c, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return unknown("help topic", c, strings.Join(rest, " "))
			}
			return c.Help()
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			c, _, err := root.Find(args)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return slices.Collect(commands(c)), cobra.ShellCompDirectiveNoFileComp
		},
	})
	return h
}
