package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"
)

// asked is a CertificateSigningRequest, and who makes it. What is empty is as it is
// for a kubelet's serving certificate.
type asked struct {
	name, node string // the subject's node
	user       string // who asks; the node itself
	signer     string
	group      string // O of the subject
	usages     []string
	dns        []string
	address    string
}

const requestsAPI = "/apis/certificates.k8s.io/v1/certificatesigningrequests"

// request makes a request at the API server, as somebody else when it says so.
func (g *signerRoom) request(ctx context.Context, m *machine, a asked) error {
	either := func(s *string, otherwise string) {
		if *s == "" {
			*s = otherwise
		}
	}
	either(&a.user, "system:node:"+a.node)
	either(&a.signer, "kubernetes.io/kubelet-serving")
	either(&a.group, "system:nodes")
	either(&a.address, endpointAddress)
	if a.usages == nil {
		a.usages = []string{"digital signature", "server auth"}
	}
	if a.dns == nil {
		a.dns = []string{a.node}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	csr := &x509.CertificateRequest{Subject: pkix.Name{CommonName: "system:node:" + a.node,
		Organization: []string{a.group}}}
	if a.usages[1] == "server auth" {
		csr.DNSNames, csr.IPAddresses = a.dns, []net.IP{net.ParseIP(a.address)}
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, csr, key)
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{"apiVersion": "certificates.k8s.io/v1",
		"kind": "CertificateSigningRequest", "metadata": map[string]any{"name": a.name},
		"spec": map[string]any{"signerName": a.signer, "usages": a.usages,
			"request": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})}})
	if err != nil {
		return err
	}
	who, err := fromConf(m.path("super-admin.conf"))
	if err != nil {
		return err
	}
	headers := []string{"Impersonate-User: " + a.user, "Impersonate-Group: system:nodes",
		"Impersonate-Group: system:authenticated"}
	if !strings.HasPrefix(a.user, "system:node:") { // others may not make requests
		headers = append(headers, "Impersonate-Group: system:masters")
	}
	reply, err := caller{trust: m.path("pki/ca.crt"), who: who, body: string(body), headers: headers}.ask(ctx, "POST",
		m.url(requestsAPI))
	if err != nil {
		return err
	}
	return reply.is(201, a.name)
}

// state is what became of a request: its conditions, and "Issued" with a certificate. A
// denial, or a failure, has its message.
func (g *signerRoom) state(ctx context.Context, m *machine, name string) (string, error) {
	said, err := m.kubectl(ctx, "super-admin.conf", "get", "--raw", requestsAPI+"/"+name)
	if err != nil {
		return "", err
	}
	var csr struct {
		Status struct {
			Conditions  []struct{ Type, Message string }
			Certificate []byte
		}
	}
	if err := json.Unmarshal([]byte(said), &csr); err != nil {
		return "", err
	}
	var states []string
	for _, c := range csr.Status.Conditions {
		if c.Type == "Approved" {
			c.Message = ""
		}
		states = append(states, strings.TrimSpace(c.Type+" "+c.Message))
	}
	if len(csr.Status.Certificate) > 0 {
		states = append(states, "Issued")
	}
	return strings.Join(states, " "), nil
}

// comes waits until a request's state begins so; want may name several, with "|".
func (g *signerRoom) comes(ctx context.Context, m *machine, name, want string, limit time.Duration) error {
	return until(ctx, limit, nil, func() error {
		state, err := g.state(ctx, m, name)
		if err == nil && !slices.ContainsFunc(strings.Split(want, "|"), func(w string) bool {
			return strings.HasPrefix(state, w)
		}) {
			err = fmt.Errorf("%s is %q, not %q", name, state, want)
		}
		return err
	})
}

// refused are requests that a live API server takes, and the grant does not have.
func (g *signerRoom) refused(m *machine) []trial {
	denied := func(a asked, want string) func(context.Context) error {
		a.name = "attack-" + unguessable()
		if a.node == "" {
			a.node = "worker-2"
		}
		return func(ctx context.Context) error {
			if err := g.request(ctx, m, a); err != nil {
				return err
			}
			return g.comes(ctx, m, a.name, want, time.Minute)
		}
	}
	client := asked{signer: "kubernetes.io/kube-apiserver-client-kubelet", usages: []string{"digital signature",
		"client auth"}}
	another, group, unknown := client, client, client
	another.node, another.user = "worker-1", "eve" // a node that did so, the API server itself refuses
	group.group = "system:masters"
	unknown.node = "worker-9"
	return []trial{
		{"signer: a request of worker-2 within the grant is approved and signed", denied(client, "Approved Issued")},
		{"not: what kube-controller-manager's approver approves is signed, where somebody else asks for worker-1's",
			denied(another, "Approved Failed requester: |Denied requester: ")},
		{"not: a node has a certificate in system:masters", denied(group, "Denied subject: ")},
		{"not: a node that the grant has not has a certificate", denied(unknown,
			"Approved Failed not-in-grant: |Denied not-in-grant: ")},
		{"not: a node serves as the API server, by name", denied(asked{dns: []string{"worker-2",
			g.site.endpoint()}}, "Denied san-not-in-grant: ")},
		{"not: a node serves at another node's address", denied(asked{address: workerAddress},
			"Denied san-not-in-grant: ")},
		{"not: a serving certificate is a client's, too", denied(asked{usages: []string{"digital signature",
			"server auth", "client auth"}}, "Denied usages: ")},
		{"not: what an administrator approved outside of the grant is signed; it has failed", g.approvedOutside(m)},
		{"not: a request for another signer is looked at", g.others(m)},
	}
}

