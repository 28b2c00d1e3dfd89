package install_test

import (
	"crypto/x509"
	"os"
	"slices"
	"strings"
	"testing"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/fingerprint"
	"officiant/bundle/install"
	"officiant/bundle/kubepki"
)

// rootRollover makes the bundles of a node for the stages of a root's rollover.
type rootRollover struct {
	old, next           fingerprint.SHA256
	before, trust       func(n *bundletest.Node) *bundle.Bundle
	issue, drop, beyond func(n *bundletest.Node) *bundle.Bundle
}

func newRootRollover(t *testing.T, p *bundletest.PKI) *rootRollover {
	next := *p
	next.Root = p.Successor(t, kubepki.Root, bundletest.Authority{})
	next.Authorities = map[kubepki.Authority]bundletest.Authority{}
	type beside = map[kubepki.Authority][]*x509.Certificate
	news := beside{kubepki.Root: {next.Root.Certificate}}
	olds := beside{kubepki.Root: {p.Root.Certificate}}
	for family, a := range p.Authorities {
		next.Authorities[family] = p.Successor(t, family, next.Root)
		olds[family] = []*x509.Certificate{a.Certificate}
		news[family] = []*x509.Certificate{next.Authorities[family].Certificate}
	}
	made := func(p *bundletest.PKI, sequence int, trusted beside) func(*bundletest.Node) *bundle.Bundle {
		return func(n *bundletest.Node) *bundle.Bundle { return p.BundleWith(t, n, sequence, trusted) }
	}
	return &rootRollover{
		fingerprint.Of(p.Root.Certificate.Raw), fingerprint.Of(next.Root.Certificate.Raw),
		made(p, 1, nil), made(p, 2, news), made(&next, 3, olds), made(&next, 4, nil), made(&next, 5, nil),
	}
}

func (m machine) pinned(t *testing.T) fingerprint.SHA256 {
	t.Helper()
	p, err := m.State().Pins()
	must(t, err)
	return p.Root
}

// TestRootRollover: a new root is taken in by its words alone; the pin stays where
// it is until nothing below the old root is in use, and then follows.
func TestRootRollover(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	r := newRootRollover(t, p)
	m := newMachine(t, p, bundletest.First())
	m.place(t, p, r.before(m.who))
	trust := r.trust(m.who)
	m.refuses(t, p, trust, "nor one it knows")
	_, err := m.Install(trust, install.Options{Release: p.Release.Public(), NewRoot: &r.old})
	if err == nil || !strings.Contains(err.Error(), "nor one it knows") {
		t.Errorf("with another root's words: %v", err)
	}
	another := fingerprint.Of([]byte("another root"))
	_, err = m.Install(trust, install.Options{Release: p.Release.Public(), NewRoot: &another})
	if err == nil || !strings.Contains(err.Error(), "the root that was compared, "+another.String()+", is not in it") {
		t.Errorf("with words of a root that is not there: %v", err)
	}
	m.placeCompared(t, p, trust, &r.next)
	for _, stage := range []struct {
		b        *bundle.Bundle
		pin      fingerprint.SHA256
		beside   []fingerprint.SHA256
		unpinned bool
	}{
		{trust, r.old, []fingerprint.SHA256{r.next}, false},
		{r.issue(m.who), r.old, []fingerprint.SHA256{r.next}, false},
		{r.drop(m.who), r.next, nil, true},
		{r.beyond(m.who), r.next, nil, false},
	} {
		got := m.place(t, p, stage.b)
		if m.pinned(t) != stage.pin || got.Pins.Root != stage.pin {
			t.Errorf("sequence %d: pinned is %s", stage.b.Sequence, m.pinned(t))
		}
		if !slices.Equal(got.Beside, stage.beside) || (got.Unpinned != nil) != stage.unpinned {
			t.Errorf("sequence %d: report %+v", stage.b.Sequence, got)
		}
		m.sound(t, p)
		if again := m.place(t, p, stage.b); !again.Already {
			t.Errorf("sequence %d, a second time: %+v", stage.b.Sequence, again)
		}
	}
}

// TestRootRenewed: a later certificate of the pinned root's own name and key is
// followed at once; one of its name alone is not.
func TestRootRenewed(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.Worker())
	m.place(t, p, p.Bundle(t, m.who, 1))
	forged, renewed := *p, *p
	template := *p.Root.Certificate
	template.SerialNumber, template.NotAfter = bundletest.Serial(), template.NotAfter.AddDate(5, 0, 0)
	key := bundletest.Key(t)
	template.SubjectKeyId, template.PublicKey = nil, nil
	forged.Root = bundletest.Authority{Certificate: bundletest.Sign(t, &template, &template, key.Public(), key), Key: key}
	forged.Authorities = map[kubepki.Authority]bundletest.Authority{}
	for family := range p.Authorities {
		forged.Authorities[family] = p.Successor(t, family, forged.Root)
	}
	m.refuses(t, p, forged.Bundle(t, m.who, 2), "is not the root this node pinned")
	renewed.Root = bundletest.Authority{Certificate: bundletest.Sign(t, &template, &template, p.Root.Key.Public(), p.Root.Key), Key: p.Root.Key}
	r := m.place(t, p, renewed.Bundle(t, m.who, 2))
	if want := fingerprint.Of(renewed.Root.Certificate.Raw); m.pinned(t) != want || r.Unpinned == nil {
		t.Errorf("pinned is %s, report %+v", m.pinned(t), r)
	}
	m.sound(t, p)
}

// TestRootRolloverLagging: a root that no bundle announced is not followed,
// whoever signs it; a new node may begin at any stage.
func TestRootRolloverLagging(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	r := newRootRollover(t, p)
	const refusal = "is not the root this node pinned"
	lagging := newMachine(t, p, bundletest.First())
	lagging.place(t, p, r.before(lagging.who))
	lagging.refuses(t, p, r.drop(lagging.who), refusal)
	issue := r.issue(lagging.who)
	lagging.refuses(t, p, issue, "nor one it knows")
	lagging.placeCompared(t, p, issue, &r.next) // the first stage passed over: the old root is there still
	if _, err := lagging.Rollback(false); err != nil {
		t.Fatal(err)
	}
	lagging.refuses(t, p, r.drop(lagging.who), refusal) // what is in place has not announced it
	lagging.placeCompared(t, p, issue, &r.next)
	spoilt := lagging.copy(t)
	must(t, os.WriteFile(spoilt.at(install.StateDir+"/installed.tar"), []byte("no bundle"), 0o600))
	spoilt.refuses(t, p, r.drop(spoilt.who), refusal)
	passed := lagging.copy(t)
	lagging.place(t, p, r.drop(lagging.who))
	lagging.sound(t, p)
	_, err := passed.Rollback(false)
	must(t, err)
	passed.placeCompared(t, p, r.drop(passed.who), &r.next) // both stages passed over: the words alone do
	passed.sound(t, p)
	for _, b := range []func(*bundletest.Node) *bundle.Bundle{r.trust, r.issue, r.drop} {
		fresh := newMachine(t, p, bundletest.First())
		fresh.place(t, p, b(fresh.who))
		fresh.sound(t, p)
		want := r.next
		if b(fresh.who).Sequence == 2 {
			want = r.old
		}
		if fresh.pinned(t) != want {
			t.Errorf("a new node pinned %s", fresh.pinned(t))
		}
	}
}
