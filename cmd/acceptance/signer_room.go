package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// relayName is that of the relay's objects.
const relayName = "officiant-signer-relay"

// Where the signer listens, and whose certificates it signs.
const (
	signerAddress = "127.0.0.1:9443"
	signerLife    = "2m"
)

// workerAddress is worker-1's: no node has an address of a service.
const workerAddress = "10.0.0.21"

// signerRoom is the signer's host, the relays, and worker-1.
type signerRoom struct {
	site    *site
	program string // officiant-signer
	relay   string // officiant-signer-relay
	rotate  string // the kubelet's own code

	link            *authority        // of signer and relays, for each other
	client, serving *x509.Certificate // that the grant in force signs with

	held    []string // ceremonies, the newest first
	serve   *process
	running []*process // relays
	node    *process
}

func newSignerRoom(s *site, o options) *signerRoom {
	beside := filepath.Dir(o.officiant)
	return &signerRoom{site: s, held: []string{"ceremony"}, program: filepath.Join(beside, "officiant-signer"),
		relay: filepath.Join(beside, relayName), rotate: filepath.Join(o.dir, "bin", "rotate")}
}

func (g *signerRoom) path(name string) string { return g.site.path("signer", name) }

func (g *signerRoom) close() {
	for _, p := range append([]*process{g.node, g.serve}, g.running...) {
		if p != nil {
			p.stop()
		}
	}
}

// grant adds what the online signer may sign to the plan of the first ceremony: as
// docs/signer.md has it, with a key for the journal made beforehand.
func (g *signerRoom) grant(ctx context.Context, plan string) error {
	said, err := g.site.command(ctx, g.site.officiant, "signer", "create", g.site.cluster+"/journal", "--station",
		g.site.path("station.yaml"), "--algorithm", "ECDSA-P256", "--evidence", "software", "-o", "json")
	if err != nil {
		return err
	}
	var made struct{ SPKI string }
	if err := json.Unmarshal(said, &made); err != nil {
		return err
	}
	text, err := os.ReadFile(plan)
	if err != nil {
		return err
	}
	text = fmt.Appendf(text, `
grant:
  journal: %q
  life: %s
  signaturesPerDay: 500
  nodes:
    - {name: cp-1, roles: [control-plane, etcd], dnsNames: [cp-1], ipAddresses: [10.0.0.11]}
    - {name: worker-1, roles: [worker], dnsNames: [worker-1], ipAddresses: [%s]}
    - {name: worker-2, roles: [worker], dnsNames: [worker-2], ipAddresses: [%s]}
`, made.SPKI, signerLife, workerAddress, endpointAddress)
	return os.WriteFile(plan, text, 0o644)
}

// prepare gives the signer's host what the ceremony left for it, and makes what signer
// and relays show each other.
func (g *signerRoom) prepare(context.Context) error {
	if err := os.MkdirAll(g.path("worker-1"), 0o755); err != nil {
		return err
	}
	release, err := os.ReadFile(g.site.path("ceremony", "release.pub"))
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(g.path("release.pub"), release, 0o644), g.keys(), g.take("ceremony"), g.linked())
}

// keys writes the station of the signer's host: the room's, and of its keys those alone
// that are the signer's.
func (g *signerRoom) keys() error {
	text, err := os.ReadFile(g.site.path("station.yaml"))
	if err != nil {
		return err
	}
	var own strings.Builder
	for line := range strings.Lines(string(text)) {
		name, _, key := strings.Cut(strings.TrimPrefix(line, "  "), ": \"pkcs11:")
		if !key || name == "journal" || strings.HasPrefix(name, "kubelet-") {
			own.WriteString(line)
		}
	}
	return os.WriteFile(g.path("station.yaml"), []byte(own.String()), 0o600)
}

