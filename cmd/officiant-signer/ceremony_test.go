package main

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/online"
	"officiant/ceremony/online/onlinetest"
	"officiant/ceremony/online/policy"
	"officiant/signer"
)

// TestServeByCeremony: a ceremony on SoftHSM makes the authorities and the grant; serve
// signs with the same token's keys by that grant, and its journal is proved by it.
func TestServeByCeremony(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{Workers: 1, Online: true})
	journal, err := fingerprint.SPKI(f.NewKey(t, "demo/journal", signer.ECDSAP256).Public())
	if err != nil {
		t.Fatal(err)
	}
	f.Append(t, "grant: {journal: "+journal.String()+"}\n")
	ceremony, _ := f.Run(t)
	dir, err := os.MkdirTemp("", "os") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	r := &room{t: t, dir: dir, socket: filepath.Join(dir, "s")}
	for name, from := range map[string]string{
		"grant.json":     filepath.Join(ceremony, "grant.json"),
		"grant.json.sig": filepath.Join(ceremony, "grant.json.sig"),
		"release.pub":    filepath.Join(ceremony, "release.pub"), "station.yaml": f.Station,
	} {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		r.write(name, data, 0o644)
	}
	p := r.serve()
	answer := r.decided(onlinetest.ClientRequest(t, "worker-1", onlinetest.NewKey(t, "k")))
	block, _ := pem.Decode(answer.Certificate)
	if answer.State != online.Signed || block == nil {
		t.Fatalf("%+v", answer)
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if problem := letIn(t, filepath.Join(ceremony, "bundles", "cp-1", "pki", "client-ca.crt"), leaf); problem != nil {
		t.Errorf("an API server does not let it in: %v", problem)
	}
	if letIn(t, filepath.Join(ceremony, "bundles", "cp-1", "pki", "ca.crt"), leaf) == nil {
		t.Error("ca.crt lets it in")
	}
	stranger := r.decided(onlinetest.ClientRequest(t, "worker-2", onlinetest.NewKey(t, "k")))
	if stranger.State != online.Denied || stranger.Reason != policy.Unknown {
		t.Errorf("a node that the plan does not have: %+v", stranger)
	}
	if err := p.end(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	out, _ := r.typed(0, "verify", r.path("journal.jsonl"), "--grant", r.path("grant.json"), "--release-key",
		r.path("release.pub"))
	if !strings.Contains(out, "1 certificates, each within its grant") {
		t.Errorf("the journal: %s", out)
	}
}

// letIn says why a file's authorities do not let a client in.
func letIn(t *testing.T, file string, leaf *x509.Certificate) error {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(data)
	_, err = leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return err
}
