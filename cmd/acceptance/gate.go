package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// gate is a TLS server that lets in only clients a trust file vouches for:
// in the place of a kubelet, or of an API server behind the aggregator. Its own
// certificate comes from an authority made for it.
type gate struct {
	server    *http.Server
	address   string
	authority *authority
	mu        sync.Mutex
	trust     *x509.CertPool
}

// stand begins to serve at address as name.
func stand(address, name, trust string, handler http.HandlerFunc) (*gate, error) {
	own, err := newAuthority(nil, "stand-in")
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	certificate, key, err := own.leaf(name, nil, []string{name}, net.ParseIP(host))
	if err != nil {
		return nil, err
	}
	s := &gate{authority: own}
	if err := s.believe(trust); err != nil {
		return nil, err
	}
	serving := tls.Certificate{Certificate: [][]byte{certificate.Raw}, PrivateKey: key}
	listener, err := net.Listen("tcp4", address)
	if err != nil {
		return nil, err
	}
	s.address = listener.Addr().String()
	s.server = &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: 10 * time.Second}
	config := &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		// Without a session to resume, each connection shows its certificate anew.
		return &tls.Config{Certificates: []tls.Certificate{serving}, ClientAuth: tls.RequireAndVerifyClientCert,
			ClientCAs: s.trust, SessionTicketsDisabled: true, MinVersion: tls.VersionTLS12}, nil
	}}
	go func() { _ = s.server.Serve(tls.NewListener(listener, config)) }()
	return s, nil
}

// believe takes another trust file for the connections to come.
func (s *gate) believe(trust string) error {
	data, err := os.ReadFile(trust)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return fmt.Errorf("%s holds no certificate", trust)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trust = pool
	return nil
}

func (s *gate) close() { s.server.Close() }

// kubeletSays answers as a kubelet whose only knowledge is who asks.
func kubeletSays(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	fmt.Fprintf(w, "asked by %s", r.TLS.PeerCertificates[0].Subject)
}

// The API the aggregated stand-in serves.
const (
	aggregatedGroup = "acceptance.officiant.test"
	aggregatedAPI   = "/apis/" + aggregatedGroup + "/v1"
)

// aggregatedSays answers as an aggregated API server: with discovery, and with
// whom the front proxy says it asks for.
func aggregatedSays(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	w.Header().Set("Content-Type", "application/json")
	answer := map[string]any{"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": aggregatedGroup + "/v1", "resources": []any{}}
	if r.URL.Path == aggregatedAPI+"/whoami" {
		answer = map[string]any{"proxy": r.TLS.PeerCertificates[0].Subject.String(), "user": r.Header.Get("X-Remote-User"), "groups": r.Header.Values("X-Remote-Group")}
	}
	_ = json.NewEncoder(w).Encode(answer) // the client sees what is missing
}
