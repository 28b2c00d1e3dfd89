package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/preflight"
	"officiant/ceremony/station"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/output"
	"officiant/cmd/internal/terminal"
)

type doctorOptions struct {
	*options
	clock    string
	station  string
	dir      string
	previous string
	plan     string
	finalTry string
	makers   attestationRoots
	output   output.Format
}

// lookedAt is what doctor prints. Its JSON is a promise to scripts.
type lookedAt struct {
	Checks  []preflight.Result `json:"checks"`
	Refused bool               `json:"refused"`
	Tokens  []lookedToken      `json:"tokens,omitempty"` // of the plan, when it is given
}

func newDoctorCommand(o *options) *cobra.Command {
	d := &doctorOptions{options: o}
	c := &cobra.Command{
		Use:   "doctor [--station STATION] [--plan PLAN] [--dir DIR] [--previous DIR]",
		Short: "Check the room's machine: network, clock, swap, disk, program, tokens",
		Long: `Check the machine that a ceremony is to run on: network interfaces, routes and radios,
clock, swap and core dumps, the location of the ceremony directory, the program and the
PKCS#11 modules, the tokens and what they report about their PINs.

It changes nothing. Without a plan, it asks for no PIN and opens no connection. For each
check, the station's preflight policy says whether a problem is recorded, warned about,
or refused. Without a policy, everything is only recorded. The exit code is 3 if
something is refused. "ceremony run" makes the same checks before it opens a token.

With --plan, it also checks the plan's tokens, as a run does before it creates its first
key. It asks for each token that is not inserted. With the token's PIN, it finds existing
keys and challenges them, and checks that the names of keys to be created are free. It
creates nothing. To continue without a token, give an empty PIN or type "leave": exit
code 5.`,
		Args: exit.ExactArgs(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error { return d.run(c.Context()) },
	}
	c.Flags().StringVar(&d.station, "station", "", "station `FILE`: its policy, its modules and its tokens")
	c.Flags().StringVar(&d.dir, "dir", "", "`DIR` of the ceremony; it need not exist yet")
	c.Flags().
		StringVar(&d.previous, "previous", "", "`DIR` of the previous ceremony, or of several: the clock must not be "+
			"before the end of any")
	c.Flags().StringVar(&d.plan, "plan", "", "plan `FILE`: look for its keys in the station's tokens")
	finalTryFlag(c, &d.finalTry)
	d.makers.flag(c)
	clockFlag(c, &d.clock)
	output.Flag(c, &d.output)
	return c
}

func (d *doctorOptions) run(ctx context.Context) error {
	var keys map[string]string
	var policy preflight.Policy
	to := d.reach()
	var st *station.Station
	if d.plan != "" && d.station == "" {
		return exit.Usagef("--plan needs --station: it says where the plan's keys live")
	}
	if d.station != "" {
		var err error
		if st, err = openStation(d.options, d.station); err != nil {
			return err
		}
		keys, policy, to = st.Keys, st.Preflight, to.at(st)
	}
	previous, err := d.formerEnd()
	if err != nil {
		return err
	}
	var watch preflight.Watch
	if d.clock != "" {
		if watch, err = d.readWatch(d.clock); err != nil {
			return err
		}
	}
	program, err := thisProgram(d.Version)
	if err != nil {
		return err
	}
	results, err := d.look(ctx, program, keys, to, preflight.Room{Dir: d.dir, Previous: previous, Watch: watch}, policy)
	if err != nil {
		return err
	}
	return d.tell(ctx, results, st)
}

// tell prints what was seen of the room and, with a plan, looks at its tokens.
func (d *doctorOptions) tell(ctx context.Context, results []preflight.Result, st *station.Station) (err error) {
	refused := preflight.Refusals(results)
	if !d.output.Fields() {
		err = writeResults(d.Stdout, results, terminal.Width(d.Stdout))
		fmt.Fprintln(d.Stderr, "\nCompare the clock with a witness's watch, and each SHA-256 with what other media say.")
	}
	var tokens []lookedToken
	if d.plan != "" && err == nil {
		if tokens, err = d.tokensOf(ctx, st); err != nil {
			return err
		}
		if !d.output.Fields() {
			err = writeTokens(d.Stdout, tokens, terminal.Width(d.Stdout))
		}
	}
	if d.output.Fields() {
		err = d.output.Write(d.Stdout, lookedAt{results, len(refused) > 0, tokens})
	}
	if err == nil && len(refused) > 0 {
		return &exit.Error{
			Code: exit.Refused,
			Err:  fmt.Errorf("the room is not ready, by the policy of %s: %s", d.station, strings.Join(refused, ", ")),
		}
	}
	if err == nil {
		err = verdict(d.plan, tokens)
	}
	return err
}

// formerEnd is when the last of the ceremonies given ended.
func (d *doctorOptions) formerEnd() (end time.Time, err error) {
	if d.previous == "" {
		return end, nil
	}
	archive, err := find([]string{d.previous})
	if err != nil {
		return end, err
	}
	records, err := archive.Records()
	for _, r := range records {
		if r.Ended.After(end) {
			end = r.Ended
		}
	}
	return end, err
}

// writeResults shows a check a row, and below what is wrong, if anything is.
func writeResults(w io.Writer, results []preflight.Result, width int) error {
	t := &terminal.Table{Header: []string{"CHECK", "RESULT", "SEEN"}}
	for _, r := range results {
		t.Add(r.Name, r.Verdict(), wholeSum.ReplaceAllStringFunc(exit.Line(r.Seen), grouped))
		if r.Wrong != "" {
			t.Add("", "", "but: "+exit.Line(r.Wrong))
		}
	}
	return t.Write(w, width)
}

// wholeSum is a SHA-256 as the record holds it; people compare it by groups.
var wholeSum = regexp.MustCompile(`\b[0-9a-f]{64}\b`)

func grouped(sum string) string {
	f, err := fingerprint.Parse(sum)
	if err != nil {
		return sum
	}
	return f.Grouped()
}
