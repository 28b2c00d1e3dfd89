package audit

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"officiant/bundle/durable"
	"officiant/bundle/kubepki"
	"officiant/ceremony/history"
	"officiant/ceremony/history/historytest"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

// TestKeeps shows that the audit judges what is carried over by itself; the
// plan would have refused all of these before.
func TestKeeps(t *testing.T) {
	now := time.Now()
	ca := func(cn string) (*x509.Certificate, *ecdsa.PrivateKey) {
		key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
		c := &x509.Certificate{
			SerialNumber:          big.NewInt(1),
			Subject:               pkix.Name{CommonName: cn},
			NotAfter:              now.AddDate(9, 0, 0),
			IsCA:                  true,
			BasicConstraintsValid: true,
			KeyUsage:              x509.KeyUsageCertSign,
		}
		return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)))), key
	}
	good, goodKey := ca("kubernetes")
	other, otherKey := ca("kubernetes")
	leaf := func(by *x509.Certificate, key *ecdsa.PrivateKey, end time.Time) *x509.Certificate {
		c := &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: end}
		return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, c, by, key.Public(), key))))
	}
	a := &keptAudit{view: &view{
		t: newRecord(&transcript.Transcript{
			Lines: []transcript.Line{{Record: transcript.Open{NotBefore: now}}},
		}),
		ledger: &ledger{},
		plan: &schedule.Ceremony{
			Plan:         &plan.Plan{Authorities: []plan.Authority{{Name: "kubernetes", Family: kubepki.KubernetesAuthority}}},
			Certificates: map[string]*x509.Certificate{"kubernetes": good},
		},
	}}
	of := kubepki.Leaf{Authority: kubepki.KubernetesAuthority}
	if p := a.keeps(leaf(good, goodKey, now.Add(time.Hour)), of); len(p) > 0 {
		t.Errorf("refused: %q", p)
	}
	for says, p := range map[string][]string{
		"the present kubernetes authority did not sign it": a.keeps(leaf(other, otherKey, now.Add(time.Hour)), of),
		"it ended at": a.keeps(leaf(good, goodKey, now.Add(-time.Hour)), of),
		"its authority has no certificate": a.keeps(leaf(good, goodKey, now.Add(time.Hour)),
			kubepki.Leaf{Authority: kubepki.EtcdAuthority}),
	} {
		if len(p) != 1 || !strings.Contains(p[0], says) {
			t.Errorf("%q, want %q", p, says)
		}
	}
}

// TestCarriedOver shows that what a node keeps has to be on a previous record, for
// the key in its request.
func TestCarriedOver(t *testing.T) {
	ask := func(key *ecdsa.PrivateKey) []byte { return must(x509.MarshalPKIXPublicKey(key.Public())) }
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	c := &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour)}
	issued := must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, c, c, key.Public(), key))))
	record := func(certs ...*x509.Certificate) *history.Record {
		r := historytest.Begin(t, time.Now(), transcript.Open{Cluster: "demo", Name: "demo-1", Sequence: 1})
		for _, c := range certs {
			r.Issue("w/kubelet.conf", "kubernetes", c)
		}
		return must(history.Read(history.Text("former", r.Unfinished())))
	}
	look := func(former *history.Record, asked *ecdsa.PrivateKey) string {
		node := kubepki.Node{Name: "w", Roles: []kubepki.Role{kubepki.Worker}}
		a := &keptAudit{view: &view{
			plan: &schedule.Ceremony{
				Plan: &plan.Plan{Nodes: []plan.Node{{Name: "w", Renew: []string{"kubelet.conf"}}}},
				Cluster: kubepki.Cluster{
					Name:                 "demo",
					KubernetesVersion:    kubepki.Newest(),
					ControlPlaneEndpoint: "api.example:6443",
				},
				Nodes:    []kubepki.Node{node},
				Entries:  []schedule.Entry{{Leaf: &kubepki.Leaf{Name: "kubelet.conf"}}},
				Requests: map[string]*schedule.Request{"w": {Keys: []schedule.Key{{Name: "kubelet.conf", SPKI: ask(asked)}}}},
			},
			t: newRecord(&transcript.Transcript{
				Lines: []transcript.Line{{Seq: 1, Record: transcript.Open{Sequence: 2}}},
			}),
			ledger: &ledger{},
			past:   &past{own: []*history.Record{former}},
			nodes:  nodeLines{map[string]int32{"w": 1}, []nodeLine{{}, {line: 1}}},
		}}
		var c Check
		a.carriedOver(&c)
		return strings.Join(c.Problems, "\n")
	}
	if got := look(record(issued), key); got != "" {
		t.Errorf("refused: %s", got)
	}
	if got := look(
		record(),
		key,
	); !strings.Contains(
		got,
		"w/kubelet.conf: renewed or carried over, and no previous record has it",
	) {
		t.Errorf("on no record: %q", got)
	}
	if got := look(
		record(issued),
		must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)),
	); !strings.Contains(
		got,
		"w/kubelet.conf: the key in its request is not that of its certificate on record",
	) {
		t.Errorf("another key: %q", got)
	}
}

