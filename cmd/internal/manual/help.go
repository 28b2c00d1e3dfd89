package manual

import (
	"strings"

	"github.com/spf13/cobra"

	"officiant/cmd/internal/terminal"
)

// Help has --help fill a terminal's lines: what a paragraph of the source broke at
// its own width is joined, and folded where people see it. In a pipe it stays.
func Help(root *cobra.Command) {
	show := root.HelpFunc()
	root.SetHelpFunc(func(c *cobra.Command, args []string) {
		long := c.Long
		if terminal.Width(c.OutOrStdout()) > 0 {
			c.Long = reflow(long)
		}
		show(c, args)
		c.Long = long
	})
}

// reflow joins the lines of each paragraph; lines that are indented stand alone.
func reflow(text string) string {
	paragraphs := strings.Split(strings.TrimSpace(text), "\n\n")
	for i, p := range paragraphs {
		if !strings.HasPrefix(p, " ") && !strings.Contains(p, "\n ") {
			paragraphs[i] = strings.ReplaceAll(p, "\n", " ")
		}
	}
	return strings.Join(paragraphs, "\n\n")
}
