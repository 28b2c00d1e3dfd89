package audit_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/audit"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

// chain is a cluster's ceremonies, oldest first, of one small cluster.
type chain struct {
	t    testing.TB
	past []*scene
}

func newChain(t testing.TB) *chain { return &chain{t, []*scene{perform(t)}} }

func (c *chain) last() *scene { return c.past[len(c.past)-1] }

// options pins the release key of the first ceremony, and has all directories at hand.
func (c *chain) options() audit.Options {
	o := audit.Options{Now: time.Now(), ReleaseKey: c.past[0].key("release").Public()}
	for _, s := range c.past[:len(c.past)-1] {
		o.Previous = append(o.Previous, s.dir)
	}
	return o
}

// put leaves a file of a previous ceremony among the next plan's inputs.
func (c *chain) put(name string, data []byte) string {
	c.t.Helper()
	(&scene{dir: c.past[0].fixture.Folder}).write(c.t, "before/"+name, data)
	return "before/" + name
}

func (c *chain) spki(name string) fingerprint.SHA256 {
	return must(fingerprint.SPKI(c.past[0].key(name).Public()))
}

const continuedPlan = `apiVersion: officiant/v1
kind: Plan
name: demo-%d
cluster:
  name: demo
  kubernetesVersion: %s
  controlPlaneEndpoint: api.demo.test:6443
previous:
  - {cluster: demo, sequence: %d, head: %s, transcript: %s, earlier: [%s]}
authorities:
  - {name: root, certificate: %s}
  - {name: kubernetes, certificate: %s, key: {existing: %s}, evidence: software}
  - {name: etcd, certificate: %s, key: {existing: %s}, evidence: software}
  - {name: front-proxy, certificate: %s, key: {existing: %s}, evidence: software}
release: %s
serviceAccount: %s
nodes:
%s`

// next carries out the ceremony that follows, with what it says of the release
// key, of the service account and of its nodes.
func (c *chain) next(release, account, nodes string) *scene {
	c.t.Helper()
	first := c.past[0]
	var transcripts []string
	for i, s := range c.past {
		transcripts = append([]string{c.put(fmt.Sprintf("%d.jsonl", i+1), s.read("transcript.jsonl"))}, transcripts...)
	}
	crt := func(name string) string { return c.put(name+".crt", first.read("authorities/"+name+".crt")) }
	p := must(schedule.Open(first.path("plan.yaml"), schedule.Options{Now: time.Now()}))
	n := len(c.past)
	text := fmt.Sprintf(continuedPlan, n+1, p.Cluster.KubernetesVersion,
		n, must(transcript.Read("x", c.last().read("transcript.jsonl"))).Head(), transcripts[0], strings.Join(transcripts[1:], ", "),
		crt("root"), crt("kubernetes"), c.spki("kubernetes"), crt("etcd"), c.spki("etcd"), crt("front-proxy"), c.spki("front-proxy"),
		release, account, nodes)
	if n == 1 {
		text = strings.Replace(text, ", earlier: []", "", 1)
	}
	(&scene{dir: first.fixture.Folder}).write(c.t, "plan.yaml", []byte(text))
	s := &scene{dir: filepath.Join(c.t.TempDir(), "ceremony"), safe: first.safe, fixture: first.fixture}
	s.run(c.t)
	c.past = append(c.past, s)
	return s
}

// nodes of a ceremony: cp-1 by its request, or with all it has, and with the worker or without.
func (c *chain) asked() string {
	_, nodes, _ := strings.Cut(string(c.past[0].read("plan.yaml")), "nodes:\n")
	return nodes
}

const keeps = `  - name: cp-1
    roles: [control-plane, etcd]
    address: 10.0.0.11
    first: true
    request: requests/cp-1.req
    renew: []
`

// release spells a release key that exists.
func (c *chain) release(name string) string {
	return fmt.Sprintf("{name: %s, key: {existing: %s}, public: %s, evidence: software}", name, c.spki(name), c.releaseFile(name))
}

func (c *chain) releaseFile(name string) string {
	return c.put(name+".pub", publicPEM(must(spkiDER(c.past[0].key(name).Public()))))
}

// account spells a pair as a previous ceremony recorded it.
func (c *chain) pair(s transcript.Sealed, of *scene) string {
	id := fingerprint.Of(s.PublicKey).String()[:8]
	return fmt.Sprintf("sealed: %s, public: %s", c.put(id+".age", of.read(s.File)), c.public(s.PublicKey))
}

func (c *chain) public(der []byte) string {
	return c.put(fingerprint.Of(der).String()[:8]+".pub", publicPEM(der))
}

// keys are the last ceremony's service-account keys.
func (c *chain) keys() transcript.AccountKeys {
	keys, ok := must(transcript.Read("x", c.last().read("transcript.jsonl"))).ServiceAccount()
	if !ok {
		c.t.Fatal("no service-account key on record")
	}
	return keys
}

// verified fails unless the last ceremony, with all before it, has no finding.
func (c *chain) verified() *audit.Report {
	c.t.Helper()
	r := c.last().auditWith(c.t, c.options())
	for _, f := range r.Findings() {
		c.t.Error(f)
	}
	if r.Verdict() != audit.Verified {
		c.t.Errorf("sequence %d: %s", r.Sequence, r.Verdict())
	}
	return r
}
