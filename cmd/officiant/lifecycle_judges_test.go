package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"officiant/bundle/kubepki"
)

// programs has the real etcd, etcdctl and kubeadm. make acceptance builds them,
// and demands with -programs that they judge; without it they do where they are.
var programs = flag.String("programs", "", "the `DIR` of real Kubernetes programs that have to judge TestLifecycle")

// newJudges finds the real programs. Without them the year is judged by verify alone.
func newJudges(t *testing.T) (*kubeadmJudge, *etcdJudge) {
	dir := *programs
	if dir == "" {
		dir = filepath.Join("..", "..", "build", "acceptance", "bin")
	}
	find := func(name string) string {
		found, err := filepath.Glob(filepath.Join(dir, name+"-v*"))
		must(t, err)
		if len(found) > 0 {
			path, err := filepath.Abs(slices.MaxFunc(found, func(a, b string) int { return modified(t, a).Compare(modified(t, b)) }))
			must(t, err)
			return path
		}
		if *programs != "" {
			t.Fatalf("no %s in %s", name, dir)
		}
		t.Logf("no real %s judges: not in %s", name, dir)
		return ""
	}
	etcd := &etcdJudge{t: t, etcd: find("etcd"), etcdctl: find("etcdctl"), members: map[string]*member{}}
	t.Cleanup(etcd.end)
	return &kubeadmJudge{t, find("kubeadm")}, etcd
}

// modified is when a program was built, of which older versions may lie beside it.
func modified(t *testing.T, program string) time.Time {
	t.Helper()
	info, err := os.Stat(program)
	must(t, err)
	return info.ModTime()
}

// kubeadmJudge asks the real kubeadm about a control-plane node's files.
type kubeadmJudge struct {
	t       *testing.T
	program string
}

const nodeKubeadm = `---
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
nodeRegistration: {name: %s}
localAPIEndpoint: {advertiseAddress: %s}
`

// judges wants kubeadm to use each certificate as it is, and to call the
// authorities external.
func (k *kubeadmJudge) judges(m *machine) {
	k.t.Helper()
	if k.program == "" || !m.node.Has(kubepki.ControlPlane) {
		return
	}
	put(k.t, filepath.Join(m.Root, "kubeadm.yaml"), demoKubeadm+fmt.Sprintf(nodeKubeadm, m.node.Name, m.node.Address))
	if m.node.First {
		k.using(m)
	}
	var info struct {
		Certificates, CertificateAuthorities []struct {
			Name              string
			ExternallyManaged bool
			Missing           bool
			ResidualTime      int64
		}
	}
	must(k.t, json.Unmarshal([]byte(k.run(m, "certs", "check-expiration", "-o", "json", "--config", "/kubeadm.yaml")), &info))
	for _, e := range append(info.Certificates, info.CertificateAuthorities...) {
		if e.Missing && e.Name == "super-admin.conf" && !m.node.First {
			continue
		}
		if e.Missing || !e.ExternallyManaged || e.ResidualTime <= 0 {
			k.t.Errorf("%s: kubeadm says of %s: %+v", m.node.Name, e.Name, e)
		}
	}
}

// using runs what kubeadm init does with files that are there. It refuses a node
// without super-admin.conf, so the first one alone can be looked at in this way.
func (k *kubeadmJudge) using(m *machine) {
	k.t.Helper()
	certs := k.run(m, "init", "phase", "certs", "all", "--config", "/kubeadm.yaml")
	for _, authority := range []string{"ca", "front-proxy-ca", "etcd/ca"} {
		if want := "Using existing " + authority + " keyless certificate authority"; !strings.Contains(certs, want) {
			k.t.Errorf("%s: kubeadm does not say %q\n%s", m.node.Name, want, certs)
		}
	}
	if n := strings.Count(certs, "certificate and key on disk"); n != 7 {
		k.t.Errorf("%s: kubeadm uses %d certificates as they are, not 7\n%s", m.node.Name, n, certs)
	}
	configs := k.run(m, "init", "phase", "kubeconfig", "all", "--config", "/kubeadm.yaml")
	if n := strings.Count(configs, "External CA mode: Using user provided "); n != 5 {
		k.t.Errorf("%s: kubeadm uses %d kubeconfigs as they are, not 5\n%s", m.node.Name, n, configs)
	}
}

