package manual

import (
	"strings"

	"github.com/spf13/cobra"
)

// Examples gives the commands below root their examples, which --help shows and
// pages have: of is keyed by the command's path without the program's name.
func Examples(root *cobra.Command, of map[string]string) {
	for _, c := range root.Commands() {
		path := strings.TrimPrefix(c.CommandPath(), c.Root().Name()+" ")
		if text := strings.TrimSpace(of[path]); text != "" {
			c.Example = "  " + strings.ReplaceAll(text, "\n", "\n  ")
		}
		Examples(c, of)
	}
}
