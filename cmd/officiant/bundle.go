package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"officiant/bundle"
	"officiant/bundle/contents"
	"officiant/bundle/fingerprint"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/output"
	"officiant/cmd/internal/terminal"
)

func newBundleCommand(o *options) *cobra.Command {
	return exit.Group(&cobra.Command{
		Use:   "bundle",
		Short: "Inspect signed node bundles, away from any node",
	}, newBundleInspectCommand(o), newBundleVerifyCommand(o), newBundleDiffCommand(o))
}

// shownBundle is what inspect prints.
type shownBundle struct {
	Cluster   string             `json:"cluster"`
	Node      string             `json:"node"`
	Format    int                `json:"format"`
	Sequence  int                `json:"sequence"`
	Ceremony  fingerprint.SHA256 `json:"ceremony"` // the ceremony's digest
	Rehearsal bool               `json:"rehearsal"`
	NotAfter  time.Time          `json:"notAfter"`
	Files     []shownFile        `json:"files"`
}

// shownFile is a file of a bundle, and what it says.
type shownFile struct {
	File  string              `json:"file"`
	Bytes int                 `json:"bytes"`
	Says  map[string][]string `json:"says"` // subject, issuer, serial, expires, …
}

func newBundleInspectCommand(o *options) *cobra.Command {
	var format output.Format
	c := &cobra.Command{
		Use:   "inspect BUNDLE",
		Short: "Show what a bundle contains",
		Long: `Inspect shows what a bundle (a folder or a .tar) contains: which node it is for, and what
each file in it says. It checks the list of checksums but no signature. For that, use
"bundle verify".`,
		Args: exit.ExactArgs(1, "one bundle"),
		RunE: func(_ *cobra.Command, args []string) error {
			b, err := openBundle(args[0])
			if err != nil {
				return err
			}
			return inspectBundle(o, b, format)
		},
	}
	output.Flag(c, &format)
	return c
}

func inspectBundle(o *options, b *bundle.Bundle, format output.Format) error {
	shown := shownBundle{
		Cluster: b.Cluster, Node: b.Node, Format: b.Format, Sequence: b.Sequence, Ceremony: b.Ceremony,
		Rehearsal: b.Rehearsal, NotAfter: b.NotAfter, Files: []shownFile{},
	}
	for _, path := range slices.Sorted(maps.Keys(b.Files)) {
		f := shownFile{File: path, Bytes: len(b.Files[path]), Says: map[string][]string{}}
		for _, fact := range contents.Of(path, b.Files[path]) {
			f.Says[fact.Name] = fact.Values
		}
		shown.Files = append(shown.Files, f)
	}
	if format.Fields() {
		return format.Write(o.Stdout, shown)
	}
	fmt.Fprintf(o.Stdout, "bundle       node %s of cluster %s\n", exit.Line(b.Node), exit.Line(b.Cluster))
	if b.Rehearsal {
		fmt.Fprintln(o.Stdout, "rehearsal    made on throw-away tokens: never for use")
	}
	fmt.Fprintf(o.Stdout, "sequence     %d, format %d\nceremony     %s\nvalid until  %s\n\n",
		b.Sequence, b.Format, b.Ceremony, b.NotAfter.Format(time.RFC3339))
	t := &terminal.Table{Header: []string{"FILE", "EXPIRES", "SUBJECT"}}
	for _, f := range shown.Files {
		t.Add(exit.Line(f.File), exit.Line(firstOf(f.Says["expires"])), exit.Line(firstOf(f.Says["subject"])))
	}
	return t.Write(o.Stdout, terminal.Width(o.Stdout))
}

