package service_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"officiant/bundle/bundletest"
	"officiant/bundle/kubepki"
	"officiant/bundle/service"
)

// gateway answers as etcd's JSON gateway does, with a bundle's own certificates on both
// sides; an answer that begins with ! has the status 503.
type gateway struct {
	answers map[string]string // by path
	asked   []string
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.asked = append(g.asked, r.URL.Path)
	said, bad := strings.CutPrefix(g.answers[r.URL.Path], "!")
	if bad {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	io.WriteString(w, said)
}

// start serves a member's answers until the test ends.
func (g *gateway) start(t *testing.T, p *bundletest.PKI, m *etcdMember) {
	t.Helper()
	s := httptest.NewUnstartedServer(g)
	pki := filepath.Join(m.Root, "etc/kubernetes/pki/etcd")
	pair, err := tls.LoadX509KeyPair(pki+"/server.crt", pki+"/server.key")
	must(t, err)
	clients := x509.NewCertPool()
	clients.AddCert(p.Authorities[kubepki.EtcdAuthority].Certificate)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert,
		ClientCAs: clients, Time: func() time.Time { return bundletest.Now }}
	s.Listener.Close()
	s.Listener, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", m.client))
	must(t, err)
	s.StartTLS()
	t.Cleanup(s.Close)
}

// TestEtcdRefused: whoever may not restart an etcd now is told why, by what etcd answers.
func TestEtcdRefused(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMember(t, p, "etcd-1")
	m.Now = func() time.Time { return bundletest.Now }
	g := &gateway{}
	g.start(t, p, m)
	members := func(of string) string { return `{"header":{"member_id":"1"},"members":[{"ID":"1"},` + of + `]}` }
	at := fmt.Sprintf(`"https://127.0.0.1:%d"`, m.client)
	const list, health = "/v3/cluster/member/list", "/health"
	for _, c := range []struct {
		list, health, says string
	}{
		{"!no leader", "", "asking this node's etcd for its members: https://"},
		{"no JSON", "", "asking this node's etcd for its members: /v3/cluster/member/list: invalid character"},
		{members(`{"ID":"2","name":"etcd-2"}`), "",
			`etcd member "etcd-2" is not well: it has not started, or has no address`},
		{members(`{"ID":"2","name":"etcd-2","clientURLs":["http://127.0.0.1:2379"]}`), "",
			`etcd member "etcd-2" is not well: its address "http://127.0.0.1:2379" is none that can be asked`},
		{members(`{"ID":"2","name":"etcd-2","clientURLs":[` + at + `]}`), `{"health":"false"}`,
			`etcd member "etcd-2" is not well: it says {"health":"false"}`},
		{members(`{"ID":"2","name":"etcd-2","clientURLs":[` + at + `]}`), "!no leader",
			"503 Service Unavailable: no leader"},
	} {
		g.answers = map[string]string{list: c.list, health: c.health}
		if err := m.members().Others(t.Context()); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.says, err)
		}
	}
	g.answers[health] = `{"health":"true"}`
	must(t, m.members().Others(t.Context()))

	const grant, txn, revoke = "/v3/lease/grant", "/v3/kv/txn", "/v3/lease/revoke"
	other := base64.StdEncoding.EncodeToString([]byte("etcd-2"))
	held := `{"responses":[{"response_range":{"kvs":[{"key":"x","value":"` + other + `","lease":"9"}]}}]}`
	for says, answers := range map[string]map[string]string{
		"taking the lock in etcd: https://": {grant: "!no space"},
		"taking the lock in etcd: /v3/kv/txn: ": {grant: `{"ID":"7"}`, txn: "no JSON",
			revoke: "{}"},
		fmt.Sprintf("node %q restarts its etcd now", "etcd-2"): {grant: `{"ID":"7"}`, txn: held, revoke: "{}"},
		"/v3/lease/revoke: 503 Service Unavailable: it is gone for us": {grant: `{"ID":"7"}`, txn: held,
			revoke: "!it is gone for us"},
	} {
		g.answers, g.asked = answers, nil
		_, err := m.members().Lock(t.Context(), "etcd-1")
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
		var busy *service.Busy
		if errors.As(err, &busy) != strings.Contains(says, "restarts its etcd") {
			t.Errorf("%s: busy with %v", says, busy)
		}
		if last := g.asked[len(g.asked)-1]; answers[txn] != "" && last != revoke {
			t.Errorf("%s: the lease is left, %s was asked last", says, last)
		}
	}
}

// TestMachineRefused: a restart that did not happen says what stood in its way.
func TestMachineRefused(t *testing.T) {
	m := newControlPlane(t, map[string]string{"crictl ps -q --name ^kube-scheduler$": "abc\n"})
	s := serviceOf(t, "kube-scheduler")
	at := m.manifest(t, s.Name)
	run := m.Run
	m.Run = func(ctx context.Context, name string, args ...string) ([]byte, error) {
		out, err := run(ctx, name, args...)
		if err != nil {
			return []byte("no such container\nand more"), err
		}
		return out, nil
	}
	err := m.Restart(t.Context(), s)
	if err == nil || !strings.Contains(err.Error(), "crictl stop (kube-scheduler): ") ||
		!strings.HasSuffix(err.Error(), ": no such container") {
		t.Errorf("a container that is not stopped: %v", err)
	}

	// Without crictl and without a kubelet its process stays.
	m.Run = func(context.Context, string, ...string) ([]byte, error) { return nil, exec.ErrNotFound }
	answers := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer answers.Close()
	s.Health.Port = answers.Listener.Addr().(*net.TCPAddr).Port
	err = m.Restart(t.Context(), s)
	if err == nil ||
		!strings.Contains(err.Error(),
			"kube-scheduler still answers 2m0s after its manifest was taken out: does a kubelet run?") {
		t.Errorf("a service that does not end: %v", err)
	}
	if _, err := os.Stat(at); err != nil {
		t.Errorf("its manifest stays outside: %v", err)
	}

	ca := filepath.Join(m.Root, "etc/kubernetes/pki/ca.crt")
	must(t, os.WriteFile(ca, []byte("junk"), 0o600))
	if err := m.Well(t.Context(), serviceOf(t, "kube-apiserver")); err == nil ||
		err.Error() != ca+" holds no certificate" {
		t.Errorf("an authority's file without a certificate: %v", err)
	}
}
