package endpoint

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
	"time"
)

// patience is for one answer: a signer gives its token a minute for one signature, and
// others may come first.
const patience = 2 * time.Minute

// Files are those of mutual TLS.
type Files struct {
	Cert, Key string // this side's
	CA        string // who has certified the signer
}

// Client asks one signer. It is safe for concurrent use.
type Client struct {
	http     *http.Client
	base     string
	patience time.Duration
}

// BadAddress says that an address is neither of the two there are.
type BadAddress struct{ Address, Reason string }

func (e *BadAddress) Error() string { return e.Address + ": " + e.Reason }

// New makes a Client of unix:PATH, or HOST:PORT with files. Nothing is dialled; what is
// wrong with the files shows now. At most connections of them are open.
func New(address string, f Files, connections int) (*Client, error) {
	transport := &http.Transport{MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections,
		IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 16 << 10}
	c := &Client{http: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return errors.New("the signer answers with a redirection")
	}}, patience: patience}
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		if path == "" || f != (Files{}) {
			return nil, &BadAddress{address, "a Unix socket has a path, and no TLS files"}
		}
		c.base = "http://signer"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}
		return c, nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || port == "" {
		return nil, &BadAddress{address, "neither unix:PATH nor HOST:PORT"}
	}
	if f.Cert == "" || f.Key == "" || f.CA == "" {
		return nil, &BadAddress{address, "HOST:PORT needs certificate, key and the signer's authority"}
	}
	if _, err := f.config(host); err != nil {
		return nil, err
	}
	c.base = "https://" + address
	transport.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		config, err := f.config(host)
		if err != nil {
			return nil, err
		}
		return (&tls.Dialer{NetDialer: &net.Dialer{Timeout: 10 * time.Second}, Config: config}).DialContext(ctx,
			network, address)
	}
	return c, nil
}

func (f Files) config(host string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(f.CA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: holds no certificate", f.CA)
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, ServerName: host, RootCAs: pool,
		Certificates: []tls.Certificate{pair}}, nil
}
