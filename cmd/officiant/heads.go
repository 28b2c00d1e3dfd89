package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"officiant/bundle/fingerprint"
	"officiant/ceremony"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/terminal"
)

// recordHeads is how a ceremony that goes on learns its record's head: by flags, by
// a file, or from people at the terminal.
func (o *runOptions) recordHeads() (ceremony.Heads, error) {
	heads := ceremony.Heads{Ask: o.askHead, Agree: o.agreeSince}
	if o.State != "" {
		heads.Memory, heads.Continued = filepath.Join(o.State, "heads"), o.continued()
	}
	for _, text := range o.heads {
		head, err := parseHead(text)
		if err != nil {
			return heads, exit.Usagef("--head: %v", err)
		}
		heads.Given = append(heads.Given, head)
	}
	if o.headFile != "" {
		var err error
		if heads.File, err = filepath.Abs(o.headFile); err != nil {
			return heads, err
		}
	}
	return heads, nil
}

// continued is where this machine keeps which ceremonies were continued on it; "" for
// nowhere.
func (o *options) continued() string {
	if o.State == "" {
		return ""
	}
	return filepath.Join(o.State, "continued")
}

// parseHead reads a head as people wrote it down.
func parseHead(text string) (fingerprint.SHA256, error) {
	head, err := fingerprint.Parse(text)
	if err == nil {
		return head, nil
	}
	if head, e := fingerprint.ParseWords(text); e == nil {
		return head, nil
	}
	return head, fmt.Errorf("%q is neither 64 hex digits nor 32 words", text)
}

// headTries is how often people may type a head: 64 digits or 32 words are long.
const headTries = 3

// askHead asks for the head until what is typed is one that the record has. What the
// right one is, or how near it was, nobody is told.
func (o *runOptions) askHead(ctx context.Context, has func(fingerprint.SHA256) bool) (fingerprint.SHA256, error) {
	p := terminal.Prompter{In: o.Stdin, Out: o.Stderr}
	for try := 1; ; try++ {
		text, err := p.Line(ctx, "The head of the record as it was shown last, in hex or words:\n> ")
		if errors.Is(err, terminal.ErrNoTerminal) {
			return fingerprint.SHA256{}, ceremony.ErrNobody
		}
		if err != nil {
			return fingerprint.SHA256{}, err
		}
		head, err := parseHead(text)
		switch {
		case err == nil && (has(head) || try == headTries):
			return head, nil
		case try == headTries:
			return head, &exit.Error{Code: exit.Declined, Err: err}
		case err == nil:
			err = errors.New("no line of the record has that head")
		}
		fmt.Fprintf(o.Stderr, "%s. Look at what was written down, and type it again.\n", exit.Line(err.Error()))
	}
}

func (o *runOptions) agreeSince(ctx context.Context, since []string) error {
	fmt.Fprintln(o.Stderr, "The record has grown since that head was shown. It says:")
	for _, line := range since {
		fmt.Fprintf(o.Stderr, "  %s\n", exit.Line(line))
	}
	p := terminal.Prompter{In: o.Stdin, Out: o.Stderr}
	typed, err := p.Line(ctx, "Was that so when the ceremony stopped? Type \"it was\" to go on: ")
	if err != nil {
		return err
	}
	if typed != "it was" {
		return &exit.Error{Code: exit.Declined,
			Err: errors.New("nobody confirmed what the record says; nothing more was signed")}
	}
	return nil
}
