package history_test

import (
	"bytes"
	"crypto"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/history"
	"officiant/ceremony/history/historytest"
	"officiant/ceremony/revocation"
	"officiant/ceremony/transcript"
)

var begin = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// cluster holds what several ceremonies of a cluster have in common.
type cluster struct {
	root, kubernetes *historytest.CA
	release          crypto.Signer
	node             crypto.Signer
}

func newCluster(t *testing.T) *cluster {
	root := historytest.Root(t, begin)
	return &cluster{root, root.Below(t, "kubernetes"), historytest.Key(t), historytest.Key(t)}
}

// first makes the cluster's authorities, and certificates of two nodes.
func (c *cluster) first(t *testing.T) (record, signature []byte) {
	r := historytest.Begin(t, begin, transcript.Open{Steps: 3})
	r.Key("root", c.root.Key.Public(), true)
	r.Key("kubernetes", c.kubernetes.Key.Public(), true)
	r.Key("release", c.release.Public(), true)
	r.Issue("root", "root", c.root.Certificate)
	r.Issue("kubernetes", "root", c.kubernetes.Certificate)
	r.Abandon("cp-1/kubelet.conf", "kubernetes", c.kubernetes.Leaf(t, "abandoned", begin, c.node.Public()))
	r.Issue("cp-1/kubelet.conf", "kubernetes", c.kubernetes.Leaf(t, "cp-1", begin, c.node.Public()))
	r.Issue("cp-1/apiserver", "kubernetes", c.kubernetes.Leaf(t, "apiserver", begin, c.node.Public()))
	r.Issue("worker-1/kubelet.conf", "kubernetes", c.kubernetes.Leaf(t, "worker-1", begin, c.node.Public()))
	r.CloseIssuing(
		nil,
		transcript.Standing{Name: "root", Family: "root", Use: "issue"},
		transcript.Standing{Name: "kubernetes", Family: "kubernetes", Use: "issue"},
	)
	return r.Close(c.release, nil)
}

// next renews cp-1's kubelet certificate; left are nodes that are gone.
func (c *cluster) next(t *testing.T, before []byte, left ...string) (record, signature []byte) {
	p := historytest.Predecessor(t, before)
	at := begin.AddDate(0, p.Sequence, 0)
	r := historytest.Begin(t, at, transcript.Open{Sequence: p.Sequence + 1, Predecessors: []transcript.Predecessor{p}})
	r.Key("kubernetes", c.kubernetes.Key.Public(), false)
	r.Key("release", c.release.Public(), false)
	r.Issue("cp-1/kubelet.conf", "kubernetes", c.kubernetes.Leaf(t, "cp-1", at, c.node.Public()))
	r.CloseIssuing(left)
	return r.Close(c.release, nil)
}

