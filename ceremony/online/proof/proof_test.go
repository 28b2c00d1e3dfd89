package proof_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/ceremony/chain"
	"officiant/ceremony/online"
	"officiant/ceremony/online/grant"
	"officiant/ceremony/online/journal"
	"officiant/ceremony/online/onlinetest"
	"officiant/ceremony/online/proof"
	"officiant/signer"
)

// keys are in memory.
type keys struct{ w *onlinetest.World }

func (k keys) Key(_ context.Context, name string) (signer.Key, error) {
	return map[string]*onlinetest.Key{"kubelet-client": k.w.Client, "kubelet-serving": k.w.Server,
		"journal": k.w.Journal}[name], nil
}
func (keys) Lost(error)   {}
func (keys) Close() error { return nil }

// written is a journal of a client certificate and two serving certificates.
func written(t *testing.T, w *onlinetest.World) []byte {
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	service := online.New(online.Config{Grant: onlinetest.Parse(t, w.Grant), Keys: keys{w}, Disk: &durable.Disk{},
		Journal: path, Rand: rand.Reader, Now: func() time.Time { return onlinetest.Start.Add(time.Hour) }})
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	a := service.Ask(ctx, onlinetest.ClientRequest(t, "worker-2", onlinetest.NewKey(t, "k")))
	b := service.Ask(ctx, onlinetest.ServerRequest(t, "worker-1", onlinetest.NewKey(t, "k"), []string{"worker-1"}))
	again := service.Ask(ctx, onlinetest.ServerRequest(t, "worker-1", onlinetest.NewKey(t, "k"), []string{"worker-1"}))
	end()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	for _, answer := range []online.Answer{a, b, again} {
		if answer.State != online.Signed {
			t.Fatalf("%+v", answer)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestOutsideTheGrant holds a journal against grants that would not have allowed it: each
// finding is made once.
func TestOutsideTheGrant(t *testing.T) {
	w := onlinetest.New(t)
	digest := onlinetest.Parse(t, w.Grant).Digest()
	data := written(t, w)
	check := func(g *grant.Grant, kept *proof.Head) *proof.Verdict {
		t.Helper()
		var heads []proof.Head
		if kept != nil {
			heads = append(heads, *kept)
		}
		v, err := proof.Check("journal.jsonl", bytes.NewReader(data),
			proof.Against{Grants: map[fingerprint.SHA256]*grant.Grant{digest: onlinetest.Parse(t, g)}, Kept: heads})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	v := check(w.Grant, nil)
	if len(v.Findings) > 0 || v.Certificates != 3 || v.Cluster != "demo" || v.SignedTo != v.Lines-1 {
		t.Fatalf("%+v", v)
	}
	if v := check(w.Grant, &v.Head); len(v.Findings) > 0 {
		t.Errorf("its own head: %v", v.Findings)
	}
	for want, head := range map[string]proof.Head{"were cut": {Seq: v.Lines + 1}, "another line than": {Seq: v.Lines}} {
		if v := check(w.Grant, &head); len(v.Findings) != 1 || !strings.Contains(v.Findings[0].String(), want) {
			t.Errorf("%s: %v", want, v.Findings)
		}
	}
	for want, change := range map[string]func(g *grant.Grant){
		"no such node":           func(g *grant.Grant) { g.Nodes = g.Nodes[:1] },
		"its names are":          func(g *grant.Grant) { g.Nodes[0].DNSNames = nil },
		"its names are [\"work":  func(g *grant.Grant) { g.Nodes[0].IPAddresses[0] = netip.MustParseAddr("10.0.0.99") },
		"lives longer than":      func(g *grant.Grant) { g.Authorities[0].Life = "1h0m0s" },
		"no kind that the grant": func(g *grant.Grant) { g.KeyAlgorithms = []signer.Algorithm{signer.RSA3072} },
		"no authority":           func(g *grant.Grant) { g.Authorities = g.Authorities[1:] },
		"did not hold":           func(g *grant.Grant) { g.NotBefore = g.NotBefore.Add(2 * time.Hour) },
		"another sequence":       func(g *grant.Grant) { g.Sequence = 2 },
		"as many as the grant":   func(g *grant.Grant) { g.Nodes[0].SignaturesPerDay = 1 },
		"another journal key":    func(g *grant.Grant) { g.JournalKey[0]++ },
		"not signed by": func(g *grant.Grant) {
			other := onlinetest.Certify(t, onlinetest.NewKey(t, "k"), "kubelet-client", x509.ExtKeyUsageClientAuth,
				onlinetest.Start, g.NotAfter)
			g.Authorities[0].Certificate = onlinetest.PEM(other)
		},
	} {
		g := onlinetest.Grant(t, onlinetest.Start, w.Client, w.Server, w.Journal)
		g.Authorities = append([]grant.Authority{}, w.Grant.Authorities...)
		change(g)
		v := check(g, nil)
		if len(v.Findings) == 0 || !strings.Contains(v.Findings[0].String(), want) {
			t.Errorf("%s: %v", want, v.Findings)
		}
	}
	v, err := proof.Check("journal.jsonl", bytes.NewReader(data), proof.Against{})
	if err != nil || len(v.Findings) != 1 || !strings.Contains(v.Findings[0].Problem, "no signed grant") {
		t.Errorf("without a grant: %v, %v", v, err)
	}
}

// forged changes the record of one line, and has all lines after it follow from it.
func forged(t *testing.T, data []byte, n int, change func(chain.Record) chain.Record) []byte {
	var out []byte
	var before fingerprint.SHA256
	for i, raw := range bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n")) {
		l, err := journal.Records.Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		if l.Prev = before; i == n-1 {
			l.Record = change(l.Record)
		}
		again, err := chain.Encode(l)
		if err != nil {
			t.Fatal(err)
		}
		out, before = append(out, again...), fingerprint.Of(again)
	}
	return out
}

// TestForged: who writes the whole chain anew is found at the line that is not the signer's.
func TestForged(t *testing.T) {
	w := onlinetest.New(t)
	data := written(t, w)
	lines := map[chain.Type][]int{}
	var certificates [][]byte
	for i, raw := range bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n")) {
		l, err := journal.Records.Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		lines[l.Record.Type()] = append(lines[l.Record.Type()], i+1)
		if r, ok := l.Record.(journal.Issued); ok {
			certificates = append(certificates, r.Certificate)
		}
	}
	intent := func(change func(*journal.Intent)) func(chain.Record) chain.Record {
		return func(r chain.Record) chain.Record {
			in := r.(journal.Intent)
			change(&in)
			return in
		}
	}
	var first journal.Intent
	last := lines["intent"][2]
	forged(t, data, lines["intent"][0], intent(func(in *journal.Intent) { first = *in }))
	for want, c := range map[string]struct {
		line   int
		change func(chain.Record) chain.Record
	}{
		"open: it is": {1, func(r chain.Record) chain.Record {
			o := r.(journal.Open)
			o.Format = "officiant-journal/v2"
			return o
		}},
		"no other, is of type open":        {2, func(chain.Record) chain.Record { return journal.Open{} }},
		"its head is not the line before":  {2, func(chain.Record) chain.Record { return journal.Resumed{} }},
		"grant: sequence 0":                {2, func(chain.Record) chain.Record { return journal.Grant{} }},
		"intent: no TBSCertificate":        {last, intent(func(in *journal.Intent) { in.TBS = nil })},
		"comes twice":                      {last, intent(func(in *journal.Intent) { in.TBS = first.TBS })},
		"its key is that of a certificate": {last, intent(func(in *journal.Intent) { in.SPKI = first.SPKI })},
		"the same request":                 {last, intent(func(in *journal.Intent) { in.Content = first.Content })},
		"it is not what line": {lines["issued"][2], func(r chain.Record) chain.Record {
			i := r.(journal.Issued)
			i.Certificate = certificates[0]
			return i
		}},
		"no intent that waits": {lines["issued"][2], func(r chain.Record) chain.Record {
			i := r.(journal.Issued)
			i.Intent = lines["intent"][0]
			return i
		}},
		"abandoned: there is no reason": {lines["issued"][2], func(chain.Record) chain.Record {
			return journal.Abandoned{Intent: last}
		}},
		"the journal key did not sign": {lines["head"][0], func(r chain.Record) chain.Record {
			h := r.(journal.Head)
			h.Signature[9] ^= 1
			return h
		}},
		"not about the line before": {lines["head"][0], func(r chain.Record) chain.Record {
			h := r.(journal.Head)
			h.Seq--
			return h
		}},
	} {
		_, err := proof.Check("journal.jsonl", bytes.NewReader(forged(t, data, c.line, c.change)), proof.Against{})
		broken := (*journal.Broken)(nil)
		if !errors.As(err, &broken) || broken.Line != c.line || !strings.Contains(broken.Reason, want) {
			t.Errorf("%s: %v, want line %d", want, err, c.line)
		}
	}
}
