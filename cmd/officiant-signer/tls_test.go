package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"officiant/ceremony/online"
	"officiant/ceremony/online/onlinetest"
)

// newPort is an address that nobody listens on.
func newPort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// certified writes NAME.crt and NAME.key, signed by itself, and returns the pair.
func (r *room) certified(name string, use x509.ExtKeyUsage) tls.Certificate {
	r.t.Helper()
	key := onlinetest.NewKey(r.t, name)
	now := time.Now()
	template := &x509.Certificate{SerialNumber: onlinetest.Serial(r.t), NotBefore: now.Add(-time.Hour),
		NotAfter: now.Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{use},
		IsCA:        true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(nil, template, template, key.Public(), key.Signer)
	if err != nil {
		r.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key.Signer)
	if err != nil {
		r.t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	r.write(name+".crt", cert, 0o644)
	r.write(name+".key", private, 0o600)
	pair, err := tls.X509KeyPair(cert, private)
	if err != nil {
		r.t.Fatal(err)
	}
	return pair
}

// TestMutualTLS: who has a certificate of the client CA is answered, and nobody else.
func TestMutualTLS(t *testing.T) {
	r := newRoom(t)
	server := r.certified("server", x509.ExtKeyUsageServerAuth)
	relay, stranger := r.certified("relay", x509.ExtKeyUsageClientAuth), r.certified("stranger",
		x509.ExtKeyUsageClientAuth)
	address, err := newPort()
	if err != nil {
		t.Fatal(err)
	}
	p := r.serve("--listen", address, "--tls-cert", r.path("server.crt"), "--tls-key", r.path("server.key"),
		"--client-ca", r.path("relay.crt"))
	p.said("serving")
	roots := x509.NewCertPool()
	leaf, err := x509.ParseCertificate(server.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots.AddCert(leaf)
	data := body(t, onlinetest.ClientRequest(t, "worker-1", onlinetest.NewKey(t, "k")))
	with := func(config *tls.Config) (online.Answer, error) {
		config.RootCAs = roots
		return ask(&http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}},
			"https://"+address, data)
	}
	for {
		a, err := with(&tls.Config{Certificates: []tls.Certificate{relay}})
		if err != nil {
			t.Fatal(err)
		}
		if a.State == online.Signed {
			break
		}
	}
	for name, config := range map[string]*tls.Config{
		"nobody":     {},
		"a stranger": {Certificates: []tls.Certificate{stranger}},
		"old TLS":    {Certificates: []tls.Certificate{relay}, MaxVersion: tls.VersionTLS12},
	} {
		if _, err := with(config); err == nil {
			t.Errorf("%s was answered", name)
		}
	}
	if err := p.end(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
}

// TestClientCAReplaced: with another client CA in place, a connection that is open already
// is worth no more than a new one.
func TestClientCAReplaced(t *testing.T) {
	r := newRoom(t)
	server := r.certified("server", x509.ExtKeyUsageServerAuth)
	relay, next := r.certified("relay", x509.ExtKeyUsageClientAuth), r.certified("next", x509.ExtKeyUsageClientAuth)
	address, err := newPort()
	if err != nil {
		t.Fatal(err)
	}
	p := r.serve("--listen", address, "--tls-cert", r.path("server.crt"), "--tls-key", r.path("server.key"),
		"--client-ca", r.path("relay.crt"))
	p.said("the journal is open")
	roots := x509.NewCertPool()
	leaf, err := x509.ParseCertificate(server.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots.AddCert(leaf)
	client := func(with tls.Certificate) *http.Client {
		return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots,
			Certificates: []tls.Certificate{with}}}}
	}
	data := body(t, onlinetest.ClientRequest(t, "worker-1", onlinetest.NewKey(t, "k")))
	before, after := client(relay), client(next)
	if _, err := ask(before, "https://"+address, data); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil { // the same files
		t.Fatal(err)
	}
	p.said("reloaded")
	if _, err := ask(before, "https://"+address, data); err != nil {
		t.Errorf("with the same CA: %v", err)
	}
	if err := os.Rename(r.path("next.crt"), r.path("relay.crt")); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.said("reloaded")
	if _, err := ask(before, "https://"+address, data); err == nil ||
		!strings.Contains(err.Error(), "status 401: the client certificate of this connection is not accepted") {
		t.Errorf("on the connection from before: %v", err)
	}
	if _, err := ask(before, "https://"+address, data); err == nil || strings.Contains(err.Error(), "status") {
		t.Errorf("on another connection: %v", err)
	}
	if _, err := ask(after, "https://"+address, data); err != nil {
		t.Errorf("by the new CA: %v", err)
	}
	if err := p.end(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
}

// TestGuard: a connection is worth what its client's certificate is at each request; a
// socket's has none.
func TestGuard(t *testing.T) {
	key, now := onlinetest.NewKey(t, "relay"), time.Now()
	relay := onlinetest.Certify(t, key, "relay", x509.ExtKeyUsageClientAuth, now.Add(-time.Hour), now.Add(time.Hour))
	pool := x509.NewCertPool()
	pool.AddCert(relay)
	files := &tlsFiles{}
	files.config.Store(&tls.Config{ClientCAs: pool})
	h := files.guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), func() time.Time { return now })
	with := func(state *tls.ConnectionState) (int, string) {
		r := httptest.NewRequest(http.MethodGet, "/v1/status", nil)
		r.TLS = state
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r.WithContext(files.began(t.Context(), nil)))
		return w.Code, w.Body.String()
	}
	has := &tls.ConnectionState{PeerCertificates: []*x509.Certificate{relay}}
	for what, state := range map[string]*tls.ConnectionState{"a socket": nil, "a relay": has} {
		if code, text := with(state); code != http.StatusOK {
			t.Errorf("%s: %d: %s", what, code, text)
		}
	}
	if code, text := with(&tls.ConnectionState{}); code != http.StatusUnauthorized ||
		!strings.Contains(text, "there is no client certificate") {
		t.Errorf("nobody: %d: %s", code, text)
	}
	now = relay.NotAfter.Add(time.Second)
	if code, text := with(has); code != http.StatusUnauthorized || !strings.Contains(text, "not accepted any more") ||
		!strings.Contains(text, "has expired") {
		t.Errorf("after its end: %d: %s", code, text)
	}
}