func read(t *testing.T, name string, data []byte) *history.Record {
	t.Helper()
	r, err := history.Read(history.Text(name, data))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func of(t *testing.T, records ...*history.Record) *history.History {
	t.Helper()
	h, err := history.Of("demo", records...)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func spki(t *testing.T, k crypto.Signer) fingerprint.SHA256 {
	t.Helper()
	sum, err := fingerprint.SPKI(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// TestAnswers asks two ceremonies, given in either order, all there is to ask.
func TestAnswers(t *testing.T) {
	c := newCluster(t)
	one, _ := c.first(t)
	two, _ := c.next(t, one)
	a, b := read(t, "one", one), read(t, "two", two)
	for _, h := range []*history.History{of(t, a, b), of(t, b, a, a)} {
		if h.Sequence() != 2 || h.Last() != b || len(h.Records()) != 2 || h.Whole() != nil {
			t.Errorf("ends with %s, %d records, %v", h.Last(), len(h.Records()), h.Whole())
		}
		if got := slices.Collect(
			h.Nodes(),
		); !slices.Equal(got, []string{"cp-1", "worker-1"}) ||
			!slices.Equal(h.Members(), got) {
			t.Errorf("nodes %q, members %q", got, h.Members())
		}
		newest := h.NewestOf("cp-1")
		if len(newest) != 2 || newest["kubelet.conf"].Of != b || newest["apiserver"].Of != a ||
			newest["apiserver"].Node() != "cp-1" {
			t.Errorf("cp-1 has %v", newest)
		}
		if h.LastOf("worker-1") != a || h.LastOf("cp-1") != b || h.LastOf("cp-2") != nil {
			t.Error("last ceremonies of nodes")
		}
		kubelet := newest["kubelet.conf"]
		cert, err := kubelet.Parse()
		if err != nil || fingerprint.Of(cert.Raw) != kubelet.SHA256 || cert.Subject.CommonName != "cp-1" ||
			kubelet.SPKI != spki(t, c.node) ||
			!kubelet.NotAfter.Equal(cert.NotAfter) || kubelet.Serial.Int().Cmp(cert.SerialNumber) != 0 ||
			!kubelet.Issuer.By(c.kubernetes.Certificate) ||
			kubelet.Issuer.By(c.root.Certificate) {
			t.Errorf("%+v, %v", kubelet, err)
		}
		if got, ok := b.WithSHA256(kubelet.SHA256); !ok || got.Name != "cp-1/kubelet.conf" {
			t.Errorf("by digest: %+v", got)
		}
		if !h.Used(kubelet.Serial) || h.Used(history.Serial{1}) {
			t.Error("serial numbers in use")
		}
		authorities := h.Authorities()
		if len(authorities) != 2 || authorities[1].Name != "kubernetes" || !authorities[1].OnRecord ||
			authorities[1].Certificate.SPKI != spki(t, c.kubernetes.Key) {
			t.Errorf("authorities %+v", authorities)
		}
		if g := h.Generations(); len(g) != 2 || !g[0].CA {
			t.Errorf("generations %v", g)
		}
		if root := h.Openers(spki(t, c.root.Key)); len(root) != 1 || root[0].Of != a || !root[0].Made {
			t.Errorf("the root was opened last by %v", root)
		}
		if release := h.Openers(
			spki(t, c.release),
		); len(release) != 1 || release[0].Of != b ||
			h.Public(spki(t, c.release)) == nil {
			t.Errorf("the release key was opened last by %v", release)
		}
		if keys, ok := h.ReleaseKeys(); !ok || keys.Present != spki(t, c.release) || keys.Announced != nil ||
			keys.Lost != nil {
			t.Errorf("release keys %+v", keys)
		}
	}
	abandoned := slices.Collect(a.Named("cp-1/kubelet.conf"))
	if len(abandoned) != 2 || abandoned[0].State != history.Abandoned || !of(t, a).Used(abandoned[0].Serial) {
		t.Errorf("%+v", abandoned)
	}
	if _, err := abandoned[0].Parse(); err == nil {
		t.Error("an abandoned certificate was read")
	}
}

// TestLeft: a node leaves by a plan's word or by revocation, and comes back with
// its next certificate.
func TestLeft(t *testing.T) {
	c := newCluster(t)
	one, _ := c.first(t)
	two, _ := c.next(t, one, "cp-1", "worker-1")
	three, _ := c.next(t, two)
	a, b, d := read(t, "one", one), read(t, "two", two), read(t, "three", three)
	if h := of(t, a, b); len(h.Members()) != 0 {
		t.Errorf("members after all left: %q", h.Members())
	}
	if h := of(t, a, b, d); !slices.Equal(h.Members(), []string{"cp-1"}) {
		t.Errorf("members after cp-1 came back: %q", h.Members())
	}
	for reason, want := range map[revocation.Reason]bool{
		revocation.CessationOfOperation: true, revocation.KeyCompromise: false,
	} {
		r := historytest.Begin(
			t,
			begin.AddDate(0, 2, 0),
			transcript.Open{Sequence: 2, Predecessors: []transcript.Predecessor{historytest.Predecessor(t, one)}},
		)
		cert, err := of(t, a).NewestOf("worker-1")["kubelet.conf"].Parse()
		if err != nil {
			t.Fatal(err)
		}
		r.Key("release", c.release.Public(), false)
		r.List("kubernetes", "kubernetes", c.kubernetes.Revoke(t, 7, begin, reason.Code(), cert.SerialNumber))
		revoking, _ := r.Close(c.release, nil)
		h := of(t, a, read(t, "revoking", revoking))
		how, left := h.Left("worker-1")
		if left != want || left && !strings.Contains(how, "cessationOfOperation") {
			t.Errorf("revoked as %s: left %t, %s", reason, left, how)
		}
		if l := h.NewestLists(); len(l) != 1 || l[0].Number.Int64() != 7 || !l[0].By(c.kubernetes.Certificate) ||
			l[0].Name != "crl kubernetes" {
			t.Errorf("lists %+v", l)
		}
		serial, _ := history.SerialOf(cert.SerialNumber)
		if is, ok := h.Revoked(serial); !ok || is.Reason != reason {
			t.Errorf("revoked: %t %v", ok, is)
		}
	}
}

// TestRefused: records that are no chain.
func TestRefused(t *testing.T) {
	c := newCluster(t)
	one, _ := c.first(t)
	two, _ := c.next(t, one)
	other, _ := c.next(t, one)
	three, _ := c.next(t, two)
	a, b, fork, d := read(t, "one", one), read(t, "two", two), read(t, "other", other), read(t, "three", three)
	rehearsal := historytest.Begin(t, begin, transcript.Open{Rehearsal: true})
	rehearsal.Key("release", c.release.Public(), false)
	rehearsed, _ := rehearsal.Close(c.release, nil)
	lost := historytest.Begin(t, begin, transcript.Open{Sequence: 3, Lost: &transcript.Lost{Sequence: 2, Reason: "fire"}})
	lost.Key("release", c.release.Public(), false)
	anew, _ := lost.Close(c.release, nil)
	for name, tc := range map[string]struct {
		records []*history.Record
		want    error
		says    string
	}{
		"a gap": {[]*history.Record{a, d}, history.ErrGap,
			"ceremony 2 of cluster demo, which three (ceremony 3 of cluster demo) continues, is not here"},
		"two ends":     {[]*history.Record{a, b, fork}, history.ErrFork, "two different records of one ceremony"},
		"another past": {[]*history.Record{a, fork, d}, history.ErrFork, "continues another ceremony 2 than other"},
		"a rehearsal": {[]*history.Record{a, read(t, "tried", rehearsed)}, history.ErrRehearsal,
			"tried (ceremony 1 of cluster demo)"},
		"unfinished": {[]*history.Record{a, read(t, "half", rehearsal2(t))}, history.ErrUnfinished, "half"},
		"said to be lost": {[]*history.Record{a, b, read(t, "anew", anew)}, history.ErrFork,
			"anew (ceremony 3 of cluster demo) says that the records of ceremonies 1 to 2 are lost, " +
				"and two (ceremony 2 of cluster demo) is one of them"},
	} {
		_, err := history.Of("demo", tc.records...)
		if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := of(
		t,
		b,
		d,
	).Whole(); !errors.Is(err, history.ErrGap) ||
		!strings.Contains(err.Error(), "ceremony 1 of cluster demo") {
		t.Errorf("begins too late: %v", err)
	}
}

func rehearsal2(t *testing.T) []byte {
	return historytest.Begin(t, begin, transcript.Open{Sequence: 2}).Unfinished()
}

// TestSignature: one that does not hold is refused, one that is missing told.
func TestSignature(t *testing.T) {
	c := newCluster(t)
	record, signature := c.first(t)
	signed := func(data, sig []byte) (*history.Record, error) {
		dir := filepath.Join(t.TempDir(), "ceremony")
		historytest.Directory(t, dir, data, sig)
		return history.Read(history.Directory(dir))
	}
	if r, err := signed(record, signature); err != nil || !r.Signed {
		t.Errorf("signed: %v, %v", r, err)
	}
	if r, err := signed(record, nil); err != nil || r.Signed {
		t.Errorf("without a signature: %v, %v", r, err)
	}
	stranger := *c
	stranger.release = historytest.Key(t)
	_, others := stranger.first(t)
	for name, sig := range map[string][]byte{"another key's": others, "empty": {}, "long": make([]byte, 1<<20)} {
		if _, err := signed(record, sig); err == nil || !strings.Contains(err.Error(), "transcript.sig") {
			t.Errorf("%s: %v", name, err)
		}
	}
	cut := record[:bytes.LastIndexByte(record[:len(record)-1], '\n')+1]
	if _, err := signed(cut, signature); err == nil || !strings.Contains(err.Error(), "the ceremony is unfinished") {
		t.Errorf("cut: %v", err)
	}
	altered := bytes.Replace(record, []byte("worker-1"), []byte("worker-2"), 1)
	var broken *transcript.Broken
	if _, err := signed(altered, nil); !errors.As(err, &broken) {
		t.Errorf("altered: %v", err)
	}
}
