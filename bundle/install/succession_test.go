package install_test

import (
	"crypto"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/fingerprint"
	"officiant/bundle/install"
	"officiant/bundle/seal"
)

// heirs are a cluster whose release key has a successor: the same in all else.
type heirs struct{ one, two *bundletest.PKI }

func newHeirs(t testing.TB) heirs {
	one := bundletest.New(t, bundletest.Cluster())
	two := *one
	two.Release = bundletest.Key(t)
	return heirs{one, &two}
}

func spki(t testing.TB, pub crypto.PublicKey) fingerprint.SHA256 {
	t.Helper()
	f, err := fingerprint.SPKI(pub)
	must(t, err)
	return f
}

// announcing is a bundle by one key that announces another.
func announcing(t testing.TB, p *bundletest.PKI, n *bundletest.Node, sequence int, next crypto.PublicKey) *bundle.Bundle {
	return p.BundleChanged(t, n, sequence, func(parts *bundle.Parts) { parts.NextRelease = bundletest.PublicPEM(t, next) })
}

func (m machine) pins(t testing.TB) install.Pins {
	t.Helper()
	p, err := m.State().Pins()
	must(t, err)
	return *p
}

// TestReleaseSuccession: a node that pinned a release key takes the one that the
// bundle in place announces, and with its first bundle leaves the old one.
func TestReleaseSuccession(t *testing.T) {
	h := newHeirs(t)
	m := newMachine(t, h.one, bundletest.First())
	m.place(t, h.one, h.one.Bundle(t, m.who, 1))
	third := h.two.Bundle(t, m.who, 3)
	m.refuses(t, h.two, third, "is by another release key than this node pinned")

	r := m.place(t, h.one, announcing(t, h.one, m.who, 2, h.two.Release.Public()))
	if r.Next == nil || *r.Next != spki(t, h.two.Release.Public()) || r.Retired != nil {
		t.Errorf("report %+v", r)
	}
	m.sound(t, h.one)
	s, err := m.Status()
	must(t, err)
	if s.NextRelease == nil || *s.NextRelease != *r.Next || s.Pins.Release != spki(t, h.one.Release.Public()) {
		t.Errorf("status: announced %v, pins %+v", s.NextRelease, s.Pins)
	}
	stranger := &bundletest.PKI{Release: bundletest.Key(t)}
	m.refuses(t, stranger, signedBy(t, third, stranger), ", announced is "+r.Next.String())
	both := m.copy(t) // still takes the present key
	both.place(t, h.one, announcing(t, h.one, m.who, 3, h.two.Release.Public()))

	r = m.place(t, h.two, third)
	if r.Retired == nil || *r.Retired != spki(t, h.one.Release.Public()) || r.Next != nil || m.pins(t).Release != spki(t, h.two.Release.Public()) {
		t.Errorf("report %+v", r)
	}
	m.sound(t, h.two)
	m.refuses(t, h.one, h.one.Bundle(t, m.who, 4), "is by another release key than this node pinned")
	if again := m.place(t, h.two, third); !again.Already {
		t.Errorf("a second time: %+v", again)
	}
}

// signedBy is a bundle with another's signature.
func signedBy(t testing.TB, b *bundle.Bundle, p *bundletest.PKI) *bundle.Bundle {
	t.Helper()
	c := *b
	p.Seal(t, &c)
	return &c
}

// TestReleaseRollback: the way back from the first bundle of a new release key
// leads to one of the old key, which that one verifies; the pin stays.
func TestReleaseRollback(t *testing.T) {
	h := newHeirs(t)
	m := newMachine(t, h.one, bundletest.First())
	m.place(t, h.one, announcing(t, h.one, m.who, 1, h.two.Release.Public()))
	second := h.two.Bundle(t, m.who, 2)
	m.place(t, h.two, second)
	_, err := m.Rollback(false)
	must(t, err)
	m.sound(t, h.one)
	v, err := m.Verify(install.VerifyOptions{Release: h.two.Release.Public()})
	must(t, err)
	if !has(strings.Split(fmt.Sprint(v.Findings), "}"), "not a signature of SHA256SUMS") {
		t.Errorf("by the new key: %v", v.Findings)
	}
	m.refuses(t, h.one, h.one.Bundle(t, m.who, 3), "is by another release key than this node pinned")
	m.place(t, h.two, second)
	m.sound(t, h.two)
	v, err = m.Verify(install.VerifyOptions{Release: h.one.Release.Public()})
	must(t, err)
	if !has(strings.Split(fmt.Sprint(v.Findings), "}"), "is not the one this node pinned") {
		t.Errorf("by the old key: %v", v.Findings)
	}
}

