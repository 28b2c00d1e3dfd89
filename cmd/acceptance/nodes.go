package main

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// What kubelets may do, and what the API server does as their client and as the
// front proxy.

// as is the identity a node has at the API server: that of its kubelet.conf.
func (s *site) as(node string) (*tls.Certificate, error) {
	return fromConf(filepath.Join(s.root(node), etcKubernetes, "kubelet.conf"))
}

// put makes one request in a node's name and wants that status.
func (s *site) put(ctx context.Context, m *machine, node, method, path, body string, status int, text string) error {
	who, err := s.as(node)
	if err != nil {
		return err
	}
	a, err := caller{trust: m.path("pki/ca.crt"), who: who, body: body}.ask(ctx, method, m.url(path))
	if err != nil {
		return err
	}
	return a.is(status, text)
}

const allNodes = "/api/v1/nodes"

func label(name, value string) string {
	return fmt.Sprintf(`{"metadata":{"labels":{%q:%q}}}`, name, value)
}

// nodes shows that each worker is itself and nobody else.
func (s *site) nodes(m *machine) []trial {
	mine, others := allNodes+"/worker-1", allNodes+"/worker-2"
	register := func(name string) func(context.Context) error {
		return func(ctx context.Context) error {
			body := fmt.Sprintf(`{"kind":"Node","apiVersion":"v1","metadata":{"name":%q}}`, name)
			return s.put(ctx, m, name, "POST", allNodes, body, 201, name)
		}
	}
	request := func(node, method, path, body string, status int, text string) func(context.Context) error {
		return func(ctx context.Context) error { return s.put(ctx, m, node, method, path, body, status, text) }
	}
	return []trial{
		{"worker-1 registers with kubelet.conf", register("worker-1")},
		{"worker-2 registers with kubelet.conf", register("worker-2")},
		{"worker-1 labels itself", request("worker-1", "PATCH", mine, label("example.test/a", "1"), 200, "example.test/a")},
		{"not: worker-1 labels worker-2", request("worker-1", "PATCH", others, label("example.test/a", "1"), 403, "")},
		{"not: worker-1 registers as another", request("worker-1", "POST", allNodes,
			`{"kind":"Node","apiVersion":"v1","metadata":{"name":"worker-9"}}`, 403, "")},
		{"not: worker-1 gives itself a restricted label", request("worker-1", "PATCH", mine,
			label("node-restriction.kubernetes.io/a", "1"), 403, "is not allowed to modify")},
		{"not: worker-1 reads the secrets of others", request("worker-1", "GET", "/api/v1/namespaces/default/secrets/acceptance", "", 403, "")},
		{"worker-2 labels itself, so it was who asked that mattered", request("worker-2", "PATCH", others, label("example.test/a", "1"), 200, "example.test/a")},
	}
}

// kubelet shows that the API server is let in where kubelets ask for a
// certificate of the Kubernetes authority: in the place of one, a stand-in.
func (s *site) kubelet(m *machine) []trial {
	var k *gate
	ask := func(ctx context.Context) error {
		said, err := m.kubectl(ctx, "admin.conf", "get", "--raw", "/api/v1/nodes/cp-1/proxy/healthz")
		if err == nil && !strings.Contains(said, "asked by CN=kube-apiserver-kubelet-client") {
			return fmt.Errorf("the kubelet says %q", said)
		}
		return err
	}
	return []trial{
		{"a kubelet that lets in only whom ca.crt vouches for listens on cp-1", func(ctx context.Context) (err error) {
			if k, err = stand(m.address+":10250", "cp-1", m.path("pki/ca.crt"), kubeletSays); err != nil {
				return err
			}
			node := `{"kind":"Node","apiVersion":"v1","metadata":{"name":"cp-1"}}`
			if err := s.put(ctx, m, "cp-1", "POST", allNodes, node, 201, "cp-1"); err != nil {
				return err
			}
			status := fmt.Sprintf(`{"status":{"addresses":[{"type":"InternalIP","address":%q}],"daemonEndpoints":{"kubeletEndpoint":{"Port":10250}}}}`, m.address)
			return s.put(ctx, m, "cp-1", "PATCH", allNodes+"/cp-1/status", status, 200, "InternalIP")
		}},
		{"the API server asks the kubelet as kube-apiserver-kubelet-client", ask},
		{"not: a kubelet that trusts etcd's authority lets the API server in", func(ctx context.Context) error {
			if k == nil {
				return errors.New("there is no kubelet")
			}
			if err := k.believe(m.path("pki/etcd/ca.crt")); err != nil {
				return err
			}
			defer k.close()
			return refused(ask(ctx), "tls:", "remote error", "EOF", "connection reset")
		}},
	}
}

