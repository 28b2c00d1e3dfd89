package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// manifests applies what the relay prints, as it prints it.
func (g *signerRoom) manifests(m *machine) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := g.site.bind(m)(ctx); err != nil {
			return err
		}
		text, err := g.site.command(ctx, g.relay, "manifests", "--namespace", "officiant", "--image", "relay:1",
			"--signer-endpoint", signerAddress)
		if err != nil {
			return err
		}
		if err := m.apply(ctx, "super-admin.conf", string(text)); err != nil {
			return err
		}
		token, err := m.kubectl(ctx, "super-admin.conf", "create", "token", "-n", "officiant", relayName,
			"--duration=2h")
		if err != nil {
			return err
		}
		return os.WriteFile(g.path("relay.conf"), fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: u, user: {token: %q}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`, m.place(6443), m.path("pki/ca.crt"), strings.TrimSpace(token)), 0o600)
	}
}

// startRelay starts the i-th relay.
func (g *signerRoom) startRelay(i int) (*process, error) {
	return begin(fmt.Sprint("relay ", i), g.path(fmt.Sprintf("relay-%d.log", i)), "/", g.relay, "run",
		"--signer-endpoint", signerAddress, "--tls-cert", g.path("relay.crt"), "--tls-key", g.path("relay.key"),
		"--signer-ca", g.path("link-ca.crt"), "--kubeconfig", g.path("relay.conf"), "--namespace", "officiant",
		"--lease-duration", "6s", "--longest-wait", "3s", "--metrics", relayAddress(i))
}

func relayAddress(i int) string { return fmt.Sprintf("127.0.0.1:%d", 9110+i) }

// relays starts two and waits until one of them leads.
func (g *signerRoom) relays(ctx context.Context) error {
	for i := range 2 {
		p, err := g.startRelay(i)
		if err != nil {
			return err
		}
		g.running = append(g.running, p)
	}
	return until(ctx, patience, nil, func() error {
		for i := range 2 {
			if err := isReady(ctx, "http://"+relayAddress(i)+"/readyz"); err != nil {
				return err
			}
		}
		_, err := g.leader(ctx)
		return err
	})
}

// leader is the number of the relay that holds the Lease.
func (g *signerRoom) leader(ctx context.Context) (int, error) {
	found := -1
	for i := range g.running {
		text, err := get(ctx, "http://"+relayAddress(i)+"/metrics")
		if err != nil {
			continue // it was killed
		}
		if strings.Contains(text, "\nofficiant_relay_leader 1\n") {
			if found >= 0 {
				return 0, errors.New("two relays say that they lead")
			}
			found = i
		}
	}
	if found < 0 {
		return 0, errors.New("no relay leads")
	}
	return found, nil
}

// startNode starts what rotates worker-1's certificates.
func (g *signerRoom) startNode(m *machine) (err error) {
	// Its name of the API server is the machine's, which this process does not know.
	if err := rewrite(filepath.Join(g.site.root("worker-1"), etcKubernetes, "kubelet.conf"), g.path("kubelet.conf"),
		"https://"+g.site.endpoint()+":6443", m.place(6443)); err != nil {
		return err
	}
	g.node, err = begin("worker-1", g.path("node.log"), "/", g.rotate, "-kubeconfig",
		g.path("kubelet.conf"), "-node", "worker-1", "-address", workerAddress, "-listen", workerAddress+":10250",
		"-client-ca", m.path("pki/ca.crt"), "-dir", g.path("worker-1"))
	return err
}

// get asks without TLS.
func get(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer w.Body.Close()
	text, err := io.ReadAll(io.LimitReader(w.Body, 1<<20))
	if err == nil && w.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %d: %s", url, w.StatusCode, text)
	}
	return string(text), err
}

func isReady(ctx context.Context, url string) error {
	_, err := get(ctx, url)
	return err
}
