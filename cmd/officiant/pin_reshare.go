package main

import (
	"context"

	"github.com/spf13/cobra"

	"officiant/ceremony/quorum"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/terminal"
)

type pinReshareOptions struct{ dealing }

func newPINReshareCommand(o *options) *cobra.Command {
	p := &pinReshareOptions{dealing{options: o}}
	c := &cobra.Command{
		Use:   "reshare FOLDER --person NAME[=FILE] … --threshold NUMBER --out NEW-FOLDER",
		Short: "Split the same PIN again, for other people or with another threshold",
		Long: `Take enough shares of a set, and split the same PIN again. The old shares still open the
old sealed PIN. If somebody must no longer be able to open it, destroy every copy of it,
or give the token another PIN (officiant pin split --change).`,
		Args: exit.ExactArgs(1, "one folder"),
		RunE: func(c *cobra.Command, args []string) error { return p.run(c.Context(), args[0]) },
	}
	p.flags(c)
	return c
}

func (p *pinReshareOptions) run(ctx context.Context, folder string) error {
	people, recipients, err := p.people(ctx)
	if err != nil {
		return err
	}
	set, sealed, err := openSet(folder)
	if err != nil {
		return err
	}
	pin, c, err := newShares(p.options, set).openPIN(ctx, sealed)
	if err != nil {
		return err
	}
	defer c.Clear()
	defer clear(pin)
	again, err := p.deal(set.Token, people, recipients, pin)
	if err != nil {
		return err
	}
	terminal.Hang(
		p.Stderr,
		"",
		"The old shares open the old sealed PIN as before: destroy every copy of "+quorum.SealedFile+
			" of the old set, or give the token another PIN.",
	)
	return p.dealt(again)
}
