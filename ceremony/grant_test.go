package ceremony_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"officiant/ceremony"
	"officiant/ceremony/audit"
	"officiant/ceremony/ceremonytest"
)

const grantText = "grant:\n  journal: 51d0c6c9f5a4e1c0b7a3d2e1f00112233445566778899aabbccddeeff0011223\n"

// TestGrantRefusedBeforeKeys: what no grant may say is refused before a key is made.
func TestGrantRefusedBeforeKeys(t *testing.T) {
	for want, nodes := range map[string]string{
		`grant.json: node cp-1: DNS name "kubernetes.default.svc" is a service's`: "dnsNames: " +
			"[kubernetes.default.svc]",
		"grant.json: node cp-1: DNS name api.demo.test is reserved": "dnsNames: [api.demo.test]",
	} {
		f := ceremonytest.New(t, ceremonytest.Shape{Online: true})
		if strings.Contains(want, "reserved") { // the endpoint is reserved where it is no node's: here the plan adds it
			f.Append(t, grantText+"  reserved: {dnsNames: [api.demo.test]}\n")
		} else {
			f.Append(t, grantText)
		}
		f.Append(t, "  nodes: [{name: cp-1, roles: [control-plane, etcd], ipAddresses: [10.0.0.11], "+nodes+"}]\n")
		dir := filepath.Join(t.TempDir(), "ceremony")
		_, err := ceremony.Run(context.Background(), f.Config(t, dir))
		if !isRefused(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
		if _, err := os.Stat(filepath.Join(dir, "transcript.jsonl")); err == nil {
			t.Error("the record was begun")
		}
	}
}

// TestRehearsedGrant: a rehearsal makes a grant of its own authorities, marked by its name.
func TestRehearsedGrant(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{Online: true})
	f.Append(t, grantText)
	dir := filepath.Join(t.TempDir(), "ceremony")
	if err := rehearse(t, f, dir); err != nil {
		t.Fatal(err)
	}
	if found := findings(t, dir, audit.Options{Rehearsal: true}); found != "" {
		t.Error(found)
	}
	for _, name := range []string{"grant.json.rehearsal", "grant.json.sig.rehearsal"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}
