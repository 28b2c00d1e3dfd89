package service

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"officiant/bundle/kubeconfig"
	"officiant/bundle/kubepki"
)

const (
	probeTime = 10 * time.Second
	maxAnswer = 64 << 10
)

// Well asks a service once; nil when it says that it is well.
func (m *Machine) Well(ctx context.Context, s kubepki.Service) error {
	h := s.Health
	host, port := "127.0.0.1", h.Port
	if h.Client == kubeletConf { // the API server's certificate has the node's address
		if m.Node.Address.IsValid() {
			host = m.Node.Address.String()
		}
		if m.Node.BindPort != 0 {
			port = m.Node.BindPort
		}
	}
	scheme := "https"
	if h.Plain {
		scheme = "http"
	}
	url := scheme + "://" + net.JoinHostPort(host, strconv.Itoa(port)) + h.Path
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if !h.Plain {
		if err := m.identify(settings, h); err != nil {
			return err
		}
	}
	c := client(settings)
	defer c.CloseIdleConnections()
	body, err := ask(ctx, c, http.MethodGet, url, nil)
	if err == nil && s.Name == "etcd" && !bytes.Contains(body, []byte(`"health":"true"`)) {
		err = fmt.Errorf("%s: says %s", url, firstLine(body))
	}
	return err
}

const kubeletConf = "kubelet.conf"

// trustFiles hold, as bundles have them, whose certificates services show.
var trustFiles = map[kubepki.Authority]string{
	kubepki.KubernetesAuthority: "pki/ca.crt",
	kubepki.EtcdAuthority:       "pki/etcd/ca.crt",
}

// placed is where a file of the node's bundle lies.
func (m *Machine) placed(file string) string { return m.at(m.Cluster.Place(m.Node, file)) }

// identify gives a client the node's own certificate, and what it verifies servers by.
func (m *Machine) identify(settings *tls.Config, h kubepki.Health) error {
	if h.Trust == "" {
		// It made its certificate itself, and is asked for nothing but whether it lives.
		settings.InsecureSkipVerify = true
	} else {
		roots, err := os.ReadFile(m.placed(trustFiles[h.Trust]))
		if err != nil {
			return err
		}
		settings.RootCAs, settings.Time = x509.NewCertPool(), m.Now
		if !settings.RootCAs.AppendCertsFromPEM(roots) {
			return fmt.Errorf("%s holds no certificate", m.placed(trustFiles[h.Trust]))
		}
	}
	if h.Client == "" {
		return nil
	}
	pair, err := m.pair(h.Client)
	if err != nil {
		return err
	}
	// Go's client withholds a certificate by an authority that the server does not name,
	// and then an API server takes it for anybody, whom it tells whether it is ready.
	settings.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	return nil
}

// pair is the node's own certificate and key of a leaf.
func (m *Machine) pair(leaf string) (tls.Certificate, error) {
	if !strings.HasSuffix(leaf, ".conf") {
		return tls.LoadX509KeyPair(m.placed("pki/"+leaf+".crt"), m.placed("pki/"+leaf+".key"))
	}
	file := m.placed(leaf)
	data, err := os.ReadFile(file)
	if err != nil {
		return tls.Certificate{}, err
	}
	defer clear(data)
	c, err := kubeconfig.Read(file, data)
	if err != nil {
		return tls.Certificate{}, err
	}
	defer clear(c.Key)
	pair, err := tls.X509KeyPair(c.Certificate, c.Key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%s: %w", file, err)
	}
	return pair, nil
}

func client(settings *tls.Config) *http.Client {
	return &http.Client{
		Timeout: probeTime,
		Transport: &http.Transport{TLSClientConfig: settings, DisableKeepAlives: true, DisableCompression: true,
			MaxResponseHeaderBytes: maxAnswer},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// ask wants 200, and returns what was said with it.
func ask(ctx context.Context, c *http.Client, method, url string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := c.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", url, err)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, errors.New(url + ": " + answer.Status + ": " + firstLine(said))
	}
	return said, nil
}
