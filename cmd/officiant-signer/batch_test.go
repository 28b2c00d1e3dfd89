package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"officiant/ceremony/online/csrlist"
	"officiant/ceremony/online/onlinetest"
	"officiant/ceremony/online/policy"
)

// csr is a CertificateSigningRequest as kubectl prints one.
func csr(name string, q policy.Request, status map[string]any) map[string]any {
	return map[string]any{"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
		"metadata": map[string]any{"name": name, "uid": "u-" + name, "resourceVersion": "1"},
		"spec": map[string]any{"signerName": q.SignerName, "username": q.Username, "groups": q.Groups,
			"usages":  q.Usages,
			"request": q.CSR, "uid": "x"}, "status": status}
}

// TestBatch: a cluster's requests are answered offline, and put back by kubectl. Once
// more, who had a certificate gets the same one.
func TestBatch(t *testing.T) {
	r := newRoom(t)
	node := onlinetest.ClientRequest(t, "worker-1", onlinetest.NewKey(t, "k"))
	other := node
	other.SignerName = "demo.example/other"
	items := []map[string]any{
		csr("csr-first", node, nil),
		csr("csr-approved", onlinetest.ServerRequest(t, "worker-2", onlinetest.NewKey(t, "k"), []string{"worker-2"}),
			map[string]any{"conditions": []map[string]any{{"type": "Approved", "status": "True",
				"reason": "kubectl"}}}),
		csr("csr-bad", onlinetest.ServerRequest(t, "worker-1", onlinetest.NewKey(t, "k"), []string{"worker-2"}), nil),
		csr("csr-other", other, nil),
		csr("csr-done", node, map[string]any{"certificate": []byte("x")}),
	}
	data, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
	if err != nil {
		t.Fatal(err)
	}
	r.write("csrs.json", data, 0o644)
	batch := func(out string) []string {
		return []string{"batch", r.path("csrs.json"), "--grant", r.path("grant.json"), "--release-key",
			r.path("release.pub"),
			"--station", r.path("station.yaml"), "--journal", r.path("journal.jsonl"), "--out", r.path(out)}
	}
	out, errs := r.typed(0, batch("answers")...)
	if !strings.Contains(out, "2 signed, 1 denied, 0 later, 2 for others or done with") ||
		!strings.Contains(errs, "csr-bad: denied san-not-in-grant") {
		t.Errorf("%s%s", out, errs)
	}
	r.typed(2, batch("answers")...) // nothing is overwritten
	r.typed(0, batch("again")...)
	for name, want := range map[string]string{"csr-first.approval.json": `"Approved"`,
		"csr-first.status.json":    `"certificate"`,
		"csr-approved.status.json": `"certificate"`, "csr-bad.approval.json": `"Denied"`} {
		data, err := os.ReadFile(r.path("answers/" + name))
		if err != nil || !strings.Contains(string(data), want) {
			t.Errorf("%s: %v\n%s", name, err, data)
		}
		again, err := os.ReadFile(r.path("again/" + name))
		if strings.Contains(name, "status") {
			a, e := csrlist.Read(name, data)
			b, e2 := csrlist.Read(name, again)
			if err != nil || e != nil || e2 != nil || a[0].Done == "" || b[0].Done == "" || !sameCertificate(data,
				again) {
				t.Errorf("%s: another certificate the second time", name)
			}
		}
	}
	if entries, err := os.ReadDir(r.path("answers")); err != nil || len(entries) != 5 {
		t.Errorf("%d files, %v", len(entries), err)
	}
	// kubectl stands here for the one that puts back: it says what it was given.
	r.write("kubectl", []byte("#!/bin/sh\ntest -f \"$5\" && echo \"$@\"\n"), 0o755)
	c := exec.Command("sh", r.path("answers/apply.sh"))
	c.Env = append(os.Environ(), "PATH="+r.dir+":"+os.Getenv("PATH"))
	said, err := c.CombinedOutput()
	if err != nil || strings.Count(string(said),
		"replace --raw /apis/certificates.k8s.io/v1/certificatesigningrequests/csr-") != 4 {
		t.Errorf("%v\n%s", err, said)
	}
	r.write("csrs.json", []byte("{}"), 0o644)
	r.typed(3, batch("none")...)
	r.write("csrs.json", data, 0o644)
	if err := os.Rename(filepath.Join(r.dir, "hsm", "tokens"), r.path("away")); err != nil {
		t.Fatal(err)
	}
	out, _ = r.typed(5, batch("later")...)
	if !strings.Contains(out, "0 signed, 0 denied, 3 later") {
		t.Errorf("without a token: %s", out)
	}
}

func sameCertificate(a, b []byte) bool {
	var x, y struct{ Status struct{ Certificate string } }
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && x.Status.Certificate != "" &&
		x.Status.Certificate == y.Status.Certificate
}