// approvedOutside has an administrator approve before the relays come to it.
func (g *signerRoom) approvedOutside(m *machine) func(context.Context) error {
	return func(ctx context.Context) error {
		name := "approved-" + unguessable()
		for _, p := range g.running {
			p.stop()
		}
		if err := g.request(ctx, m, asked{name: name, node: "worker-2", dns: []string{"worker-1"}}); err != nil {
			return err
		}
		if _, err := m.kubectl(ctx, "super-admin.conf", "certificate", "approve", name); err != nil {
			return err
		}
		g.running = nil
		if err := g.relays(ctx); err != nil {
			return err
		}
		return until(ctx, time.Minute, nil, func() error {
			state, err := g.state(ctx, m, name)
			if err == nil && !strings.Contains(state, "Failed san-not-in-grant: ") {
				err = fmt.Errorf("it is %q", state)
			}
			return err
		})
	}
}

// others makes a request for another signer, and one for ours after it: when that one is
// done, the other has nothing.
func (g *signerRoom) others(m *machine) func(context.Context) error {
	return func(ctx context.Context) error {
		other, ours := "other-"+unguessable(), "ours-"+unguessable()
		if err := errors.Join(g.request(ctx, m, asked{name: other, node: "worker-2", signer: "example.com/other"}),
			g.request(ctx, m, asked{name: ours, node: "worker-2"})); err != nil {
			return err
		}
		if err := g.comes(ctx, m, ours, "Approved Issued", time.Minute); err != nil {
			return err
		}
		if state, err := g.state(ctx, m, other); err != nil || state != "" {
			return fmt.Errorf("it is %q, %w", state, err)
		}
		return nil
	}
}

// killings is how often the signer is killed, each time a little later after a request.
const killings = 50

// failures are what operators live through. Nothing is lost by it.
func (g *signerRoom) failures(m *machine) []trial {
	return []trial{
		{"signer: the relay that leads is killed, and the other one goes on", g.leaderKilled(m)},
		{fmt.Sprintf("signer: serve is killed at %d instants, and every request has its certificate", killings),
			g.signerKilled(m)},
		{"signer: the token is away, and what was asked meanwhile is signed when it is back", g.tokenAway(m)},
		{"signer: the API server is away, and the relays go on when it is back", g.apiServerAway(m)},
	}
}

func (g *signerRoom) leaderKilled(m *machine) func(context.Context) error {
	return func(ctx context.Context) error {
		i, err := g.leader(ctx)
		if err != nil {
			return err
		}
		var names []string
		for n := range 6 {
			if n == 3 {
				if err := g.running[i].kill(); err != nil {
					return err
				}
			}
			names = append(names, "killed-"+unguessable())
			if err := g.request(ctx, m, asked{name: names[n], node: "worker-2"}); err != nil {
				return err
			}
		}
		if err := g.all(ctx, m, names); err != nil {
			return err
		}
		if now, err := g.leader(ctx); err != nil || now == i {
			return fmt.Errorf("relay %d leads, %w", now, err)
		}
		g.running[i], err = g.startRelay(i)
		return err
	}
}

func (g *signerRoom) all(ctx context.Context, m *machine, names []string) error {
	for _, name := range names {
		if err := g.comes(ctx, m, name, "Approved Issued", patience); err != nil {
			return err
		}
	}
	return nil
}

func (g *signerRoom) signerKilled(m *machine) func(context.Context) error {
	return func(ctx context.Context) error {
		var names []string
		for n := range killings {
			names = append(names, "serve-"+unguessable())
			if err := g.request(ctx, m, asked{name: names[n], node: "worker-2"}); err != nil {
				return err
			}
			time.Sleep(time.Duration(n) * 3 * time.Millisecond)
			if err := g.serve.kill(); err != nil {
				return err
			}
			if err := g.start(ctx); err != nil {
				return err
			}
		}
		return g.all(ctx, m, names)
	}
}

func (g *signerRoom) tokenAway(m *machine) func(context.Context) error {
	return func(ctx context.Context) error {
		tokens := g.site.path("room", "tokens")
		if err := os.Rename(tokens, tokens+".away"); err != nil {
			return err
		}
		back := func() error { return os.Rename(tokens+".away", tokens) }
		name := "token-" + unguessable()
		err := errors.Join(g.request(ctx, m, asked{name: name, node: "worker-2"}),
			until(ctx, patience, g.serve, func() error {
				text, err := get(ctx, "http://127.0.0.1:9101/metrics")
				if err == nil && !strings.Contains(text, "\nofficiant_signer_token_up 0\n") {
					err = errors.New("the signer does not miss its token")
				}
				return err
			}))
		state, e := g.state(ctx, m, name)
		if e == nil && state != "" && err == nil {
			err = fmt.Errorf("without a token it is %q", state)
		}
		if err = errors.Join(err, e, back()); err != nil {
			return err
		}
		return g.comes(ctx, m, name, "Approved Issued", patience)
	}
}

func (g *signerRoom) apiServerAway(m *machine) func(context.Context) error {
	return func(ctx context.Context) error {
		m.stop(apiServer)
		if err := until(ctx, patience, nil, func() error { // its Lease has run out
			return refused(isReady(ctx, "http://"+relayAddress(0)+"/readyz"), "has not answered")
		}); err != nil {
			return err
		}
		if err := m.start(ctx, apiServer); err != nil {
			return err
		}
		name := "away-" + unguessable()
		if err := g.request(ctx, m, asked{name: name, node: "worker-2"}); err != nil {
			return err
		}
		return g.all(ctx, m, []string{name})
	}
}
