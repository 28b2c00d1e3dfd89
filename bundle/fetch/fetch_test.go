package fetch_test

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"officiant/bundle/fetch"
)

func open(t *testing.T, at string, o fetch.Options) *fetch.Place {
	t.Helper()
	p, err := fetch.Open(at, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func get(t *testing.T, p *fetch.Place, known fetch.Validator) ([]byte, fetch.Validator, error) {
	t.Helper()
	return p.Get(t.Context(), "cp-1.tar", known)
}

func TestURLs(t *testing.T) {
	for at, want := range map[string]string{
		"http://bundles.test/a":         "is not https",
		"https://user:secret@host/a":    "has a name or password in it",
		"https://host/a?b=c":            "is not of the form",
		"ftp://host/a":                  "is neither an https URL",
		"https:///a":                    "is not of the form",
		"https://host:notaport/secret@": "is no URL",
		"":                              "no folder and no URL",
	} {
		_, err := fetch.Open(at, fetch.Options{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", at, err)
		}
	}
	for _, proxy := range []string{"http://user:secret@proxy:3128", "socks5://proxy", "proxy"} {
		_, err := fetch.Open("https://host/a", fetch.Options{Proxy: proxy})
		if err == nil || !strings.Contains(err.Error(), "is no proxy") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", proxy, err)
		}
	}
	good := []string{"https://host", "https://[::1]:8443/a/b", "http://127.0.0.1:1/a", "http://localhost/", "/mnt/a"}
	for _, at := range good {
		if _, err := fetch.Open(at, fetch.Options{}); err != nil {
			t.Error(err)
		}
	}
}

func TestConditional(t *testing.T) {
	asked := []string{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path+" "+r.Header.Get("If-None-Match")+" "+r.Header.Get("Accept-Encoding"))
		w.Header().Set("ETag", `"1"`)
		if r.Header.Get("If-None-Match") == `"1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = io.WriteString(w, "bytes")
	}))
	defer s.Close()
	p := open(t, s.URL+"/demo/", fetch.Options{})
	data, v, err := get(t, p, fetch.Validator{})
	if err != nil || string(data) != "bytes" || v.ETag != `"1"` {
		t.Fatalf("%q, %+v, %v", data, v, err)
	}
	if _, again, err := get(t, p, v); !errors.Is(err, fetch.ErrUnchanged) || again != v {
		t.Errorf("again: %+v, %v", again, err)
	}
	if asked[0] != "/demo/cp-1.tar  " || asked[1] != `/demo/cp-1.tar "1" ` {
		t.Errorf("asked %q", asked)
	}
}

// TestChangedTwiceInASecond: a file that is changed again in the second in which it was
// fetched is fetched again, though its server tells the two apart by the second alone.
func TestChangedTwiceInASecond(t *testing.T) {
	content, at := "first", time.Now().Truncate(time.Second)
	changed := at
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", at.UTC().Format(http.TimeFormat))
		http.ServeContent(w, r, "cp-1.tar", changed, strings.NewReader(content))
	}))
	defer s.Close()
	p := open(t, s.URL+"/demo/", fetch.Options{})
	_, v, err := get(t, p, fetch.Validator{})
	if err != nil || v != (fetch.Validator{}) {
		t.Fatalf("%+v, %v", v, err)
	}
	content = "second"
	at = at.Add(time.Second)
	data, v, err := get(t, p, v)
	if err != nil || string(data) != "second" || v.LastModified == "" {
		t.Errorf("%q, %+v, %v", data, v, err)
	}
	if _, _, err := get(t, p, v); !errors.Is(err, fetch.ErrUnchanged) {
		t.Errorf("not changed since: %v", err)
	}
}

// TestServerIsVerified: a server is verified by the CAs given, and by no others.
func TestServerIsVerified(t *testing.T) {
	s := httptest.NewTLSServer(
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "bytes") }),
	)
	defer s.Close()
	if _, _, err := get(t, open(t, s.URL, fetch.Options{}), fetch.Validator{}); err == nil {
		t.Error("a server that nobody vouches for was believed")
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	data, _, err := get(t, open(t, s.URL, fetch.Options{CA: ca}), fetch.Validator{})
	if err != nil || string(data) != "bytes" {
		t.Errorf("%q, %v", data, err)
	}
	if _, err := fetch.Open(s.URL, fetch.Options{CA: []byte("no PEM")}); err == nil {
		t.Error("a file without certificates was taken")
	}
}

// TestProxy: a proxy is used when it is named, and not when the environment names it.
func TestProxy(t *testing.T) {
	used := 0
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		used++
		_, _ = io.WriteString(w, "by proxy")
	}))
	defer proxy.Close()
	direct := httptest.NewServer(
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "direct") }),
	)
	defer direct.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("NO_PROXY", "")
	if data, _, err := get(t, open(t, direct.URL, fetch.Options{}), fetch.Validator{}); err != nil ||
		string(data) != "direct" {
		t.Errorf("%q, %v", data, err)
	}
	data, _, err := get(t, open(t, direct.URL, fetch.Options{Proxy: proxy.URL}), fetch.Validator{})
	if err != nil || string(data) != "by proxy" || used != 1 {
		t.Errorf("%q, %d, %v", data, used, err)
	}
}

func TestLimits(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, 4097))
	}))
	defer s.Close()
	if _, _, err := get(t, open(t, s.URL, fetch.Options{Bytes: 4096}), fetch.Validator{}); err == nil ||
		!strings.Contains(err.Error(), "larger than 4096") {
		t.Error(err)
	}
	if _, _, err := get(t, open(t, s.URL, fetch.Options{Bytes: 4097}), fetch.Validator{}); err != nil {
		t.Error(err)
	}
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	p := open(t, dir, fetch.Options{Bytes: 10, Timeout: time.Second})
	if _, _, err := get(t, p, fetch.Validator{}); !errors.Is(err, fetch.ErrAbsent) {
		t.Error(err)
	}
	if err := p.Put(t.Context(), "cp-1.tar", []byte("bytes")); err != nil {
		t.Fatal(err)
	}
	if data, _, err := get(t, p, fetch.Validator{}); err != nil || string(data) != "bytes" {
		t.Errorf("%q, %v", data, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cp-1.tar"), make([]byte, 11), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := get(t, p, fetch.Validator{}); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Error(err)
	}
	if err := os.Remove(filepath.Join(dir, "cp-1.tar")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "cp-1.tar"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := get(t, p, fetch.Validator{}); err == nil || !strings.Contains(err.Error(), "not a plain file") {
		t.Error(err)
	}
	gone := open(t, filepath.Join(dir, "not-mounted"), fetch.Options{})
	if _, _, err := get(t, gone, fetch.Validator{}); err == nil || errors.Is(err, fetch.ErrAbsent) {
		t.Error(err)
	}
}

func TestPut(t *testing.T) {
	var method, path, body string
	code := http.StatusNoContent
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		method, path, body = r.Method, r.URL.Path, string(data)
		w.WriteHeader(code)
	}))
	defer s.Close()
	p := open(t, s.URL+"/status", fetch.Options{})
	if err := p.Put(t.Context(), "cp-1.json", []byte("{}")); err != nil || method != "PUT" ||
		path != "/status/cp-1.json" ||
		body != "{}" {
		t.Errorf("%s %s %s: %v", method, path, body, err)
	}
	code = http.StatusForbidden
	if err := p.Put(t.Context(), "cp-1.json", []byte("{}")); err == nil ||
		!strings.Contains(err.Error(), "403 Forbidden") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Put(ctx, "cp-1.json", nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