// ownServer is what kubeadm warns of in external CA mode alone: that kubelet.conf names
// the node's own API server, as kubeadm itself writes it since 1.33.
var ownServer = regexp.MustCompile(`W\d{4} [^\n]*a kubeconfig file "/etc/kubernetes/kubelet\.conf" exists already ` +
	`but has an unexpected API Server URL: expected: https://api\.demo\.test:\d+, got: https://10\.0\.0\.\d+:\d+\n`)

// run runs kubeadm with the node's files in place of this machine's.
func (k *kubeadmJudge) run(m *machine, args ...string) (stdout string) {
	k.t.Helper()
	cmd := exec.CommandContext(k.t.Context(), k.program, append([]string{"--rootfs", m.Root}, args...)...)
	cmd.Dir = "/"
	if os.Getuid() != 0 { // changing the root takes a capability
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		}
	}
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	err := cmd.Run()
	if said := ownServer.ReplaceAll(talk.Bytes(), nil); err != nil || len(said) > 0 {
		k.t.Fatalf("%s: kubeadm %s: %v\n%s%s", m.node.Name, strings.Join(args, " "), err, said, &out)
	}
	return out.String()
}

// etcdJudge is the cluster's real etcd, which lives through the whole year.
type etcdJudge struct {
	t             *testing.T
	etcd, etcdctl string
	members       map[string]*member
	written       int
}

// member is one of its members, on ports of this machine.
type member struct {
	m            *machine
	client, peer string // addresses
	data         string
	cluster      []string // how it found the others
	cmd          *exec.Cmd
	log          bytes.Buffer
}

// starts makes a cluster of one.
func (e *etcdJudge) starts(m *machine) { e.begin(m, "new") }

// joins adds a member.
func (e *etcdJudge) joins(peer, m *machine) {
	e.t.Helper()
	if e.etcd == "" {
		return
	}
	one := e.member(m)
	if out, err := e.ctl(peer, "member", "add", m.node.Name, "--peer-urls=https://"+one.peer); err != nil {
		e.t.Fatalf("%v\n%s", err, out)
	}
	e.begin(m, "existing")
}

func (e *etcdJudge) member(m *machine) *member {
	if one := e.members[m.node.Name]; one != nil {
		return one
	}
	one := &member{m: m, client: freeAddress(e.t), peer: freeAddress(e.t), data: e.t.TempDir()}
	e.members[m.node.Name] = one
	return one
}

func (e *etcdJudge) begin(m *machine, state string) {
	e.t.Helper()
	if e.etcd == "" {
		return
	}
	one := e.member(m)
	for name, other := range e.members {
		one.cluster = append(one.cluster, name+"=https://"+other.peer)
	}
	one.start(e, "--initial-cluster="+strings.Join(one.cluster, ","), "--initial-cluster-state="+state)
	e.healthy()
}

// restarts lets one member have the files that stand on its node now, while the
// others have what they had.
func (e *etcdJudge) restarts(m *machine) {
	e.t.Helper()
	one := e.members[m.node.Name]
	if one == nil {
		return
	}
	one.stop()
	one.start(e)
	e.healthy()
}

// start runs it as kubeadm's static pod does, on this machine's own addresses.
func (one *member) start(e *etcdJudge, more ...string) {
	e.t.Helper()
	pki := filepath.Join(one.m.Root, "etc/kubernetes/pki/etcd")
	if crl := pki + "/ca.crl"; exists(crl) {
		more = append(more, "--client-crl-file="+crl, "--peer-crl-file="+crl)
	}
	one.cmd = exec.Command(e.etcd, append(more,
		"--name="+one.m.node.Name, "--data-dir="+one.data, "--listen-client-urls=https://"+one.client, "--advertise-client-urls=https://"+one.client,
		"--listen-peer-urls=https://"+one.peer, "--initial-advertise-peer-urls=https://"+one.peer,
		"--client-cert-auth", "--trusted-ca-file="+pki+"/ca.crt", "--cert-file="+pki+"/server.crt", "--key-file="+pki+"/server.key",
		"--peer-client-cert-auth", "--peer-trusted-ca-file="+pki+"/ca.crt", "--peer-cert-file="+pki+"/peer.crt", "--peer-key-file="+pki+"/peer.key")...)
	one.log.Reset()
	one.cmd.Stdout, one.cmd.Stderr = &one.log, &one.log
	must(e.t, one.cmd.Start())
}

