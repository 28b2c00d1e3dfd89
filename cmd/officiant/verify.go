package main

import (
	"context"
	"crypto"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
	"officiant/bundle/phrase"
	"officiant/ceremony/audit"
	"officiant/ceremony/history"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/infile"
	"officiant/cmd/internal/memory"
	"officiant/cmd/internal/output"
	"officiant/cmd/internal/terminal"
)

type verifyOptions struct {
	*options
	previous   []string
	releaseKey string
	root       string
	people     string
	makers     attestationRoots
	output     output.Format
}

func newVerifyCommand(o *options) *cobra.Command {
	verify := &verifyOptions{options: o}
	c := &cobra.Command{
		Use:   "verify DIR [--previous DIR] [--release-key FILE|FINGERPRINT] [--root FINGERPRINT] [--people FINGERPRINT]",
		Short: "Check a finished ceremony, without a token",
		Long: `Check everything that a finished ceremony left: the record and its signature, the plan and
its schedule, every certificate, key, sealed secret and bundle, and that no file contains
a private key. It needs no token and writes nothing.

A directory can be consistent and still be somebody else's. The release key decides that,
as people compared it in the room and kept it outside the directory: --release-key vouches
for the record and all it says. --root vouches only for the certificates: they are public,
and anybody can write their own record around them. So without --release-key the exit
code is 4, as with any finding. For a ceremony that its people abandoned correctly, it is
10. --people compares those who may approve the plan, or those of the previous ceremony,
with their fingerprint. It does not replace the other two pins.`,
		Args: exit.ExactArgs(1, "one ceremony directory"),
		RunE: func(c *cobra.Command, args []string) error { return verify.run(c.Context(), args[0]) },
	}
	c.Flags().StringArrayVar(&verify.previous, "previous", nil,
		"`DIR` of a ceremony this one continues, or a folder that holds ceremonies; repeatable")
	c.Flags().
		StringVar(&verify.releaseKey, "release-key", "",
			"PEM `FILE` of the release key, kept outside the directory, or its fingerprint")
	c.Flags().StringVar(&verify.root, "root", "", "SHA-256 `FINGERPRINT` of the root certificate")
	c.Flags().
		StringVar(&verify.people, "people", "",
			"`FINGERPRINT` of the people who may approve, as ceremony check shows it")
	verify.makers.flag(c)
	output.Flag(c, &verify.output)
	return c
}

func (o *verifyOptions) run(ctx context.Context, dir string) error {
	if err := isCeremony(dir); err != nil {
		return err
	}
	pins, err := o.pins(ctx, dir)
	if err != nil {
		return err
	}
	memory.Pace()
	progress := terminal.Progress{Out: o.Stderr, Now: o.Now}
	pins.Progress = progress.At
	report, err := audit.Verify(dir, *pins)
	progress.End()
	if err != nil {
		return err
	}
	if o.output.Fields() {
		err = o.output.Write(o.Stdout, verdictOf(report))
	} else {
		err = o.writeText(report)
	}
	if err != nil {
		return err
	}
	return o.result(dir, report)
}

// pins reads what the ceremony is held against.
func (o *verifyOptions) pins(ctx context.Context, dir string) (*audit.Options, error) {
	pins := &audit.Options{Now: o.Now()}
	var err error
	if pins.Previous, err = previousDirs(dir, o.previous); err != nil {
		return nil, err
	}
	for _, f := range []struct {
		flag, text string
		pin        **fingerprint.SHA256
	}{{"--root", o.root, &pins.Root}, {"--people", o.people, &pins.People}} {
		if f.text == "" {
			continue
		}
		sum, err := fingerprint.Parse(f.text)
		if err != nil {
			return nil, exit.Usagef("%s: %w", f.flag, err)
		}
		*f.pin = &sum
	}
	if pins.AttestationRoots, err = o.makers.read(); err != nil {
		return nil, err
	}
	if sum, err := fingerprint.Parse(o.releaseKey); err == nil && o.releaseKey != "" {
		pins.Release = &sum
	} else if o.releaseKey != "" {
		key, err := readReleaseKey(ctx, o.releaseKey)
		if err != nil {
			return nil, err
		}
		pins.ReleaseKey = key
		if inside(dir, o.releaseKey) {
			fmt.Fprintf(
				o.Stderr,
				"warning: %s is in the directory that it is to vouch for; use the release key that the room kept "+
					"apart from it\n",
				o.releaseKey,
			)
		}
	}
	return pins, nil
}

// previousDirs are the directories given; of a folder that holds ceremonies, those
// that may come before the one that is verified. Which of them do, verify says.
func previousDirs(dir string, paths []string) ([]string, error) {
	var out []string
	for _, path := range paths {
		if _, err := os.Stat(path); err != nil {
			return nil, err
		}
		if _, err := os.Lstat(filepath.Join(path, history.RecordFile)); err == nil {
			out = append(out, path)
			continue
		}
		archive, err := find([]string{path})
		if err != nil {
			return nil, err
		}
		before, err := archive.Before(dir)
		if err != nil {
			return nil, err
		}
		out = append(out, before...)
	}
	return out, nil
}

func readReleaseKey(ctx context.Context, file string) (crypto.PublicKey, error) {
	data, err := infile.ReadFile(ctx, file, 64<<10)
	if err != nil {
		return nil, fmt.Errorf("release key: %w", err)
	}
	key, err := bundle.ParseReleaseKey(file, data)
	if err != nil {
		return nil, &exit.Error{Code: exit.Refused, Err: fmt.Errorf("release key: %w", err)}
	}
	return key, nil
}

