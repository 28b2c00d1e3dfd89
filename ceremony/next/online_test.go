package next_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony"
	"officiant/ceremony/audit"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/next"
	"officiant/ceremony/plan"
	"officiant/ceremony/revocation"
	"officiant/ceremony/schedule"
)

func verified(t *testing.T, dir string, previous ...string) {
	t.Helper()
	r, err := audit.Verify(dir, audit.Options{Previous: previous})
	must(t, err)
	if len(r.Findings()) > 0 || r.Verdict() != audit.Unpinned {
		t.Fatalf("%s: %q", r.Verdict(), r.Findings())
	}
}

// TestOnlineSignerAdded: a cluster with ceremonies gets the authorities of an online signer.
// The root certifies them, every node gets a bundle and no node a certificate, and with a
// journal key every member is in the grant.
func TestOnlineSignerAdded(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{Workers: 2})
	all := t.TempDir()
	first := filepath.Join(all, "first")
	_, err := ceremony.Run(t.Context(), f.Config(t, first))
	must(t, err)
	chain := chainIn(t, all)
	asked := next.Changes{Desk: desk(t), Left: []string{"worker-2"}, Online: next.Online{OnlineSigner: true,
		JournalKey: fingerprint.Of([]byte("journal"))}}
	r, err := next.Renew(chain, 0, asked)
	must(t, err)
	if len(r.Renewed) > 0 || len(r.Document.Nodes) != 2 || r.Quiet > 0 ||
		!slices.Equal(r.Keys, []string{"kubelet-serving", "kubelet-client"}) {
		t.Errorf("renewed %v, %d nodes, %d quiet, keys %v", r.Renewed, len(r.Document.Nodes), r.Quiet, r.Keys)
	}
	var granted []string
	for _, n := range r.Document.Grant.Nodes {
		granted = append(granted, fmt.Sprint(n.Name, n.Roles))
	}
	if got := strings.Join(granted, " "); got != "cp-1[control-plane etcd] worker-1[worker]" {
		t.Errorf("granted are %s", got)
	}
	if opened := r.Ceremony.KeysNeeded(); !slices.Contains(opened, "root") {
		t.Errorf("it opens %v, and the root certifies", opened)
	}
	second := filepath.Join(all, "second")
	must(t, carriedOut(t, f, r.Proposal, second, func(*ceremony.Config) {}))
	verified(t, second, first)
	for file, want := range map[string]int{"client-ca.crt": 2, "kubelet-serving-ca.crt": 1} {
		data, err := os.ReadFile(filepath.Join(second, "bundles", "cp-1", "pki", file))
		must(t, err)
		if n := strings.Count(string(data), "BEGIN"); n != want {
			t.Errorf("%s has %d certificates, want %d", file, n, want)
		}
	}
	asked.Desk = desk(t)
	_, err = next.Renew(chainIn(t, all), 0, asked)
	if err == nil || !strings.Contains(err.Error(), "has left already") {
		t.Errorf("a node that has left: %v", err)
	}
	asked.Left, asked.Desk = nil, desk(t)
	_, err = next.Renew(chainIn(t, all), 0, asked)
	if err == nil || !strings.Contains(err.Error(), "the cluster has the authorities of an online signer already") {
		t.Errorf("a second time: %v", err)
	}
	// A grant with another journal key needs neither authorities nor bundles.
	asked.OnlineSigner, asked.JournalKey = false, fingerprint.Of([]byte("another"))
	r, err = next.Renew(chainIn(t, all), 0, asked)
	must(t, err)
	if g := r.Document.Grant; g.Journal != asked.JournalKey || len(g.Nodes) != 2 || len(r.Document.Nodes) > 0 {
		t.Errorf("for another journal key: %+v, %d nodes", g, len(r.Document.Nodes))
	}
}

// TestRevokedKeysAreRefused: whose certificate of a ceremony is revoked gets none of the
// online signer for its key, and whoever leaves that out of a plan is told.
func TestRevokedKeysAreRefused(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{Workers: 1, Online: true})
	f.Append(t, grantText+"\n")
	text, err := os.ReadFile(f.PlanFile)
	must(t, err)
	must(t, os.WriteFile(f.PlanFile, []byte(strings.Replace(string(text),
		`    - {name: worker-2, roles: [worker], signaturesPerDay: 3}`+"\n", "", 1)), 0o644))
	all := t.TempDir()
	first := filepath.Join(all, "first")
	_, err = ceremony.Run(t.Context(), f.Config(t, first))
	must(t, err)
	key, err := fingerprint.SPKI(f.Keys["worker-1"]["kubelet.conf"].Public())
	must(t, err)
	refuses := func(p plan.NewOptions) bool { return slices.Contains(p.Grant.RefusedKeys, key) }

	chain := chainIn(t, all)
	quiet, err := next.Renew(chain, 400*24*time.Hour, next.Changes{Desk: desk(t)})
	must(t, err)
	if refuses(quiet.Document) {
		t.Error("nothing is revoked, and the key is refused")
	}
	o := next.RevokeOptions{Of: []string{"worker-1"}, Reason: revocation.KeyCompromise}
	r, err := next.Revoke(chain, o, next.Changes{Desk: desk(t)})
	must(t, err)
	if !refuses(r.Document) {
		t.Error("the grant of the plan that revokes does not refuse the key")
	}
	const warning = "the grant does not refuse the key of worker-1/kubelet.conf"
	warned := func(list []plan.Problem) bool {
		return slices.ContainsFunc(list, func(w plan.Problem) bool { return strings.Contains(w.Message, warning) })
	}
	if warned(r.Ceremony.Warnings) {
		t.Error("it is told all the same")
	}
	without := r.Proposal
	without.Document.Grant.RefusedKeys = nil
	if !warned(opened(t, without)) {
		t.Error("nobody is told that the plan that revokes leaves the key out")
	}
	second := filepath.Join(all, "second")
	must(t, carriedOut(t, f, r.Proposal, second, func(*ceremony.Config) {}))
	verified(t, second, first)
	grant, err := os.ReadFile(filepath.Join(second, "grant.json"))
	must(t, err)
	if !strings.Contains(string(grant), key.String()) {
		t.Errorf("the grant does not refuse %s:\n%s", key, grant)
	}

	away := next.Changes{Desk: desk(t), Without: []string{"worker-1"}}
	later, err := next.Renew(chainIn(t, all), 400*24*time.Hour, away)
	must(t, err)
	if !refuses(later.Document) {
		t.Error("the next grant does not refuse it any more")
	}
	later.Document.Grant.RefusedKeys = nil
	if !warned(opened(t, later.Proposal)) {
		t.Error("nobody is told that a later plan leaves the key out")
	}
}

// opened is what a proposal's readers are told.
func opened(t *testing.T, p next.Proposal) []plan.Problem {
	t.Helper()
	folder := t.TempDir()
	for _, c := range p.Files {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(folder, c.Path)), 0o755))
		must(t, os.WriteFile(filepath.Join(folder, c.Path), content(t, c), 0o644))
	}
	text, err := plan.New(p.Document)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(folder, "plan.yaml"), text, 0o644))
	c, err := schedule.Open(filepath.Join(folder, "plan.yaml"), schedule.Options{Now: time.Now()})
	must(t, err)
	return c.Warnings
}
