// Package manual writes a program's manual pages in man(7), one for each command:
// what `help` says, in the form that man shows. It is small so that the programs
// need no further module for it; roff knows no other character as its own than
// those that Text escapes.
package manual

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"officiant/cmd/internal/exit"
)

// Command is "man DIR" of a program: it writes the pages of all commands below root.
// built is when the source was changed last, so that the same source makes the same
// pages; it may be empty. one refuses any number of arguments but one.
func Command(root *cobra.Command, version, built string, one cobra.PositionalArgs) *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages into a folder",
		Long: `Write a manual page for each command into a folder. Pages that are there are
written anew.`,
		Args: one,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			day := ""
			if at, err := time.Parse(time.RFC3339, built); err == nil {
				day = at.UTC().Format(time.DateOnly)
			}
			return write(args[0], root, day, version)
		},
	}
}

// write writes the pages of a command and those below it.
func write(dir string, c *cobra.Command, day, version string) error {
	name := strings.ReplaceAll(c.CommandPath(), " ", "-")
	if err := os.WriteFile(filepath.Join(dir, name+".1"), Page(c, day, version), 0o644); err != nil {
		return err
	}
	for _, sub := range below(c) {
		if err := write(dir, sub, day, version); err != nil {
			return err
		}
	}
	return nil
}

func below(c *cobra.Command) []*cobra.Command {
	var out []*cobra.Command
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "help" {
			out = append(out, sub)
		}
	}
	return out
}

// Page is the manual page of one command.
func Page(c *cobra.Command, day, version string) []byte {
	var b strings.Builder
	name := strings.ReplaceAll(c.CommandPath(), " ", "-")
	fmt.Fprintf(&b, ".TH %q 1 %q %q %q\n.nh\n.ad l\n", strings.ToUpper(name), day, c.Root().Name()+" "+version, "Officiant")
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", Text(name), Text(c.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n\\fB%s\\fR", Text(c.CommandPath()))
	if _, arguments, ok := strings.Cut(c.Use, " "); ok {
		b.WriteString(" " + Text(arguments))
	}
	b.WriteString("\n")
	if long := strings.TrimSpace(c.Long); long != "" {
		b.WriteString(".SH DESCRIPTION\n")
		for _, paragraph := range strings.Split(long, "\n\n") {
			b.WriteString(block(paragraph))
		}
	}
	options(&b, "OPTIONS", c.NonInheritedFlags())
	if subs := below(c); len(subs) > 0 {
		b.WriteString(".SH COMMANDS\n")
		for _, sub := range subs {
			fmt.Fprintf(&b, ".TP\n\\fB%s\\fR\n%s\n", Text(sub.Name()), Text(sub.Short))
		}
	}
	if c.Example != "" {
		b.WriteString(".SH EXAMPLES\n.nf\n" + Text(strings.Trim(c.Example, "\n")) + "\n.fi\n")
	}
	b.WriteString(".SH EXIT STATUS\n")
	for _, code := range exit.Codes() {
		fmt.Fprintf(&b, ".TP\n%d\n%s\n", code.Code, Text(code.Meaning))
	}
	if files := filesOf(c); len(files) > 0 {
		b.WriteString(".SH FILES\n")
		for _, f := range files {
			fmt.Fprintf(&b, ".TP\n\\fI%s\\fR\n%s\n", Text(f.path), Text(f.what))
		}
	}
	also(&b, c)
	return []byte(b.String())
}

// block is a paragraph; one with an indented line keeps its lines.
func block(text string) string {
	if strings.HasPrefix(text, " ") || strings.Contains(text, "\n ") {
		return ".PP\n.nf\n" + Text(text) + "\n.fi\n"
	}
	return ".PP\n" + Text(text) + "\n"
}

// file is a line of FILES.
type file struct{ path, what string }

// programFiles are the files that each program reads or writes by itself; those named
// by flags stand with the flags.
var programFiles = map[string][]file{
	"officiant": {
		{"plan.yaml", "the plan: what is to be signed; reviewed and approved by its digest"},
		{"station.yaml", "the room's machine: where each key lives, and how its PIN is asked for"},
		{"DIR/transcript.jsonl", "the record of a ceremony; DIR/transcript.sig is the release key's signature over it"},
		{"DIR/bundles/NODE.tar", "a node's bundle"},
	},
	"officiant-node": {
		{"/etc/kubernetes", "where a bundle's files are installed"},
		{"/var/lib/officiant-node", "keys, identity, pins and the way back, mode 0700"},
	},
}

func filesOf(c *cobra.Command) []file { return programFiles[c.Root().Name()] }

func options(b *strings.Builder, title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	b.WriteString(".SH " + title + "\n")
	flags.VisitAll(func(f *pflag.Flag) {
		called, usage := pflag.UnquoteUsage(f)
		b.WriteString(".TP\n")
		if f.Shorthand != "" {
			fmt.Fprintf(b, "\\fB\\-%s\\fR, ", Text(f.Shorthand))
		}
		fmt.Fprintf(b, "\\fB\\-\\-%s\\fR", Text(f.Name))
		if called != "" {
			fmt.Fprintf(b, " \\fI%s\\fR", Text(called))
		}
		fmt.Fprintf(b, "\n%s\n", Text(usage))
	})
}

func also(b *strings.Builder, c *cobra.Command) {
	var names []string
	if c.HasParent() {
		names = append(names, c.Parent().CommandPath())
	}
	for _, sub := range below(c) {
		names = append(names, sub.CommandPath())
	}
	for i, n := range names {
		names[i] = "\\fB" + Text(strings.ReplaceAll(n, " ", "-")) + "\\fR(1)"
	}
	if len(names) > 0 {
		b.WriteString(".SH SEE ALSO\n" + strings.Join(names, ",\n") + "\n")
	}
}

// Text writes out what roff would act on.
func Text(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
