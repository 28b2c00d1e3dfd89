package main

import (
	"context"
	"errors"

	"officiant/ceremony"
	"officiant/ceremony/schedule"
	"officiant/ceremony/station"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/terminal"
	"officiant/signer"
)

// askToken asks on the terminal for a token that is not there, and waits for Enter.
// What is typed before it is a note for the record: the number of a bag, say.
func askToken(o *options) func(context.Context, string) (string, error) {
	return func(ctx context.Context, words string) (string, error) {
		p := terminal.Prompter{In: o.Stdin, Out: o.Stderr}
		terminal.Hang(o.Stderr, "    ", exit.Line(words)+".")
		said, err := p.Line(ctx, "    Then press Enter; what is typed before it goes on record.\n    > ")
		if errors.Is(err, terminal.ErrNoTerminal) {
			return "", ceremony.ErrNobody
		}
		return said, err
	}
}

// byTurns opens tokens that may have been put in only now, and asks each what it can
// do before it is logged in to.
func byTurns(c *schedule.Ceremony, st *station.Station, to reach) signer.Opener {
	needed := c.KeysNeeded()
	c = schedule.OfKeys(c) // it is kept as long as the ceremony takes
	return func(ctx context.Context, ref signer.Ref, ask signer.PINFunc) (signer.Store, error) {
		groups, err := st.Tokens(c.Cluster.Name, needed)
		if err != nil {
			return nil, err
		}
		for _, g := range groups {
			if token, err := signer.TokenOf(ref.URI); err != nil || token != g.Token {
				continue
			}
			if absent, err := placed(ctx, c, st, g.Keys, to.place); err != nil || absent != nil {
				return nil, errors.Join(err, absent)
			}
		}
		return to.open(ctx, ref, ask)
	}
}
