package audit_test

import (
	"crypto/rand"
	"testing"

	"officiant/ceremony/quorum"
	"officiant/ceremony/transcript"
)

// TestForgedShares puts a line about a PIN in shares on a record whose keys are all in
// the forger's hands: the right one verifies, each wrong one is named.
func TestForgedShares(t *testing.T) {
	whole := perform(t)
	set, shares, err := quorum.Deal(rand.Reader, "room", []string{"kim", "alice", "bob"}, 2, []byte("1234"))
	if err != nil {
		t.Fatal(err)
	}
	others, _, err := quorum.Deal(rand.Reader, "room", []string{"kim", "alice", "bob"}, 2, []byte("1234"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what  string
		forge func(f *forger, r *transcript.PINShares)
		want  string
	}{
		{"the right one", func(*forger, *transcript.PINShares) {}, ""},
		{"another token's", func(_ *forger, r *transcript.PINShares) {
			r.Label = "other"
			r.Serial = "4712"
		}, "it was used for other"},
		{"a name of its own", func(_ *forger, r *transcript.PINShares) {
			r.Proofs[0].Person = "eve"
		}, "share 1 is kim's, and the line says eve"},
		{"one proof for two", func(_ *forger, r *transcript.PINShares) {
			r.Proofs[1].Proof = r.Proofs[0].Proof
		}, "proof of share 2 (alice)"},
		{"a proof of another ceremony", func(_ *forger, r *transcript.PINShares) {
			r.Proofs[0].Proof = prove(t, set, shares[0], quorum.Opening(r.Label, r.Serial, set.ID()))
		}, "proof of share 1 (kim)"},
		{"another set", func(_ *forger, r *transcript.PINShares) { r.Set = string(others.Text()) }, "proof of share 1 (kim)"},
		{"no set", func(_ *forger, r *transcript.PINShares) { r.Set = "pin: 1234\n" }, "pin set: does not begin with"},
	} {
		t.Run(c.what, func(t *testing.T) {
			f := whole.forge(t)
			open := f.acts[0].record.(transcript.Open)
			r := transcript.PINShares{Label: "room", Serial: "4711", Set: string(set.Text())}
			for _, s := range shares[:2] {
				r.Proofs = append(r.Proofs, transcript.PINProof{Index: s.Index, Person: s.Person,
					Proof: prove(t, set, s, quorum.Opening(r.Label, r.Serial, open.Digest))})
			}
			c.forge(f, &r)
			before, _ := first(f, func(transcript.IssuingClosed) bool { return true })
			f.insert(before, r)
			f.judged(t, c.want)
		})
	}
}

// TestEveryFieldOfPINShares alters each field of a line about a PIN in shares. Each
// part of its proofs is tried alone by TestForgedShares, with the line signed anew.
func TestEveryFieldOfPINShares(t *testing.T) {
	set, shares, err := quorum.Deal(rand.Reader, "room", []string{"kim", "alice", "bob"}, 2, []byte("1234"))
	if err != nil {
		t.Fatal(err)
	}
	f := onlyRecord(t).forge(t)
	open := f.acts[0].record.(transcript.Open)
	r := transcript.PINShares{Label: "room", Serial: "4711", Set: string(set.Text())}
	for _, s := range shares[1:] {
		r.Proofs = append(r.Proofs, transcript.PINProof{Index: s.Index, Person: s.Person,
			Proof: prove(t, set, s, quorum.Opening(r.Label, r.Serial, open.Digest))})
	}
	before, _ := first(f, func(transcript.IssuingClosed) bool { return true })
	f.insert(before, r)
	f.everyField(t, "pin-shares", 30)
}

func prove(t *testing.T, set *quorum.Set, share *quorum.Share, purpose string) string {
	t.Helper()
	p, err := set.Prove(rand.Reader, share, purpose)
	if err != nil {
		t.Fatal(err)
	}
	return p.Text
}
