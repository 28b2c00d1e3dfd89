package audit_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"officiant/ceremony"
	"officiant/ceremony/audit"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

// twoClusters are demo, and port below the same root; every key is at hand.
func twoClusters(t *testing.T, change func(planFile string)) (demo, port *scene) {
	t.Helper()
	demo = perform(t)
	port = &scene{
		fixture: ceremonytest.New(t, ceremonytest.Shape{Cluster: "port"}),
		safe:    newSafe(),
		dir:     filepath.Join(t.TempDir(), "ceremony"),
	}
	port.safe.keys["port/root"] = demo.safe.keys["demo/root"] // the root's token, and no other of demo's
	port.fixture.Under(t, demo.dir)
	cfg := port.fixture.Config(t, port.dir)
	if change != nil {
		change(port.fixture.PlanFile)
	}
	c, err := schedule.Open(port.fixture.PlanFile, schedule.Options{Now: time.Now(), Held: true})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Open, cfg.Plan = port.safe.open, c
	if port.result, err = ceremony.Run(context.Background(), cfg); err != nil && change == nil {
		t.Fatal(err)
	}
	return demo, port
}

// TestTwoClusters shows that the two records are one story: the chain, the
// serial numbers, and that of demo's keys the root alone was opened.
func TestTwoClusters(t *testing.T) {
	demo, port := twoClusters(t, nil)
	r := port.portAudit(t, demo.dir)
	if r.Verdict() != audit.Verified {
		t.Fatal(r.Findings())
	}
	serials := map[string]bool{}
	for _, s := range []*scene{demo, port} {
		for _, n := range must(transcript.Read("transcript.jsonl", s.read("transcript.jsonl"))).Serials() {
			if serials[n.String()] {
				t.Errorf("serial number %x comes twice", n)
			}
			serials[n.String()] = true
		}
	}
	for _, l := range must(transcript.Read("transcript.jsonl", port.read("transcript.jsonl"))).Lines {
		if k, ok := l.Record.(transcript.Key); ok && strings.HasPrefix(k.Label, "demo/") && k.Name != "root" {
			t.Errorf("port's ceremony opened %s", k.Label)
		}
	}
	wantFinding(t, demo.portAudit(t, port.dir), "no ceremony here continues it")
}

func (s *scene) portAudit(t *testing.T, previous ...string) *audit.Report {
	t.Helper()
	release := s.safe.keys["port/release"]
	if release == nil {
		release = s.safe.keys["demo/release"]
	}
	return s.auditWith(
		t,
		audit.Options{Now: time.Now(), ReleaseKey: release.Public(), Root: &s.result.Root, Previous: previous},
	)
}

// TestClusterOfAnothersNames shows that an authority with the subject of another
// cluster's is refused, and found by the audit where it was not.
func TestClusterOfAnothersNames(t *testing.T) {
	same := func(file string) {
		text := must(os.ReadFile(file))
		with := strings.Replace(string(text), "  - {name: etcd, ", "  - {name: etcd, subject: {organization: [demo]}, ", 1)
		if err := os.WriteFile(file, []byte(with), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	demo := perform(t)
	f := ceremonytest.New(t, ceremonytest.Shape{Cluster: "port"})
	f.Under(t, demo.dir)
	same(f.PlanFile)
	_, err := schedule.Open(f.PlanFile, schedule.Options{Now: time.Now()})
	var invalid *plan.Invalid
	if !errors.As(err, &invalid) ||
		!strings.Contains(err.Error(), "authority etcd would have the subject of etcd of cluster demo, CN=etcd-ca,O=demo") {
		t.Errorf("not refused: %v", err)
	}
	_, port := twoClusters(t, same)
	wantFinding(
		t,
		port.auditWith(t, audit.Options{Now: time.Now()}),
		"authority etcd has the subject of etcd of cluster demo",
	)
}

// forged is a client that shows some chain.
type forged struct {
	what  string
	chain []*x509.Certificate
	key   crypto.Signer
}

// forgedClients are what whoever holds all keys of demo, but the root's, can make.
func forgedClients(t *testing.T, demo *scene, ours map[string]*x509.Certificate) []forged {
	t.Helper()
	serial := func() *big.Int { return must(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))) }
	make := func(template, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) *x509.Certificate {
		template.SerialNumber, template.NotBefore, template.NotAfter = serial(), time.Now().
			Add(-time.Hour),
			time.Now().
				Add(time.Hour)
		issuer := *parent
		issuer.PublicKey = nil // it would have to be key's
		return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, &issuer, pub, key))))
	}
	client := func() *x509.Certificate {
		return &x509.Certificate{
			Subject: pkix.Name{
				CommonName:   "kubernetes-admin",
				Organization: []string{"system:masters"},
			},
			KeyUsage:    x509.KeyUsageDigitalSignature,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		}
	}
	attacker := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	root := demo.certificate("root")
	var out []forged
	for _, name := range []string{"kubernetes", "etcd", "front-proxy"} {
		theirs, key := demo.certificate(name), demo.key(name)
		out = append(
			out,
			forged{
				name + " of demo",
				[]*x509.Certificate{make(client(), theirs, attacker.Public(), key), theirs, root},
				attacker,
			},
		)
		for file, target := range ours {
			// In the name of port's authority, with its key identifier: a CA below demo's, and no CA at all.
			fake := make(&x509.Certificate{
				RawSubject:            target.RawSubject,
				SubjectKeyId:          target.SubjectKeyId,
				IsCA:                  true,
				BasicConstraintsValid: true,
				MaxPathLenZero:        true,
				KeyUsage:              x509.KeyUsageCertSign,
				ExtKeyUsage:           target.ExtKeyUsage,
			}, theirs, attacker.Public(), key)
			out = append(
				out,
				forged{
					fmt.Sprintf("a CA like %s below %s of demo", file, name),
					[]*x509.Certificate{make(client(), fake, attacker.Public(), attacker), fake, theirs, root},
					attacker,
				},
				forged{
					fmt.Sprintf("a client of %s, signed by %s of demo", file, name),
					[]*x509.Certificate{make(client(), target, attacker.Public(), key), target, theirs, root},
					attacker,
				},
			)
		}
	}
	return out
}

