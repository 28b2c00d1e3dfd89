package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"officiant/bundle/fingerprint"
	"officiant/bundle/phrase"
	"officiant/ceremony"
	"officiant/ceremony/schedule"
	"officiant/ceremony/station"
	"officiant/ceremony/status"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/infile"
	"officiant/cmd/internal/output"
	"officiant/cmd/internal/terminal"
)

type statusOptions struct {
	*options
	station string
	output  output.Format
}

func newStatusCommand(o *options) *cobra.Command {
	s := &statusOptions{options: o}
	c := &cobra.Command{
		Use:   "status DIR [--station STATION]",
		Short: "Show how far a ceremony has come, and the command that continues it",
		Long: `Show how far a ceremony has come by its record: the step, the record's head, what is
signed and what is still to be signed, and the command that continues it. For a finished
ceremony, it shows the command that verifies it. With --station, it shows the steps that
follow.

It proves nothing: compare the head with the one that was written down when the ceremony
stopped. The exit code is 0 whether the ceremony is finished or not.`,
		Args: exit.ExactArgs(1, "one ceremony directory"),
		RunE: func(c *cobra.Command, args []string) error { return s.run(c.Context(), args[0]) },
	}
	c.Flags().StringVar(&s.station, "station", "", "station `FILE` of the ceremony")
	output.Flag(c, &s.output)
	return c
}

// shownStatus is what status prints. Its JSON is a promise to scripts.
type shownStatus struct {
	Dir string `json:"dir"`
	*status.Status
	Next    []shownStep `json:"next"`    // steps, when the station is known
	Command string      `json:"command"` // that goes on with it, or verifies it
}

type shownStep struct {
	N     int    `json:"n"`
	Title string `json:"title"`
}

func (o *statusOptions) run(ctx context.Context, dir string) error {
	if err := isCeremony(dir); err != nil {
		return err
	}
	found, err := status.Read(dir, os.DirFS(dir))
	if err != nil {
		return unverified(err)
	}
	shown := &shownStatus{Dir: dir, Status: found, Next: []shownStep{}}
	shown.Command = o.command(shown)
	if o.station != "" && (found.State == status.Unfinished || found.State == status.Awaiting) {
		if err := o.steps(ctx, shown); err != nil {
			return err
		}
	}
	if o.output.Fields() {
		return o.output.Write(o.Stdout, shown)
	}
	return o.write(shown)
}

// command is the next one, whole but for what only people know.
func (o *statusOptions) command(s *shownStatus) string {
	switch s.State {
	case status.Finished: // the key in the directory would only agree with itself
		return "officiant ceremony verify " + s.Dir + " --release-key FINGERPRINT"
	case status.Abandoned:
		return "officiant ceremony verify " + s.Dir
	}
	verb, at := "run", o.station
	if s.Rehearsal {
		verb = "rehearse"
	}
	if at == "" {
		at = "STATION"
	}
	if s.State == status.Abandoning {
		return fmt.Sprintf("officiant ceremony abandon %s --station %s", s.Dir, at)
	}
	text := fmt.Sprintf(
		"officiant ceremony %s %s --station %s --dir %s",
		verb,
		filepath.Join(s.Dir, "plan.yaml"),
		at,
		s.Dir,
	)
	if s.State == status.Awaiting {
		text += " --certificates DIR"
	}
	return text
}

// maxStation is what is read of a station.
const maxStation = 1 << 20

// steps are those that follow, by plan and station.
func (o *statusOptions) steps(ctx context.Context, s *shownStatus) error {
	st, err := station.Open(o.station)
	if err != nil {
		return err
	}
	if data, err := infile.ReadFile(ctx, o.station, maxStation); err != nil {
		return err
	} else if sum := fingerprint.Of(data); sum != s.Station {
		fmt.Fprintf(o.Stderr, "note: %s is not the station that the ceremony uses (SHA-256 %s)\n", o.station, s.Station)
	}
	c, err := openPlan(filepath.Join(s.Dir, "plan.yaml"), schedule.Options{Now: s.Began})
	if err != nil {
		return err
	}
	if s.Rehearsal {
		if c, err = c.Rehearsal(); err != nil {
			return err
		}
	}
	steps, err := ceremony.Steps(c, st)
	if err != nil {
		return err
	}
	for _, step := range steps {
		if step.N > s.Step {
			s.Next = append(s.Next, shownStep{step.N, step.Title})
		}
	}
	return nil
}

