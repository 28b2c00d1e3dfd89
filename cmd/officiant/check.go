package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/bundle/phrase"
	"officiant/ceremony"
	"officiant/ceremony/approval"
	"officiant/ceremony/comparison"
	"officiant/ceremony/issue"
	"officiant/ceremony/placement"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
	"officiant/ceremony/station"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/output"
	"officiant/cmd/internal/terminal"
	"officiant/signer"
)

type checkOptions struct {
	*options
	station string
	output  output.Format
	all     bool
	alone   bool // the digest, and nothing else
}

func newCheckCommand(o *options) *cobra.Command {
	check := &checkOptions{options: o}
	c := &cobra.Command{
		Use:   "check PLAN [--station STATION]",
		Short: "Show what a plan would sign, and everything wrong with it",
		Long: `Show everything that a plan would sign, as a tree and a table, and everything wrong with
it. It checks the plan, its inputs, and the certificates it would issue (made in memory
with throw-away keys, and linted). With --station, it also checks where the keys will be:
locations, modules, PIN files, and what inserted tokens report without a PIN. A missing
token is only a warning. No key is used.

If a plan has no findings, its schedule is written to schedule.txt beside it. The output
ends with the digest that people approve, and which of the plan's people have approved.
Findings about the station do not prevent this, because they do not change the plan. With
findings, the exit code is 3.

Four or more nodes that differ only in name and address are shown as one. A node that
differs in anything else, or shares a name or address with another's certificates, is
shown separately. schedule.txt has a line for each.`,
		Args: exit.ExactArgs(1, "one plan"),
		RunE: func(c *cobra.Command, args []string) error { return check.run(c.Context(), args[0]) },
	}
	c.Flags().StringVar(&check.station, "station", "",
		"station `FILE`: check that each key has a token or KMS that can hold it")
	c.Flags().BoolVar(&check.all, "all", false, "show every node separately, even if they are alike")
	c.Flags().BoolVar(&check.alone, "digest", false, "print only the digest, for --confirm and for scripts")
	output.Flag(c, &check.output)
	return c
}

// checked is what a check found out. Its JSON is a promise to scripts.
type checked struct {
	Plan       string              `json:"plan"`
	Name       string              `json:"name,omitempty"`
	Cluster    string              `json:"cluster,omitempty"`
	Sequence   int                 `json:"sequence,omitempty"`
	Digest     *fingerprint.SHA256 `json:"digest,omitempty"` // absent when the plan has findings
	Words      []string            `json:"words,omitempty"`
	Schedule   string              `json:"schedule,omitempty"` // the file
	Keys       []checkedKey        `json:"keys"`
	Signatures []comparison.Entry  `json:"signatures"`
	Findings   []checkedFinding    `json:"findings"`
	Warnings   []checkedFinding    `json:"warnings"`
	People     *checkedPeople      `json:"people,omitempty"` // absent when there are findings

	verdict *approval.Verdict
}

type checkedKey struct {
	Name      string           `json:"name"`
	Algorithm signer.Algorithm `json:"algorithm"`
	Create    bool             `json:"create"`
	Evidence  signer.Grade     `json:"evidence"`
}

type checkedFinding struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Message string `json:"message"`
	excerpt string
}

func (o *checkOptions) run(ctx context.Context, path string) error {
	if o.alone && o.output.Fields() {
		return exit.Usagef("--digest cannot be combined with -o %s, which contains the digest", o.output)
	}
	result := &checked{Plan: path, Keys: []checkedKey{}, Signatures: []comparison.Entry{}, Findings: []checkedFinding{},
		Warnings: []checkedFinding{}}
	c, err := openPlan(path, schedule.Options{Now: o.Now(), Lean: true})
	var invalid *plan.Invalid
	switch {
	case errors.As(err, &invalid):
		result.Findings = findings(invalid.Problems)
	case err != nil:
		return err
	default:
		if err := o.examine(ctx, result, c); err != nil {
			return err
		}
	}
	if o.output.Fields() {
		err = o.output.Write(o.Stdout, result)
	} else {
		err = o.writeText(result, c)
	}
	if err != nil {
		return err
	}
	switch n := len(result.Findings); {
	case n == 0:
		return nil
	case result.Digest != nil:
		return &exit.Error{Code: exit.Refused, Err: fmt.Errorf("%s: %s about the station %s; the plan has none, "+
			"and its "+
			"digest is valid", path, phrase.Count(n, "finding"), o.station)}
	default:
		return &exit.Error{Code: exit.Refused, Err: fmt.Errorf("%s: %s; this plan may not be signed", path,
			phrase.Count(n, "finding"))}
	}
}

// examine looks at a plan that is right in itself, and writes its schedule
// when nothing else is wrong either.
func (o *checkOptions) examine(ctx context.Context, result *checked, c *schedule.Ceremony) error {
	result.Name, result.Cluster, result.Sequence = c.Plan.Name, c.Cluster.Name, c.Sequence
	result.Warnings = findings(c.Warnings)
	for _, name := range c.KeysNeeded() {
		k, _ := c.Plan.KeyOf(name)
		result.Keys = append(result.Keys, checkedKey{name, c.Algorithm(name), k.Creates(), k.Evidence})
	}
	if o.output.Fields() {
		if err := result.sign(c); err != nil {
			return err
		}
	}
	// Every certificate is made in memory with throw-away keys, and linted.
	err := ceremony.DryRun(issue.NewChecker(o.Rand), c, o.Now().UTC().Truncate(1e9), o.Rand)
	if err := result.note(err); err != nil {
		return err
	}
	if err := result.note(ceremony.Continued(o.continued(), c)); err != nil {
		return err
	}
	if err := o.schedule(result, c); err != nil {
		return err
	}
	if len(result.Findings) == 0 {
		// The digest is the plan's: what is found at the station changes nothing in it.
		result.Digest, result.Words = &c.Digest, c.Digest.Words()
		if err := result.people(c); err != nil {
			return err
		}
	}
	if o.station == "" {
		return nil
	}
	return o.places(ctx, result, c)
}

