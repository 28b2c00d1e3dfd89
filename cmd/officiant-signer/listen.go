package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"officiant/cmd/internal/exit"
)

// tlsFiles are the files of mutual TLS. They are read at the start, and by load again.
type tlsFiles struct {
	cert, key, clients string
	config             atomic.Pointer[tls.Config]
}

// listen opens unix:PATH, or HOST:PORT with mutual TLS.
func (t *tlsFiles) listen(address string) (net.Listener, error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		if t.cert+t.key+t.clients != "" {
			return nil, exit.Usagef("--tls-cert, --tls-key and --client-ca go with --listen HOST:PORT")
		}
		return listenUnix(path)
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, exit.Usagef("--listen %s is neither unix:PATH nor HOST:PORT", address)
	}
	if t.cert == "" || t.key == "" || t.clients == "" {
		return nil, exit.Usagef("--listen HOST:PORT needs --tls-cert, --tls-key and --client-ca")
	}
	if err := t.load(); err != nil {
		return nil, &exit.Error{Code: exit.Refused, Err: err}
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--listen: %w", err)
	}
	return tls.NewListener(l, &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return t.config.Load(), nil
	}}), nil
}

// listenUnix makes a socket that owner and group reach. One that a killed process left is
// removed; one that somebody listens on is not.
func listenUnix(path string) (net.Listener, error) {
	if c, err := net.Dial("unix", path); err == nil {
		return nil, errors.Join(fmt.Errorf("%s: another process listens on it", path), c.Close())
	} else if errors.Is(err, syscall.ECONNREFUSED) {
		if info, err := os.Lstat(path); err != nil || info.Mode().Type() != os.ModeSocket {
			return nil, fmt.Errorf("%s: is there, and no socket", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("--listen: %w", err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// load reads the files; without any it does nothing.
func (t *tlsFiles) load() error {
	if t.cert == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(t.cert, t.key)
	if err != nil {
		return fmt.Errorf("--tls-cert, --tls-key: %w", err)
	}
	text, err := os.ReadFile(t.clients)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return fmt.Errorf("%s: holds no certificate", t.clients)
	}
	t.config.Store(&tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool})
	return nil
}

// since is the key of the configuration that held when a connection began.
type since struct{}

func (t *tlsFiles) began(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, since{}, t.config.Load())
}

// guard lets those ask whose certificate would let them in now: their connection may be
// older than the client CA, and outlive their certificate.
func (t *tlsFiles) guard(h http.Handler, now func() time.Time) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS != nil {
			if err := t.admits(r, now()); err != nil {
				w.Header().Set("Connection", "close")
				http.Error(w, err.Error(), http.StatusUnauthorized)
				return
			}
		}
		h.ServeHTTP(w, r)
	})
}

func (t *tlsFiles) admits(r *http.Request, now time.Time) error {
	config, who := t.config.Load(), r.TLS.PeerCertificates
	if len(who) == 0 {
		return errors.New("there is no client certificate")
	}
	if r.Context().Value(since{}) == config && now.Before(who[0].NotAfter) {
		return nil
	}
	between := x509.NewCertPool()
	for _, c := range who[1:] {
		between.AddCert(c)
	}
	_, err := who[0].Verify(x509.VerifyOptions{Roots: config.ClientCAs, Intermediates: between, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil {
		return fmt.Errorf("the client certificate of this connection is not accepted any more: %w", err)
	}
	return nil
}
