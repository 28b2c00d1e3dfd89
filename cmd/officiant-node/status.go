package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"officiant/bundle/install"
	"officiant/cmd/internal/exit"
)

func newStatusCommand(o *options) *cobra.Command {
	var root, output string
	c := &cobra.Command{
		Use:   "status",
		Short: "Show what is installed on this node, and until when it is valid",
		Args:  exit.ExactArgs(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			if output != "table" && output != "json" {
				return exit.Usagef("-o is table or json, not %q", output)
			}
			node := &install.Node{Root: root, Disk: o.Disk, Now: o.Now}
			s, err := node.Status()
			if err != nil {
				return err
			}
			if output == "json" {
				e := json.NewEncoder(o.Stdout)
				e.SetIndent("", "  ")
				e.SetEscapeHTML(false)
				return e.Encode(s)
			}
			return printStatus(o.Stdout, s, o.Now())
		},
	}
	c.Flags().StringVar(&root, "root", "/", "the directory etc/kubernetes lies below")
	c.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	return c
}

func printStatus(w io.Writer, s *install.Status, now time.Time) error {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	if len(s.Requests) > 0 {
		line("request", "made as %s", strings.Join(s.Requests, ", "))
	}
	if s.Interrupted != "" {
		line("interrupted", "an %s; the same command finishes it", s.Interrupted)
	}
	if i := s.Installed; i != nil {
		line("node", "%s of cluster %s", i.Node, i.Cluster)
		line("installed", "sequence %d, ceremony %s", i.Sequence, i.Ceremony)
		line("valid until", "%s (%s)", i.NotAfter.Format(time.RFC3339), remaining(i.NotAfter.Sub(now)))
	} else {
		line("installed", "no bundle")
	}
	if p := s.Pins; p != nil {
		line("newest seen", "sequence %d", p.HighestSequence)
		line("root", "SHA-256 %s", p.Root)
		line("release key", "SHA-256 %s", p.Release)
	}
	if s.Previous != nil {
		line("rollback", "to %s", sequence(s.Previous.Sequence))
	}
	for _, c := range s.Certificates {
		line("certificate", "%-24s until %s", c.Name, c.NotAfter.Format(time.RFC3339))
	}
	if s.Installed != nil && len(s.Findings) == 0 {
		line("files", "as they were installed")
	}
	for _, f := range s.Findings {
		line("finding", "%s", f)
	}
	return nil
}

// remaining says in days how long something is still valid.
func remaining(d time.Duration) string {
	if d < 0 {
		return "expired"
	}
	if d < 48*time.Hour {
		return fmt.Sprintf("%d hours left", int(d.Hours()))
	}
	return fmt.Sprintf("%d days left", int(d.Hours()/24))
}
