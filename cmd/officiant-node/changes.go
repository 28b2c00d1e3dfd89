package main

import (
	"fmt"
	"io"
	"slices"

	"officiant/bundle/install"
	"officiant/cmd/internal/exit"
)

// printChanges lists what changed, and a line for each component that reads it.
func printChanges(w io.Writer, r *install.Report, root string) error {
	if len(r.Changes) > 0 {
		fmt.Fprintln(w, "\nfiles")
	}
	for _, c := range r.Changes {
		fmt.Fprintf(w, "  %-8s %s\n", c.What, c.Path)
	}
	return printReaders(w, r, root)
}

// telling is what is shown of a file that comes or goes as a whole.
var telling = []string{"server", "subject", "expires", "names"}

// printDiff shows what a person compares, file by file: never a file's text.
func printDiff(w io.Writer, r *install.Report) {
	if len(r.Changes)+len(r.Same) > 0 {
		fmt.Fprintln(w, "\nfiles")
	}
	for _, path := range r.Same {
		fmt.Fprintf(w, "  %-8s %s\n", "same", path)
	}
	for _, c := range r.Changes {
		fmt.Fprintf(w, "  %-8s %s\n", c.What, c.Path)
		for _, d := range c.Differences {
			if c.What != install.Changed && c.What != install.ModeOnly && !slices.Contains(telling, d.What) {
				continue
			}
			// What is on the node, or in a bundle, is whoever's who made it.
			fmt.Fprintf(w, "           %-12s %s\n", d.What, exit.Plain(d.String()))
		}
	}
}

// printReaders says who has to be told, and how.
func printReaders(w io.Writer, r *install.Report, root string) error {
	if len(r.Changes) == 0 {
		_, err := fmt.Fprintln(w, "\nno file below /etc/kubernetes changes")
		return err
	}
	if len(r.Notices) > 0 {
		fmt.Fprintln(w, "\nwho reads them")
	}
	for _, n := range r.Notices {
		fmt.Fprintf(w, "  %s\n", n)
	}
	return printRestarts(w, r.Notices, root)
}