func firstOf(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

func newBundleDiffCommand(o *options) *cobra.Command {
	var format output.Format
	c := &cobra.Command{
		Use:   "diff BUNDLE BUNDLE",
		Short: "Show what a later bundle changes",
		Long: `Diff shows which files differ between two bundles, and how: serial numbers, dates, names,
keys. It checks no signature.`,
		Args: exit.ExactArgs(2, "two bundles"),
		RunE: func(_ *cobra.Command, args []string) error {
			before, err := openBundle(args[0])
			if err != nil {
				return err
			}
			after, err := openBundle(args[1])
			if err != nil {
				return err
			}
			return diffBundles(o, before, after, format)
		},
	}
	output.Flag(c, &format)
	return c
}

func diffBundles(o *options, before, after *bundle.Bundle, format output.Format) error {
	d := contents.CompareBundles(before, after)
	if format.Fields() {
		return format.Write(o.Stdout, d)
	}
	if before.Node != after.Node || before.Cluster != after.Cluster {
		fmt.Fprintf(o.Stdout, "other node   %s of %s → %s of %s\n", exit.Line(before.Node), exit.Line(before.Cluster),
			exit.Line(after.Node), exit.Line(after.Cluster))
	}
	fmt.Fprintf(o.Stdout, "sequence     %d → %d\n", before.Sequence, after.Sequence)
	for _, c := range d.Changes {
		fmt.Fprintf(o.Stdout, "%-8s     %s\n", c.What, exit.Line(c.File))
		for _, one := range c.Differences {
			if c.What == contents.Changed { // what comes or goes is told by its name
				fmt.Fprintf(o.Stdout, "             %-12s %s\n", one.What, exit.Line(one.String()))
			}
		}
	}
	_, err := fmt.Fprintf(o.Stdout, "%d changed, %d same\n", len(d.Changes), d.Same)
	return err
}

// bundleVerdict is what verify prints.
type bundleVerdict struct {
	Cluster  string           `json:"cluster"`
	Node     string           `json:"node"`
	Sequence int              `json:"sequence"`
	Signed   string           `json:"signed"` // "ok", "failed", "not checked"
	Findings []bundle.Finding `json:"findings"`
	Verdict  string           `json:"verdict"`
}

func newBundleVerifyCommand(o *options) *cobra.Command {
	var release string
	var format output.Format
	c := &cobra.Command{
		Use:   "verify BUNDLE --release-key FILE",
		Short: "Verify a bundle from its signature down to each certificate",
		Long: `Verify makes the checks of "officiant-node verify" on a bundle, away from any node: the
list of checksums, the release key's signature, and everything that a node of this kind
must have. Without --release-key, the bundle may come from anybody: exit code 4.`,
		Args: exit.ExactArgs(1, "one bundle"),
		RunE: func(c *cobra.Command, args []string) error {
			return verifyBundle(c.Context(), o, args[0], release, format)
		},
	}
	c.Flags().StringVar(&release, "release-key", "", "the ceremony's release.pub, a `FILE` from a source you trust")
	output.Flag(c, &format)
	return c
}

func verifyBundle(ctx context.Context, o *options, path, release string, format output.Format) error {
	b, err := bundle.Open(path)
	if refusals := bundle.Refusals(err); refusals != nil {
		return &exit.Error{Code: exit.Unverified, Err: err}
	} else if err != nil {
		return err
	}
	v := bundleVerdict{Cluster: b.Cluster, Node: b.Node, Sequence: b.Sequence, Signed: "not checked",
		Findings: append([]bundle.Finding{}, b.Check(bundle.CheckOptions{Now: o.Now()})...)}
	if release != "" {
		if v.Signed, err = signedBy(ctx, b, release); err != nil {
			return err
		}
	}
	switch {
	case len(v.Findings) > 0 || v.Signed == "failed":
		v.Verdict = "not verified"
	case release == "":
		v.Verdict = "consistent, origin not established"
	default:
		v.Verdict = "verified"
	}
	if err := v.write(o, format); err != nil || v.Verdict == "verified" {
		return err
	}
	hints := []string{}
	if release == "" {
		hints = append(
			hints,
			fmt.Sprintf("officiant bundle verify %s --release-key FILE, with the ceremony's release.pub", path),
		)
	}
	return &exit.Error{Code: exit.Unverified, Err: fmt.Errorf("%s: %s", path, v.Verdict), Hints: hints}
}

func signedBy(ctx context.Context, b *bundle.Bundle, file string) (string, error) {
	key, err := readReleaseKey(ctx, file)
	if err != nil {
		return "", err
	}
	err = b.CheckSignature(key)
	switch {
	case bundle.Refusals(err) != nil:
		return "failed", nil
	case err != nil:
		return "", err
	}
	return "ok", nil
}

func (v *bundleVerdict) write(o *options, format output.Format) error {
	if format.Fields() {
		return format.Write(o.Stdout, v)
	}
	fmt.Fprintf(o.Stdout, "bundle     node %s of cluster %s, sequence %d\nsignature  %s\n",
		exit.Line(v.Node), exit.Line(v.Cluster), v.Sequence, v.Signed)
	for _, f := range v.Findings {
		fmt.Fprintf(o.Stdout, "finding    %s\n", exit.Line(f.String()))
	}
	_, err := fmt.Fprintf(o.Stdout, "verdict    %s\n", v.Verdict)
	return err
}

// openBundle opens a bundle that is to be shown: one that is not whole is refused.
func openBundle(path string) (*bundle.Bundle, error) {
	b, err := bundle.Open(path)
	if bundle.Refusals(err) != nil {
		return nil, &exit.Error{Code: exit.Unverified, Err: err}
	}
	return b, err
}
