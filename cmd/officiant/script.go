package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"officiant/ceremony"
	"officiant/ceremony/report"
	"officiant/ceremony/schedule"
	"officiant/ceremony/station"
	"officiant/cmd/internal/exit"
)

type scriptOptions struct {
	*options
	station string
	output  string
}

func newScriptCommand(o *options) *cobra.Command {
	s := &scriptOptions{options: o}
	c := &cobra.Command{
		Use:   "script PLAN [--station STATION]",
		Short: "Print the script that the room follows, step by step",
		Long: `Print the script of a ceremony on standard output: who takes part, what is on the table,
every step with boxes for time and initials, what to compare, and what to do when a step
fails. Its steps have the numbers and words of the screen and the record. -o html is one
page to print on A4 or Letter; text has 80 columns.

The steps depend on the station, which says which keys share a token. Without --station,
they are those of a room with a single token.`,
		Args: exit.ExactArgs(1, "one plan"),
		RunE: func(_ *cobra.Command, args []string) error { return s.run(args[0]) },
	}
	c.Flags().StringVar(&s.station, "station", "", "station `FILE`: where each key is")
	c.Flags().StringVarP(&s.output, "output", "o", "text", "`FORMAT`: text or html")
	return c
}

func (o *scriptOptions) run(planFile string) error {
	if o.output != "text" && o.output != "html" {
		return exit.Usagef("-o %s: text or html", o.output)
	}
	c, err := openPlan(planFile, schedule.Options{Now: o.Now()})
	if err != nil {
		return err
	}
	s, err := o.script(c)
	if err != nil {
		return err
	}
	if o.output == "html" {
		return s.HTML(o.Stdout)
	}
	return s.Text(o.Stdout)
}

// anyToken is a station for a script without one.
const anyToken = "apiVersion: officiant/v1\nkind: Station\nname: any\nkeys: {default: \"pkcs11:token=any\"}\n"

func (o *scriptOptions) script(c *schedule.Ceremony) (*report.Script, error) {
	program, err := thisProgram(o.Version)
	if err != nil {
		return nil, err
	}
	s := &report.Script{Plan: c, PlanFile: c.File,
		Program: report.Sum{Name: "officiant " + program.Version, SHA256: program.SHA256.String()}}
	st, err := station.Parse("station", []byte(anyToken))
	if err == nil && o.station != "" {
		st, err = openStation(o.options, o.station)
		s.Modules = o.sums(c, st)
	}
	if err != nil {
		return nil, err
	}
	steps, err := ceremony.Steps(c, st)
	if err != nil {
		return nil, err
	}
	for _, step := range steps {
		line := report.Step{N: step.N, Title: step.Title, Place: step.Place, Swap: step.Swap, Final: step.Final, People: step.People, Failure: step.Failure}
		if o.station == "" && line.Place != "" {
			line.Place = "the token that the station names"
		}
		s.Steps = append(s.Steps, line)
	}
	if o.station == "" {
		fmt.Fprintln(o.Stderr, "No station was given: these are the steps for a room with a single token; another "+
			"room may number them differently.")
		s.Tokens = []report.Token{{Place: "token ________________", Keys: c.KeysNeeded()}}
		return s, nil
	}
	s.Station = st.Name
	s.Tokens, err = onTheTable(c, st)
	return s, err
}

// onTheTable are the tokens a ceremony needs, and those for clones.
func onTheTable(c *schedule.Ceremony, st *station.Station) ([]report.Token, error) {
	groups, err := st.Tokens(c.Cluster.Name, c.KeysNeeded())
	if err != nil {
		return nil, err
	}
	var out []report.Token
	for _, g := range groups {
		out = append(out, report.Token{Place: g.Place(), Keys: g.Keys})
	}
	for _, name := range st.BackedUp() {
		ref, _ := st.Backup(c.Cluster.Name, name)
		g, err := station.GroupOf(ref)
		if err != nil {
			return nil, err
		}
		out = append(out, report.Token{Place: g.Place(), Keys: []string{name}, Clone: true})
	}
	return out, nil
}

// sums are the PKCS#11 modules of this machine, or a line to fill in for one
// that it does not have: the script may be printed elsewhere.
func (o *scriptOptions) sums(c *schedule.Ceremony, st *station.Station) []report.Sum {
	if st == nil {
		return nil
	}
	used, err := modules(c, st, reach{})
	if err != nil {
		return []report.Sum{{Name: "PKCS#11 module of the room"}}
	}
	var out []report.Sum
	for _, m := range used {
		out = append(out, report.Sum{Name: m.Path, SHA256: m.SHA256})
	}
	return out
}
