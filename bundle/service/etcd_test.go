package service_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"officiant/bundle/bundletest"
	"officiant/bundle/durable"
	"officiant/bundle/install/installtest"
	"officiant/bundle/kubepki"
	"officiant/bundle/service"
)

// programs has the real etcd. make acceptance builds it, and demands with -programs that
// it is there.
var programs = flag.String("programs", "", "the `DIR` of a real etcd that has to answer")

func realEtcd(t *testing.T) string {
	t.Helper()
	dir := *programs
	if dir == "" {
		dir = filepath.Join("..", "..", "build", "acceptance", "bin")
	}
	found, err := filepath.Glob(filepath.Join(dir, "etcd-v*"))
	if err == nil && len(found) > 0 {
		return found[len(found)-1]
	}
	if *programs != "" {
		t.Fatalf("no etcd in %s", dir)
	}
	t.Skip("no real etcd in ", dir)
	return ""
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// etcdMember is a member of a real etcd, with an installed bundle's files.
type etcdMember struct {
	*service.Machine
	name         string
	client, peer int
	stop         func()
}

func newMember(t *testing.T, p *bundletest.PKI, name string) *etcdMember {
	t.Helper()
	k := bundletest.EtcdOnly()
	k.Name = name
	n := installtest.Installed(t, t.TempDir(), p, p.NewNode(t, k))
	m := &service.Machine{Root: n.Root, Disk: &durable.Disk{}, Node: k, Say: t.Logf,
		Wait: func(_ context.Context, d time.Duration) error { time.Sleep(d); return nil },
		Run:  func(context.Context, string, ...string) ([]byte, error) { return nil, exec.ErrNotFound }}
	return &etcdMember{Machine: m, name: name, client: freePort(t), peer: freePort(t)}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (m *etcdMember) start(t *testing.T, program, cluster string) {
	t.Helper()
	pki := filepath.Join(m.Root, "etc/kubernetes/pki/etcd")
	clientURL, peerURL := fmt.Sprintf("https://127.0.0.1:%d", m.client), fmt.Sprintf("https://127.0.0.1:%d", m.peer)
	c := exec.Command(
		program,
		"--name",
		m.name,
		"--data-dir",
		filepath.Join(m.Root, "data"),
		"--log-level",
		"error",
		"--listen-client-urls",
		clientURL,
		"--advertise-client-urls",
		clientURL,
		"--listen-peer-urls",
		peerURL,
		"--initial-advertise-peer-urls",
		peerURL,
		"--initial-cluster",
		cluster,
		"--client-cert-auth",
		"--peer-client-cert-auth",
		"--trusted-ca-file",
		pki+"/ca.crt",
		"--peer-trusted-ca-file",
		pki+"/ca.crt",
		"--cert-file",
		pki+"/server.crt",
		"--key-file",
		pki+"/server.key",
		"--peer-cert-file",
		pki+"/peer.crt",
		"--peer-key-file",
		pki+"/peer.key",
	)
	c.Stderr = os.Stderr
	must(t, c.Start())
	m.stop = func() { _ = c.Process.Kill(); _ = c.Wait(); m.stop = func() {} }
	t.Cleanup(func() { m.stop() })
}

func (m *etcdMember) members() *service.Members {
	return &service.Members{Machine: m.Machine, URL: fmt.Sprintf("https://127.0.0.1:%d", m.client)}
}

// TestRealEtcd: the real etcd's members are seen to be well, the lock in it is one
// node's, comes back to a node that was killed, and goes with its release; with a member
// down nobody may restart another.
func TestRealEtcd(t *testing.T) {
	program := realEtcd(t)
	if d := time.Since(bundletest.Now); d < 0 || d > 360*24*time.Hour {
		t.Skip("the real etcd has the real clock, by which this test's certificates are not valid")
	}
	p := bundletest.New(t, bundletest.Cluster())
	var all []*etcdMember
	var cluster []string
	for i := range 3 {
		m := newMember(t, p, fmt.Sprintf("etcd-%d", i+1))
		all = append(all, m)
		cluster = append(cluster, fmt.Sprintf("%s=https://127.0.0.1:%d", m.name, m.peer))
	}
	for _, m := range all {
		m.start(t, program, strings.Join(cluster, ","))
	}
	one, two := all[0].members(), all[1].members()
	others := func(m *service.Members, want bool) {
		t.Helper()
		var err error
		for range 60 {
			if err = m.Others(t.Context()); (err == nil) == want {
				return
			}
			time.Sleep(500 * time.Millisecond)
		}
		t.Fatalf("others are well: %t, want %t: %v", err == nil, want, err)
	}
	others(one, true)
	release, err := one.Lock(t.Context(), "etcd-1")
	must(t, err)
	var busy *service.Busy
	if _, err := two.Lock(t.Context(), "etcd-2"); !errors.As(err, &busy) || busy.Holder != "etcd-1" {
		t.Errorf("a second lock: %v", err)
	}
	again, err := one.Lock(t.Context(), "etcd-1")
	must(t, err)
	must(t, again(t.Context()))
	theirs, err := two.Lock(t.Context(), "etcd-2")
	must(t, err)
	must(t, theirs(t.Context()))
	if err := release(t.Context()); err == nil {
		t.Error("a lock that was given back is given back again")
	}
	all[2].stop()
	others(one, false)
	if err := one.Others(t.Context()); err == nil || !strings.Contains(err.Error(), `"etcd-3" is not well`) {
		t.Errorf("with a member down: %v", err)
	}
	s, _ := kubepki.ServiceNamed("etcd")
	s.Health.Port = all[0].client
	must(t, all[0].Well(t.Context(), s))
	s.Health.Port = all[2].client
	if all[0].Well(t.Context(), s) == nil {
		t.Error("a member that is down is well")
	}
}
