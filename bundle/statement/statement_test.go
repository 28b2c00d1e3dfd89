package statement_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/install"
	"officiant/bundle/install/installtest"
	"officiant/bundle/kubepki"
	"officiant/bundle/limittest"
	"officiant/bundle/statement"
)

// installed is a node with its first bundle in place.
func installed(t *testing.T, p *bundletest.PKI, k kubepki.Node) (*bundletest.Node, *install.Node, *bundle.Bundle) {
	t.Helper()
	who := p.NewNode(t, k)
	n, b := installtest.Asked(t, t.TempDir(), who), p.Bundle(t, who, 1)
	_, err := n.Install(b, install.Options{Release: p.Release.Public()})
	must(t, err)
	return who, n, b
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestSigned: a status is its node's own, about one bundle, and every change shows.
func TestSigned(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	for _, k := range []kubepki.Node{bundletest.First(), bundletest.Worker(), bundletest.EtcdOnly()} {
		who, n, b := installed(t, p, k)
		node, data, err := statement.Of(n, statement.Outcome{State: statement.Current}, rand.Reader)
		must(t, err)
		if node != k.Name || !statement.Is(data) {
			t.Errorf("of %q", node)
		}
		s, err := statement.Parse(data)
		must(t, err)
		must(t, s.Check(b))
		if s.Sequence != 1 || !s.Sync.Well() || s.Status.Installed.Node != k.Name {
			t.Errorf("%+v", s.Statement)
		}
		// Another bundle, another node's, one with another certificate for the same key.
		another := p.Bundle(t, p.NewNode(t, bundletest.EtcdOnly()), 1)
		for what, wrong := range map[string]*bundle.Bundle{"later": p.Bundle(t, who, 2), "another node's": another} {
			if err := s.Check(wrong); err == nil {
				t.Errorf("%s: held against %s bundle", k.Name, what)
			}
		}
		if s.SignedFor(p.Bundle(t, who, 2)) == nil {
			t.Error("another certificate is taken for the signer's")
		}
		for at, want := range map[time.Duration]bool{0: false, -2 * time.Hour: true, 8 * 24 * time.Hour: true} {
			if s.Old(bundletest.Now.Add(at), statement.Life) != want {
				t.Errorf("at %s old is %t", at, !want)
			}
		}
	}
}

func TestTampered(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	_, n, _ := installed(t, p, bundletest.Worker())
	_, data, err := statement.Of(n, statement.Outcome{State: statement.RolledBack, Reason: "sick"}, rand.Reader)
	must(t, err)
	var e map[string]any
	must(t, json.Unmarshal(data, &e))
	text := e["statement"].(string)
	_, other, _ := installed(t, bundletest.New(t, bundletest.Cluster()), bundletest.Worker())
	_, foreign, err := statement.Of(other, statement.Outcome{}, rand.Reader)
	must(t, err)
	var f map[string]any
	must(t, json.Unmarshal(foreign, &f))
	for field, values := range map[string][]any{
		"statement": {strings.Replace(text, "rolled-back", "current", 1), text + " ", "",
			strings.Replace(text, `"sequence":1`, `"sequence":2`, 1)},
		"signature":   {f["signature"], ""},
		"certificate": {f["certificate"], "", e["certificate"].(string) + f["certificate"].(string)},
		"kind":        {"NodeStatus"}, "apiVersion": {"v2"}, "more": {1},
	} {
		for i, value := range values {
			before, had := e[field]
			e[field] = value
			changed, err := json.Marshal(e)
			must(t, err)
			if _, err := statement.Parse(changed); err == nil {
				t.Errorf("%s %d: taken", field, i)
			}
			if e[field] = before; !had {
				delete(e, field)
			}
		}
	}
	if _, err := statement.Parse(append(data, data...)); err == nil {
		t.Error("two are taken for one")
	}
	if _, err := statement.Parse(make([]byte, statement.MaxBytes+1)); err == nil {
		t.Error("one that is too long is taken")
	}
}

// FuzzParse: whatever lies where statuses are, reading it ends.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"kind":"SignedNodeStatus"}`))
	f.Add(
		[]byte(
			fmt.Sprintf(
				`{"apiVersion":"officiant/v1","kind":"SignedNodeStatus","statement":%q,"certificate":"","signature":""}`,
				"{}",
			),
		),
	)
	f.Fuzz(func(t *testing.T, data []byte) {
		defer limittest.Budget(t)()
		if s, err := statement.Parse(data); err == nil && s.Status == nil {
			t.Error("taken without a status")
		}
	})
}
