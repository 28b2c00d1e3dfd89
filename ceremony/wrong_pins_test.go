package ceremony_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"officiant/ceremony"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/transcript"
	"officiant/signer"
)

// TestWrongPINsOnRecord: each wrong PIN is on record, counted over the end of a process,
// and told before the next is tried; the right one counts from the start.
func TestWrongPINsOnRecord(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	f.Asking(t)
	dir := filepath.Join(t.TempDir(), "ceremony")
	var told []int
	try := func(pin string) (said []string, known *ceremony.WrongPINs, err error) {
		cfg := f.Config(t, dir)
		talk := &teller{Observer: cfg.Observer}
		cfg.Observer, cfg.WrongPINs = talk, &ceremony.WrongPINs{}
		cfg.Ask = func(_ context.Context, d signer.Device) ([]byte, error) {
			told = append(told, d.PINRecorded)
			if d.PINRecorded != cfg.WrongPINs.Of(d) {
				t.Errorf("who asks knows of %d wrong PINs, who opens of %d", d.PINRecorded, cfg.WrongPINs.Of(d))
			}
			return []byte(pin), nil
		}
		_, err = ceremony.Run(t.Context(), cfg)
		return talk.lines, cfg.WrongPINs, err
	}
	for n, want := range []string{"", "1 wrong PIN is on record of token ", "2 wrong PINs are on record of token "} {
		said, _, err := try("4321")
		if !errors.Is(err, signer.ErrPIN) {
			t.Fatalf("try %d: %v", n+1, err)
		}
		if before := strings.Join(said, "\n"); want != "" && !strings.Contains(before, want) {
			t.Errorf("try %d: people are told\n%s", n+1, before)
		}
		lines := readRecord(t, dir).Lines
		r, ok := lines[len(lines)-1].Record.(transcript.PINRefused)
		if !ok || r.Tries != n+1 || r.Token.Serial == "" || r.For != "" {
			t.Errorf("try %d: the record ends with %+v", n+1, lines[len(lines)-1].Record)
		}
	}
	said, known, err := try("1234")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(said, "\n"), "3 wrong PINs are on record") ||
		!slices.Equal(told[:4], []int{0, 1, 2, 3}) {
		t.Errorf("told of %v", told)
	}
	for _, l := range readRecord(t, dir).Lines {
		token, ok := l.Record.(transcript.Token)
		if d := (signer.Device{Backend: token.Backend, Label: token.Label, Serial: token.Serial, Model: token.Model,
			Manufacturer: token.Manufacturer}); ok && known.Of(d) != 0 {
			t.Errorf("%d wrong PINs of %s after the right one", known.Of(d), token.Label)
		}
	}
}
