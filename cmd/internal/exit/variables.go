package exit

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Variable is an environment variable that stands in for a flag that is not given.
type Variable struct {
	Name   string
	Flag   string
	Of     []string // commands' paths without the program's name; empty: all that have the flag
	Except []string
}

func (v Variable) of(c *cobra.Command) *pflag.Flag {
	path := strings.TrimPrefix(c.CommandPath(), c.Root().Name()+" ")
	f := c.Flags().Lookup(v.Flag)
	if f == nil || f.Value.Type() == "bool" || slices.Contains(v.Except, path) ||
		len(v.Of) > 0 && !slices.Contains(v.Of, path) {
		return nil
	}
	return f
}

// Variables lets environment variables replace flags that are not given; the flags' help
// names them. Each value taken is reported to talk: nobody signs with a file that the
// environment slipped in. get reads the environment.
func Variables(root *cobra.Command, list []Variable, get func(string) string, talk *io.Writer) {
	var each func(c *cobra.Command)
	each = func(c *cobra.Command) {
		for _, v := range list {
			if f := v.of(c); f != nil {
				f.Usage += " (default $" + v.Name + ")"
			}
		}
		for _, sub := range c.Commands() {
			each(sub)
		}
	}
	each(root)
	before := root.PersistentPreRun
	root.PersistentPreRunE = func(c *cobra.Command, args []string) error {
		if before != nil {
			before(c, args)
		}
		for _, v := range list {
			f := v.of(c)
			if f == nil || f.Changed || get == nil || get(v.Name) == "" {
				continue
			}
			if err := c.Flags().Set(f.Name, get(v.Name)); err != nil {
				return Usagef("$%s: %v", v.Name, err)
			}
			fmt.Fprintf(*talk, "--%s %s, from $%s\n", f.Name, Line(get(v.Name)), v.Name)
		}
		return nil
	}
}
