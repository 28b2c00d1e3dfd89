package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"officiant/bundle/phrase"
	"officiant/ceremony"
	"officiant/ceremony/placement"
	"officiant/ceremony/schedule"
	"officiant/ceremony/station"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/terminal"
	"officiant/signer"
)

// lookedToken is what doctor found of one of a plan's tokens.
type lookedToken struct {
	Place  string      `json:"place"` // as people name it
	Keys   []string    `json:"keys"`
	Token  *shownToken `json:"token,omitempty"` // absent when it was not opened
	Result string      `json:"result"`          // ready, not-opened or wrong
	Why    []string    `json:"why,omitempty"`   // it is not ready
}

const (
	ready     = "ready"
	notOpened = "not-opened"
	isWrong   = "wrong"
)

// tokensOf looks at the tokens of a plan, one after the other: first what they tell
// without a PIN, then, with one, for every key.
func (d *doctorOptions) tokensOf(ctx context.Context, st *station.Station) ([]lookedToken, error) {
	c, err := schedule.Open(d.plan, schedule.Options{Now: d.Now()})
	if err != nil {
		return nil, err
	}
	for _, w := range findings(c.Warnings) { // a window that is over, above all
		fmt.Fprintf(d.Stderr, "warning: %s\n", w)
	}
	to := d.reach().at(st)
	to.finalTry = d.finalTry
	if to.makers, err = d.makers.read(); err != nil {
		return nil, err
	}
	if _, err := placed(ctx, c, st, c.KeysNeeded(), to.place); err != nil {
		return nil, err
	}
	defer d.guard.Finishes()()
	observer := newObserver(d.options)
	found, err := ceremony.LookAhead(ctx, ceremony.Lookahead{
		Plan: c, Station: st, Open: d.unseen(byTurns(c, st, to)), Ask: d.orNoPIN(observer.before(askPIN(d.options))),
		Insert: d.insertOrLeave, Observer: observer, Now: d.Now, Rand: d.Rand,
	})
	var all []lookedToken
	for _, l := range found {
		all = append(all, d.judged(c, st, l))
	}
	return all, err
}

// errNoPIN and errLeftOut say that people leave a token for the day itself.
var (
	errNoPIN   = errors.New("no PIN was entered, so its keys are not known")
	errLeftOut = errors.New("it was skipped")
)

// orNoPIN has nobody at the terminal, and an empty PIN, leave a token unopened.
func (d *doctorOptions) orNoPIN(ask signer.PINFunc) signer.PINFunc {
	return func(ctx context.Context, device signer.Device) ([]byte, error) {
		pin, err := ask(ctx, device)
		if errors.Is(err, terminal.ErrNoTerminal) || err == nil && len(pin) == 0 {
			return nil, errNoPIN
		}
		return pin, err
	}
}

func (d *doctorOptions) insertOrLeave(ctx context.Context, words string) (string, error) {
	p := terminal.Prompter{In: d.Stdin, Out: d.Stderr}
	terminal.Hang(d.Stderr, "    ", exit.Line(words)+".")
	said, err := p.Line(ctx, "    Then press Enter; or type \"leave\" to continue without it.\n    > ")
	switch {
	case errors.Is(err, terminal.ErrNoTerminal):
		return "", ceremony.ErrNobody
	case err == nil && strings.EqualFold(said, "leave"):
		return "", errLeftOut
	}
	return "", err
}

func (d *doctorOptions) judged(c *schedule.Ceremony, st *station.Station, l ceremony.Looked) lookedToken {
	one := lookedToken{Place: l.Place, Keys: l.Keys, Result: ready}
	if l.Device != nil {
		token := showToken(*l.Device)
		one.Token = &token
	}
	if l.Err == nil {
		return one
	}
	one.Result, one.Why = isWrong, reasons(l.Err)
	if errors.Is(l.Err, signer.ErrAbsent) || errors.Is(l.Err, errNoPIN) || errors.Is(l.Err, errLeftOut) {
		one.Result = notOpened
	}
	if ref, err := st.Ref(c.Cluster.Name, l.Keys[0]); err == nil && errors.Is(l.Err, signer.ErrAbsent) {
		one.Why = []string{"it is not in"}
		if near := placement.Near(st, l.Err, ref); near != "" {
			one.Result, one.Why = isWrong, []string{"it is not in, and " + near + ": is the station right?"}
		}
	}
	return one
}

// reasons takes an error apart, each thing said once.
func reasons(err error) (all []string) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			all = append(all, reasons(one)...)
		}
	} else if refused, ok := errors.AsType[*ceremony.Refused](err); ok {
		all = refused.Reasons
	} else {
		all = []string{err.Error()}
	}
	// What is said of several keys comes once, after what is said of each.
	var once []string
	for i, s := range all {
		if !slices.Contains(all[i+1:], s) {
			once = append(once, s)
		}
	}
	return once
}

// verdict is an error when a plan's tokens are not all as a ceremony needs them.
func verdict(plan string, tokens []lookedToken) error {
	wrong, unopened := 0, 0
	for _, t := range tokens {
		switch t.Result {
		case isWrong:
			wrong++
		case notOpened:
			unopened++
		}
	}
	switch {
	case wrong > 0:
		return &exit.Error{Code: exit.Refused, Err: fmt.Errorf("%s: %s cannot be used for its keys", plan,
			phrase.Count(wrong, "token"))}
	case unopened > 0:
		return &exit.Error{Code: exit.Unavailable, Err: fmt.Errorf("%s: could not check %s", plan,
			phrase.Count(unopened, "token"))}
	}
	return nil
}

// writeTokens prints which tokens are ready, and below it why others are not.
func writeTokens(w io.Writer, tokens []lookedToken, width int) error {
	t := &terminal.Table{Header: []string{"TOKEN", "KEYS", "RESULT"}}
	for _, one := range tokens {
		t.Add(exit.Line(one.Place), strings.Join(one.Keys, ", "), one.Result)
	}
	fmt.Fprintln(w)
	if err := t.Write(w, width); err != nil {
		return err
	}
	for _, one := range tokens {
		if len(one.Why) > 0 {
			fmt.Fprintf(w, "\n%s: %s\n", exit.Line(one.Place), one.Result)
		}
		for _, why := range one.Why {
			terminal.Hang(w, "  ", exit.Line(why))
		}
	}
	return nil
}
