package main

import (
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"officiant/bundle/install"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/output"
	"officiant/cmd/internal/terminal"
)

// prometheus is the format that node exporter reads.
const prometheus output.Format = "prometheus"

func newStatusCommand(o *options) *cobra.Command {
	var root, textfile string
	var format output.Format
	c := &cobra.Command{
		Use:   "status",
		Short: "Show what is installed on this node, and when it expires",
		Long: `Status shows each certificate in place, the days left, the bundle it came from, and files
that differ from what was installed. It changes nothing.

Exit code 4 means that something differs from what was installed.

-o prometheus prints the same as metrics. --prometheus FILE writes them to a file in node
exporter's textfile folder, atomically, and prints nothing. Metrics include the findings,
so their exit code is 0.`,
		Args: exit.ExactArgs(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			if textfile != "" && filepath.Ext(textfile) != ".prom" {
				return exit.Usagef("--prometheus %s: node exporter reads files that end in .prom", textfile)
			}
			node := &install.Node{Root: root, Disk: o.Disk, Now: o.Now}
			s, err := node.Status()
			if err != nil {
				return refused(err)
			}
			if textfile != "" {
				return o.Disk.Replace(textfile, metrics(s, o.Now()), 0o644)
			}
			return o.printStatus(s, format)
		},
	}
	c.Flags().StringVar(&root, "root", "/", "directory that etc/kubernetes is below")
	output.Flag(c, &format, prometheus)
	c.Flags().StringVar(&textfile, "prometheus", "", "write metrics to this file (*.prom), and print nothing")
	return c
}

func (o *options) printStatus(s *install.Status, format output.Format) error {
	switch format {
	case output.JSON, output.YAML:
		return cmp.Or(format.Write(o.Stdout, s), found(s))
	case prometheus:
		_, err := o.Stdout.Write(metrics(s, o.Now()))
		return err
	}
	return cmp.Or(printStatus(o.Stdout, s, o.Now()), found(s))
}

// found is the error of a status that has findings: the command has shown them.
func found(s *install.Status) error {
	if len(s.Findings) == 0 {
		return nil
	}
	return &exit.Error{Code: exit.Unverified}
}

func printStatus(w io.Writer, s *install.Status, now time.Time) error {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-12s %s\n", name, exit.Plain(fmt.Sprintf(format, args...)))
	}
	if len(s.Requests) > 0 {
		line("request", "made as %s", strings.Join(s.Requests, ", "))
	}
	if s.Interrupted != "" {
		line("interrupted", "%s; the same command finishes it", s.Interrupted)
	}
	if i := s.Installed; i != nil {
		line("node", "%s of cluster %s", i.Node, i.Cluster)
		line("installed", "sequence %d", i.Sequence)
		line("ceremony", "%s", i.Ceremony)
		line("valid until", "%s (%s)", i.NotAfter.Format(time.RFC3339), left(i.NotAfter.Sub(now)))
	} else {
		line("installed", "no bundle")
	}
	if p := s.Pins; p != nil {
		line("newest seen", "sequence %d", p.HighestSequence)
		line("root", "%s", p.Root)
		line("release key", "%s", p.Release)
	}
	if s.NextRelease != nil && (s.Pins == nil || *s.NextRelease != s.Pins.Release) {
		line("next key", "%s", s.NextRelease)
	}
	for _, k := range s.ServiceAccount {
		does := "verifies tokens"
		if k.Signs {
			does = "signs tokens"
		}
		line("sa key", "%s, kid %s", does, k.KeyID)
	}
	if s.Previous != nil {
		before := sequence(s.Previous.Sequence)
		if s.Previous.Sequence == 0 {
			before = "what was there before the first bundle"
		}
		line("rollback", "to %s", before)
	}
	if err := printCertificates(w, s.Certificates, now); err != nil {
		return err
	}
	if l := s.Revocations; l != nil {
		line("etcd's list", "%s", l)
		line("next list", "%s (%s)", l.NextUpdate.Format(time.RFC3339), due(l.NextUpdate.Sub(now)))
	}
	if s.Installed != nil && len(s.Findings) == 0 {
		line("files", "as they were installed")
	}
	if k := s.Kubelet; k != nil && k.Instead == nil {
		how, uses := "does not rotate its certificate", "kubelet.conf"
		switch {
		case k.Rotates && k.Signed:
			how = "rotates its certificate"
		case k.Rotates:
			how = "rotates its certificate, but nobody signs the next one"
		}
		if k.Own != nil {
			uses = "what it was given, " + k.Own.String()
		}
		if k.By != "" {
			line("kubelet", "uses %s; it %s (%s)", uses, how, k.By)
		}
	}
	for _, f := range s.AdoptedKeys {
		line("CA key", "%s: of an authority that kubeadm created; remove it before the last stage", f)
	}
	for _, f := range s.Findings {
		line("finding", "%s", f)
	}
	return nil
}

func printCertificates(w io.Writer, list []install.Certificate, now time.Time) error {
	if len(list) == 0 {
		return nil
	}
	t := &terminal.Table{Header: []string{"CERTIFICATE", "EXPIRES", "LEFT", "FROM"}}
	for _, c := range list {
		from := "no bundle"
		if c.Sequence > 0 {
			from = fmt.Sprintf("sequence %d", c.Sequence)
		}
		t.Add(exit.Line(c.Name), c.NotAfter.Format(time.RFC3339), remaining(c.NotAfter.Sub(now)), from)
	}
	fmt.Fprintln(w)
	if err := t.Write(w, terminal.Width(w)); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}

// due says how long it is until the next revocation list; etcd goes on with the old.
func due(d time.Duration) string {
	if d < 0 {
		return "overdue"
	}
	return left(d)
}

// left is remaining in a sentence.
func left(d time.Duration) string {
	if d < 0 {
		return remaining(d)
	}
	return remaining(d) + " left"
}

// remaining says in days how long something is still valid.
func remaining(d time.Duration) string {
	if d < 0 {
		return "expired"
	}
	if d < 48*time.Hour {
		return fmt.Sprintf("%d hours", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}