// inside says whether file lies below dir, links followed.
func inside(dir, file string) bool {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return false
	}
	file, err = filepath.EvalSymlinks(file)
	if err != nil {
		return false
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return false
	}
	if file, err = filepath.Abs(file); err != nil {
		return false
	}
	rel, err := filepath.Rel(dir, file)
	return err == nil && filepath.IsLocal(rel)
}

// result turns a report into the command's result.
func (o *verifyOptions) result(dir string, r *audit.Report) error {
	switch verdict := r.Verdict(); verdict {
	case audit.Verified:
		return nil
	case audit.Unpinned, audit.RootAlone:
		hints := []string{
			"compare the release key with what was written down in the room, then give it:",
			fmt.Sprintf("officiant ceremony verify %s --release-key FINGERPRINT, or FILE", dir),
		}
		return &exit.Error{Code: exit.Unverified, Err: fmt.Errorf("%s: %s", dir, verdict), Hints: hints}
	case audit.Abandoned:
		return &exit.Error{Code: exit.Abandoned, Err: fmt.Errorf("%s: the ceremony was abandoned by its people: %s; nothing "+
			"of it is for use", dir, r.Abandonment),
			Hints: []string{"keep the directory: what it issued counts as issued. The plan starts again in another " +
				"one"}}
	case audit.Unfinished:
		if r.Abandonment != "" {
			return &exit.Error{Code: exit.Unverified, Err: fmt.Errorf("%s: the ceremony was abandoned, and keys are to be "+
				"destroyed still", dir), Hints: []string{"to continue: officiant ceremony abandon " + dir +
				" --station STATION"}}
		}
		return &exit.Error{Code: exit.Unverified, Err: fmt.Errorf("%s: the ceremony is unfinished", dir),
			Hints: []string{"`officiant ceremony run` with its plan and station continues it",
				"if it will not be finished: officiant ceremony abandon " + dir + " --reason TEXT"}}
	}
	err := fmt.Errorf("%s: the ceremony does not verify: %s", dir, phrase.Count(len(r.Findings()), "finding"))
	return &exit.Error{Code: exit.Unverified, Err: err}
}

// verifiedCeremony is what verify prints. Its JSON is a promise to scripts.
type verifiedCeremony struct {
	Verdict    audit.Verdict     `json:"verdict"`
	Findings   int               `json:"findings"`
	Guarantees []audit.Guarantee `json:"guarantees"`
	*audit.Report
}

func verdictOf(r *audit.Report) verifiedCeremony {
	return verifiedCeremony{r.Verdict(), len(r.Findings()), r.Guarantees(), r}
}

func (o *verifyOptions) writeText(r *audit.Report) error {
	if r.Name != "" {
		fmt.Fprintf(
			o.Stdout,
			"%s\n\n",
			exit.Line(fmt.Sprintf("ceremony %s of cluster %s, number %d of its chain", r.Name, r.Cluster, r.Sequence)),
		)
	}
	for _, c := range r.Checks {
		writeVerified(o.Stdout, c)
	}
	var b strings.Builder
	b.WriteString("\n")
	if !r.RootPinned && !r.ReleasePinned {
		b.WriteString("If the release key and root below are those that people wrote down in the room:\n\n")
	}
	for _, g := range r.Guarantees() {
		fmt.Fprintf(&b, "guarantee %d  %-40s  %s\n", g.Number, g.Text, g.Verdict)
	}
	b.WriteString("\n")
	writeFingerprints(&b, r)
	fmt.Fprintf(&b, "\n%s\n", r.Summary())
	_, err := o.Stdout.Write([]byte(exit.Plain(b.String())))
	return err
}

// writeFingerprints writes what people compare.
func writeFingerprints(b *strings.Builder, r *audit.Report) {
	for _, f := range []struct {
		what   string
		digest *fingerprint.SHA256
		pinned bool
	}{{"digest", r.Digest, false}, {"head", r.Head, false}, {"root", r.Root, r.RootPinned}, {"release", r.Release,
		r.ReleasePinned}, {"people", r.People, r.PeoplePinned}} {
		if f.digest == nil {
			continue
		}
		fmt.Fprintf(b, "%-8s  %s\n", f.what, f.digest)
		if f.pinned {
			fmt.Fprintf(b, "%-8s  as pinned\n", "")
		}
	}
}

// writeVerified writes one check and what was found.
func writeVerified(w io.Writer, c audit.Check) {
	mark, detail := "ok", c.Detail
	switch {
	case len(c.Problems) > 0:
		mark = "FAIL"
	case c.Skipped != "":
		mark, detail = "-", "not checked: "+c.Skipped
	}
	line := c.Name
	if detail != "" {
		line += " (" + detail + ")"
	}
	terminal.Hang(w, fmt.Sprintf("%-4s  ", mark), exit.Line(line))
	for _, p := range c.Problems {
		writeFinding(w, "        ", p)
	}
	for _, u := range c.Unchecked {
		writeFinding(w, "        not checked: ", u)
	}
	for _, n := range c.Notes {
		writeFinding(w, "        note: ", n)
	}
}

// writeFinding writes a problem or note, each of its lines by itself.
func writeFinding(w io.Writer, prefix, text string) {
	for line := range strings.Lines(text) {
		terminal.Hang(w, prefix, exit.Line(strings.TrimRight(line, "\n")))
		prefix = strings.Repeat(" ", len(prefix))
	}
}
