package main

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// mirror is a web server, as any that hands out files, over TLS: what is published, and
// a place below status/ where files are left by PUT.
type mirror struct {
	server *http.Server
	dir    string
	url    string
	trust  []byte // PEM of the authority of its certificate
}

// serveMirror serves a folder on this machine.
func serveMirror(dir string) (*mirror, error) {
	own, err := newAuthority(nil, "mirror")
	if err != nil {
		return nil, err
	}
	certificate, key, err := own.leaf("mirror", nil, []string{"localhost"}, net.IPv4(127, 0, 0, 1))
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	m := &mirror{dir: dir, url: "https://" + listener.Addr().String(), trust: certificatePEM(own.certificate)}
	m.server = &http.Server{Handler: m, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: 10 * time.Second}
	serving := tls.Certificate{Certificate: [][]byte{certificate.Raw}, PrivateKey: key}
	config := &tls.Config{Certificates: []tls.Certificate{serving}, MinVersion: tls.VersionTLS12}
	go func() { _ = m.server.Serve(tls.NewListener(listener, config)) }()
	return m, nil
}

func (m *mirror) close() { m.server.Close() }

func (m *mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutPrefix(r.URL.Path, "/status/")
	switch {
	case r.Method == http.MethodGet:
		http.FileServer(http.Dir(m.dir)).ServeHTTP(w, r)
	case r.Method == http.MethodPut && ok && name != "" && filepath.IsLocal(name):
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err == nil {
			err = os.WriteFile(filepath.Join(m.dir, "status", name), body, 0o644)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	default:
		http.Error(w, "not here", http.StatusMethodNotAllowed)
	}
}