// pipes is a listener whose connections hold nothing: who does not read stops who writes.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (pipes) Close() error   { return nil }
func (pipes) Addr() net.Addr { return &net.UnixAddr{} }

// TestSlowClients: who says nothing, says it slowly, or takes no answer is cut off. The
// limits are those of serve, a thousandth of each.
func TestSlowClients(t *testing.T) {
	server := requestServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "answer")
	}), stdlog.New(io.Discard, "", 0))
	for _, limit := range []*time.Duration{&server.ReadHeaderTimeout, &server.ReadTimeout, &server.WriteTimeout,
		&server.IdleTimeout} {
		*limit /= 1000 // of none, none
	}
	ended := make(chan struct{})
	server.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			ended <- struct{}{}
		}
	}
	listener := make(pipes)
	go func() { _ = server.Serve(listener) }()
	defer close(listener)
	const head = "POST /v1/sign HTTP/1.1\r\nHost: signer\r\n"
	for name, said := range map[string]string{
		"nothing":                       "",
		"half a head":                   head + "Content-Le",
		"a head, and half a body":       head + "Content-Length: 100\r\n\r\n{",
		"all, and takes no answer":      head + "Content-Length: 2\r\n\r\n{}",
		"a head without end, no answer": head + "X: " + strings.Repeat("x", 64<<10),
	} {
		client, at := net.Pipe()
		listener <- at
		go func() { _, _ = io.WriteString(client, said) }() // it may be cut off meanwhile
		select {
		case <-ended:
		case <-t.Context().Done():
			t.Fatalf("who says %s stays", name)
		}
		client.Close()
	}
}
