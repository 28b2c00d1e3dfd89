package main

import (
	"context"
	"errors"

	"officiant/ceremony"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/terminal"
)

// askToken asks on the terminal for a token that is not there, and waits for Enter.
func askToken(o *options) func(context.Context, string) error {
	return func(ctx context.Context, words string) error {
		p := terminal.Prompter{In: o.Stdin, Out: o.Stderr}
		_, err := p.Line(ctx, exit.Line(words)+"; then press Enter: ")
		if errors.Is(err, terminal.ErrNoTerminal) {
			return ceremony.ErrNobody
		}
		return err
	}
}
