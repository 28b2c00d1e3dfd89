package audit_test

import (
	"strings"
	"testing"

	"officiant/ceremony/transcript"
)

// refusedTwice puts two wrong PINs of the first token before its first login, and one
// for a signature by its first key, as it would stand there.
func refusedTwice(f *forger) (login, signature *act) {
	token, device := first(f, func(transcript.Token) bool { return true })
	f.insert(token, transcript.PINRefused{Token: device, Tries: 1})
	f.insert(token, transcript.PINRefused{Token: device, Tries: 2})
	challenge, _ := first(f, func(transcript.ChallengeIntent) bool { return true })
	_, key := first(f, func(transcript.Key) bool { return true })
	f.insert(challenge, transcript.PINRefused{Token: key.Token, For: key.Label, Tries: 1})
	login, _ = first(f, func(r transcript.PINRefused) bool { return r.Tries == 2 })
	signature, _ = first(f, func(r transcript.PINRefused) bool { return r.For != "" })
	return login, signature
}

// TestForgedWrongPINs puts wrong PINs on a record whose keys are all in the forger's
// hands: those that can have been verify, each other one is named.
func TestForgedWrongPINs(t *testing.T) {
	whole := perform(t)
	change := func(a *act, do func(*transcript.PINRefused)) {
		r := a.record.(transcript.PINRefused)
		do(&r)
		a.record = r
	}
	for _, c := range []struct {
		what  string
		forge func(f *forger, login, signature *act)
		want  string
	}{
		{"the right ones", func(*forger, *act, *act) {}, ""},
		{"for a key that is not there", func(_ *forger, _, signature *act) {
			change(signature, func(r *transcript.PINRefused) { r.For = "demo/other" })
		}, "a PIN for a signature by demo/other, which token"},
		{"for a key before it is on record", func(_ *forger, login, signature *act) {
			change(login, func(r *transcript.PINRefused) { r.For = signature.record.(transcript.PINRefused).For })
		}, "is not known to have"},
		{"of a KMS", func(_ *forger, _, signature *act) {
			change(signature, func(r *transcript.PINRefused) { r.Token.Backend, r.For = "awskms", "" })
		}, `a PIN was refused by "awskms"`},
		{"before the room was looked at", func(f *forger, _, _ *act) {
			room, _ := first(f, func(transcript.Preflight) bool { return true })
			f.insert(room, transcript.PINRefused{Token: transcript.Token{Backend: "pkcs11", Label: "x"}, Tries: 1})
		}, "pin-refused, and this process had not looked at the room"},
	} {
		t.Run(c.what, func(t *testing.T) {
			f := whole.forge(t)
			login, signature := refusedTwice(f)
			c.forge(f, login, signature)
			f.judged(t, c.want)
		})
	}
}

// TestCountedOtherwise: a count that is not the lines' is no record at all.
func TestCountedOtherwise(t *testing.T) {
	f := perform(t).forge(t)
	login, _ := refusedTwice(f)
	r := login.record.(transcript.PINRefused)
	r.Tries = 1
	login.record = r
	if err := f.write(); err == nil || !strings.Contains(err.Error(), "the lines hold 2") {
		t.Errorf("written: %v", err)
	}
}

// TestEveryFieldOfWrongPINs alters each field of each line about a wrong PIN.
func TestEveryFieldOfWrongPINs(t *testing.T) {
	f := onlyRecord(t).forge(t)
	refusedTwice(f)
	f.everyField(t, "pin-refused", 60)
}
