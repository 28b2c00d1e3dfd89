package service_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle/bundletest"
	"officiant/bundle/durable"
	"officiant/bundle/install/installtest"
	"officiant/bundle/kubepki"
	"officiant/bundle/service"
)

// machine is a control-plane node with an installed bundle, and programs that are played:
// what is typed is written down.
type machine struct {
	*service.Machine
	pki   *bundletest.PKI
	typed []string
}

func newControlPlane(t *testing.T, programs map[string]string) *machine {
	t.Helper()
	c := bundletest.Cluster()
	c.CertSANs = []string{"127.0.0.1"}
	p := bundletest.New(t, c)
	k := bundletest.First()
	k.BindPort = freePort(t)
	n := installtest.Installed(t, t.TempDir(), p, p.NewNode(t, k))
	k.Address = netip.MustParseAddr("127.0.0.1") // where this test's API server is
	m := &machine{pki: p}
	m.Machine = &service.Machine{Root: n.Root, Disk: &durable.Disk{}, Node: k, Now: n.Now, Say: t.Logf,
		Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Run: func(_ context.Context, name string, args ...string) ([]byte, error) {
			line := strings.Join(append([]string{name}, args...), " ")
			m.typed = append(m.typed, line)
			if out, ok := programs[line]; ok {
				return []byte(out), nil
			}
			return nil, exec.ErrNotFound
		}}
	return m
}

func (m *machine) manifest(t *testing.T, name string) string {
	t.Helper()
	at := filepath.Join(m.Root, "etc/kubernetes/manifests", name+".yaml")
	must(t, os.MkdirAll(filepath.Dir(at), 0o755))
	must(t, os.WriteFile(at, []byte("the manifest of "+name), 0o600))
	return at
}

func serviceOf(t *testing.T, name string) kubepki.Service {
	t.Helper()
	s, ok := kubepki.ServiceNamed(name)
	if !ok {
		t.Fatal(name)
	}
	return s
}

// TestRestartByCrictl: a static pod's container is stopped, and its manifest left alone.
func TestRestartByCrictl(t *testing.T) {
	m := newControlPlane(t, map[string]string{"crictl ps -q --name ^kube-scheduler$": "abc\n", "crictl stop abc": ""})
	s := serviceOf(t, "kube-scheduler")
	if m.Runs(t.Context(), s) {
		t.Error("it runs without a manifest or unit")
	}
	at := m.manifest(t, s.Name)
	if !m.Runs(t.Context(), s) {
		t.Error("it does not run")
	}
	must(t, m.Restart(t.Context(), s))
	if !slices.Equal(m.typed, []string{"crictl ps -q --name ^kube-scheduler$", "crictl stop abc"}) {
		t.Errorf("typed %q", m.typed)
	}
	if _, err := os.Stat(at); err != nil {
		t.Error(err)
	}
}

// TestRestartByManifest: without crictl the manifest goes out of its folder until the
// service is gone, and comes back whatever happens.
func TestRestartByManifest(t *testing.T) {
	m := newControlPlane(t, nil)
	s := serviceOf(t, "kube-scheduler") // nothing answers on its port here
	at := m.manifest(t, s.Name)
	outside := 0
	m.Wait = func(ctx context.Context, _ time.Duration) error {
		if _, err := os.Stat(at); errors.Is(err, fs.ErrNotExist) {
			outside++
		}
		return ctx.Err()
	}
	must(t, m.Restart(t.Context(), s))
	if data, err := os.ReadFile(at); err != nil || string(data) != "the manifest of kube-scheduler" || outside != 1 {
		t.Errorf("%q, %v, outside %d", data, err, outside)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Restart(ctx, s); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := os.Stat(at); err != nil {
		t.Errorf("after an interruption: %v", err)
	}
	// What a killed process left outside, Settle puts back; two of one name it leaves to people.
	must(t, os.Rename(at, filepath.Join(m.Root, "etc/kubernetes/kube-scheduler.yaml.officiant-sync")))
	must(t, m.Settle())
	if _, err := os.Stat(at); err != nil {
		t.Error(err)
	}
	must(t, os.WriteFile(filepath.Join(m.Root, "etc/kubernetes/kube-scheduler.yaml.officiant-sync"), nil, 0o600))
	if err := m.Settle(); err == nil || !strings.Contains(err.Error(), "compare them") {
		t.Error(err)
	}
}

// TestUnits: a unit is restarted where it is active, below "/" alone.
func TestUnits(t *testing.T) {
	programs := map[string]string{
		"systemctl is-active --quiet kubelet.service": "",
		"systemctl try-restart kubelet.service":       "",
	}
	m := newControlPlane(t, programs)
	s := serviceOf(t, "kubelet")
	if m.Runs(t.Context(), s) || len(m.typed) > 0 {
		t.Error("a unit runs below a folder")
	}
	m.Root = "/"
	if !m.Runs(t.Context(), s) || m.Runs(t.Context(), serviceOf(t, "kube-proxy")) {
		t.Errorf("typed %q", m.typed)
	}
	must(t, m.Restart(t.Context(), s))
	if err := m.Restart(t.Context(), serviceOf(t, "kube-proxy")); err == nil {
		t.Error("a unit that is not there was restarted")
	}
}

// TestReadyz asks an API server of its own certificate by the node's client certificate,
// and believes no other server.
func TestReadyz(t *testing.T) {
	m := newControlPlane(t, nil)
	answer := http.StatusOK
	var asked string
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Path + " by " + r.TLS.PeerCertificates[0].Subject.CommonName
		w.WriteHeader(answer)
	}))
	pki := filepath.Join(m.Root, "etc/kubernetes/pki")
	pair, err := tls.LoadX509KeyPair(pki+"/apiserver.crt", pki+"/apiserver.key")
	must(t, err)
	clients := x509.NewCertPool()
	clients.AddCert(m.pki.Authorities[kubepki.KubernetesAuthority].Certificate)
	s.TLS = &tls.Config{
		Certificates: []tls.Certificate{pair},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    clients,
		Time:         func() time.Time { return bundletest.Now },
	}
	l, err := net.Listen("tcp", netip.AddrPortFrom(m.Node.Address, uint16(m.Node.BindPort)).String())
	must(t, err)
	s.Listener = l
	s.StartTLS()
	defer s.Close()
	api := serviceOf(t, "kube-apiserver")
	must(t, m.Well(t.Context(), api))
	if asked != "/readyz by system:node:cp-1" {
		t.Errorf("asked %s", asked)
	}
	answer = http.StatusInternalServerError
	if err := m.Well(t.Context(), api); err == nil || !strings.Contains(err.Error(), "500") {
		t.Error(err)
	}
	answer = http.StatusOK
	// One that trusts another authority is shown the certificate all the same.
	s.TLS.ClientAuth, s.TLS.ClientCAs = tls.RequireAnyClientCert, x509.NewCertPool()
	s.TLS.ClientCAs.AddCert(m.pki.Authorities[kubepki.EtcdAuthority].Certificate)
	asked = ""
	must(t, m.Well(t.Context(), api))
	if asked != "/readyz by system:node:cp-1" {
		t.Errorf("asked %q", asked)
	}
	stranger := bundletest.New(t, bundletest.Cluster())
	must(
		t,
		os.WriteFile(
			pki+"/ca.crt",
			bundletest.CertificatePEM(stranger.Authorities[kubepki.KubernetesAuthority].Certificate),
			0o600,
		),
	)
	if err := m.Well(t.Context(), api); err == nil {
		t.Error("another cluster's server is believed")
	}
}
