package transcript_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"officiant/bundle/durable"
	"officiant/ceremony/transcript"
)

func wrongPIN(label string, tries int) transcript.PINRefused {
	return transcript.PINRefused{Token: transcript.Token{Backend: "pkcs11", Label: label}, Tries: tries}
}

// TestWrongPINsRefused: what cannot have happened is not written.
func TestWrongPINsRefused(t *testing.T) {
	refused := transcript.Preflight{Checks: []transcript.RoomCheck{{Name: "swap", Wrong: "on", Level: "refuse"}}}
	for name, tt := range map[string]struct {
		before []transcript.Record
		rec    transcript.Record
		reason string
	}{
		"in a refused room": {[]transcript.Record{refused}, wrongPIN("a", 1), "pin-refused while the room"},
		"of no token":       {nil, wrongPIN("", 1), "by no token"},
		"none":              {nil, wrongPIN("a", 0), "0 tries of token a, the lines hold 1"},
		"one left out":      {[]transcript.Record{wrongPIN("a", 1)}, wrongPIN("a", 3), "the lines hold 2"},
		"another token's":   {[]transcript.Record{wrongPIN("a", 1)}, wrongPIN("b", 2), "the lines hold 1"},
		"from before a login": {[]transcript.Record{wrongPIN("a", 1), wrongPIN("a", 0).Token}, wrongPIN("a", 2),
			"the lines hold 1"},
		"after the end": {[]transcript.Record{transcript.Closed{}}, wrongPIN("a", 1), "is closed"},
	} {
		w, _, _, err := transcript.Resume(&durable.Disk{}, write(t, nil), clock())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Append(1, tt.before...); err != nil && len(tt.before) > 0 {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := w.Append(1, tt.rec); err == nil || !strings.Contains(err.Error(), tt.reason) {
			t.Errorf("%s: %v, expected %q", name, err, tt.reason)
		}
		w.Close()
	}
}

// TestWrongPINs: each token's are counted, over the end of a process, until it is open.
func TestWrongPINs(t *testing.T) {
	path := write(t, nil)
	on := transcript.WrongPINs{}
	for _, records := range [][]transcript.Record{
		{wrongPIN("a", 1), wrongPIN("b", 1), wrongPIN("a", 2)},
		{wrongPIN("a", 3), transcript.PINRefused{Token: wrongPIN("b", 0).Token, For: "demo/root", Tries: 2}},
		{wrongPIN("a", 0).Token, wrongPIN("c", 1), wrongPIN("a", 1)},
		{wrongPIN("b", 0).Token},
	} {
		w, found, _, err := transcript.Resume(&durable.Disk{}, path, clock())
		if err != nil {
			t.Fatal(err)
		}
		records = append([]transcript.Record{transcript.Resumed{Head: found.Head()}}, records...)
		if _, err := w.AppendSync(1, records...); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	read, err := transcript.Read(path, contents(t, path))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range read.Lines {
		on.Take(l.Record)
	}
	var left []string
	for _, r := range slices.Collect(maps.Values(on)) {
		left = append(left, r.Token.Label)
		if r.Tries != 1 {
			t.Errorf("%d of %s", r.Tries, r.Token.Label)
		}
	}
	if slices.Sort(left); !slices.Equal(left, []string{"a", "c"}) {
		t.Errorf("wrong PINs of %q", left)
	}
}
