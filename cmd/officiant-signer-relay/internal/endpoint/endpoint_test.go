package endpoint

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// pair is a key, a request for it, and a certificate of it, by itself.
type pair struct {
	key          *ecdsa.PrivateKey
	csr, cert    []byte
	secret, spki []byte
}

func newPair(t *testing.T, use x509.ExtKeyUsage) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{use}, IPAddresses: []net.IP{{127, 0, 0, 1}},
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	in := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	return pair{key: key, csr: in("CERTIFICATE REQUEST", csr), cert: in("CERTIFICATE", der),
		secret: in("PRIVATE KEY", secret)}
}

func (p pair) write(t *testing.T, dir, name string) (cert, key string) {
	t.Helper()
	cert, key = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	if err := errors.Join(os.WriteFile(cert, p.cert, 0o600), os.WriteFile(key, p.secret, 0o600)); err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// signer answers on a Unix socket.
func signer(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	dir, err := os.MkdirTemp("", "re") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: h}}
	s.Start()
	t.Cleanup(s.Close)
	c, err := New("unix:"+filepath.Join(dir, "s"), Files{}, 2)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestForm holds this package against the signer's, whose page specifies the form: each
// example of it is what is asked here, and is understood here.
func TestForm(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "ceremony", "online", "endpoint", "doc.go"))
	if err != nil {
		t.Fatal(err)
	}
	page := regexp.MustCompile(`(?m)^//\t ?`).ReplaceAllString(string(text), "")
	examples := regexp.MustCompile(`(?s)\{"(signerName|state)".*?\}\n`).FindAllString(page, -1)
	if len(examples) != 4 {
		t.Fatalf("%d examples: %q", len(examples), examples)
	}
	var fields map[string]any
	request := strings.Replace(strings.ReplaceAll(examples[0], "\n", ""), "JBRUdJTi…", "JBRUdJTg==", 1)
	if err := json.Unmarshal([]byte(request), &fields); err != nil {
		t.Fatalf("%s: %v", request, err)
	}
	seconds := int64(86400)
	ours, err := json.Marshal(Request{"kubernetes.io/kubelet-serving", "system:node:worker-1",
		[]string{"system:nodes"}, []string{"digital signature", "server auth"}, &seconds, []byte("-----BEGIN")})
	if err != nil {
		t.Fatal(err)
	}
	var back map[string]any
	if err := json.Unmarshal(ours, &back); err != nil {
		t.Fatal(err)
	}
	fields["request"], back["request"] = "", ""
	if fmt.Sprint(fields) != fmt.Sprint(back) {
		t.Errorf("asked:\n%v\nwant\n%v", back, fields)
	}
	for _, e := range examples[1:] {
		e = strings.NewReplacer("LS0t…", "LS0t", "{…}", `{"seq":12,"hash":"9c4e…"}`).Replace(e)
		dec := json.NewDecoder(strings.NewReader(e))
		dec.DisallowUnknownFields()
		var a Answer
		if err := dec.Decode(&a); err != nil || a.Head.Seq != 12 ||
			a.State == Signed != (string(a.Certificate) == "---") || a.State != Signed && a.Reason == "" {
			t.Errorf("%s: %+v, %v", e, a, err)
		}
	}
	if !strings.Contains(page, "at most 64 KiB") || MaxBody != 64<<10 {
		t.Error("the most that is read is another number")
	}
}

