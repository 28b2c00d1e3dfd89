package ceremony

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"officiant/ceremony/progress"
	"officiant/ceremony/schedule"
	"officiant/ceremony/station"
	"officiant/signer"
)

// Lookahead is what a look at a plan's tokens needs, before the day.
type Lookahead struct {
	Plan     *schedule.Ceremony
	Station  *station.Station
	Open     signer.Opener
	Ask      signer.PINFunc
	Insert   func(ctx context.Context, words string) (said string, err error) // as Config's
	Observer Observer
	Now      func() time.Time
	Rand     io.Reader
}

// Looked is what a look at one token or KMS found.
type Looked struct {
	Place  string         // as people name it
	Keys   []string       // of the plan, that live in it or will
	Device *signer.Device // nil when it was not opened, or is none
	Err    error          // why its keys could not be there; nil: they could
}

// LookAhead opens each token of a plan and looks at it as a ceremony does before its
// first key: keys that exist are found and answer a challenge, names of those to be
// made are free. Nothing is made, a canary neither, and nothing is on record. Every
// token is asked for, those with keys that exist first. Errors of one token are in
// its Looked; the error is ctx's, or of two keys that would have one place.
func LookAhead(ctx context.Context, l Lookahead) ([]Looked, error) {
	turns, err := phases(l.Plan, l.Station)
	if err != nil {
		return nil, err
	}
	r := &run{Config: Config{Station: l.Station, Open: l.Open, Ask: l.Ask, Insert: l.Insert}, common: common{
		plan: l.Plan, observer: l.Observer, rand: l.Rand, now: l.Now, progress: progress.Unrecorded(),
	}}
	r.openRooms()
	r.tokens.look = true
	defer r.tokens.close()
	var all []Looked
	for _, p := range inTurn(r.tokens, turns) {
		one := Looked{Place: p.place, Keys: p.keys}
		one.Err = lookAt(ctx, r.tokens, p)
		if ctx.Err() != nil {
			return all, ctx.Err()
		}
		if d, ok := r.tokens.stores[p.keys[0]].(signer.Describer); ok {
			device := d.Describe()
			one.Device = &device
		}
		all = append(all, one)
	}
	return all, r.tokens.distinct()
}

// lookAt looks at one token, and says of each of its keys what was found.
func lookAt(ctx context.Context, r *tokens, p phase) error {
	store, err := r.open(ctx, p)
	if err != nil {
		return err
	}
	if err := r.enter(ctx, p, store); err != nil {
		return err
	}
	existing := r.existing(p)
	var all []error
	for _, name := range p.keys {
		if err := lookFor(ctx, r, name, slices.Contains(existing, name)); err != nil {
			all = append(all, err)
			continue
		}
		if slices.Contains(existing, name) {
			r.observer.Say(fmt.Sprintf("the %s key is there, and answered a challenge", name))
		} else {
			r.observer.Say(fmt.Sprintf("there is no %s key yet, as it should be", name))
		}
	}
	return errors.Join(all...)
}
