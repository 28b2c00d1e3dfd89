package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// caller is a client of TLS servers: whom it trusts, and who it claims to be.
type caller struct {
	trust   string           // file of certificates
	who     *tls.Certificate // nil for nobody
	headers []string         // "Name: value"
	body    string           // JSON

	serverName string // the name the server's certificate must have, when it is not the URL's
}

// reply is what a server answered.
type reply struct {
	status int
	body   string
	peer   *x509.Certificate
}

// is fails unless the answer has that status and holds text.
func (a reply) is(status int, text string) error {
	if a.status != status || !strings.Contains(a.body, text) {
		return fmt.Errorf("the answer is %d, not %d with %q\n%.600s", a.status, status, text, a.body)
	}
	return nil
}

// ask makes one request over a connection of its own.
func (c caller) ask(ctx context.Context, method, url string) (reply, error) {
	data, err := os.ReadFile(c.trust)
	if err != nil {
		return reply{}, err
	}
	config := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: c.serverName, MinVersion: tls.VersionTLS12}
	if !config.RootCAs.AppendCertsFromPEM(data) {
		return reply{}, fmt.Errorf("%s holds no certificate", c.trust)
	}
	if c.who != nil {
		// Go's client withholds a certificate the server's list of authorities
		// does not name; one who tries to get in does not.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.who, nil }
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(c.body))
	if err != nil {
		return reply{}, err
	}
	if c.body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if method == http.MethodPatch {
		request.Header.Set("Content-Type", "application/merge-patch+json")
	}
	for _, header := range c.headers {
		name, value, _ := strings.Cut(header, ": ")
		request.Header.Add(name, value)
	}
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4<<20))
	return reply{response.StatusCode, string(body), response.TLS.PeerCertificates[0]}, err
}

// pair is the identity in a certificate file and its key file.
func pair(stem string) (*tls.Certificate, error) {
	c, err := tls.LoadX509KeyPair(stem+".crt", stem+".key")
	return &c, err
}

// fromConf is the identity in a kubeconfig.
func fromConf(path string) (*tls.Certificate, error) {
	certificate, key, err := embedded(path)
	if err != nil {
		return nil, err
	}
	c, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &c, nil
}

// refused turns a failure that says one of reasons into success, and everything
// else into failure: a negative check has to fail for its own reason.
func refused(err error, reasons ...string) error {
	if err == nil {
		return errUnexpected
	}
	for _, reason := range reasons {
		if strings.Contains(err.Error(), reason) {
			return nil
		}
	}
	return fmt.Errorf("refused, but not for that reason: %w", err)
}
