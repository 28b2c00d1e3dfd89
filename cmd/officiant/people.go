package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"officiant/bundle/fingerprint"
	"officiant/ceremony"
	"officiant/ceremony/schedule"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/terminal"
)

func presentFlag(c *cobra.Command, present *[]string) {
	c.Flags().StringSliceVar(present, "present", nil,
		"`NAME` of one of the plan's people who is present; repeatable, or with commas")
}

// attendance says who is here, by the plan's names: as the flags say, or as people
// at the terminal do.
func (o *options) attendance(ctx context.Context, c *schedule.Ceremony, present []string) ([]string, error) {
	if len(present) > 0 || c.People.Nobody() {
		return present, ceremony.Attended(c.People, present)
	}
	fmt.Fprintln(o.Stderr, "The plan names:")
	for _, p := range c.People.List {
		fmt.Fprintf(o.Stderr, "  %s, %s\n", p.Name, p.Role)
	}
	p := terminal.Prompter{In: o.Stdin, Out: o.Stderr}
	typed, err := p.Line(ctx, "Who is here? Their names: ")
	if errors.Is(err, terminal.ErrNoTerminal) {
		return nil, &exit.Error{Code: exit.Usage, Err: errors.New("there is no terminal to ask who is here"),
			Hints: []string{"in scripts: --present NAME, for each of the plan's people who is here"}}
	}
	if err != nil {
		return nil, err
	}
	present = strings.FieldsFunc(typed, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' })
	return present, ceremony.Attended(c.People, present)
}

// confirmed asks people to say that this is the plan they mean: its digest as a
// flag, or its name, typed. There is no bare yes.
func (o *options) confirmed(ctx context.Context, c *schedule.Ceremony, digest, question string) error {
	if digest != "" {
		want, err := fingerprint.Parse(digest)
		if err != nil {
			return exit.Usagef("--confirm: %v", err)
		}
		if want != c.Digest {
			return &exit.Error{Code: exit.Refused, Err: fmt.Errorf("the plan's digest is %s, but %s was confirmed: "+
				"the plan or its inputs have changed", c.Digest, want),
				Hints: []string{"nothing was signed; review again with: officiant ceremony check " + c.File}}
		}
		return nil
	}
	p := terminal.Prompter{In: o.Stdin, Out: o.Stderr}
	typed, err := p.Line(ctx, question)
	if errors.Is(err, terminal.ErrNoTerminal) {
		return &exit.Error{Code: exit.Usage, Err: errors.New("there is no terminal to confirm on"), Hints: []string{"in scripts: --confirm DIGEST, as `officiant ceremony check` prints it"}}
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("interrupted before the plan's name was typed; nothing was signed: %w", err)
	}
	if errors.Is(err, terminal.ErrNoAnswer) {
		return &exit.Error{Code: exit.Declined, Err: fmt.Errorf("%w; nothing was signed", err)}
	}
	if err != nil {
		return err
	}
	if typed != c.Plan.Name {
		return &exit.Error{Code: exit.Declined, Err: fmt.Errorf("%q is not the plan's name; nothing was signed", typed)}
	}
	return nil
}

// why asks for the reason of an interruption; empty where nobody says one.
func (o *options) why() string {
	p := terminal.Prompter{In: o.Stdin, Out: o.Stderr}
	text, err := p.Line(context.Background(), "\nThe ceremony is paused. Why, for the record? (Enter: no reason)\n> ")
	if err != nil {
		return ""
	}
	return text
}