// take puts a ceremony's grant in place, and says who signs by it.
func (g *signerRoom) take(ceremony string) error {
	for _, name := range []string{"grant.json", "grant.json.sig"} {
		data, err := os.ReadFile(g.site.path(ceremony, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(g.path(name), data, 0o644); err != nil {
			return err
		}
	}
	text, err := os.ReadFile(g.path("grant.json"))
	if err != nil {
		return err
	}
	var grant struct {
		Authorities []struct{ SignerName, Certificate string }
	}
	if err := json.Unmarshal(text, &grant); err != nil {
		return err
	}
	for _, a := range grant.Authorities {
		list := certificates([]byte(a.Certificate))
		switch {
		case len(list) != 1:
			return fmt.Errorf("the grant has %d certificates of %s", len(list), a.SignerName)
		case a.SignerName == "kubernetes.io/kubelet-serving":
			g.serving = list[0]
		case a.SignerName == "kubernetes.io/kube-apiserver-client-kubelet":
			g.client = list[0]
		}
	}
	if g.client == nil || g.serving == nil {
		return errors.New("the grant does not have both signer names of kubelets")
	}
	return nil
}

// linked makes what signer and relays show each other.
func (g *signerRoom) linked() (err error) {
	if g.link, err = newAuthority(nil, "signer and relays"); err != nil {
		return err
	}
	if err := os.WriteFile(g.path("link-ca.crt"), certificatePEM(g.link.certificate), 0o644); err != nil {
		return err
	}
	for _, name := range []string{"signer", "relay"} {
		certificate, key, err := g.link.leaf(name, nil, []string{name}, []byte{127, 0, 0, 1})
		if err != nil {
			return err
		}
		secret, err := keyPEM(key)
		if err != nil {
			return err
		}
		if err := errors.Join(os.WriteFile(g.path(name+".crt"), certificatePEM(certificate), 0o644),
			os.WriteFile(g.path(name+".key"), secret, 0o600)); err != nil {
			return err
		}
	}
	return nil
}

// start starts officiant-signer and waits until it answers.
func (g *signerRoom) start(ctx context.Context) error {
	p, err := begin("officiant-signer", g.path("serve.log"), "/", g.program, "serve", "--grant", g.path("grant.json"),
		"--release-key", g.path("release.pub"), "--station", g.path("station.yaml"),
		"--journal", g.path("journal.jsonl"), "--listen", signerAddress, "--tls-cert", g.path("signer.crt"),
		"--tls-key", g.path("signer.key"), "--client-ca", g.path("link-ca.crt"), "--metrics", "127.0.0.1:9101")
	if err != nil {
		return err
	}
	g.serve = p
	return until(ctx, patience, p, func() error { return isReady(ctx, "http://127.0.0.1:9101/readyz") })
}

// trusts holds what the bundle installed for the API server against whom it is to trust,
// in this order: in client-ca.crt kubernetes' authority, then these.
func (g *signerRoom) trusts(m *machine, clients ...string) func(context.Context) error {
	return func(context.Context) error {
		return errors.Join(namesIn(m.path("pki/ca.crt"), "kubernetes"),
			namesIn(m.path("pki/client-ca.crt"), append([]string{"kubernetes"}, clients...)...))
	}
}

// verifies is trusts of the kubelets that the API server asks.
func (g *signerRoom) verifies(m *machine, by ...string) func(context.Context) error {
	return func(context.Context) error { return namesIn(m.path("pki/kubelet-serving-ca.crt"), by...) }
}

// namesIn wants a file to have the certificates of these, in this order.
func namesIn(path string, want ...string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var names []string
	for _, c := range certificates(data) {
		names = append(names, c.Subject.CommonName)
	}
	if !slices.Equal(names, want) {
		return fmt.Errorf("%s has %q, not %q", filepath.Base(path), names, want)
	}
	return nil
}

// flags holds the static pods that kubeadm wrote against what the bundle's
// officiant/kubeadm.yaml says of them.
func (g *signerRoom) flags(m *machine) func(context.Context) error {
	return func(context.Context) error {
		for component, flags := range map[string][]string{
			apiServer: {"--client-ca-file=/etc/kubernetes/pki/client-ca.crt",
				"--kubelet-certificate-authority=/etc/kubernetes/pki/kubelet-serving-ca.crt"},
			controllerManager: {"--controllers=*,bootstrapsigner,tokencleaner," +
				"-certificatesigningrequest-signing-controller"},
		} {
			args, err := m.arguments(component)
			if err != nil {
				return err
			}
			for _, flag := range flags {
				name, _, _ := strings.Cut(flag, "=")
				others := func(a string) bool { return !strings.HasPrefix(a, name+"=") }
				given := slices.DeleteFunc(slices.Clone(args), others)
				if !slices.Equal(given, []string{flag}) {
					return fmt.Errorf("%s is started with %q, not %s", component, given, flag)
				}
			}
		}
		return nil
	}
}

// pairIn is a certificate and its key in one file.
func pairIn(path string) (*tls.Certificate, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c, err := tls.X509KeyPair(text, text)
	return &c, err
}

// unguessable is a name that nobody has taken.
func unguessable() string { return strings.ToLower(rand.Text()[:8]) }
