package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRestarts(t *testing.T) {
	const said = `installed sequence 2
files
  changed  etc/kubernetes/pki/apiserver.crt

who reads them
  etcd: restart it for pki/etcd/peer.crt, pki/etcd/server.crt
  etcdctl: reads at each use pki/etcd/healthcheck-client.crt
  kube-apiserver: restart it for pki/front-proxy-client.crt; reloads by itself pki/apiserver.crt
  kube-controller-manager: reloads by itself pki/front-proxy-ca.crt
`
	if got, want := restarts(said), []string{"etcd", "kube-apiserver"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := restarts("no file below /etc/kubernetes changes\n"); got != nil {
		t.Errorf("got %q of nothing", got)
	}
}

func TestCommandLines(t *testing.T) {
	m := &machine{host: host{"cp-2", "10.0.0.12"}}
	for _, c := range []struct {
		component string
		args      []string
		want      []string
	}{
		{etcd, []string{"--listen-client-urls=https://127.0.0.1:2379,https://10.0.0.12:2379", "--name=cp-2"},
			[]string{"--listen-client-urls=https://10.0.0.12:2379", "--name=cp-2", "--feature-gates=SetMemberLocalAddr=true"}},
		{etcd, []string{"--feature-gates=InitialCorruptCheck=true"}, []string{"--feature-gates=InitialCorruptCheck=true,SetMemberLocalAddr=true"}},
		{scheduler, []string{"--bind-address=127.0.0.1", "--leader-elect=true"}, []string{"--bind-address=10.0.0.12", "--leader-elect=true"}},
		{apiServer, []string{"--etcd-servers=https://127.0.0.1:2379"}, []string{"--etcd-servers=https://10.0.0.12:2379", "--bind-address=10.0.0.12"}},
	} {
		if got := m.ownAddress(c.component, c.args); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.component, got, c.want)
		}
	}
	args := []string{"--a=1", "--ab=2"}
	if got, want := setFlag(args, "--a=3"), []string{"--ab=2", "--a=3"}; !slices.Equal(got, want) || args[0] != "--a=1" {
		t.Errorf("got %q, want %q; the original is %q", got, want, args)
	}
}

func TestArguments(t *testing.T) {
	m := &machine{tree: t.TempDir()}
	write := func(text string) {
		f := files(filepath.Join(m.tree, etcKubernetes))
		if err := errors.Join(os.MkdirAll(f.path("manifests"), 0o755), f.write("manifests/etcd.yaml", []byte(text))); err != nil {
			t.Fatal(err)
		}
	}
	write("spec:\n  containers:\n  - command:\n    - etcd\n    - --name=cp-1\n")
	if got, err := m.arguments(etcd); err != nil || !slices.Equal(got, []string{"--name=cp-1"}) {
		t.Errorf("%q, %v", got, err)
	}
	for _, text := range []string{"spec: {}\n", "spec:\n  containers:\n  - command: [sh, -c]\n", "spec:\n  containers:\n  - command: [etcd]\n", "{"} {
		write(text)
		if got, err := m.arguments(etcd); err == nil {
			t.Errorf("%q gives %q", text, got)
		}
	}
}

func TestRefused(t *testing.T) {
	if err := refused(nil, "x"); !errors.Is(err, errUnexpected) {
		t.Errorf("success passes for a refusal: %v", err)
	}
	if err := refused(errors.New("it rains"), "401"); err == nil {
		t.Error("any failure passes for a refusal")
	}
	if err := refused(errors.New("the answer is 401"), "403", "401"); err != nil {
		t.Error(err)
	}
}

func TestReportTakesLines(t *testing.T) {
	var out bytes.Buffer
	r := &report{out: &out}
	for _, line := range []string{"ok   one", "FAIL two: no", "       because", "FAIL three: no"} {
		r.line(line)
	}
	if r.passed != 1 || r.failed != 2 || strings.Count(out.String(), "\n") != 4 {
		t.Errorf("%d passed, %d failed\n%s", r.passed, r.failed, out.String())
	}
}

// TestBuildOnce shows that what is there is not built, and that a user's own
// program comes first.
func TestBuildOnce(t *testing.T) {
	bin, own := t.TempDir(), t.TempDir()
	at := find("", bin)
	if err := os.WriteFile(at[etcd], []byte("x"), 0o755); err != nil {
		t.Fatal(err)
	}
	var talk bytes.Buffer
	if err := build(t.Context(), "no such folder", at, &talk, etcd); err != nil || talk.Len() > 0 {
		t.Errorf("it is built again: %v, %q", err, talk.String())
	}
	if build(t.Context(), filepath.Join(bin, "none"), at, &talk, "etcdctl") == nil {
		t.Error("what is not there is not built")
	}
	if err := os.WriteFile(filepath.Join(own, apiServer), []byte("x"), 0o755); err != nil {
		t.Fatal(err)
	}
	at = find(own, bin)
	if at[apiServer] != filepath.Join(own, apiServer) || at[scheduler] != filepath.Join(bin, scheduler+"-"+kubernetesVersion) {
		t.Errorf("%q", at)
	}
}

