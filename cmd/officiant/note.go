package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"officiant/ceremony"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/terminal"
)

type noteOptions struct {
	*options
	by        []string
	deviation bool
}

func newNoteCommand(o *options) *cobra.Command {
	note := &noteOptions{options: o}
	c := &cobra.Command{
		Use:   "note DIR [TEXT] --by NAME",
		Short: "Add to the record of a paused ceremony what people dictate",
		Long: `Add to the record of a paused ceremony what people dictate: a note or, with --deviation, a
departure from the script, to which at least two people agree. If the plan names people,
they must be among them. Without TEXT, the command asks for it.

"ceremony verify" reports notes and deviations. They cannot be withdrawn.`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return exit.Usagef("%s takes one ceremony directory, and a text", exit.Below(c))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return note.run(c.Context(), args[0], args[1:]) },
	}
	c.Flags().StringArrayVar(&note.by, "by", nil, "`NAME` of a person who dictates or agrees (required); repeatable")
	c.Flags().BoolVar(&note.deviation, "deviation", false, "record a departure from the script; needs two names")
	return c
}

func (o *noteOptions) run(ctx context.Context, dir string, given []string) error {
	if err := isCeremony(dir); err != nil {
		return err
	}
	if len(o.by) == 0 {
		return exit.Usagef("ceremony note needs --by NAME")
	}
	if o.deviation && len(o.by) < 2 {
		return exit.Usagef("ceremony note --deviation needs --by NAME of two people")
	}
	if err := visibleNames("--by", o.by...); err != nil {
		return err
	}
	text, err := o.text(ctx, given)
	if err != nil {
		return err
	}
	program, err := thisProgram(o.Version)
	if err != nil {
		return err
	}
	head, err := ceremony.Dictate(ceremony.Dictation{
		Dir: dir, Disk: o.Disk, Now: o.Now, Program: program, Host: thisHost(), Deviation: o.deviation, Text: text, By: o.by,
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(o.Stderr, "On record. Head of the record now:\n%s", indentLines(head.Lines()))
	_, err = fmt.Fprintf(o.Stdout, "%s\n", head)
	return err
}

// text is what is dictated, in one line.
func (o *noteOptions) text(ctx context.Context, given []string) (string, error) {
	if len(given) == 0 {
		p := terminal.Prompter{In: o.Stdin, Out: o.Stderr}
		typed, err := p.Line(ctx, "Text, for the record: ")
		if errors.Is(err, terminal.ErrNoTerminal) {
			return "", exit.Usagef("ceremony note: there is no terminal to type a text on; give it as an argument")
		}
		if err != nil {
			return "", err
		}
		given = []string{typed}
	}
	if text := strings.Join(strings.Fields(given[0]), " "); text != "" {
		return text, nil
	}
	return "", exit.Usagef("ceremony note: the text is empty")
}