func (o *statusOptions) write(s *shownStatus) error {
	say := func(label, format string, args ...any) {
		terminal.Hang(o.Stdout, fmt.Sprintf("%-10s  ", label), exit.Line(fmt.Sprintf(format, args...)))
	}
	kind := ""
	if s.Rehearsal {
		kind = ", a rehearsal"
	}
	say("ceremony", "%s, number %d of cluster %s%s", s.Name, s.Sequence, s.Cluster, kind)
	switch s.State {
	case status.Finished:
		say("state", "finished")
	case status.Awaiting:
		say("state", "waits for certificates that an external root signs: %s", strings.Join(s.Awaits, ", "))
	case status.Abandoning:
		say("state", "abandoned, and not every key is dealt with")
	case status.Abandoned:
		say("state", "abandoned: nothing more is made or signed; the plan can start again in another directory")
	default:
		say("state", "unfinished")
	}
	say("began", "%s, last line %s", s.Began.Format(time.DateTime), s.Last.Format(time.DateTime)+" UTC")
	say("step", "%s", stepText(s))
	if s.Reason != "" {
		say(map[bool]string{true: "why", false: "stopped"}[s.State == status.Abandoning || s.State == status.Abandoned],
			"%s", s.Reason)
	}
	say("done", "%s", doneText(s.Entries))
	if s.Open > 0 {
		say("", "%s without a result; each is repeated with a new serial number", phrase.Count(s.Open, "intent"))
	}
	if s.Cut > 0 {
		say("", "the last line is incomplete (%d bytes), and is cut off when the ceremony continues", s.Cut)
	}
	say("digest", "%s", s.Digest)
	say("head", "%s", s.Head)
	for _, line := range s.Head.Lines() {
		say("", "%s", line)
	}
	switch s.State {
	case status.Finished:
		fmt.Fprint(o.Stderr, "\nFINGERPRINT stands for the release key's, as people compared it in the room.\n")
	case status.Abandoned:
	default:
		o.writeSteps(s)
	}
	_, err := fmt.Fprintf(o.Stdout, "\nNext:  %s\n", s.Command)
	return err
}

// few is how many of the following steps are shown.
const few = 3

// writeSteps shows the steps that follow, and what the command that continues needs.
func (o *statusOptions) writeSteps(s *shownStatus) {
	for i, step := range s.Next {
		label := ""
		if i == 0 {
			fmt.Fprintln(o.Stdout)
			label = "then"
		}
		if i == few && len(s.Next) > few+1 {
			terminal.Hang(
				o.Stdout,
				fmt.Sprintf("%-10s  ", ""),
				fmt.Sprintf("… and %d more, to step %d", len(s.Next)-i, s.Steps),
			)
			break
		}
		terminal.Hang(o.Stdout, fmt.Sprintf("%-10s  ", label), fmt.Sprintf("step %d, %s", step.N, exit.Line(step.Title)))
	}
	fmt.Fprintf(o.Stderr, "\nCompare the head with the one that was written down when it stopped.\n")
	if o.station == "" {
		fmt.Fprintf(o.Stderr, "STATION stands for the file with SHA-256 %s.\n", s.Station)
	}
}

func stepText(s *shownStatus) string {
	switch {
	case s.Step == 0:
		return fmt.Sprintf("before the first of %d", s.Steps)
	case s.Title == "":
		return fmt.Sprintf("%d of %d", s.Step, s.Steps)
	}
	return fmt.Sprintf("%d of %d, %s", s.Step, s.Steps, s.Title)
}

// kinds are the schedule's kinds of entries, as people call them.
var kinds = map[string]string{
	"root": "root certificate", "authority": "authority certificate", "leaf": "leaf certificate", "csr": "request",
	"external": "certificate from outside", "crl": "revocation list", "bundle": "bundle",
	"grant": "grant", "transcript": "record",
}

func doneText(entries []status.Count) string {
	var parts []string
	for _, e := range entries {
		what := kinds[e.Kind]
		if what == "" {
			what = e.Kind
		}
		parts = append(parts, fmt.Sprintf("%d of %s", e.Done, phrase.Count(e.Total, what)))
	}
	if len(parts) == 0 {
		return "nothing is signed"
	}
	return strings.Join(parts, ", ")
}