// TestPassedOnLate shows that nothing is passed on after issuing was closed.
func TestPassedOnLate(t *testing.T) {
	for seq, late := range map[int]bool{7: false, 9: true} {
		a := &orderAudit{view: &view{ledger: &ledger{
			closings: []transcript.Line{{Seq: 8, Record: transcript.IssuingClosed{}}},
			shared:   []sharedLine{{seq, transcript.Shared{File: "sa.key.age"}}},
		}}}
		var c Check
		a.closingFirst(&c)
		if got := strings.Contains(
			strings.Join(c.Problems, "\n"),
			"sa.key.age was passed on after issuing was closed",
		); got != late {
			t.Errorf("line %d: %q", seq, c.Problems)
		}
	}
}

// TestEarlier shows that the audit follows the chain of earlier records by
// itself: each is the finished one that the next names, and no rehearsal.
func TestEarlier(t *testing.T) {
	record := func(o transcript.Open, more ...transcript.Record) *history.Record {
		o.Cluster, o.Name, o.NotBefore = "demo", "x", time.Now().UTC().Truncate(time.Second)
		file := filepath.Join(t.TempDir(), "t.jsonl")
		w := must(transcript.Create(&durable.Disk{}, file, time.Now, o))
		must(w.AppendSync(0, more...))
		return must(history.Read(history.Text("first.jsonl", must(os.ReadFile(file)))))
	}
	for name, c := range map[string]struct {
		open  transcript.Open
		more  []transcript.Record
		names int // sequence that the next one says
		want  string
	}{
		"as it is": {transcript.Open{Sequence: 1}, []transcript.Record{transcript.Closed{}}, 1, ""},
		"another": {transcript.Open{Sequence: 1}, []transcript.Record{transcript.Closed{}}, 0,
			"is not the finished ceremony that ceremony 2 of demo continues"},
		"unfinished": {transcript.Open{Sequence: 1}, []transcript.Record{transcript.Note{}}, 1,
			"is not the finished ceremony"},
		"a rehearsal": {transcript.Open{Sequence: 1, Rehearsal: true}, []transcript.Record{transcript.Closed{}}, 1,
			"is not the finished ceremony"},
	} {
		first := record(c.open, c.more...)
		next := transcript.Open{Sequence: 2}
		if c.names > 0 {
			next.Predecessors = []transcript.Predecessor{{Cluster: "demo", Sequence: c.names, Head: first.Head}}
		}
		second := record(next, transcript.Closed{})
		a := &chainAudit{
			view:    &view{past: &past{records: map[string]*history.Record{"first.jsonl": first}}},
			serials: map[history.Serial]*history.Record{},
		}
		var check Check
		a.earlier(&check, plan.Predecessor{Cluster: "demo", Earlier: []string{"first.jsonl"}}, second)
		if got := strings.Join(check.Problems, "\n"); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}
