package audit_test

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony"
	"officiant/ceremony/audit"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

// adoptNode carries out the first ceremony of a running cluster.
func adoptNode(t *testing.T, r *ceremonytest.Running) *scene {
	t.Helper()
	s := &scene{fixture: r.Adopting(t, 1, nil), safe: newSafe(), dir: filepath.Join(t.TempDir(), "ceremony")}
	s.fixture.Tokens(t)
	s.run(t)
	return s
}

const stagePlan = `apiVersion: officiant/v1
kind: Plan
name: demo-%d
cluster:
  name: demo
  kubernetesVersion: %s
  controlPlaneEndpoint: api.demo.test:6443
previous:
  - {cluster: demo, sequence: %d, head: %s, transcript: before/%d.jsonl%s}
authorities:
  - {name: root, certificate: before/root.crt, evidence: software}
%srelease: {key: {existing: %q}, public: before/release.pub, evidence: software}
serviceAccount: {sealed: adopted/cp-1.sa.key.age, public: adopted/sa.pub}
nodes:
  - {name: cp-1, roles: [control-plane, etcd], address: 10.0.0.11, first: true, request: requests/cp-1.req, renew: %s}
  - {name: worker-1, roles: [worker], request: requests/worker-1.req, renew: %s}
`

// stage carries out the next ceremony: with the former authorities trusted still
// (issue), or gone (drop).
func (s *scene) stage(t *testing.T, sequence int, former bool, renew func(node string) []string) (*scene, error) {
	t.Helper()
	put := func(to, from string) {
		path := filepath.Join(s.fixture.Folder, "before", to)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, s.read(from), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put(fmt.Sprintf("%d.jsonl", sequence-1), "transcript.jsonl")
	put("release.pub", "release.pub")
	earlier := ""
	if sequence > 2 {
		var files []string
		for i := sequence - 2; i > 0; i-- {
			files = append(files, fmt.Sprintf("before/%d.jsonl", i))
		}
		earlier = fmt.Sprintf(", earlier: [%s]", strings.Join(files, ", "))
	}
	put("root.crt", "authorities/root.crt")
	var authorities strings.Builder
	for _, f := range []string{"kubernetes", "etcd", "front-proxy"} {
		put(f+".crt", "authorities/"+f+".crt")
		fmt.Fprintf(&authorities, "  - {name: %s, certificate: before/%s.crt, key: {existing: %q}, evidence: software}\n", f, f, must(fingerprint.SPKI(s.key(f).Public())))
		if former {
			fmt.Fprintf(&authorities, "  - {name: %s-former, family: %s, adopted: true, use: trust, certificate: adopted/%s.crt}\n", f, f, f)
		}
	}
	list := func(node string) string { return "[" + strings.Join(renew(node), ", ") + "]" }
	text := fmt.Sprintf(stagePlan, sequence, kubepki.Newest(), sequence-1, s.result.Head, sequence-1, earlier,
		authorities.String(), must(fingerprint.SPKI(s.key("release").Public())), list("cp-1"), list("worker-1"))
	if err := os.WriteFile(s.fixture.PlanFile, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := schedule.Open(s.fixture.PlanFile, schedule.Options{Now: time.Now()}); err != nil {
		return nil, err
	}
	n := &scene{dir: filepath.Join(t.TempDir(), "ceremony"), safe: s.safe, fixture: s.fixture}
	cfg := n.fixture.Config(t, n.dir)
	cfg.Open = n.safe.open
	var err error
	n.result, err = ceremony.Run(context.Background(), cfg)
	return n, err
}

func every(f *ceremonytest.Fixture) func(node string) []string {
	return func(node string) []string {
		var names []string
		for name := range f.Keys[node] {
			names = append(names, name)
		}
		return names
	}
}

// TestAdoptedInStages audits the three ceremonies that adopt a cluster, and that the
// authorities it had do not come back.
func TestAdoptedInStages(t *testing.T) {
	r := ceremonytest.NewRunning(t)
	one := adoptNode(t, r)
	two, err := one.stage(t, 2, true, every(one.fixture))
	if err != nil {
		t.Fatal(err)
	}
	three, err := two.stage(t, 3, false, func(string) []string { return nil })
	if err != nil {
		t.Fatal(err)
	}
	previous := []string{}
	for i, s := range []*scene{one, two, three} {
		report := s.auditWith(t, audit.Options{Now: time.Now(), Root: &one.result.Root, ReleaseKey: one.key("release").Public(), Previous: previous})
		if report.Verdict() != audit.Verified {
			t.Errorf("ceremony %d: %q", i+1, report.Findings())
		}
		previous = []string{s.dir}
		facts := must(must(bundle.Open(s.path("bundles/cp-1"))).Facts())
		if want := []int{3, 3, 0}[i]; len(facts.Adopted) != want {
			t.Errorf("ceremony %d: %d authorities are adopted, want %d", i+1, len(facts.Adopted), want)
		}
	}
	if _, err := three.stage(t, 4, true, func(string) []string { return nil }); err == nil || !strings.Contains(err.Error(), "the last ceremony did not adopt it, or dropped it") {
		t.Errorf("the former authorities come back: %v", err)
	}
	// The plan's own refusal taken away, the audit says it.
	four, err := three.stage(t, 4, false, func(string) []string { return nil })
	if err != nil {
		t.Fatal(err)
	}
	c := must(schedule.OpenFS(os.DirFS(four.dir), "plan.yaml", schedule.Options{Now: time.Now()}))
	record := must(transcript.Read("t", four.read("transcript.jsonl")))
	c.Plan.Authorities = append(c.Plan.Authorities, plan.Authority{Name: "etcd-former", Family: kubepki.EtcdAuthority, Use: plan.Trust, Adopted: true})
	c.Certificates["etcd-former"] = r.Authorities[kubepki.EtcdAuthority]
	wantProblem(t, "still there after the last stage", audit.TakenOver(record, c),
		"the ceremony before did not adopt it, or dropped it")
}

func wantProblem(t *testing.T, what string, problems []string, says string) {
	t.Helper()
	for _, p := range problems {
		if strings.Contains(p, says) {
			return
		}
	}
	t.Errorf("%s: no finding %q: %q", what, says, problems)
}

// TestForgedAdoption changes what the first record took over, by one who has
// every key, and what plan and requests say, by one whom the plan's checks let pass.
func TestForgedAdoption(t *testing.T) {
	r, other := ceremonytest.NewRunning(t), ceremonytest.NewRunning(t)
	one := adoptNode(t, r)
	for what, tt := range map[string]struct {
		change func(*transcript.Adopted) bool
		says   string
	}{
		"another authority": {func(a *transcript.Adopted) bool {
			a.Certificate = other.Authorities[kubepki.EtcdAuthority].Raw
			return a.Name == "etcd-former"
		}, "the certificate of etcd-former is another than the plan's"},
		"another leaf": {func(a *transcript.Adopted) bool {
			a.Certificate = twinOf(t, r, a.Certificate)
			return a.Name == "cp-1/apiserver"
		}, "the certificate of cp-1/apiserver is another than the plan's"},
		"another name": {func(a *transcript.Adopted) bool {
			was := a.Name
			a.Name = "cp-2/apiserver"
			return was == "cp-1/apiserver"
		}, "no line takes cp-1/apiserver over"},
	} {
		f := one.forge(t)
		change(f, tt.change)
		if err := f.write(); err != nil {
			t.Fatal(err)
		}
		t.Run(what, func(t *testing.T) { wantFinding(t, f.audit(t), tt.says) })
	}
	record := must(transcript.Read("t", one.read("transcript.jsonl")))
	fresh := func() *schedule.Ceremony {
		return must(schedule.OpenFS(os.DirFS(one.dir), "plan.yaml", schedule.Options{Now: time.Now()}))
	}
	if problems := audit.TakenOver(record, fresh()); len(problems) > 0 {
		t.Fatalf("unchanged: %q", problems)
	}
	for what, tt := range map[string]struct {
		change func(c *schedule.Ceremony)
		says   string
	}{
		"an authority that no node had": {func(c *schedule.Ceremony) {
			c.Requests["worker-1"].Adoption.Authorities[kubepki.KubernetesAuthority] = other.Authorities[kubepki.KubernetesAuthority]
		}, "the request of node worker-1 does not show that it trusted it"},
		"a node without": {func(c *schedule.Ceremony) { c.Requests["worker-1"].Adoption = nil },
			"the request of node worker-1 does not show that it trusted it"},
		"a leaf of another authority": {func(c *schedule.Ceremony) {
			a := c.Requests["cp-1"].Adoption
			a.Leaves["apiserver"] = signedAs(t, other, kubepki.KubernetesAuthority, a.Leaves["apiserver"])
		}, "cp-1/apiserver, kept from before: the authority that is adopted did not sign it"},
		"a leaf for another key": {func(c *schedule.Ceremony) {
			a := c.Requests["cp-1"].Adoption
			a.Leaves["apiserver"] = a.Leaves["admin.conf"]
		}, "it is for another key than the request proves"},
		"another node's leaf": {func(c *schedule.Ceremony) {
			a := c.Requests["cp-1"].Adoption
			a.Leaves["kubelet.conf"] = c.Requests["worker-1"].Adoption.Leaves["kubelet.conf"]
		}, `cp-1/kubelet.conf, kept from before: CN is "system:node:worker-1"`},
		"an expired leaf": {func(c *schedule.Ceremony) {
			a := c.Requests["cp-1"].Adoption
			a.Leaves["apiserver"].NotAfter = time.Now().AddDate(-1, 0, 0)
		}, "it ended at"},
		"an intermediate": {func(c *schedule.Ceremony) {
			c.Certificates["etcd-former"] = c.Requests["cp-1"].Adoption.Leaves["etcd/server"]
		},
			"is adopted, and not a self-signed"},
		"not adopted at all": {func(c *schedule.Ceremony) {
			for i := range c.Plan.Authorities {
				c.Plan.Authorities[i].Adopted = false
			}
		}, "which is not in the plan"},
	} {
		c := fresh()
		tt.change(c)
		wantProblem(t, what, audit.TakenOver(record, c), tt.says)
	}
}

// signedAs is a certificate as it is, but by another authority of that family.
func signedAs(t *testing.T, r *ceremonytest.Running, family kubepki.Authority, c *x509.Certificate) *x509.Certificate {
	t.Helper()
	template := *c
	template.SerialNumber = must(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 62)))
	template.AuthorityKeyId, template.SignatureAlgorithm = nil, 0
	der := must(x509.CreateCertificate(rand.Reader, &template, r.Authorities[family], c.PublicKey, r.Keys[family]))
	return must(x509.ParseCertificate(der))
}

func twinOf(t *testing.T, r *ceremonytest.Running, der []byte) []byte {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return signedAs(t, r, kubepki.KubernetesAuthority, c).Raw
}
