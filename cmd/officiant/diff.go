package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"officiant/ceremony/comparison"
	"officiant/ceremony/schedule"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/infile"
	"officiant/cmd/internal/output"
	"officiant/cmd/internal/terminal"
)

type diffOptions struct {
	*options
	output output.Format
}

func newDiffCommand(o *options) *cobra.Command {
	d := &diffOptions{options: o}
	c := &cobra.Command{
		Use:   "diff PLAN|DIR PLAN|DIR",
		Short: "Show how a plan's signatures differ from another plan's or a ceremony's",
		Long: `Show how the schedules of two plans or ceremonies differ: signatures that were added or
removed and, for the others, each field that differs. Identical differences are listed
once, with all names. Identical entries are counted.

For a plan, the schedule is computed. For a ceremony directory, it is the schedule.txt in
it, which "ceremony verify" proves. The exit code is 0 whether they differ or not.`,
		Args: exit.ExactArgs(2, "two plans or ceremony directories"),
		RunE: func(c *cobra.Command, args []string) error { return d.run(c.Context(), args[0], args[1]) },
	}
	output.Flag(c, &d.output)
	return c
}

func (o *diffOptions) run(ctx context.Context, before, after string) error {
	was, err := o.scheduleOf(ctx, before)
	if err != nil {
		return err
	}
	is, err := o.scheduleOf(ctx, after)
	if err != nil {
		return err
	}
	c := comparison.Of(was, is)
	if o.output.Fields() {
		return o.output.Write(o.Stdout, c)
	}
	return o.write(c)
}

// scheduleOf reads the schedule of a ceremony directory, or makes that of a plan.
func (o *diffOptions) scheduleOf(ctx context.Context, path string) (*comparison.Schedule, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		if err := isCeremony(path); err != nil {
			return nil, err
		}
		file := filepath.Join(path, schedule.ScheduleFile)
		info, err := os.Stat(file)
		if err == nil {
			err = comparison.CheckFile(file, info)
		}
		if err != nil {
			return nil, err
		}
		text, err := infile.ReadFile(ctx, file, comparison.MaxFile)
		if err != nil {
			return nil, err
		}
		return comparison.Parse(file, text)
	}
	c, err := openPlan(path, schedule.Options{Now: o.Now()})
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if err := c.WriteSchedule(&text); err != nil {
		return nil, err
	}
	return comparison.Parse(path, text.Bytes())
}

func (o *diffOptions) write(c *comparison.Comparison) error {
	for _, d := range c.Header {
		o.writeDifference("", d)
	}
	if len(c.Header) > 0 {
		fmt.Fprintln(o.Stdout)
	}
	gone := comparison.Removed
	if anotherCeremony(c) {
		gone = absent
	}
	for _, change := range c.Changes {
		what := change.What
		if what == comparison.Removed {
			what = gone
		}
		terminal.Hang(o.Stdout, fmt.Sprintf("%-8s  ", what), exit.Line(entriesOf(change)))
		for _, d := range change.Differences {
			o.writeDifference("          ", d)
		}
	}
	if len(c.Changes) > 0 {
		fmt.Fprintln(o.Stdout)
	}
	if gone == absent && c.Removed > 0 {
		fmt.Fprintln(o.Stdout, "absent: not signed again; what the earlier ceremony signed stays in use")
	}
	_, err := fmt.Fprintln(o.Stdout, summary(c, gone))
	return err
}

// absent is said of entries that a later ceremony does not have: a renewal makes what is
// due, and takes nothing away.
const absent = "absent"

// anotherCeremony says whether the schedules are of two ceremonies of a chain, and not two
// versions of one plan.
func anotherCeremony(c *comparison.Comparison) bool {
	return slices.ContainsFunc(c.Header, func(d comparison.Difference) bool { return d.Field == "sequence" })
}

// entriesOf says which entries a change is about, their kind once: some names begin with it.
func entriesOf(c comparison.Change) string {
	var names []string
	for _, name := range c.Names {
		names = append(names, strings.TrimPrefix(name, c.Kind+" "))
	}
	text := strings.Join(names, ", ")
	switch n := len(names); {
	case n > 1:
		return fmt.Sprintf("%s, %d alike: %s", c.Kind, n, text)
	case text == c.Kind: // the root, the transcript
		return text
	}
	return c.Kind + " " + text
}

func (o *diffOptions) writeDifference(indent string, d comparison.Difference) {
	text := fmt.Sprintf("%s → %s", given(d.Before), given(d.After))
	if d.Before == "" && d.After == "" {
		var parts []string
		for _, s := range d.Gone {
			parts = append(parts, "-"+s)
		}
		for _, s := range d.New {
			parts = append(parts, "+"+s)
		}
		text = strings.Join(parts, " ")
	}
	terminal.Hang(o.Stdout, fmt.Sprintf("%s%-8s  ", indent, exit.Line(d.Field)), exit.Line(text))
}

func given(value string) string {
	if value == "" {
		return "(none)"
	}
	return value
}

// summary counts signatures: "9 changed, 13 same".
func summary(c *comparison.Comparison, gone string) string {
	text := fmt.Sprintf("%d changed, ", c.Changed)
	if c.Added > 0 {
		text += fmt.Sprintf("%d added, ", c.Added)
	}
	if c.Removed > 0 {
		text += fmt.Sprintf("%d %s, ", c.Removed, gone)
	}
	return text + fmt.Sprintf("%d same", c.Same)
}