// TestReleaseWithdrawn: what the bundle in place does not announce is not taken:
// a later bundle takes an announcement back, and one that cannot be read has none.
func TestReleaseWithdrawn(t *testing.T) {
	h := newHeirs(t)
	m := newMachine(t, h.one, bundletest.First())
	m.place(t, h.one, announcing(t, h.one, m.who, 1, h.two.Release.Public()))
	spoilt := m.copy(t)
	must(t, os.WriteFile(spoilt.at(install.StateDir+"/installed.tar"), []byte("no bundle"), 0o600))
	next := h.two.Bundle(t, m.who, 3)
	spoilt.refuses(t, h.two, next, "is by another release key than this node pinned")
	m.place(t, h.one, h.one.Bundle(t, m.who, 2))
	m.refuses(t, h.two, next, "is by another release key than this node pinned")
	m.place(t, h.one, announcing(t, h.one, m.who, 3, bundletest.Key(t).Public()))
	m.refuses(t, h.two, h.two.Bundle(t, m.who, 4), ", announced is ")
	m.refuses(t, h.one, announcing(t, h.one, m.who, 4, h.one.Release.Public()), "announces the very key that signed the bundle")
}

// TestLostRelease: nothing announced the key in a lost one's place, so people
// compare its words; then it is pinned, and the lost one refused.
func TestLostRelease(t *testing.T) {
	h := newHeirs(t)
	m := newMachine(t, h.one, bundletest.First())
	m.place(t, h.one, h.one.Bundle(t, m.who, 1))
	b := h.two.Bundle(t, m.who, 2)
	m.refuses(t, h.two, b, "is by another release key than this node pinned")
	before := tree(t, m.Root)
	other := fingerprint.Of([]byte("misheard"))
	_, err := m.Install(b, install.Options{Release: h.two.Release.Public(), NewRelease: &other})
	if err == nil || !strings.Contains(err.Error(), "not by the one that was compared") {
		t.Errorf("other words: %v", err)
	}
	if d := unlike(before, tree(t, m.Root)); len(d) > 0 {
		t.Errorf("other words changed %v", d)
	}
	right := spki(t, h.two.Release.Public())
	if _, err := m.Install(h.one.Bundle(t, m.who, 2), install.Options{Release: h.one.Release.Public(), NewRelease: &right}); err == nil {
		t.Error("the words of one key, and a bundle by another")
	}
	r, err := m.Install(b, install.Options{Release: h.two.Release.Public(), NewRelease: &right})
	must(t, err)
	if r.Retired == nil || m.pins(t).Release != right {
		t.Errorf("report %+v, pins %+v", r, m.pins(t))
	}
	m.sound(t, h.two)
	m.refuses(t, h.one, h.one.Bundle(t, m.who, 3), "is by another release key than this node pinned")
}

// TestRotatedAccount: at each stage the node demands that sa.key is the first key
// of sa.pub, places all of them, and says which verify tokens.
func TestRotatedAccount(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.First())
	old, next := p.Account, bundletest.Key(t)
	stage := func(sequence int, signs crypto.Signer, keys ...crypto.Signer) *bundle.Bundle {
		return p.BundleChanged(t, m.who, sequence, func(parts *bundle.Parts) {
			sealed, err := seal.Seal([]string{m.who.Recipient}, bundletest.PrivatePEM(t, signs))
			must(t, err)
			parts.ServiceAccountSealed, parts.ServiceAccountPublic = sealed, nil
			for _, k := range keys {
				parts.ServiceAccountPublic = slices.Concat(parts.ServiceAccountPublic, bundletest.PublicPEM(t, k.Public()))
			}
		})
	}
	m.place(t, p, p.Bundle(t, m.who, 1))
	for i, s := range []struct {
		signs crypto.Signer
		keys  []crypto.Signer
	}{{old, []crypto.Signer{old, next}}, {next, []crypto.Signer{next, old}}, {next, []crypto.Signer{next}}} {
		for _, wrong := range []*bundle.Bundle{stage(i+2, old, next, old), stage(i+2, next, old, next), stage(i+2, bundletest.Key(t), s.keys...)} {
			m.refuses(t, p, wrong, "the key sealed in it does not belong to sa.pub")
		}
		m.place(t, p, stage(i+2, s.signs, s.keys...))
		m.sound(t, p)
		status, err := m.Status()
		must(t, err)
		if len(status.ServiceAccount) != len(s.keys) {
			t.Fatalf("stage %d: status has %v", i, status.ServiceAccount)
		}
		for j, k := range s.keys {
			if got := status.ServiceAccount[j]; got.SPKI != spki(t, k.Public()) || got.Signs != (j == 0) {
				t.Errorf("stage %d: key %d is %+v", i, j, got)
			}
		}
		m.sharesFirst(t, s.keys[0])
	}
}

// sharesFirst fails unless a peer gets the key that signs.
func (m machine) sharesFirst(t *testing.T, signs crypto.Signer) {
	t.Helper()
	identity, recipient, err := seal.NewIdentity()
	must(t, err)
	sealed, err := m.Share(recipient)
	must(t, err)
	text, err := seal.Open(identity, sealed)
	must(t, err)
	if string(text) != string(bundletest.PrivatePEM(t, signs)) {
		t.Error("a peer gets another key")
	}
}