func TestBalancer(t *testing.T) {
	serve := func(text string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) }))
		t.Cleanup(s.Close)
		return s.Listener.Addr().String()
	}
	gone, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	a, b := serve("a"), serve("b")
	lb, err := balance("127.0.0.1:0", a, gone.Addr().String(), b)
	if err != nil {
		t.Fatal(err)
	}
	defer lb.close()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	ask := func() string {
		response, err := client.Get("http://" + lb.listener.Addr().String())
		if err != nil {
			return err.Error()
		}
		defer response.Body.Close()
		text, _ := io.ReadAll(response.Body)
		return string(text)
	}
	seen := map[string]int{}
	for range 9 {
		seen[ask()]++
	}
	if seen["a"] == 0 || seen["b"] == 0 || seen["a"]+seen["b"] != 9 {
		t.Errorf("answers: %v", seen)
	}
	lb.set(b)
	if got := ask(); got != "b" {
		t.Errorf("with b alone: %q", got)
	}
	lb.set()
	if got := ask(); !strings.Contains(got, "EOF") && !strings.Contains(got, "reset") {
		t.Errorf("with nobody: %q", got)
	}
}

// TestStandIn shows that a stand-in lets in whom its trust file vouches for and
// nobody else, and that this can be changed.
func TestStandIn(t *testing.T) {
	mine, err := newAuthority(nil, "mine")
	if err != nil {
		t.Fatal(err)
	}
	other, err := newAuthority(nil, "other")
	if err != nil {
		t.Fatal(err)
	}
	dir := files(t.TempDir())
	s, err := stand("127.0.0.1:0", "localhost", writeTrust(t, dir, "mine.crt", mine), kubeletSays)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	ask := func(issuer *authority) error {
		certificate, key, err := issuer.leaf("client", nil, nil)
		if err != nil {
			return err
		}
		a, err := caller{trust: writeTrust(t, dir, "server.crt", s.authority), who: &tls.Certificate{Certificate: [][]byte{certificate.Raw}, PrivateKey: key}}.
			ask(t.Context(), "GET", "https://"+s.address)
		if err != nil {
			return err
		}
		return a.is(200, "asked by CN=client")
	}
	if err := ask(mine); err != nil {
		t.Error(err)
	}
	if err := refused(ask(other), "remote error: tls"); err != nil {
		t.Error(err)
	}
	if err := s.believe(writeTrust(t, dir, "other.crt", other)); err != nil {
		t.Fatal(err)
	}
	if err := ask(other); err != nil {
		t.Error(err)
	}
	if err := refused(ask(mine), "remote error: tls"); err != nil {
		t.Error(err)
	}
}

func writeTrust(t *testing.T, dir files, name string, a *authority) string {
	t.Helper()
	if err := dir.write(name, certificatePEM(a.certificate)); err != nil {
		t.Fatal(err)
	}
	return dir.path(name)
}

func TestResign(t *testing.T) {
	forged, err := resign("aGVhZA.Ym9keQ.c2lnbmF0dXJl")
	if err != nil || !strings.HasPrefix(forged, "aGVhZA.Ym9keQ.") || strings.HasSuffix(forged, ".c2lnbmF0dXJl") {
		t.Errorf("%q, %v", forged, err)
	}
	if _, err := resign("token"); err == nil {
		t.Error("anything is a token")
	}
}

// TestUntil shows that waiting ends: when it holds, with the time, with the
// context, and with the process.
func TestUntil(t *testing.T) {
	no := errors.New("not yet")
	if err := until(t.Context(), time.Minute, nil, func() error { return nil }); err != nil {
		t.Error(err)
	}
	if err := until(t.Context(), 0, nil, func() error { return no }); !errors.Is(err, no) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := until(ctx, time.Minute, nil, func() error { return no }); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	log := filepath.Join(t.TempDir(), "log")
	p, err := begin("echo", log, "", "/bin/sh", "-c", "echo good-bye; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	<-p.done
	if err := until(t.Context(), time.Minute, p, func() error { return no }); err == nil || !strings.Contains(err.Error(), "good-bye") {
		t.Errorf("%v", err)
	}
}

// TestVersionOfEtcd holds the constant against go.mod.
func TestVersionOfEtcd(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, module := range []string{"server", "etcdctl"} {
		if !bytes.Contains(mod, []byte("go.etcd.io/etcd/"+module+"/v3 "+etcdVersion)) {
			t.Errorf("go.mod does not require etcd's %s at %s", module, etcdVersion)
		}
	}
	for _, p := range programs {
		if !bytes.Contains(mod, []byte("\n\t"+p.pkg+"\n")) {
			t.Errorf("go.mod does not list %s as a tool", p.pkg)
		}
	}
}
