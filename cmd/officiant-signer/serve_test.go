package main

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"officiant/ceremony/chain"
	"officiant/ceremony/online"
	"officiant/ceremony/online/grant"
	"officiant/ceremony/online/journal"
	"officiant/ceremony/online/onlinetest"
	"officiant/ceremony/online/policy"
)

// TestServe is a signer's life on SoftHSM: it signs, denies, says how it stands, takes a
// new grant, stops, and its journal is proved, and named where it was changed.
func TestServe(t *testing.T) {
	r := newRoom(t)
	p := r.serve("--metrics", "127.0.0.1:0")
	key := onlinetest.NewKey(t, "k")
	q := onlinetest.ClientRequest(t, "worker-1", key)
	a := r.decided(q)
	if block, _ := pem.Decode(a.Certificate); a.State != online.Signed || block == nil {
		t.Fatalf("%+v", a)
	}
	if again := r.decided(onlinetest.ClientRequest(t, "worker-1", key)); !bytes.Equal(a.Certificate,
		again.Certificate) {
		t.Error("the same content has another certificate")
	}
	stranger := onlinetest.ClientRequest(t, "worker-3", onlinetest.NewKey(t, "k"))
	if a := r.decided(stranger); a.State != online.Denied || a.Reason != policy.Unknown {
		t.Errorf("%+v", a)
	}
	out, _ := r.typed(0, "status", "--listen", "unix:"+r.socket)
	if !strings.Contains(out, "ready            yes") || !strings.Contains(out, "grant            1, until") {
		t.Errorf("status:\n%s", out)
	}
	_, errs := r.typed(1, r.args("--journal", r.path("other.jsonl"))...)
	if !strings.Contains(errs, "another process listens on it") {
		t.Errorf("a second one on the socket: %s", errs)
	}

	r.grant.Sequence++
	r.grant.Nodes = append(r.grant.Nodes, grant.Node{Name: "worker-3", Roles: []string{"worker"}, SignaturesPerDay: 1})
	if err := os.Rename(r.path("grant.json"), r.path("old.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(r.path("grant.json.sig"), r.path("old.json.sig")); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.said("not reloaded") // the file is away
	r.sign("grant.json")
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.said("reloaded")
	if a := r.decided(stranger); a.State != online.Signed {
		t.Errorf("%+v", a)
	}
	if err := p.end(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	r.typed(5, "status", "--listen", "unix:"+r.socket)
	r.proved()
}

// proved holds the journal against its grants: whole, it verifies; changed, it does not.
func (r *room) proved() {
	t := r.t
	file := r.path("journal.jsonl")
	verify := []string{"verify", file, "--grant", r.path("grant.json"), "--grant", r.path("old.json"),
		"--release-key", r.path("release.pub")}
	out, _ := r.typed(0, verify...)
	_, head, _ := strings.Cut(strings.TrimSpace(out), "head ")
	if !strings.Contains(out, "2 certificates, each within its grant") || head == "" {
		t.Fatalf("verify:\n%s", out)
	}
	r.typed(0, append(verify, "--head", head)...)
	r.typed(2, append(verify, "--head", "x")...)
	_, errs := r.typed(4, "verify", file, "--grant", r.path("grant.json"), "--release-key", r.path("release.pub"))
	if !strings.Contains(errs, "no signed grant has the SHA-256") {
		t.Errorf("without the first grant: %s", errs)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	r.write("journal.jsonl", bytes.Join(lines[:len(lines)-2], nil), 0o644)
	r.typed(0, verify...) // nothing shows it
	_, errs = r.typed(4, append(verify, "--head", head)...)
	if !strings.Contains(errs, "were cut") {
		t.Errorf("a cut tail: %s", errs)
	}
	r.write("journal.jsonl", bytes.Join(append(append([][]byte{}, lines[:3]...), lines[4:]...), nil), 0o644)
	_, errs = r.typed(4, verify...)
	if !strings.Contains(errs, "journal.jsonl:4:") {
		t.Errorf("a dropped line: %s", errs)
	}
	r.write("journal.jsonl", data, 0o644)
}

// TestStarts: what is wrong is said at the start, with a code of its own.
func TestStarts(t *testing.T) {
	r := newRoom(t)
	said := func(code int, want string, args ...string) {
		t.Helper()
		if _, errs := r.typed(code, args...); !strings.Contains(errs, want) {
			t.Errorf("%s: %s", want, errs)
		}
	}
	said(2, "needs --tls-cert", r.args("--listen", "127.0.0.1:0")...)
	said(2, "neither unix:PATH nor", r.args("--listen", "x")...)
	said(2, "go with --listen HOST:PORT", r.args("--tls-cert", "x")...)
	said(2, "--workers", r.args("--workers", "0")...)
	said(2, "--deadline has to be above zero", r.args("--deadline", "0s")...)
	r.certified("server", x509.ExtKeyUsageServerAuth)
	said(3, r.path("pin")+": holds no certificate", r.args("--listen", "127.0.0.1:0", "--tls-cert",
		r.path("server.crt"),
		"--tls-key", r.path("server.key"), "--client-ca", r.path("pin"))...)
	said(2, "no such file", r.args("--grant", r.path("none"))...)
	said(2, "asks a Unix socket", "status", "--listen", "x")
	said(1, "and no socket", r.args("--listen", "unix:"+r.path("pin"))...)
	r.write("bad.json", []byte("{}"), 0o644)
	said(4, "officiant-signer sign-grant "+r.path("bad.json")+" --station STATION", r.args("--grant",
		r.path("bad.json"))...)
	sig, err := os.ReadFile(r.path("grant.json.sig"))
	if err != nil {
		t.Fatal(err)
	}
	r.write("bad.json.sig", sig, 0o644)
	said(4, "not the release key's", r.args("--grant", r.path("bad.json"))...)
	r.grant.Nodes[0].DNSNames = []string{"kubernetes"}
	r.sign("bad.json")
	said(3, "node worker-1", r.args("--grant", r.path("bad.json"))...)
	r.write("bad.yaml",
		[]byte("apiVersion: officiant/v1\nkind: Station\nname: s\nkeys:\n  journal: \"pkcs11:token=online\"\n"), 0o644)
	said(3, "kubelet-client", r.args("--station", r.path("bad.yaml"))...)
}

// TestTokenAway: the token's files go and come back. Nothing is denied in between.
func TestTokenAway(t *testing.T) {
	r := newRoom(t)
	p := r.serve()
	r.decided(onlinetest.ClientRequest(t, "worker-1", onlinetest.NewKey(t, "k")))
	tokens := filepath.Join(r.dir, "hsm", "tokens")
	if err := os.Rename(tokens, tokens+".away"); err != nil {
		t.Fatal(err)
	}
	q := onlinetest.ClientRequest(t, "worker-1", onlinetest.NewKey(t, "k"))
	for {
		a, err := ask(r.client(), "http://signer", body(t, q))
		if err != nil {
			t.Fatal(err)
		}
		if a.State == online.Later && a.Reason == online.TokenAway {
			break
		}
		if a.State == online.Denied {
			t.Fatalf("%+v", a)
		}
		q = onlinetest.ClientRequest(t, "worker-1", onlinetest.NewKey(t, "k")) // it had not noticed yet
	}
	out, _ := r.typed(5, "status", "--listen", "unix:"+r.socket)
	if !strings.Contains(out, "ready            no") || strings.Contains(out, "token            well") {
		t.Errorf("status:\n%s", out)
	}
	if err := os.Rename(tokens+".away", tokens); err != nil {
		t.Fatal(err)
	}
	if a := r.decided(q); a.State != online.Signed {
		t.Errorf("%+v", a)
	}
	if err := p.end(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	r.typed(0, "verify", r.path("journal.jsonl"), "--grant", r.path("grant.json"), "--release-key",
		r.path("release.pub"))
}

// TestKilled kills the signer 50 times while four kubelets ask without end. Each gets a
// certificate for each of its requests, none is signed twice, and the journal is whole.
func TestKilled(t *testing.T) {
	r := newRoom(t)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := map[string]bool{} // certificates that arrived
	answers := make(chan struct{}, 100_000)
	for i := range 4 {
		node := fmt.Sprint("worker-", i%2+1)
		wg.Go(func() {
			for {
				a := r.decided(onlinetest.ClientRequest(t, node, onlinetest.NewKey(t, "k")))
				if a.State != online.Signed {
					t.Errorf("%+v", a)
					return
				}
				block, _ := pem.Decode(a.Certificate)
				mu.Lock()
				got[string(block.Bytes)] = true
				mu.Unlock()
				answers <- struct{}{}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for i := range 50 {
		p := r.serve()
		for range i % 7 { // at work, or not yet
			<-answers
		}
		time.Sleep(time.Duration(rand.IntN(int(20 * time.Millisecond))))
		_ = p.end(syscall.SIGKILL)
	}
	close(stop)
	p := r.serve()
	wg.Wait()
	if err := p.end(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	f, err := os.Open(r.path("journal.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	contents, issued, abandoned := map[string]int{}, map[string]bool{}, 0
	intents := map[int]journal.Intent{}
	if _, err := journal.Read("journal.jsonl", f, func(l chain.Line) error {
		switch rec := l.Record.(type) {
		case journal.Intent:
			intents[l.Seq] = rec
		case journal.Issued:
			contents[intents[rec.Intent].Content.String()]++
			issued[string(rec.Certificate)] = true
		case journal.Abandoned:
			abandoned++
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for content, n := range contents {
		if n != 1 {
			t.Errorf("content %s is signed %d times", content, n)
		}
	}
	for der := range got {
		if !issued[der] {
			t.Error("a certificate arrived that is not on record")
		}
	}
	if len(got) < 50 {
		t.Errorf("only %d certificates arrived", len(got))
	}
	t.Logf("%d certificates, %d abandoned", len(issued), abandoned)
	r.typed(0, "verify", r.path("journal.jsonl"), "--grant", r.path("grant.json"), "--release-key",
		r.path("release.pub"))
}

// TestMetrics: a listener of its own, which takes no requests.
func TestMetrics(t *testing.T) {
	r := newRoom(t)
	l, err := newPort()
	if err != nil {
		t.Fatal(err)
	}
	p := r.serve("--metrics", l)
	r.decided(onlinetest.ClientRequest(t, "worker-1", onlinetest.NewKey(t, "k")))
	for path, want := range map[string]string{"/metrics": `officiant_signer_answers_total{state="signed",reason=""} 1`,
		"/readyz": "ok", "/v1/status": "404"} {
		w, err := http.Get("http://" + l + path)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(w.Body)
		w.Body.Close()
		if !strings.Contains(string(text), want) {
			t.Errorf("%s: %s", path, text)
		}
	}
	if err := p.end(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
}
