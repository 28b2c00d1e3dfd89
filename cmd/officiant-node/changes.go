package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

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
			fmt.Fprintf(w, "           %-12s %s\n", d.What, exit.Plain(difference(d)))
		}
	}
}

// difference writes a change of one value as "was → is", of sets as what comes
// and what goes.
func difference(d install.Difference) string {
	switch {
	case len(d.Was) == 0:
		return strings.Join(d.Is, ", ")
	case len(d.Is) == 0:
		return "was " + strings.Join(d.Was, ", ")
	case len(d.Was) == 1 && len(d.Is) == 1:
		return d.Was[0] + " → " + d.Is[0]
	}
	var parts []string
	for _, v := range d.Is {
		if !slices.Contains(d.Was, v) {
			parts = append(parts, "+"+v)
		}
	}
	for _, v := range d.Was {
		if !slices.Contains(d.Is, v) {
			parts = append(parts, "-"+v)
		}
	}
	if len(parts) == 0 {
		return "in another order: " + strings.Join(d.Is, ", ")
	}
	return strings.Join(parts, ", ")
}

// printReaders says who has to be told, and how.
func printReaders(w io.Writer, r *install.Report, root string) error {
	if len(r.Changes) == 0 {
		_, err := fmt.Fprintln(w, "\nno file of /etc/kubernetes is different")
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