// sign lists what would be signed, with the fields of schedule.txt.
func (r *checked) sign(c *schedule.Ceremony) error {
	for e := range c.All() {
		entry, err := comparison.ParseEntry(c.Line(e))
		if err != nil {
			return fmt.Errorf("%s: line %d: %w", schedule.ScheduleFile, e.N, err)
		}
		r.Signatures = append(r.Signatures, entry)
	}
	return nil
}

// places looks at where the station puts the plan's keys.
func (o *checkOptions) places(ctx context.Context, result *checked, c *schedule.Ceremony) error {
	st, err := openStation(o.options, o.station)
	if err != nil {
		if result.note(err) != nil {
			result.Findings = append(result.Findings, checkedFinding{Message: err.Error()})
		}
		return nil
	}
	report := placement.Look(ctx, c, st, c.KeysNeeded(), o.reach().at(st).place)
	for _, f := range report.Findings {
		result.Findings = append(result.Findings, checkedFinding{Message: f})
	}
	for _, w := range report.Warnings {
		result.Warnings = append(result.Warnings, checkedFinding{Message: w})
	}
	said := map[string]bool{}
	for _, err := range report.Absent {
		if !said[err.Error()] {
			said[err.Error()] = true
			result.Warnings = append(result.Warnings, checkedFinding{Message: err.Error() +
				"; insert it and check again: what it can do is not known yet"})
		}
	}
	for _, err := range report.Unknown {
		result.Findings = append(result.Findings, checkedFinding{Message: err.Error()})
	}
	return ctx.Err()
}

// note takes what refuses a plan as findings; any other error comes back.
func (r *checked) note(err error) error {
	var refused *ceremony.Refused
	var invalid *station.Invalid
	switch {
	case err == nil:
	case errors.As(err, &refused):
		for _, reason := range refused.Reasons {
			r.Findings = append(r.Findings, checkedFinding{Message: reason})
		}
	case errors.As(err, &invalid):
		r.Findings = append(r.Findings, checkedFinding{File: invalid.File, Line: invalid.Line, Column: invalid.Column,
			Message: invalid.Reason})
	default:
		return err
	}
	return nil
}

// schedule writes schedule.txt beside the plan. Beside a transcript, the
// schedule is history and is compared only.
func (o *checkOptions) schedule(result *checked, c *schedule.Ceremony) error {
	folder := filepath.Dir(c.File)
	path := filepath.Join(folder, schedule.ScheduleFile)
	if _, err := os.Lstat(filepath.Join(folder, "transcript.jsonl")); err == nil {
		found, err := os.Open(path)
		if err != nil {
			return err
		}
		defer found.Close()
		line, err := c.SameSchedule(found)
		if err != nil {
			return err
		}
		if line > 0 {
			result.Findings = append(result.Findings, checkedFinding{File: path,
				Message: "is not the schedule that this program computes from the plan"})
		}
		result.Schedule = path
		return nil
	}
	if len(result.Findings) > 0 {
		return nil
	}
	if err := o.Disk.ReplaceFile(durable.File{Path: path, Mode: 0o644, Fill: c.WriteSchedule}); err != nil {
		// A stick that cannot be written to can be read, and judged.
		result.Warnings = append(result.Warnings, checkedFinding{Message: fmt.Sprintf("the schedule is not written: %v",
			err)})
		return nil
	}
	result.Schedule = path
	return nil
}

func findings(problems []plan.Problem) []checkedFinding {
	out := make([]checkedFinding, len(problems))
	for i, p := range problems {
		out[i] = checkedFinding{p.File, p.Line, p.Column, p.Message, p.Excerpt}
	}
	return out
}

func (o *checkOptions) writeText(result *checked, c *schedule.Ceremony) error {
	if c != nil && !o.alone {
		if err := writeCeremony(o.Stdout, c, o.all, terminal.Width(o.Stdout)); err != nil {
			return err
		}
	}
	for _, f := range result.Warnings {
		fmt.Fprintf(o.Stderr, "warning: %s\n", f)
	}
	for _, f := range result.Findings {
		fmt.Fprintf(o.Stderr, "finding: %s\n", f)
	}
	switch {
	case result.Digest == nil || o.alone && len(result.Findings) > 0:
		return nil
	case o.alone:
		_, err := fmt.Fprintln(o.Stdout, result.Digest)
		return err
	}
	if result.Schedule != "" {
		fmt.Fprintf(o.Stdout, "\nschedule  %s", result.Schedule)
	}
	_, err := fmt.Fprintf(o.Stdout, "\ndigest    %s\n%s", result.Digest, indentLines(result.Digest.Lines()))
	result.People.write(o.Stdout, result.verdict)
	if len(result.Findings) > 0 {
		return err
	}
	station := o.station
	if station == "" {
		station = "STATION"
	}
	next := fmt.Sprintf("run %s --station %s --dir %s --confirm %s", c.File, station, c.Plan.Name, result.Digest)
	if !result.People.Approved {
		next = fmt.Sprintf("approve %s --key FILE, by those whose approval is missing", c.File)
	}
	fmt.Fprintf(o.Stderr, "\nNo findings.\n\nNext:  officiant ceremony %s\n", next)
	return err
}

func (f checkedFinding) String() string {
	p := plan.Problem{File: f.File, Line: f.Line, Column: f.Column, Message: f.Message, Excerpt: f.excerpt}
	if f.File == "" {
		return f.Message
	}
	return p.String()
}
