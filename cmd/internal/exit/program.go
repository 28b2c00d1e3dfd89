package exit

import (
	"io"

	"github.com/spf13/cobra"

	"officiant/cmd/internal/terminal"
)

// Program gives a program's root command --version, and every command --quiet, which
// holds back what goes to talk, and --color. Errors, questions and warnings are said all
// the same.
func Program(root *cobra.Command, version string, talk *io.Writer) {
	root.Version = version
	quiet := root.PersistentFlags().Bool("quiet", false, "print only data, warnings, questions and errors")
	color := terminal.Auto
	root.PersistentFlags().Var(&color, "color", "`WHEN` to colour marks: auto, always or never")
	root.PersistentPreRun = func(*cobra.Command, []string) {
		terminal.Paint(root.OutOrStdout(), color)
		terminal.Paint(*talk, color)
		if *quiet {
			*talk = terminal.NewQuiet(*talk)
		}
	}
}