func TestSign(t *testing.T) {
	p, another := newPair(t, x509.ExtKeyUsageServerAuth), newPair(t, x509.ExtKeyUsageServerAuth)
	hash := strings.Repeat("a", 64)
	right := map[string]any{"state": "signed", "certificate": p.cert, "head": map[string]any{"seq": 4, "hash": hash}}
	with := func(key string, value any) map[string]any {
		m := map[string]any{}
		for k, v := range right {
			m[k] = v
		}
		m[key] = value
		return m
	}
	for name, c := range map[string]struct {
		answer any
		status int
		wrong  string // empty: nothing
	}{
		"signed":                  {answer: right},
		"denied":                  {answer: map[string]any{"state": "denied", "reason": "san-not-in-grant"}},
		"later, no journal":       {answer: map[string]any{"state": "later", "reason": "token", "head": Head{}}},
		"a field more":            {answer: with("more", 1)},
		"another key":             {answer: with("certificate", another.cert), wrong: "another key"},
		"no certificate":          {answer: with("certificate", nil), wrong: "no certificate"},
		"a certificate of junk":   {answer: with("certificate", p.csr), wrong: "no certificate"},
		"no head":                 {answer: with("head", Head{}), wrong: "no head"},
		"a head below nothing":    {answer: with("head", Head{-1, hash}), wrong: "head"},
		"a head of another form":  {answer: with("head", Head{1, "x"}), wrong: "head"},
		"no state":                {answer: with("state", ""), wrong: "state"},
		"another state":           {answer: with("state", "maybe"), wrong: "state"},
		"denied without a reason": {answer: with("state", "denied"), wrong: "reason"},
		"a reason that is none":   {answer: map[string]any{"state": "later", "reason": "A\"b"}, wrong: "reason"},
		"no JSON":                 {answer: "text", wrong: "none"},
		"too long":                {answer: with("detail", strings.Repeat("x", maxAnswer)), wrong: "too long"},
		"400":                     {answer: "no request", status: 400, wrong: "answers 400"},
		"503":                     {answer: "", status: 503, wrong: "answers 503"},
		"a redirection":           {answer: "", status: 302, wrong: "answers 302"},
	} {
		t.Run(name, func(t *testing.T) {
			client := signer(t, func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil || r.URL.Path != "/v1/sign" || r.Method != "POST" ||
					!strings.Contains(string(body), `"groups":[]`) {
					t.Errorf("%s %s: %s", r.Method, r.URL, body)
				}
				if c.status != 0 {
					w.WriteHeader(c.status)
				}
				_ = json.NewEncoder(w).Encode(c.answer)
			})
			a, err := client.Sign(t.Context(), Request{SignerName: "s", Username: "u", Request: p.csr})
			if c.wrong == "" && err != nil {
				t.Error(err)
			}
			if c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)) {
				t.Errorf("%+v, %v; want %q", a, err, c.wrong)
			}
		})
	}
}

func TestTooLargeIsNotSent(t *testing.T) {
	client := signer(t, func(http.ResponseWriter, *http.Request) { t.Error("it was sent") })
	for _, r := range []Request{{Request: make([]byte, MaxBody)}, {Groups: []string{strings.Repeat("g", MaxBody)}}} {
		if _, err := client.Sign(t.Context(), r); !errors.Is(err, ErrTooLarge) {
			t.Error(err)
		}
	}
}

func TestStatus(t *testing.T) {
	client := signer(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"ready":true,"cluster":"demo","token":"","head":{"seq":3,"hash":%q}}`, strings.Repeat("b", 64))
	})
	st, err := client.Status(t.Context())
	if err != nil || !st.Ready || st.Cluster != "demo" || st.Head.Seq != 3 {
		t.Errorf("%+v, %v", st, err)
	}
	away, err := New("unix:/nowhere/s", Files{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := away.Status(t.Context()); err == nil {
		t.Error("nobody answered")
	}
}

func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		address string
		files   Files
	}{
		{"", Files{}}, {"unix:", Files{}}, {"unix:/s", Files{Cert: "x"}}, {"host", Files{}}, {":1", Files{}},
		{"host:1", Files{}}, {"host:1", Files{Cert: "a", Key: "b"}}, {"https://host:1", Files{}},
	} {
		var bad *BadAddress
		if _, err := New(c.address, c.files, 1); !errors.As(err, &bad) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if _, err := New("host:1", Files{"/none", "/none", "/none"}, 1); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// TestMutualTLS: both sides show certificates; files that change are read again.
func TestMutualTLS(t *testing.T) {
	dir := t.TempDir()
	server, relay := newPair(t, x509.ExtKeyUsageServerAuth), newPair(t, x509.ExtKeyUsageClientAuth)
	stranger := newPair(t, x509.ExtKeyUsageClientAuth)
	cert, err := tls.X509KeyPair(server.cert, server.secret)
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(relay.cert)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"ready":true}`)
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: clients,
		ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13}
	s.Config.ErrorLog = nil
	s.StartTLS()
	defer s.Close()
	address := s.Listener.Addr().String()
	ca, _ := server.write(t, dir, "server")
	ask := func(p pair, authority string) error {
		own, key := p.write(t, dir, "own")
		c, err := New(address, Files{own, key, authority}, 1)
		if err != nil {
			return err
		}
		_, err = c.Status(t.Context())
		if err == nil { // another certificate, for the connections to come
			stranger.write(t, dir, "own")
			c.http.CloseIdleConnections()
			if _, err := c.Status(t.Context()); err == nil {
				t.Error("the files that were changed are not read")
			}
		}
		return err
	}
	if err := ask(relay, ca); err != nil {
		t.Error(err)
	}
	other, _ := relay.write(t, dir, "other")
	for name, err := range map[string]error{"a stranger": ask(stranger, ca), "another signer": ask(relay, other)} {
		if err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
