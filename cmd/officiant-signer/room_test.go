package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/issue"
	"officiant/ceremony/online"
	"officiant/ceremony/online/grant"
	"officiant/ceremony/online/onlinetest"
	"officiant/ceremony/online/policy"
	"officiant/cmd/internal/commandtest"
	"officiant/signer"
	"officiant/signer/pkcs11"
	"officiant/signer/pkcs11/module"
	"officiant/softhsm"
)

// TestMain makes the test binary the program itself, and the process of its modules.
func TestMain(m *testing.M) {
	if code, ok := module.Serve(os.Args); ok {
		os.Exit(code)
	}
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") {
		main()
	}
	os.Exit(m.Run())
}

// started is what a test starts: this binary, or where coverage is gathered one that writes
// what it has run.
var started = sync.OnceValue(func() string {
	if !commandtest.Covered() {
		return os.Args[0]
	}
	folder, err := os.MkdirTemp("", "officiant-signer-")
	if err == nil {
		err = commandtest.Build(filepath.Join("..", ".."), folder, "officiant-signer", "1")
	}
	if err != nil {
		panic(err)
	}
	return filepath.Join(folder, "officiant-signer")
})

// room has a SoftHSM token with all keys, a station, and a signed grant.
type room struct {
	t       testing.TB
	dir     string
	grant   *grant.Grant
	release signer.Key
	journal signer.Key
	socket  string
}

func newRoom(t testing.TB) *room { return newRoomOf(t, signer.ECDSAP256) }

// newRoomOf is a room whose authorities have keys of an algorithm.
func newRoomOf(t testing.TB, authorities signer.Algorithm) *room {
	t.Helper()
	lib, err := softhsm.Find()
	if err != nil {
		t.Skip(err)
	}
	dir, err := os.MkdirTemp("", "os") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	r := &room{t: t, dir: dir, socket: filepath.Join(dir, "s")}
	conf, _, err := softhsm.Init(filepath.Join(dir, "hsm"), lib,
		[]softhsm.Token{{Label: "online", PIN: []byte("1234"), SOPIN: []byte("12345678")}},
		func(key, value string) error { t.Setenv(key, value); return nil })
	if err != nil {
		t.Fatal(err)
	}
	r.write("pin", []byte("1234\n"), 0o600)
	uri := fmt.Sprintf("pkcs11:token=online?module-path=%s&pin-source=file:%s", lib, r.path("pin"))
	r.write("station.yaml", fmt.Appendf(nil, "apiVersion: officiant/v1\nkind: Station\nname: signer-1\nkeys:\n"+
		"  default: %q\nenvironment:\n  SOFTHSM2_CONF: %s\n", uri, conf), 0o644)
	store, err := pkcs11.Open(t.Context(), signer.Ref{URI: uri}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	key := func(name string, algorithm signer.Algorithm) signer.Key {
		k, err := store.Create(t.Context(), signer.Ref{URI: uri, Label: "demo/" + name},
			signer.Spec{Algorithm: algorithm}, signer.ID([]byte((name + "................")[:16])))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	client, server := key("kubelet-client", authorities), key("kubelet-serving", authorities)
	r.journal, r.release = key("journal", signer.ECDSAP256), key("release", signer.ECDSAP256)
	r.grant = onlinetest.Grant(t, time.Now().UTC().Truncate(time.Hour), client, server, r.journal)
	for i := range r.grant.Nodes {
		r.grant.Nodes[i].SignaturesPerDay = 1000
	}
	public, err := x509.MarshalPKIXPublicKey(r.release.Public())
	if err != nil {
		t.Fatal(err)
	}
	r.write("release.pub", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), 0o644)
	r.sign("grant.json")
	return r
}

func (r *room) path(name string) string { return filepath.Join(r.dir, name) }

func (r *room) write(name string, data []byte, mode os.FileMode) {
	r.t.Helper()
	if err := os.WriteFile(r.path(name), data, mode); err != nil {
		r.t.Fatal(err)
	}
}

// sign writes the grant as it is now, and its signature.
func (r *room) sign(name string) {
	r.t.Helper()
	data, err := r.grant.Marshal()
	if err != nil {
		r.t.Fatal(err)
	}
	signature, err := issue.File(r.t.Context(), fingerprint.Of(data), r.release)
	if err != nil {
		r.t.Fatal(err)
	}
	r.write(name, data, 0o644)
	r.write(name+".sig", signature, 0o644)
}

// process is serve, in a process of its own.
type process struct {
	t    testing.TB
	cmd  *exec.Cmd
	logs chan string // what it logs, a line each
}

func (r *room) args(more ...string) []string {
	return append([]string{"serve", "--grant", r.path("grant.json"), "--release-key", r.path("release.pub"),
		"--station", r.path("station.yaml"), "--journal", r.path("journal.jsonl"), "--listen", "unix:" + r.socket},
		more...)
}

func (r *room) serve(more ...string) *process {
	r.t.Helper()
	p := &process{r.t, exec.Command(started(), r.args(more...)...), make(chan string, 10_000)}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	go func() {
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			select {
			case p.logs <- lines.Text():
			default:
			}
		}
		close(p.logs)
	}()
	return p
}

// said waits for a line of the log.
func (p *process) said(want string) {
	p.t.Helper()
	var all []string
	for line := range p.logs {
		if all = append(all, line); strings.Contains(line, want) {
			return
		}
	}
	p.t.Fatalf("it ended, and did not say %q:\n%s", want, strings.Join(all, "\n"))
}

func (p *process) end(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil {
		return err
	}
	for range p.logs { // to its end
	}
	return p.cmd.Wait()
}

func (r *room) client() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", r.socket)
		}}}
}

func body(t testing.TB, q policy.Request) []byte {
	t.Helper()
	data, err := json.Marshal(map[string]any{"signerName": q.SignerName, "username": q.Username, "groups": q.Groups,
		"usages": q.Usages, "request": q.CSR})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// ask asks once; its error says that nobody answered.
func ask(c *http.Client, url string, body []byte) (a online.Answer, err error) {
	w, err := c.Post(url+"/v1/sign", "application/json", bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	defer w.Body.Close()
	data, err := io.ReadAll(w.Body)
	if err != nil {
		return a, err
	}
	if w.StatusCode != http.StatusOK {
		return a, fmt.Errorf("status %d: %s", w.StatusCode, data)
	}
	return a, json.Unmarshal(data, &a)
}

// decided asks until something is decided, as a relay does.
func (r *room) decided(q policy.Request) online.Answer {
	r.t.Helper()
	c, data := r.client(), body(r.t, q)
	for {
		if a, err := ask(c, "http://signer", data); err == nil && a.State != online.Later {
			return a
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// typed runs a command of the program, and wants an exit code.
func (r *room) typed(code int, args ...string) (stdout, stderr string) {
	r.t.Helper()
	var out, errs bytes.Buffer
	c := exec.Command(started(), args...)
	c.Stdout, c.Stderr = &out, &errs
	_ = c.Run()
	if got := c.ProcessState.ExitCode(); got != code {
		r.t.Errorf("%s: exit code %d, want %d\n%s%s", strings.Join(args, " "), got, code, &out, &errs)
	}
	return out.String(), errs.String()
}

// get asks a handler.
func get(t *testing.T, h http.Handler, path string) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Body.String()
}
