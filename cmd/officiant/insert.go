package main

import (
	"context"
	"errors"
	"strings"

	"officiant/ceremony"
	"officiant/ceremony/plan"
	"officiant/ceremony/station"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/terminal"
	"officiant/signer"
)

// askToken asks on the terminal for a token that is not there, and waits for Enter.
func askToken(o *options) func(context.Context, string) error {
	return func(ctx context.Context, words string) error {
		p := terminal.Prompter{In: o.Stdin, Out: o.Stderr}
		question := strings.Join(terminal.Fold(exit.Line(words)+"; then press Enter: ", terminal.Width(o.Stderr)-4), "\n    ")
		_, err := p.Line(ctx, "    "+question+" ")
		if errors.Is(err, terminal.ErrNoTerminal) {
			return ceremony.ErrNobody
		}
		return err
	}
}

// byTurns opens tokens that may have been put in only now, and asks each what it can
// do before it is logged in to.
func byTurns(c *plan.Ceremony, st *station.Station, to reach) signer.Opener {
	return func(ctx context.Context, ref signer.Ref, ask signer.PINFunc) (signer.Store, error) {
		groups, err := st.Tokens(c.Cluster.Name, c.KeysNeeded())
		if err != nil {
			return nil, err
		}
		for _, g := range groups {
			if token, err := signer.TokenOf(ref.URI); err != nil || token != g.Token {
				continue
			}
			if absent, err := supportedThere(c, st, g.Keys, to.backend); err != nil || absent != nil {
				return nil, errors.Join(err, absent)
			}
		}
		return to.open(ctx, ref, ask)
	}
}
