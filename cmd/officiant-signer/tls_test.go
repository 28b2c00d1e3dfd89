package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http"
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
