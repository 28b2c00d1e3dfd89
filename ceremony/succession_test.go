package ceremony_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"officiant/bundle/fingerprint"
	"officiant/bundle/privatekey"
	"officiant/bundle/seal"
	"officiant/ceremony"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/transcript"
)

const successionPlan = `apiVersion: officiant/v1
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
release:
  key: {existing: %s}
  public: before/release.pub
  evidence: software
  successor: {name: release-2, key: {create: ECDSA-P256}, evidence: software}
serviceAccount:
  sealed: before/sa.key.age
  public: before/sa.pub
  next: {create: ECDSA-P256}
nodes:
%s`

// succeed carries out a first ceremony on new tokens, and makes the fixture's plan
// one that follows it: with a next service-account pair and a release key to come.
func succeed(t *testing.T, f *ceremonytest.Fixture, first string) {
	t.Helper()
	must(t, os.WriteFile(f.PlanFile, []byte(first), 0o644))
	must(t, os.RemoveAll(filepath.Join(f.Folder, "before")))
	f.Tokens(t)
	dir, result := f.Run(t)
	for to, from := range map[string]string{
		"transcript.jsonl": "transcript.jsonl", "release.pub": "release.pub", "sa.key.age": "secrets/sa.key.age", "sa.pub": "bundles/cp-1/pki/sa.pub",
		"root.crt": "authorities/root.crt", "kubernetes.crt": "authorities/kubernetes.crt", "etcd.crt": "authorities/etcd.crt", "front-proxy.crt": "authorities/front-proxy.crt",
	} {
		data, err := os.ReadFile(filepath.Join(dir, from))
		must(t, err)
		put(t, filepath.Join(f.Folder, "before", to), string(data))
	}
	keys := map[string]fingerprint.SHA256{}
	for _, l := range readRecord(t, dir).Lines {
		if k, ok := l.Record.(transcript.Key); ok {
			keys[k.Name] = k.SPKI
		}
	}
	_, nodes, _ := strings.Cut(first, "nodes:\n")
	_, version, _ := strings.Cut(first, "kubernetesVersion: ")
	version, _, _ = strings.Cut(version, "\n")
	must(t, os.WriteFile(f.PlanFile, fmt.Appendf(nil, successionPlan, version, result.Head,
		keys["kubernetes"], keys["etcd"], keys["front-proxy"], keys["release"], nodes), 0o644))
}

// TestKilledSuccession stops a ceremony around the making of a next service-account
// pair and of a next release key, then runs the same command again: what is on
// record is used, what is not is made anew, and no key is there twice.
func TestKilledSuccession(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	text, err := os.ReadFile(f.PlanFile)
	must(t, err)
	succeed(t, f, string(text))
	whole := &killer{}
	dir := filepath.Join(t.TempDir(), "whole")
	if _, err := ceremony.Run(context.Background(), mortal(f.Config(t, dir), whole)); err != nil {
		t.Fatal(err)
	}
	opens(t, f, dir)
	for at, event := range whole.events {
		// The file, the line that records it, and what comes between; the same for the key.
		near := false
		for _, e := range whole.events[max(0, at-4) : at+1] {
			near = near || strings.Contains(e, "sa.next.key.age") || strings.Contains(e, "demo/release-2")
		}
		if !near || testing.Short() && at%3 != 0 {
			continue
		}
		t.Run(fmt.Sprintf("%03d %s", at+1, event), func(t *testing.T) {
			succeed(t, f, string(text))
			dir := filepath.Join(t.TempDir(), "ceremony")
			if _, err := ceremony.Run(context.Background(), mortal(f.Config(t, dir), &killer{at: at + 1})); err == nil {
				t.Fatal("the ceremony finished although it was killed")
			}
			if _, err := ceremony.Run(context.Background(), f.Config(t, dir)); err != nil {
				t.Fatalf("resume: %v", err)
			}
			opens(t, f, dir)
			if n := keyObjects(t, f.Room); n != 2*6 {
				t.Errorf("%d key objects in the tokens, want the two halves of six keys", n)
			}
		})
	}
}

// opens fails unless one next pair is on record, and cp-1 opens its file.
func opens(t *testing.T, f *ceremonytest.Fixture, dir string) {
	t.Helper()
	keys, ok := readRecord(t, dir).ServiceAccount()
	if !ok || keys.Next == nil || len(keys.Public()) != 2 {
		t.Fatalf("on record: %+v", keys)
	}
	sealed := 0
	for _, l := range readRecord(t, dir).Lines {
		if _, ok := l.Record.(transcript.Sealed); ok {
			sealed++
		}
	}
	if sealed != 1 {
		t.Errorf("%d sealed files on record", sealed)
	}
	data, err := os.ReadFile(filepath.Join(dir, keys.Next.File))
	must(t, err)
	secret, err := seal.Open(f.Identities["cp-1"], data)
	must(t, err)
	key, err := privatekey.Parse(secret)
	must(t, err)
	spki, err := fingerprint.SPKI(key.Public())
	must(t, err)
	if spki != fingerprint.Of(keys.Next.PublicKey) {
		t.Error("the file holds another key than is on record")
	}
}

// TestRehearsedSuccession: what a ceremony adds to the pairs and release keys there
// are is rehearsed as well.
func TestRehearsedSuccession(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	text, err := os.ReadFile(f.PlanFile)
	must(t, err)
	succeed(t, f, string(text))
	f.Tokens(t)
	dir := filepath.Join(t.TempDir(), "ceremony")
	must(t, rehearse(t, f, dir))
	names := map[string]bool{}
	for _, l := range readRecord(t, dir).Lines {
		if k, ok := l.Record.(transcript.Key); ok {
			names[k.Name] = true
		}
	}
	if keys, ok := readRecord(t, dir).ServiceAccount(); !ok || keys.Next == nil || !names["release-2"] {
		t.Errorf("rehearsed %+v with keys %v", keys, names)
	}
}
