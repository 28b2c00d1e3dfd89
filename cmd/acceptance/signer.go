package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// onlineSigner is the scenario in which nobody in the cluster can sign, and the online
// signer does: officiant-signer with a token outside of the cluster, two relays with the
// rights that their manifests give them and no others, and a node that rotates its
// certificates with the kubelet's own code.
func onlineSigner(ctx context.Context, o options, r *report) error {
	s, err := newSite(o, filepath.Join(o.dir, "signer"), "buoy", host{"cp-1", "10.0.0.11"}, host{"worker-1", ""},
		host{"worker-2", ""})
	if err != nil {
		return err
	}
	defer s.close()
	if err := alias("lo:9", netip.MustParseAddr(workerAddress)); err != nil {
		return err
	}
	m := s.machines[0]
	m.adjust = audited
	room := newSignerRoom(s, o)
	defer room.close()
	s.online, s.grant = true, room.grant
	if !r.must(ctx,
		trial{"signer: a ceremony for buoy makes the two authorities and the grant, and its bundles are installed",
			func(ctx context.Context) error { return s.begin(ctx, nil) }},
		trial{"signer: its host has the ceremony's grant, and a station with its own keys alone", room.prepare},
		trial{"signer: officiant-signer serve is ready", room.start},
		trial{"signer: kubeadm writes the static pods with what the bundle has for it", s.lay(m)},
		trial{"signer: they are started with the bundle's flags, and no signing controller", room.flags(m)},
		trial{"signer: client-ca.crt has two intermediates, ca.crt stays single", room.trusts(m, "kubelet-client-ca")},
		trial{"signer: kubelet-serving-ca.crt has one of its own", room.verifies(m, "kubelet-serving-ca")},
		trial{"signer: etcd starts and is healthy", func(ctx context.Context) error { return m.start(ctx, etcd) }},
		trial{"signer: kube-apiserver is ready", func(ctx context.Context) error {
			if err := os.WriteFile(filepath.Join(m.tree, "tmp/audit.yaml"), []byte(auditPolicy), 0o644); err != nil {
				return err
			}
			return m.start(ctx, apiServer)
		}},
		trial{"signer: kube-controller-manager starts without its signing controller",
			func(ctx context.Context) error { return m.start(ctx, controllerManager) }},
		trial{"signer: the API server takes the bindings and the relay's manifests", room.manifests(m)},
		trial{"signer: two relays start, with the service account's rights, and one leads", room.relays},
		trial{"signer: worker-1 gets a client certificate and is system:node:worker-1 with it",
			room.rotates(m, "client", 1)},
		trial{"signer: worker-1 gets a serving certificate", room.rotates(m, "serving", 1)},
	) {
		return nil
	}
	k := room.kubelet(m)
	defer k.close()
	r.try(ctx,
		trial{"signer: the real kubelet starts on worker-2, told by the cluster's configuration to rotate and to ask",
			k.begins},
		trial{"signer: the kubelet asks with a client certificate of the signer's", k.has("client")},
		trial{"signer: the kubelet serves with a certificate of the signer's", k.has("serving")},
		trial{"signer: kubectl logs reads the log of a pod: the API server verifies the kubelet, and asks it", k.soon},
		trial{"not: kubectl logs reads it from a kubelet whose certificate nobody has signed", k.unsigned},
	)
	r.try(ctx, room.access(m)...)
	r.try(ctx, room.ceremonies(m, k)...)
	r.try(ctx, room.servingCeremonies(m, k)...)
	r.try(ctx, room.refused(m)...)
	r.try(ctx, room.failures(m)...)
	r.try(ctx,
		trial{"signer: worker-1 has rotated its client certificate", room.rotates(m, "client", 2)},
		trial{"signer: worker-1 has rotated its serving certificate", room.rotates(m, "serving", 2)},
		trial{"signer: kubectl reaches worker-1 with the rotated ones", func(ctx context.Context) error {
			// What it had may have ended meanwhile: nobody signed for minutes.
			return until(ctx, patience, room.node, func() error { return room.reaches(m)(ctx) })
		}},
		trial{"signer: the kubelet has rotated its client certificate, and asks with it", k.has("client")},
		trial{"signer: the kubelet has rotated its serving certificate", k.has("serving")},
		trial{"signer: kubectl logs reads on: the API server verifies the kubelet by the rotated one", k.answers},
		trial{"signer: the journal is whole up to the head that the relays keep, and all of it the grant's",
			room.journal(m)},
		trial{"signer: a journal that goes back is an alarm, and nothing is handed on until it is removed",
			room.goesBack(m)},
		trial{"signer: a last ceremony takes in what all grants had signed, and verify finds nothing",
			room.takesIn(m, "end")},
	)
	return nil
}

