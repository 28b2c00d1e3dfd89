package audit_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle"
	"officiant/ceremony/audit"
	"officiant/ceremony/transcript"
)

const renewedNode = `  - name: cp-1
    roles: [control-plane, etcd]
    address: 10.0.0.11
    first: true
    request: requests/cp-1.req
    renew: [kubelet.conf, etcd/peer]
`

// TestRenewal looks at a ceremony that makes two certificates of a node anew:
// the bundle is whole, what did not change is the same byte for byte, and only
// the keys that signed were opened.
func TestRenewal(t *testing.T) {
	one := perform(t)
	two := one.nextFor(t, renewedNode)
	r := two.auditWith(t, audit.Options{Now: time.Now(), Root: &one.result.Root, ReleaseKey: one.key("release").Public(), Previous: []string{one.dir}})
	for _, f := range r.Findings() {
		t.Error(f)
	}
	if r.Verdict() != audit.Verified || r.Sequence != 2 {
		t.Errorf("%s, sequence %d", r.Verdict(), r.Sequence)
	}
	told := slices.ContainsFunc(r.Checks, func(c audit.Check) bool {
		return strings.HasPrefix(c.Detail, "2 certificates, ") && strings.HasSuffix(c.Detail, " carried over")
	})
	if !told {
		t.Errorf("nobody is told what was carried over: %+v", r.Checks)
	}
	before, after := must(bundle.Open(one.path("bundles/cp-1"))), must(bundle.Open(two.path("bundles/cp-1")))
	var changed []string
	for path := range after.Files {
		if !bytes.Equal(before.Files[path], after.Files[path]) {
			changed = append(changed, path)
		}
	}
	slices.Sort(changed)
	if want := []string{bundle.VerifyFile, "kubelet.conf", "pki/etcd/peer.crt"}; !slices.Equal(changed, want) {
		t.Errorf("changed %q, not %q", changed, want)
	}
	if len(before.Files) != len(after.Files) {
		t.Errorf("%d files, %d before", len(after.Files), len(before.Files))
	}
	var opened []string
	for _, l := range must(transcript.Read("x", two.read("transcript.jsonl"))).Lines {
		if k, ok := l.Record.(transcript.Key); ok {
			opened = append(opened, k.Name)
		}
	}
	slices.Sort(opened)
	if !slices.Equal(opened, []string{"etcd", "kubernetes", "release"}) {
		t.Errorf("opened %q", opened)
	}
}

// TestForgedRenewal swaps what is carried over, by one who has every key.
func TestForgedRenewal(t *testing.T) {
	one := perform(t)
	two := one.nextFor(t, renewedNode)
	if f := two.forge(t); f.write() != nil || len(f.audit(t).Findings()) > 0 {
		t.Fatalf("the forger alone: %q", f.audit(t).Findings())
	}
	// twin says the same as a carried certificate, and was never recorded.
	twin := func(f *forger, by string, c *x509.Certificate) *x509.Certificate {
		template := *c
		template.SerialNumber = must(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)))
		template.SignatureAlgorithm = 0
		der := must(x509.CreateCertificate(rand.Reader, &template, f.plan.Certificates[by], c.PublicKey, f.key(by)))
		return must(x509.ParseCertificate(der))
	}
	for what, tt := range map[string]struct {
		forge func(f *forger)
		says  []string
	}{
		"a twin that is on no record": {func(f *forger) {
			f.parts = func(_ *bundle.Header, p *bundle.Parts) {
				p.Leaves["admin.conf"] = twin(f, "kubernetes", p.Leaves["admin.conf"])
			}
		}, []string{"bundles/cp-1", "admin.conf: holds a certificate", "was not issued for this node"}},
		"the one before the renewal": {func(f *forger) {
			record := must(transcript.Read("x", one.read("transcript.jsonl")))
			f.parts = func(_ *bundle.Header, p *bundle.Parts) {
				for _, c := range record.Certificates() {
					if c.Name == "cp-1/kubelet.conf" {
						p.Leaves["kubelet.conf"] = c.Certificate
					}
				}
			}
		}, []string{"bundles/cp-1", "kubelet.conf: does not hold the certificate issued as cp-1/kubelet.conf"}},
	} {
		t.Run(what, func(t *testing.T) {
			f := two.forge(t)
			tt.forge(f)
			if err := f.write(); err != nil {
				t.Fatal(err)
			}
			wantFinding(t, f.audit(t), tt.says...)
		})
	}
}

// TestEarlierRecords looks at a ceremony whose nodes have certificates of the
// ceremony before the last.
func TestEarlierRecords(t *testing.T) {
	one := perform(t)
	two := one.nextFor(t, "  - {name: worker-1, roles: [worker], request: requests/worker-1.req, renew: [kubelet.conf]}\n")
	folder := two.fixture.Folder
	write := &scene{dir: folder}
	write.write(t, "before/second.jsonl", two.read("transcript.jsonl"))
	text := string(two.read("plan.yaml"))
	from := must(transcript.Read("x", two.read("transcript.jsonl")))
	text = strings.Replace(text, "name: demo-2", "name: demo-3", 1)
	text = strings.Replace(text, "sequence: 1, head: "+one.result.Head.String()+", transcript: before/transcript.jsonl",
		"sequence: 2, head: "+from.Head().String()+", transcript: before/second.jsonl, earlier: [before/transcript.jsonl]", 1)
	text, _, _ = strings.Cut(text, "nodes:\n")
	text += "serviceAccount: {sealed: before/sa.key.age, public: before/sa.pub}\nnodes:\n" + renewedNode
	write.write(t, "plan.yaml", []byte(text))
	three := &scene{dir: t.TempDir() + "/ceremony", safe: one.safe, fixture: one.fixture}
	three.run(t)
	for _, f := range three.audit(t).Findings() {
		t.Error(f)
	}
	if three.audit(t).Sequence != 3 {
		t.Errorf("sequence %d", three.audit(t).Sequence)
	}
	// Another first ceremony has no place in the chain.
	spoilt := three.copy(t)
	spoilt.write(t, "before/transcript.jsonl", perform(t).read("transcript.jsonl"))
	wantFinding(t, spoilt.audit(t), "before/transcript.jsonl", "is not the one ceremony 2 continues")
}