func (one *member) stop() {
	if one.cmd != nil && one.cmd.ProcessState == nil {
		_ = one.cmd.Process.Signal(syscall.SIGTERM)
		_ = one.cmd.Wait()
	}
}

func (e *etcdJudge) end() {
	for _, one := range e.members {
		one.stop()
	}
}

// healthy waits until every node's clients get an answer of every member, which
// takes that the members speak with each other.
func (e *etcdJudge) healthy() {
	e.t.Helper()
	for until := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		err := e.answers()
		if err == nil {
			return
		}
		if time.Now().After(until) {
			for name, one := range e.members {
				e.t.Logf("%s:\n%s", name, tailOf(one.log.Bytes(), 3000))
			}
			e.t.Fatal(err)
		}
	}
}

func (e *etcdJudge) answers() error {
	for _, one := range e.members {
		if out, err := e.ctl(one.m, "endpoint", "health"); err != nil {
			return fmt.Errorf("%s: %w\n%s", one.m.node.Name, err, out)
		}
	}
	return nil
}

// judges has each control-plane node's client write, and all members agree.
func (e *etcdJudge) judges() {
	e.t.Helper()
	if len(e.members) == 0 {
		return
	}
	e.healthy()
	for _, one := range e.members {
		e.written++
		value := fmt.Sprint(e.written)
		out, err := e.ctl(one.m, "put", "year", value)
		if err == nil {
			out, err = e.ctl(one.m, "get", "year", "--print-value-only")
		}
		if err != nil || strings.TrimSpace(out) != value {
			e.t.Errorf("%s: %v, %q", one.m.node.Name, err, out)
		}
	}
}

// turnedAway is what a client gets to see whose certificate is by another
// authority (an alert), or on the revocation list (the connection's end).
var turnedAway = regexp.MustCompile(`remote error: tls: |: EOF$|connection reset by peer`)

// lets wants every member to let a client in, or to turn it away.
func (e *etcdJudge) lets(client tls.Certificate, in bool) {
	e.t.Helper()
	for name, one := range e.members {
		authority, err := os.ReadFile(filepath.Join(one.m.Root, "etc/kubernetes/pki/etcd/ca.crt"))
		must(e.t, err)
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(authority)
		asks := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{client}}}}
		answer, err := asks.Get("https://" + one.client + "/health")
		if err == nil {
			answer.Body.Close()
		}
		if in && err != nil || !in && (err == nil || !turnedAway.MatchString(err.Error())) {
			e.t.Errorf("etcd of %s was to let in %s, %t: %v", name, client.Leaf.Subject, in, err)
		}
	}
}

// ctl runs etcdctl as the API server of a node would ask, with all members.
func (e *etcdJudge) ctl(m *machine, args ...string) (string, error) {
	pki := filepath.Join(m.Root, "etc/kubernetes/pki")
	return e.as(pki+"/apiserver-etcd-client.crt", pki+"/apiserver-etcd-client.key", pki+"/etcd/ca.crt", args...)
}

func (e *etcdJudge) as(certificate, key, authority string, args ...string) (string, error) {
	var endpoints []string
	for _, one := range e.members {
		if one.cmd != nil {
			endpoints = append(endpoints, "https://"+one.client)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, e.etcdctl, append([]string{"--endpoints=" + strings.Join(endpoints, ","),
		"--cert=" + certificate, "--key=" + key, "--cacert=" + authority, "--dial-timeout=3s", "--command-timeout=5s"}, args...)...)
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	if err := cmd.Run(); err != nil {
		return out.String(), errors.Join(err, errors.New(talk.String()))
	}
	return out.String(), nil
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

func tailOf(data []byte, n int) []byte { return data[max(0, len(data)-n):] }

// freeAddress is one of this machine that nobody listens on just now.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().String()
}
