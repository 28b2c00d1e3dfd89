package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// relayName is that of the relay's objects.
const relayName = "officiant-signer-relay"

// Where the signer listens, and whose certificates it signs.
const (
	signerAddress = "127.0.0.1:9443"
	signerLife    = 2 * time.Minute
)

// signerRoom is the signer's host, the relays, and worker-1.
type signerRoom struct {
	site    *site
	program string // officiant-signer
	relay   string // officiant-signer-relay
	rotate  string // the kubelet's own code

	root            *authority // above the two authorities, and of nobody's trust
	link            *authority // of signer and relays, for each other
	client, serving *x509.Certificate

	serve   *process
	running []*process // relays
	node    *process
}

func newSignerRoom(s *site, o options) *signerRoom {
	beside := filepath.Dir(o.officiant)
	return &signerRoom{site: s, program: filepath.Join(beside, "officiant-signer"),
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

// key makes a key in the token of the ceremony, by the documented command.
func (g *signerRoom) key(ctx context.Context, name string) (public any, spki string, err error) {
	said, err := g.site.command(ctx, g.site.officiant, "signer", "create", g.site.cluster+"/"+name, "--station",
		g.path("station.yaml"), "--algorithm", "ECDSA-P256", "--evidence", "software", "-o", "json")
	if err != nil {
		return nil, "", err
	}
	var made struct{ SPKI, PublicKey string }
	if err := json.Unmarshal(said, &made); err != nil {
		return nil, "", err
	}
	block, _ := pem.Decode([]byte(made.PublicKey))
	if block == nil {
		return nil, "", fmt.Errorf("signer create prints no public key: %s", said)
	}
	public, err = x509.ParsePKIXPublicKey(block.Bytes)
	return public, made.SPKI, err
}

var issuing = regexp.MustCompile(`(?m)^  etcd: (.*)$`)

// prepare makes station, keys, authorities, the grant and its signature.
func (g *signerRoom) prepare(ctx context.Context) error {
	if err := os.MkdirAll(g.path("worker-1"), 0o755); err != nil {
		return err
	}
	text, err := os.ReadFile(g.site.path("station.yaml"))
	if err != nil {
		return err
	}
	uri := issuing.FindSubmatch(text)
	if uri == nil {
		return errors.New("the station has no key etcd")
	}
	station := strings.Replace(string(text), "\nenvironment:", "\n  default: "+string(uri[1])+"\nenvironment:", 1)
	if err := os.WriteFile(g.path("station.yaml"), []byte(station), 0o600); err != nil {
		return err
	}
	if g.root, err = newAuthority(nil, "buoy root"); err != nil {
		return err
	}
	client, _, err := g.key(ctx, "kubelet-client")
	if err != nil {
		return err
	}
	serving, _, err := g.key(ctx, "kubelet-serving")
	if err != nil {
		return err
	}
	_, journal, err := g.key(ctx, "journal")
	if err != nil {
		return err
	}
	if g.client, err = g.certify("kubelet-client", client, x509.ExtKeyUsageClientAuth); err != nil {
		return err
	}
	if g.serving, err = g.certify("kubelet-serving", serving, x509.ExtKeyUsageServerAuth); err != nil {
		return err
	}
	if err := g.linked(); err != nil {
		return err
	}
	grant := []byte(g.grant(journal))
	if err := os.WriteFile(g.path("grant.json"), grant, 0o644); err != nil {
		return err
	}
	_, err = g.site.command(ctx, g.program, "sign-grant", g.path("grant.json"), "--station", g.path("station.yaml"),
		"--confirm", fmt.Sprintf("%x", sha256.Sum256(grant)))
	return err
}

// certify makes an intermediate of pathLen 0 for one use, for 90 days.
func (g *signerRoom) certify(name string, public any, use x509.ExtKeyUsage) (*x509.Certificate, error) {
	return sign(&x509.Certificate{Subject: pkix.Name{CommonName: g.site.cluster + " " + name},
		NotAfter: time.Now().AddDate(0, 0, 90).Truncate(time.Second), IsCA: true, BasicConstraintsValid: true,
		MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		ExtKeyUsage: []x509.ExtKeyUsage{use}}, g.root.certificate, public, g.root.key)
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

// grant is the file, in its one spelling.
func (g *signerRoom) grant(journal string) string {
	quoted := func(v any) string {
		text, _ := json.Marshal(v) // of strings
		return string(text)
	}
	now := time.Now().UTC().Truncate(time.Second)
	authority := func(signer, name string, c *x509.Certificate) string {
		return fmt.Sprintf(`{"signerName":%q,"name":%q,"certificate":%s,"life":%q}`, signer, name,
			quoted(string(certificatePEM(c))), signerLife)
	}
	node := func(name, address string) string {
		return fmt.Sprintf(`{"name":%q,"roles":["worker"],"dnsNames":[%q],"ipAddresses":[%q],"signaturesPerDay":500}`,
			name, name, address)
	}
	return fmt.Sprintf(`{"apiVersion":"officiant/v1","kind":"Grant","cluster":%q,"sequence":1,"notBefore":%q,`+
		`"notAfter":%q,"journalKey":%q,"authorities":[%s,%s],"keyAlgorithms":["ECDSA-P256"],`+
		`"reserved":{"dnsNames":[%q],"networks":["10.0.0.11/32"]},"nodes":[%s,%s],"users":[]}`+"\n", g.site.cluster,
		now.Add(-time.Minute).Format(time.RFC3339), now.AddDate(0, 0, 30).Format(time.RFC3339), journal,
		authority("kubernetes.io/kube-apiserver-client-kubelet", "kubelet-client", g.client),
		authority("kubernetes.io/kubelet-serving", "kubelet-serving", g.serving), g.site.endpoint(),
		node("worker-1", serviceAddress), node("worker-2", endpointAddress))
}

// start starts officiant-signer and waits until it answers.
func (g *signerRoom) start(ctx context.Context) error {
	p, err := begin("officiant-signer", g.path("serve.log"), "/", g.program, "serve", "--grant", g.path("grant.json"),
		"--release-key", g.site.path("ceremony", "release.pub"), "--station", g.path("station.yaml"),
		"--journal", g.path("journal.jsonl"), "--listen", signerAddress, "--tls-cert", g.path("signer.crt"),
		"--tls-key", g.path("signer.key"), "--client-ca", g.path("link-ca.crt"), "--metrics", "127.0.0.1:9101")
	if err != nil {
		return err
	}
	g.serve = p
	return until(ctx, patience, p, func() error { return isReady(ctx, "http://127.0.0.1:9101/readyz") })
}

// trust writes what the API server is told to trust.
func (g *signerRoom) trust(m *machine) func(context.Context) error {
	return func(context.Context) error {
		kubernetes, err := os.ReadFile(m.path("pki/ca.crt"))
		if err != nil {
			return err
		}
		if n := len(certificates(kubernetes)); n != 1 {
			return fmt.Errorf("ca.crt has %d certificates", n)
		}
		return errors.Join(
			os.WriteFile(m.path("pki/client-ca.crt"), append(kubernetes, certificatePEM(g.client)...), 0o644),
			os.WriteFile(m.path("pki/kubelet-serving-ca.crt"), certificatePEM(g.serving), 0o644))
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
