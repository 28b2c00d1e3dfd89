package next_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/ceremony"
	"officiant/ceremony/abandon"
	"officiant/ceremony/audit"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/history"
	"officiant/ceremony/next"
	"officiant/ceremony/plan"
	"officiant/ceremony/revocation"
)

var errKilled = errors.New("killed")

// carriedOut writes a proposal, and has its ceremony held below a folder.
func carriedOut(t *testing.T, f *ceremonytest.Fixture, p next.Proposal, dir string,
	change func(*ceremony.Config)) error {
	t.Helper()
	folder := t.TempDir()
	for _, c := range p.Files {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(folder, c.Path)), 0o755))
		must(t, os.WriteFile(filepath.Join(folder, c.Path), content(t, c), 0o644))
	}
	text, err := plan.New(p.Document)
	must(t, err)
	f.Folder, f.PlanFile = folder, filepath.Join(folder, "plan.yaml")
	must(t, os.WriteFile(f.PlanFile, text, 0o644))
	cfg := f.Config(t, dir)
	change(&cfg)
	_, err = ceremony.Run(t.Context(), cfg)
	return err
}

// givenUp kills a ceremony once a leaf of cp-1 is on record, and has people abandon it.
func givenUp(t *testing.T, f *ceremonytest.Fixture, p next.Proposal, dir string) {
	t.Helper()
	err := carriedOut(t, f, p, dir, func(cfg *ceremony.Config) {
		dead := false
		cfg.Disk = &durable.Disk{Gate: func(durable.Op, string) error {
			data, _ := os.ReadFile(filepath.Join(dir, history.RecordFile))
			if dead = dead || bytes.Contains(data, []byte(`"type":"issued"`)); dead {
				return errKilled
			}
			return nil
		}}
	})
	if !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	cfg := f.Config(t, dir)
	data, err := os.ReadFile(filepath.Join(dir, history.RecordFile))
	must(t, err)
	data = data[:bytes.LastIndexByte(data, '\n')+1]
	head := fingerprint.Of(data[bytes.LastIndexByte(data[:len(data)-1], '\n')+1:])
	a := abandon.Config{Dir: dir, Reason: "the plan was wrong", By: []string{"kim", "alice"}, Head: &head,
		Station: cfg.Station, Open: cfg.Open, Ask: cfg.Ask,
		Confirm: func(context.Context, abandon.Seen) error { return nil },
		Disk:    &durable.Disk{}, Now: time.Now, Program: cfg.Program, Host: cfg.Host, Say: func(string) {}}
	_, err = abandon.Propose(a)
	must(t, err)
	_, err = abandon.Run(t.Context(), a)
	must(t, err)
	report, err := audit.Verify(dir, audit.Options{})
	must(t, err)
	if report.Verdict() != audit.Abandoned {
		t.Fatalf("%s: %q", report.Verdict(), report.Findings())
	}
}

// chainIn is what lies in a folder of ceremonies.
func chainIn(t *testing.T, folder string) next.Chain {
	t.Helper()
	archive, err := history.Find(folder)
	must(t, err)
	chain, err := next.OpenChain(archive, "", os.DirFS)
	must(t, err)
	return chain
}

// TestGivenUp: a renewal that was given up signed certificates by keys that live on. The
// next plans of the folder name its record: what it issued can be revoked, by its serial
// number and with all that its node has, and the chain goes on.
func TestGivenUp(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{Workers: 1, Lists: []string{"etcd"}})
	all := t.TempDir()
	_, err := ceremony.Run(t.Context(), f.Config(t, filepath.Join(all, "first")))
	must(t, err)
	renewed, err := next.Renew(chainIn(t, all), 400*24*time.Hour, next.Changes{Desk: desk(t)})
	must(t, err)
	givenUp(t, f, renewed.Proposal, filepath.Join(all, "given-up"))

	chain := chainIn(t, all)
	left := chain.Abandoned()
	if len(left) != 1 || chain.Sequence() != 1 {
		t.Fatalf("%d are known as abandoned, %d as the chain", len(left), chain.Sequence())
	}
	var leaf history.Certificate
	for c := range left[0].Certificates() {
		if c.Name == "cp-1/etcd/server" {
			leaf = c
		}
	}
	if leaf.Of == nil {
		t.Fatal("no certificate of etcd's on the abandoned record")
	}
	of, err := next.Revoke(chain, next.RevokeOptions{Of: []string{"cp-1"}, Reason: revocation.KeyCompromise},
		next.Changes{Desk: desk(t)})
	must(t, err)
	if !slices.ContainsFunc(of.Revoked, func(r next.Revoked) bool { return r.Serial == leaf.Serial.String() }) {
		t.Errorf("of node cp-1 this is not revoked: %s", leaf.Serial)
	}
	one := next.RevokeOptions{Serials: []string{leaf.Serial.String()}, Reason: revocation.Superseded}
	r, err := next.Revoke(chain, one, next.Changes{Desk: desk(t)})
	must(t, err)
	if p := r.Document.Previous; len(p) != 1 || len(p[0].Abandoned) != 1 ||
		!strings.Contains(p[0].Abandoned[0], "demo-2-abandoned-") {
		t.Errorf("the plan continues %+v", p)
	}
	dir := filepath.Join(all, "second")
	must(t, carriedOut(t, f, r.Proposal, dir, func(*ceremony.Config) {})) // its last step is the audit
	report, err := audit.Verify(dir, audit.Options{Previous: []string{filepath.Join(all, "first")}})
	must(t, err)
	if report.Verdict() != audit.Unpinned || len(report.Findings()) > 0 {
		t.Errorf("%s: %q", report.Verdict(), report.Findings())
	}
	chain = chainIn(t, all)
	if _, is := chain.Revoked(leaf.Serial); !is || !chain.Used(leaf.Serial) || chain.Sequence() != 2 {
		t.Errorf("revoked %v, sequence %d", is, chain.Sequence())
	}
	_, err = next.Renew(chain, 400*24*time.Hour, next.Changes{Desk: desk(t)})
	must(t, err)
}
