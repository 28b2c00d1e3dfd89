package ceremony_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"officiant/ceremony"
	"officiant/ceremony/audit"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/transcript"
	"officiant/signer"
)

func transcriptOf(t *testing.T, dir string) *transcript.Transcript {
	t.Helper()
	file := filepath.Join(dir, "transcript.jsonl")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r, err := transcript.Read(file, data)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A first ceremony makes lists with nothing on them, by a root and an intermediate.
func TestLists(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{Lists: []string{"etcd", "root"}})
	dir, _ := f.Run(t)
	lists := transcriptOf(t, dir).RevocationLists()
	if len(lists) != 2 || lists[0].Signer != "root" || lists[1].Signer != "etcd" {
		t.Fatalf("%d lists on record", len(lists))
	}
	for _, l := range lists {
		data, err := os.ReadFile(filepath.Join(dir, "crls", l.Signer+".crl"))
		if err != nil {
			t.Fatal(err)
		}
		list, err := x509.ParseRevocationList(data)
		if err != nil || list.Number.Int64() != 1 || len(list.RevokedCertificateEntries) > 0 {
			t.Errorf("%s: %v, %+v", l.Signer, err, list)
		}
		text, err := os.ReadFile(filepath.Join(dir, "crls", l.Signer+".crl.pem"))
		if err != nil {
			t.Fatal(err)
		}
		if block, rest := pem.Decode(text); block == nil || block.Type != "X509 CRL" || string(block.Bytes) != string(data) || len(rest) > 0 {
			t.Errorf("%s: the PEM file is not the DER file", l.Signer)
		}
	}
}

// A rehearsal's lists are the first of its throw-away authorities, and marked.
func TestRehearsedLists(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{Lists: []string{"etcd", "root"}})
	dir := filepath.Join(t.TempDir(), "ceremony")
	if err := rehearse(t, f, dir); err != nil {
		t.Fatal(err)
	}
	if found := findings(t, dir, audit.Options{Rehearsal: true}); found != "" {
		t.Error(found)
	}
	for _, name := range []string{"crls/etcd.rehearsal.crl", "crls/etcd.rehearsal.crl.pem", "crls/root.rehearsal.crl"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

// TestKilledAroundLists goes on with what a ceremony that is killed at each write, sync,
// rename and call into a token around its two revocation lists leaves behind. A list
// that may have been signed uses its number up.
func TestKilledAroundLists(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{Root: signer.ECDSAP256, Lists: []string{"root", "etcd"}})
	all, whole, err := snapshotsOf(t, f, f.Config(t, filepath.Join(t.TempDir(), "whole")),
		func(int, string) bool { return true })
	must(t, err)
	last := map[string]int{} // event of the last signature of a key, from 1
	for i, e := range whole.events {
		last[e] = i + 1
	}
	raised, instants := 0, 0
	for _, s := range all {
		signs := func(name string) bool {
			at := last["after sign demo/"+name]
			return at-4 <= s.at && s.at <= at+3
		}
		if !signs("root") && !signs("etcd") && !strings.Contains(s.event, ".crl") {
			continue
		}
		instants++
		t.Run(s.String(), func(t *testing.T) { raised += goesOn(t, s.resumed(t, f), s.dir) })
	}
	t.Logf("%d instants", instants)
	if raised < 4 { // before and after the token signed, for each
		t.Errorf("%d times only was a number used up", raised)
	}
}

// goesOn returns how many lists were made under a later number than the first.
func goesOn(t *testing.T, f *ceremonytest.Fixture, dir string) (raised int) {
	if _, err := ceremony.Run(context.Background(), f.Config(t, dir)); err != nil { // its last step is the audit
		t.Fatalf("resume: %v", err)
	}
	record := transcriptOf(t, dir)
	abandoned := map[string]int64{}
	for _, l := range record.Lines {
		if r, ok := l.Record.(transcript.Abandoned); ok {
			if intent, ok := record.Lines[r.Intent-1].Record.(transcript.CRLIntent); ok {
				abandoned[intent.Name]++
			}
		}
	}
	lists := record.RevocationLists()
	if len(lists) != 2 {
		t.Errorf("%d lists on record", len(lists))
	}
	for _, l := range lists {
		if want := 1 + abandoned[l.Name]; l.List.Number.Int64() != want {
			t.Errorf("%s has number %d after %d abandoned", l.Name, l.List.Number, want-1)
		}
		if abandoned[l.Name] > 0 {
			raised++
		}
	}
	return raised
}