func (s *scene) certificate(name string) *x509.Certificate {
	return must(x509.ParseCertificate(must(plainDER(s.read("authorities/" + name + ".crt")))))
}

// TestForgedChainsDoNotLogIn has them, and demo's own clients, try each of port's
// trust files: as the API server verifies clients, and in a real handshake, as etcd.
func TestForgedChainsDoNotLogIn(t *testing.T) {
	demo, port := twoClusters(t, nil)
	const tree = "bundles/cp-1/pki/"
	ours := map[string]*x509.Certificate{}
	for _, file := range []string{"ca.crt", "etcd/ca.crt", "front-proxy-ca.crt"} {
		ours[file] = must(x509.ParseCertificate(must(plainDER(port.read(tree + file)))))
	}
	clients := forgedClients(t, demo, ours)
	for leaf, at := range map[string]string{"apiserver-kubelet-client": "", "apiserver-etcd-client": "",
		"front-proxy-client": "", "etcd/peer": ""} {
		chain := append(must(schedule.ParseCertificates(demo.read(tree+leaf+".crt"))), demo.certificate("root"))
		clients = append(clients, forged{leaf + at + " of demo", chain, demo.fixture.Keys["cp-1"][leaf]})
	}
	server := must(tls.X509KeyPair(port.read(tree+"etcd/server.crt"), keyPEM(port.fixture.Keys["cp-1"]["etcd/server"])))
	for file, ca := range ours {
		pool := x509.NewCertPool()
		pool.AddCert(ca)
		for _, c := range clients {
			if logsIn(c, pool) == nil || shakesHands(c, pool, server) == nil {
				t.Errorf("%s logs in by %s", c.what, file)
			}
		}
		if len(clients) != 3*7+4 {
			t.Fatalf("%d clients tried", len(clients))
		}
	}
	// Each of port's own is let in by its own file.
	for file, leaf := range map[string]string{"ca.crt": "apiserver-kubelet-client",
		"etcd/ca.crt": "apiserver-etcd-client", "front-proxy-ca.crt": "front-proxy-client"} {
		pool := x509.NewCertPool()
		pool.AddCert(ours[file])
		own := forged{leaf, must(schedule.ParseCertificates(port.read(tree + leaf + ".crt"))),
			port.fixture.Keys["cp-1"][leaf]}
		if err := errors.Join(logsIn(own, pool), shakesHands(own, pool, server)); err != nil {
			t.Errorf("%s does not log in by %s: %v", leaf, file, err)
		}
	}
}

// logsIn verifies a client as k8s.io/apiserver's x509 authenticator does.
func logsIn(c forged, pool *x509.CertPool) error {
	o := x509.VerifyOptions{
		Roots:         pool,
		Intermediates: x509.NewCertPool(),
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, i := range c.chain[1:] {
		o.Intermediates.AddCert(i)
	}
	_, err := c.chain[0].Verify(o)
	return err
}

// shakesHands has a client dial a server that asks for certificates of the pool, as etcd does.
func shakesHands(c forged, pool *x509.CertPool, server tls.Certificate) error {
	here, there := loopback() // a pipe without buffers would stop when both write
	defer here.Close()
	defer there.Close()
	chain := tls.Certificate{PrivateKey: c.key}
	for _, cert := range c.chain {
		chain.Certificate = append(chain.Certificate, cert.Raw)
	}
	show := func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &chain, nil }
	// The test judges what the server says; the client reads on, so that it can say it.
	go io.Copy(io.Discard, tls.Client(here, &tls.Config{InsecureSkipVerify: true, GetClientCertificate: show}))
	return tls.Server(there, &tls.Config{Certificates: []tls.Certificate{server},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, SessionTicketsDisabled: true}).
		Handshake()
}

func keyPEM(key crypto.Signer) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))})
}

// loopback is a connection of this machine with itself.
func loopback() (here, there net.Conn) {
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	defer l.Close()
	here = must(net.Dial("tcp", l.Addr().String()))
	return here, must(l.Accept())
}
