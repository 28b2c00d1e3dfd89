package audit_test

import (
	"fmt"
	"strings"
	"testing"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/fingerprint"
	"officiant/ceremony/audit"
	"officiant/ceremony/transcript"
)

// pairInUse spells the first ceremony's service-account pair.
func (c *chain) pairInUse() string { return "{" + c.pair(c.keys().InUse, c.past[0]) + "}" }

// succeeded is a cluster whose release key announced another: the ceremony that
// made it, one between them that announces it again, and the first by it.
func succeeded(t testing.TB) *chain {
	c := newChain(t)
	account := c.pairInUse()
	with := func(successor string) string {
		return strings.TrimSuffix(c.release("release"), "}") + ", successor: {name: release-2, " + successor + ", evidence: software}}"
	}
	c.next(with("key: {create: ECDSA-P256}"), account, keeps)
	c.next(with(fmt.Sprintf("key: {existing: %s}, public: %s", c.spki("release-2"), c.releaseFile("release-2"))), account, keeps)
	c.next(c.release("release-2"), account, keeps)
	return c
}

// TestReleaseSuccession: each ceremony verifies under the first release key, when
// the directory of the one that announced the next is at hand, and bundles are by
// the key of their ceremony.
func TestReleaseSuccession(t *testing.T) {
	c := succeeded(t)
	one, two := c.past[0].key("release").Public(), c.past[0].key("release-2").Public()
	for i, s := range c.past {
		b := must(bundle.Open(s.path("bundles/cp-1")))
		by, announced := one, must(b.NextRelease())
		if i == 3 {
			by = two
		}
		if err := b.CheckSignature(by); err != nil {
			t.Errorf("ceremony %d: %v", i+1, err)
		}
		if says := announced != nil; says != (i == 1 || i == 2) || says && must(fingerprint.SPKI(announced)) != c.spki("release-2") {
			t.Errorf("ceremony %d announces %v", i+1, announced)
		}
	}
	last := c.last()
	for n := len(c.past); n > 1; n-- {
		c.past = c.past[:n]
		c.verified()
	}
	alone := last.auditWith(t, audit.Options{ReleaseKey: one})
	wantFinding(t, alone, "the release key is "+c.spki("release-2").String(),
		"the last ceremony announced it under that key", "given as a previous one")
	if r := last.auditWith(t, audit.Options{ReleaseKey: two}); r.Verdict() != audit.Verified {
		t.Errorf("under its own key: %q", r.Findings())
	}
}

// TestForgedSuccession: an announcement that is not the plan's, and signatures of
// keys that nobody announced.
func TestForgedSuccession(t *testing.T) {
	c := succeeded(t)
	announce, switched := c.past[1], c.past[3]
	other := bundletest.Key(t)
	for what, tt := range map[string]struct {
		at    *scene
		forge func(*forger)
		says  []string
	}{
		"another key is announced": {announce, func(f *forger) {
			f.parts = func(_ *bundle.Header, p *bundle.Parts) { p.NextRelease = bundletest.PublicPEM(t, other.Public()) }
		}, []string{"officiant/release-next.pub: differs from what plan and record make it"}},
		"none is announced": {announce, func(f *forger) {
			f.parts = func(_ *bundle.Header, p *bundle.Parts) { p.NextRelease = nil }
		}, []string{"officiant/release-next.pub: missing"}},
		"one is announced that is not planned": {switched, func(f *forger) {
			f.parts = func(_ *bundle.Header, p *bundle.Parts) { p.NextRelease = bundletest.PublicPEM(t, other.Public()) }
		}, []string{"officiant/release-next.pub: not there when built again"}},
		"another in the last line": {announce, func(f *forger) {
			change(f, func(r *transcript.Closed) bool { s := *r.Successor; s[0] ^= 1; r.Successor = &s; return true })
		}, []string{"its last line announces release key", "the plan's successor is " + c.spki("release-2").String()}},
		"none in the last line": {announce, func(f *forger) {
			change(f, func(r *transcript.Closed) bool { r.Successor = nil; return true })
		}, []string{"its last line announces release key not known"}},
		"one in the last line that is not planned": {switched, func(f *forger) {
			s := fingerprint.Of([]byte("x"))
			change(f, func(r *transcript.Closed) bool { r.Successor = &s; return true })
		}, []string{"which the plan does not"}},
		"bundle and record by a key nobody announced": {switched, func(f *forger) { f.release = other }, []string{"bundles/cp-1", "not a signature of SHA256SUMS by this release key"}},
		"bundle and record by the key before":         {switched, func(f *forger) { f.release = f.key("release") }, []string{"bundles/cp-1", "not a signature of SHA256SUMS by this release key"}},
		"the successor signs already": {announce, func(f *forger) {
			f.release = f.key("release-2")
			change(f, func(r *transcript.Closed) bool { r.Signer = c.spki("release-2"); return true })
		}, []string{"the release-2 key signed the record, the plan's release key is release"}},
		"a successor that is not on record": {announce, func(f *forger) {
			k, _ := first(f, func(k transcript.Key) bool { return k.Name == "release-2" })
			f.drop(k)
		}, []string{"the release-2 key is to be announced, and is not on record"}},
	} {
		t.Run(what, func(t *testing.T) {
			f := tt.at.forge(t)
			tt.forge(f)
			if err := f.write(); err != nil {
				t.Fatal(err)
			}
			wantFinding(t, f.auditWith(t, audit.Options{ReleaseKey: f.key(f.plan.ReleaseKey()).Public()}), tt.says...)
		})
	}
}

// TestAnnouncedByNobodySound: an announcement counts only of a directory without a
// finding, of this cluster, whose own key is pinned or announced.
func TestAnnouncedByNobodySound(t *testing.T) {
	c := succeeded(t)
	spoilt := c.past[1].copy(t)
	spoilt.write(t, "bundles/cp-1/README.txt", []byte("x"))
	again := c.past[2].copy(t)
	again.write(t, "release.pub", []byte("x"))
	o := c.options()
	o.Previous = []string{c.past[0].dir, spoilt.dir, again.dir}
	wantFinding(t, c.last().auditWith(t, o), "the release key is "+c.spki("release-2").String(), "pinned is")
	o = c.options()
	o.ReleaseKey = bundletest.Key(t).Public()
	wantFinding(t, c.last().auditWith(t, o), "the release key is "+c.spki("release-2").String(), "pinned is")
}

// TestLostRelease: a release key made in the place of a lost one verifies under
// itself alone, and the report says that nothing vouches for it.
func TestLostRelease(t *testing.T) {
	c := newChain(t)
	lost := c.past[0].key("release").Public()
	c.next(fmt.Sprintf("{name: release-b, key: {create: ECDSA-P256}, evidence: software, lost: %s}", c.spki("release")), c.pairInUse(), keeps)
	o := c.options()
	wantFinding(t, c.last().auditWith(t, o), "the release key is "+c.spki("release-b").String(), "pinned is "+c.spki("release").String())
	o.ReleaseKey = c.past[0].key("release-b").Public()
	r := c.last().auditWith(t, o)
	if r.Verdict() != audit.Verified {
		t.Errorf("%s: %q", r.Verdict(), r.Findings())
	}
	said := false
	for _, check := range r.Checks {
		for _, n := range check.Notes {
			said = said || strings.Contains(n, "was lost; it does not vouch for this one")
		}
	}
	if !said {
		t.Errorf("nobody is told: %+v", r.Checks)
	}
	if b := must(bundle.Open(c.last().path("bundles/cp-1"))); b.CheckSignature(lost) == nil {
		t.Error("the bundle is by the lost key")
	}
}