const aggregatedManifest = `apiVersion: v1
kind: Service
metadata: {name: acceptance, namespace: kube-system}
spec: {clusterIP: ADDRESS, ports: [{port: 443, protocol: TCP}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: acceptance-1, namespace: kube-system, labels: {kubernetes.io/service-name: acceptance}}
addressType: IPv4
endpoints: [{addresses: [ADDRESS], conditions: {ready: true}}]
ports: [{name: "", port: 443, protocol: TCP}]
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1.GROUP}
spec: {group: GROUP, version: v1, groupPriorityMinimum: 100, versionPriority: 100, caBundle: BUNDLE, service: {name: acceptance, namespace: kube-system}}
`

// aggregation shows that an API server behind the aggregator believes the front
// proxy, and nobody else, about who asks.
func (s *site) aggregation(m *machine) []trial {
	var api *gate
	direct := "https://" + aggregatedAddress + aggregatedAPI + "/whoami"
	whoami := func(ctx context.Context) error {
		said, err := m.kubectl(ctx, "admin.conf", "get", "--raw", aggregatedAPI+"/whoami")
		for _, want := range []string{`"proxy":"CN=front-proxy-client`, `"user":"kubernetes-admin"`, `"kubeadm:cluster-admins"`} {
			if err == nil && !strings.Contains(said, want) {
				return fmt.Errorf("the aggregated API says %q, without %s", said, want)
			}
		}
		return err
	}
	return []trial{
		{"an API server behind the aggregator gets the user from the front proxy, as X-Remote-User", func(ctx context.Context) (err error) {
			if api, err = stand(aggregatedAddress+":443", "acceptance.kube-system.svc", m.path("pki/front-proxy-ca.crt"), aggregatedSays); err != nil {
				return err
			}
			bundle := base64.StdEncoding.EncodeToString(certificatePEM(api.authority.certificate))
			if err := m.apply(ctx, "admin.conf", strings.NewReplacer("ADDRESS", aggregatedAddress, "GROUP", aggregatedGroup, "BUNDLE", bundle).Replace(aggregatedManifest)); err != nil {
				return err
			}
			return until(ctx, time.Minute, m.running[apiServer], func() error { return whoami(ctx) })
		}},
		{"not: it lets an administrator's own certificate in, whatever X-Remote-User says", func(ctx context.Context) error {
			who, err := fromConf(m.path("admin.conf"))
			if err != nil {
				return err
			}
			_, err = caller{trust: s.note("stand-in.crt", api), who: who, headers: []string{"X-Remote-User: root"}}.ask(ctx, "GET", direct)
			return refused(err, "remote error: tls")
		}},
		{"not: one that trusts ca.crt instead lets the front proxy in", func(ctx context.Context) error {
			if api == nil {
				return errors.New("there is no aggregated API")
			}
			if err := api.believe(m.path("pki/ca.crt")); err != nil {
				return err
			}
			defer api.close()
			// Either the connection is refused, or the aggregator has noticed before.
			return refused(whoami(ctx), "tls:", "unavailable", "ServiceUnavailable", "EOF")
		}},
		{"the aggregated API is taken away again", func(ctx context.Context) error {
			_, err := m.kubectl(ctx, "admin.conf", "delete", "apiservice", "v1."+aggregatedGroup)
			return err
		}},
	}
}

// note writes down whom to trust to reach a stand-in, and returns the file.
func (s *site) note(name string, in *gate) string {
	path := s.path(name)
	if in == nil || files(s.dir).write(name, certificatePEM(in.authority.certificate)) != nil {
		return path + " could not be written"
	}
	return path
}
