package audit_test

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/audit"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

const secondPlan = `apiVersion: officiant/v1
kind: Plan
name: demo-2
cluster:
  name: demo
  kubernetesVersion: %s
  controlPlaneEndpoint: api.demo.test:6443
previous:
  - {cluster: demo, sequence: 1, head: %s, transcript: before/transcript.jsonl}
authorities:
  - {name: root, certificate: before/root.crt}
  - {name: kubernetes, certificate: before/kubernetes.crt, key: {existing: %s}, evidence: software}
  - {name: etcd, certificate: before/etcd.crt, key: {existing: %s}, evidence: software}
  - {name: front-proxy, certificate: before/front-proxy.crt, key: {existing: %s}, evidence: software}
release: {key: {existing: %s}, public: before/release.pub, evidence: software}
serviceAccount: {sealed: before/sa.key.age, public: before/sa.pub}
nodes:
%s`

// next carries out a second ceremony of the same keys and requests.
func (s *scene) next(t testing.TB) *scene { return s.nextWith(t, "") }

// nextWith is next with people in the plan, approved by some.
func (s *scene) nextWith(t testing.TB, people string, by ...string) *scene {
	t.Helper()
	_, nodes, _ := strings.Cut(string(s.read("plan.yaml")), "nodes:\n")
	nodes, _, _ = strings.Cut(nodes, "approvals:")
	return s.nextFor(t, nodes+people, by...)
}

// nextFor carries out a second ceremony for these nodes.
func (s *scene) nextFor(t testing.TB, nodes string, by ...string) *scene {
	t.Helper()
	s.writeNext(t, nodes, by...)
	n := &scene{dir: filepath.Join(t.TempDir(), "ceremony"), safe: s.safe, fixture: s.fixture}
	n.run(t)
	return n
}

// writeNext writes the plan of a second ceremony, and what it takes from this one.
func (s *scene) writeNext(t testing.TB, nodes string, by ...string) {
	t.Helper()
	for to, from := range map[string]string{
		"transcript.jsonl": "transcript.jsonl", "release.pub": "release.pub", "sa.key.age": "secrets/sa.key.age", "sa.pub": "bundles/cp-1/pki/sa.pub",
		"root.crt": "authorities/root.crt", "kubernetes.crt": "authorities/kubernetes.crt", "etcd.crt": "authorities/etcd.crt", "front-proxy.crt": "authorities/front-proxy.crt",
	} {
		path := filepath.Join(s.fixture.Folder, "before", to)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, s.read(from), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	spki := func(name string) fingerprint.SHA256 { return must(fingerprint.SPKI(s.key(name).Public())) }
	first := must(schedule.OpenFS(os.DirFS(s.dir), "plan.yaml", schedule.Options{Now: time.Now()}))
	text := fmt.Sprintf(secondPlan, first.Cluster.KubernetesVersion, s.result.Head,
		spki("kubernetes"), spki("etcd"), spki("front-proxy"), spki("release"), nodes)
	if !strings.Contains(nodes, "control-plane") {
		text = strings.Replace(text, "serviceAccount: {sealed: before/sa.key.age, public: before/sa.pub}\n", "", 1)
	}
	if s.edit != nil {
		text = s.edit(text)
	}
	if err := os.WriteFile(s.fixture.PlanFile, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s.fixture.Unapprove(t)
	s.fixture.Approve(t, by...)
}

func TestSecondCeremony(t *testing.T) {
	one := perform(t)
	two := one.next(t)
	options := func() audit.Options {
		return audit.Options{Now: time.Now(), Root: &one.result.Root, ReleaseKey: one.key("release").Public(), Previous: []string{one.dir}}
	}
	r := two.auditWith(t, options())
	for _, f := range r.Findings() {
		t.Error(f)
	}
	if r.Sequence != 2 || r.Verdict() != audit.Verified {
		t.Errorf("sequence %d, verdict %q", r.Sequence, r.Verdict())
	}
	t.Run("a former directory that was touched", func(t *testing.T) {
		spoilt := one.copy(t)
		spoilt.write(t, "bundles/cp-1/pki/ca.crt", []byte("x"))
		o := options()
		o.Previous = []string{spoilt.dir}
		wantFinding(t, two.auditWith(t, o), spoilt.dir, "bundles/cp-1", "pki/ca.crt")
	})
	t.Run("a directory of something else", func(t *testing.T) {
		o := options()
		o.Previous = []string{perform(t).dir}
		wantFinding(t, two.auditWith(t, o), "no ceremony here continues it")
	})
	t.Run("no directory", func(t *testing.T) {
		o := options()
		o.Previous = []string{filepath.Join(t.TempDir(), "absent")}
		wantFinding(t, two.auditWith(t, o), "absent")
	})
	t.Run("a predecessor that is another", func(t *testing.T) {
		s := two.copy(t)
		other := perform(t)
		s.write(t, "before/transcript.jsonl", other.read("transcript.jsonl"))
		wantFinding(t, s.audit(t), "before/transcript.jsonl")
	})
	for what, c := range map[string]struct {
		forge func(f *forger)
		says  string
	}{
		"a begin before the predecessor's end": {func(f *forger) {
			for _, a := range f.acts {
				a.at = a.at.Add(-time.Hour)
			}
		}, "after this ceremony began"},
		"a predecessor left out": {func(f *forger) {
			change(f, func(r *transcript.Open) bool { r.Predecessors = []transcript.Predecessor{}; return true })
		}, "names other predecessors than plan.yaml"},
		"the first of its chain again": {func(f *forger) {
			change(f, func(r *transcript.Open) bool { r.Sequence = 1; return true })
		}, "sequence is 1, after its predecessors it has to be 2"},
		"a serial number of the predecessor": {func(f *forger) {
			record := must(transcript.Read("x", one.read("transcript.jsonl")))
			serial := record.Serials()[5]
			f.certificates(one, "cp-1/admin.conf", serial)
		}, "was used before, by ceremony 1 of demo"},
		"a key that is made although it exists": {func(f *forger) {
			change(f, func(k *transcript.Key) bool { k.Made = true; return k.Name == "etcd" })
			k, r := first(f, func(k transcript.Key) bool { return k.Name == "etcd" })
			f.insert(k, transcript.KeyIntent{Name: "etcd", Label: "demo/etcd", Algorithm: r.Algorithm, ID: r.ID})
		}, "the etcd key: was made; the plan names an existing one"},
	} {
		t.Run(what, func(t *testing.T) {
			f := two.forge(t)
			c.forge(f)
			if err := f.write(); err != nil {
				t.Fatal(err)
			}
			wantFinding(t, f.auditWith(t, audit.Options{Now: time.Now(), ReleaseKey: f.release.Public()}), c.says)
		})
	}
}

// certificates reissues a leaf of kubernetes with a given serial number.
func (f *forger) certificates(one *scene, name string, serial *big.Int) {
	block, _ := pem.Decode(one.read("authorities/kubernetes.crt"))
	parent := must(x509.ParseCertificate(block.Bytes))
	intent, record := first(f, named(name))
	issued := f.result(intent)
	template := must(x509.ParseCertificate(issuedDER(f, intent)))
	template.SerialNumber = serial
	der := must(x509.CreateCertificate(rand.Reader, template, parent, template.PublicKey, f.key("kubernetes")))
	record.TBS = must(x509.ParseCertificate(der)).RawTBSCertificate
	intent.record, issued.record = record, transcript.Issued{Certificate: der}
}
