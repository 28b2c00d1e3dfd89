package main

import (
	"context"
	"fmt"
	"io"

	"officiant/bundle/fingerprint"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/terminal"
	"officiant/signer"
)

// observer prints the ceremony's steps, and how far long ones are.
type observer struct {
	out      io.Writer
	progress *terminal.Progress
}

func newObserver(o *options) *observer {
	return &observer{o.Stderr, &terminal.Progress{Out: o.Stderr, Now: o.Now}}
}

func (w *observer) Step(n, of int, title string) {
	w.progress.End()
	terminal.Hang(w.out, fmt.Sprintf("step %d of %d  ", n, of), exit.Line(title))
}

// Say prints a line, in which a token may have had a word.
func (w *observer) Say(line string) {
	w.progress.End()
	terminal.Hang(w.out, "    ", exit.Line(line))
}

func (w *observer) Fingerprint(what string, f fingerprint.SHA256) {
	w.progress.End()
	fmt.Fprintf(w.out, "    %s\n", exit.Line(what))
	for _, l := range f.Lines() {
		fmt.Fprintf(w.out, "      %s\n", l)
	}
}

// Count says how far a step with many signatures is.
func (w *observer) Count(done, of int) { w.progress.At(done, of) }

// before has the line of progress cleared before a PIN is asked for.
func (w *observer) before(ask signer.PINFunc) signer.PINFunc {
	return func(ctx context.Context, d signer.Device) ([]byte, error) {
		w.progress.End()
		return ask(ctx, d)
	}
}
