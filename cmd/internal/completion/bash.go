package completion

import (
	_ "embed"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// standIns let cobra's script for bash do without the bash-completion package: a machine
// in a room has what its image has, and nothing is installed there.
//
//go:embed standins.bash
var standIns string

// Bash has the command "completion bash" of root print a script for out that needs bash
// alone.
func Bash(root *cobra.Command, out io.Writer) {
	root.SetOut(out)
	root.InitDefaultCompletionCmd()
	c, _, err := root.Find([]string{"completion", "bash"})
	if err != nil || c.Name() != "bash" {
		return // the program has no commands
	}
	for _, shell := range c.Parent().Commands() { // whose help has tabs, which fold at no known column
		shell.Long = strings.ReplaceAll(shell.Long, "\t", "    ")
	}
	script := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		if _, err := io.WriteString(out, standIns); err != nil {
			return err
		}
		return script(c, args)
	}
	c.Long = fmt.Sprintf(`Generate the autocompletion script for bash. It needs nothing but bash.

To complete in this shell:

    source <(%[1]s completion bash)

To complete in every new shell:

    %[1]s completion bash >>~/.bashrc`, root.Name())
}
