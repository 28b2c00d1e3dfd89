package ceremony_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"officiant/ceremony"
	"officiant/ceremony/audit"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/transcript"
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

// TestKilledAroundLists stops a ceremony at each write, sync, rename and call into a
// token around its two revocation lists, then runs the same command again. A list
// that may have been signed uses its number up.
func TestKilledAroundLists(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{Lists: []string{"root", "etcd"}})
	whole := &killer{}
	dir := filepath.Join(t.TempDir(), "whole")
	if _, err := ceremony.Run(context.Background(), mortal(f.Config(t, dir), whole)); err != nil {
		t.Fatal(err)
	}
	last := map[string]int{} // event of the last signature of a key, from 1
	for i, e := range whole.events {
		last[e] = i + 1
	}
	raised := 0
	for _, name := range []string{"root", "etcd"} {
		signs := last["after sign demo/"+name]
		for at := signs - 4; at <= signs+3; at++ {
			t.Run(fmt.Sprintf("%03d %s", at, whole.events[at-1]), func(t *testing.T) { raised += killAround(t, f, at) })
		}
	}
	for at, e := range whole.events {
		if strings.Contains(e, ".crl") {
			t.Run(fmt.Sprintf("%03d %s", at+1, e), func(t *testing.T) { killAround(t, f, at+1) })
		}
	}
	if raised < 4 { // before and after the token signed, for each
		t.Errorf("%d times only was a number used up", raised)
	}
}

// killAround returns how many lists were made under a later number than the first.
func killAround(t *testing.T, f *ceremonytest.Fixture, at int) (raised int) {
	f.Tokens(t)
	dir := filepath.Join(t.TempDir(), "ceremony")
	if _, err := ceremony.Run(context.Background(), mortal(f.Config(t, dir), &killer{at: at})); err == nil {
		t.Fatal("the ceremony finished although it was killed")
	}
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
