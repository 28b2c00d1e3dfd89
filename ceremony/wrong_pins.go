package ceremony

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"officiant/ceremony/transcript"
	"officiant/signer"
)

// WrongPINs is how many wrong PINs of each token the record of a ceremony has since the
// token was last opened. Whoever opens tokens asks it before a PIN is tried, from any
// goroutine. The zero value knows of none.
type WrongPINs struct {
	mu    sync.Mutex
	tries map[string]int // by a token's ID
}

// Of is the number of a device.
func (w *WrongPINs) Of(d signer.Device) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.tries[tokenRecord(d).ID()]
}

// Set takes what a record says.
func (w *WrongPINs) Set(on transcript.WrongPINs) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tries = map[string]int{}
	for token, last := range on {
		w.tries[token] = last.Tries
	}
}

// Telling shows the wrong PINs on record to people who are asked for a PIN.
func (w *WrongPINs) Telling(ask signer.PINFunc) signer.PINFunc {
	if ask == nil {
		return nil
	}
	return func(ctx context.Context, d signer.Device) ([]byte, error) {
		d.PINRecorded = w.Of(d)
		return ask(ctx, d)
	}
}

// TellWrongPINs names the tokens for which a record has wrong PINs.
func TellWrongPINs(say func(string), on transcript.WrongPINs) {
	for _, id := range slices.Sorted(maps.Keys(on)) {
		r := on[id]
		say(fmt.Sprintf("%s on record of token %s, serial %s: find out which PIN is right before the next is tried",
			isOn(r.Tries, "wrong PIN"), r.Token.Label, r.Token.Serial))
	}
}

func isOn(n int, what string) string {
	if n == 1 {
		return "1 " + what + " is"
	}
	return fmt.Sprintf("%d %ss are", n, what)
}

// RefusedPIN is the record's line for an error, for whoever uses the token next, on
// any machine; false if no PIN was refused.
func RefusedPIN(err error, on transcript.WrongPINs) (transcript.PINRefused, bool) {
	var refused *signer.PINRefused
	if !errors.As(err, &refused) {
		return transcript.PINRefused{}, false
	}
	token := tokenRecord(refused.Device)
	return transcript.PINRefused{Token: token, For: refused.Device.PINFor, Tries: on[token.ID()].Tries + 1}, true
}

// recordToken puts on record that a token is open.
func (r *tokens) recordToken(token transcript.Token) error {
	_, err := r.progress.Record(token)
	r.wrong.Set(r.progress.WrongPINs)
	return err
}