// access shows that the API server takes the client certificate, and the serving
// certificate in place of one that nobody has signed.
func (g *signerRoom) access(m *machine) []trial {
	return []trial{
		{"signer: worker-1 registers with its certificate, and the API server reaches it as kubectl logs does",
			func(ctx context.Context) error {
				node := `{"kind":"Node","apiVersion":"v1","metadata":{"name":"worker-1"}}`
				status := fmt.Sprintf(`{"status":{"addresses":[{"type":"InternalIP","address":%q}],`+
					`"daemonEndpoints":{"kubeletEndpoint":{"Port":10250}}}}`, workerAddress)
				who, err := pairIn(filepath.Join(g.path("worker-1"), "kubelet-client-current.pem"))
				if err != nil {
					return err
				}
				for _, call := range []struct {
					method, path, body string
					status             int
				}{{"POST", allNodes, node, 201}, {"PATCH", allNodes + "/worker-1/status", status, 200}} {
					a, err := caller{trust: m.path("pki/ca.crt"), who: who, body: call.body}.ask(ctx, call.method,
						m.url(call.path))
					if err == nil {
						err = a.is(call.status, "worker-1")
					}
					if err != nil {
						return err
					}
				}
				return g.reaches(m)(ctx)
			}},
		{"not: with a kubelet-serving certificate anybody is a user", func(ctx context.Context) error {
			who, err := pairIn(filepath.Join(g.path("worker-1"), "kubelet-server-current.pem"))
			if err != nil {
				return err
			}
			a, err := caller{trust: m.path("pki/ca.crt"), who: who}.ask(ctx, "GET", m.url(allNodes+"/worker-1"))
			if err != nil {
				return err
			}
			return a.is(401, "")
		}},
	}
}

// reaches has the API server ask worker-1, whose certificate it verifies.
func (g *signerRoom) reaches(m *machine) func(context.Context) error {
	return func(ctx context.Context) error {
		said, err := m.kubectl(ctx, "super-admin.conf", "get", "--raw", "/api/v1/nodes/worker-1/proxy/healthz")
		if err == nil && !strings.Contains(said, "asked by CN=kube-apiserver-kubelet-client") {
			return fmt.Errorf("the kubelet says %q", said)
		}
		return err
	}
}

// rotates waits until worker-1 has had n certificates of a kind, and used them.
func (g *signerRoom) rotates(m *machine, kind string, n int) func(context.Context) error {
	return func(ctx context.Context) error {
		if g.node == nil {
			if err := g.startNode(m); err != nil {
				return err
			}
		}
		return until(ctx, patience, g.node, func() error {
			text, err := os.ReadFile(g.node.log)
			if err != nil {
				return err
			}
			seen := 0
			for line := range strings.Lines(string(text)) {
				var said struct{ Kind, Serial, User string }
				if json.Unmarshal([]byte(line), &said) != nil || said.Kind != kind {
					continue
				}
				if kind == "client" && said.User != "system:node:worker-1" {
					return fmt.Errorf("the API server takes it for %q", said.User)
				}
				seen++
			}
			if kind == "client" {
				seen-- // the first is that of kubelet.conf
			}
			if seen < n {
				return fmt.Errorf("%d %s certificates were had", seen, kind)
			}
			return nil
		})
	}
}

// journal verifies the record, by the head that the relays kept.
func (g *signerRoom) journal(m *machine) func(context.Context) error {
	return func(ctx context.Context) error {
		head, err := g.head(ctx, m)
		if err != nil {
			return err
		}
		if head == "" {
			return errors.New("the relays have kept no head")
		}
		args := []string{"verify", g.path("journal.jsonl"), "--release-key", g.path("release.pub"), "--head", head}
		for _, ceremony := range g.held {
			args = append(args, "--grant", g.site.path(ceremony, "grant.json"))
		}
		said, err := g.site.command(ctx, g.program, args...)
		if err == nil && !strings.Contains(string(said), "each within its grant") {
			return fmt.Errorf("verify says %s", said)
		}
		return err
	}
}

func (g *signerRoom) head(ctx context.Context, m *machine) (string, error) {
	return m.kubectl(ctx, "super-admin.conf", "get", "configmap", "-n", "officiant", relayName,
		"-o", "jsonpath={.data.head}")
}

// goesBack puts an older journal in the place of the signer's.
func (g *signerRoom) goesBack(m *machine) func(context.Context) error {
	alarm := func(ctx context.Context) (string, error) {
		return m.kubectl(ctx, "super-admin.conf", "get", "configmap", "-n", "officiant", relayName,
			"-o", "jsonpath={.data.alarm}")
	}
	return func(ctx context.Context) error {
		g.serve.stop()
		whole, err := os.ReadFile(g.path("journal.jsonl"))
		if err != nil {
			return err
		}
		lines := strings.SplitAfter(string(whole), "\n")
		half := strings.Join(lines[:len(lines)/2], "")
		if err := os.WriteFile(g.path("journal.jsonl"), []byte(half), 0o644); err != nil {
			return err
		}
		if err := g.start(ctx); err != nil {
			return err
		}
		if err := g.request(ctx, m, asked{name: "after-cut", node: "worker-2"}); err != nil {
			return err
		}
		if err := until(ctx, patience, g.serve, func() error {
			text, err := alarm(ctx)
			if err == nil && text == "" {
				err = errors.New("there is no alarm")
			}
			return err
		}); err != nil {
			return err
		}
		if state, err := g.state(ctx, m, "after-cut"); err != nil || state != "" {
			return fmt.Errorf("handed on all the same: %q, %w", state, err)
		}
		g.serve.stop()
		if err := os.WriteFile(g.path("journal.jsonl"), whole, 0o644); err != nil {
			return err
		}
		if err := g.start(ctx); err != nil {
			return err
		}
		if _, err := m.kubectl(ctx, "super-admin.conf", "patch", "configmap", "-n", "officiant", relayName,
			"--type=json", "-p", `[{"op":"remove","path":"/data/alarm"}]`); err != nil {
			return err
		}
		return g.comes(ctx, m, "after-cut", "Approved Issued", 2*time.Minute)
	}
}
