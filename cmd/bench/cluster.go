package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/request"
	"officiant/bundle/seal"
	"officiant/signer"
)

// cluster is a folder of requests, made once, and the plans over them.
type cluster struct {
	folder string
	facts  kubepki.Cluster
	nodes  []member
}

// member is one node and what it sent in.
type member struct {
	kubepki.Node
	fingerprint fingerprint.SHA256
	csrs        []string // files, for openssl
}

// newCluster makes the requests of workers that have a kubelet certificate
// each, with P-256 keys, and of one control-plane node.
func newCluster(folder string, workers int) (*cluster, error) {
	c := &cluster{folder: folder, facts: kubepki.Cluster{
		Name: "demo", KubernetesVersion: kubepki.Newest(), ControlPlaneEndpoint: "api.demo.test:6443",
	}.Complete()}
	for _, dir := range []string{"requests", "csr"} {
		if err := os.MkdirAll(filepath.Join(folder, dir), 0o755); err != nil {
			return nil, err
		}
	}
	c.nodes = make([]member, workers+1)
	for i := range workers {
		c.nodes[i].Node = kubepki.Node{Name: fmt.Sprintf("worker-%06d", i+1), Roles: []kubepki.Role{kubepki.Worker}}
	}
	c.nodes[workers].Node = kubepki.Node{
		Name: "cp-1", Roles: []kubepki.Role{kubepki.ControlPlane, kubepki.Etcd}, Address: netip.MustParseAddr("10.0.0.11"), First: true,
	}
	errs := make([]error, runtime.NumCPU())
	var group sync.WaitGroup
	for w := range errs {
		group.Go(func() {
			for i := w; i < len(c.nodes) && errs[w] == nil; i += len(errs) {
				errs[w] = c.request(&c.nodes[i])
			}
		})
	}
	group.Wait()
	return c, errors.Join(errs...)
}

// request makes a node's keys, which are then forgotten, and its request.
func (c *cluster) request(m *member) error {
	n := m.Node
	leaves, err := kubepki.Leaves(c.facts, n)
	if err != nil {
		return err
	}
	keys := request.Keys{}
	for _, l := range leaves {
		if keys[l.Name], err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return err
		}
	}
	_, recipient, err := seal.NewIdentity()
	if err != nil {
		return err
	}
	if !n.Has(kubepki.ControlPlane) {
		recipient = seal.Plain(recipient) // as officiant-node request has it
	}
	data, err := request.Make(c.facts, n, leaves, keys, recipient, time.Now(), rand.Reader)
	if err != nil {
		return err
	}
	opened, err := request.Parse(n.Name, data)
	if err != nil {
		return err
	}
	m.fingerprint = opened.Fingerprint
	for name, csr := range opened.CSR {
		file := filepath.Join(c.folder, "csr", n.Name+"-"+strings.ReplaceAll(name, "/", "-")+".csr")
		text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr.Raw})
		if err := os.WriteFile(file, text, 0o644); err != nil {
			return err
		}
		m.csrs = append(m.csrs, file)
	}
	return os.WriteFile(filepath.Join(c.folder, "requests", n.Name+".req"), data, 0o644)
}

// workers writes a plan that certifies the first n workers' kubelets by an
// authority with a key of algorithm a; its root and release key are P-256.
func (c *cluster) workers(n int, a signer.Algorithm) (plan string, err error) {
	authorities := []string{
		authority("root", signer.ECDSAP256, "20y"),
		authority("kubernetes", a, "10y"),
	}
	return c.plan(fmt.Sprintf("workers-%d-%s", n, strings.ToLower(string(a))), authorities, "", c.nodes[:n])
}

// oneNode writes a plan for a whole control plane of one node.
func (c *cluster) oneNode() (plan string, err error) {
	var authorities []string
	for _, name := range []string{"kubernetes", "etcd", "front-proxy"} {
		authorities = append(authorities, authority(name, signer.ECDSAP256, "10y"))
	}
	authorities = append([]string{authority("root", signer.ECDSAP256, "20y")}, authorities...)
	return c.plan("one-node", authorities, "serviceAccount: {create: ECDSA-P256}\n", c.nodes[len(c.nodes)-1:])
}

func authority(name string, a signer.Algorithm, validity string) string {
	return fmt.Sprintf("  - {name: %s, key: {create: %s}, evidence: software, validity: %s}\n", name, a, validity)
}

func (c *cluster) plan(name string, authorities []string, account string, nodes []member) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: officiant/v1\nkind: Plan\nname: %s\n", name)
	fmt.Fprintf(&b, "cluster:\n  name: %s\n  kubernetesVersion: %s\n  controlPlaneEndpoint: %s\n", c.facts.Name, c.facts.KubernetesVersion, c.facts.ControlPlaneEndpoint)
	fmt.Fprintf(&b, "previous: none\nauthorities:\n%s", strings.Join(authorities, ""))
	fmt.Fprintf(&b, "release: {key: {create: ECDSA-P256}, evidence: software}\n%sleaves: {validity: 1y}\nnodes:\n", account)
	for _, n := range nodes {
		roles := make([]string, len(n.Roles))
		for i, r := range n.Roles {
			roles[i] = string(r)
		}
		fmt.Fprintf(&b, "  - name: %s\n    roles: [%s]\n    request: requests/%s.req\n    fingerprint: %s\n", n.Name, strings.Join(roles, ", "), n.Name, n.fingerprint)
		if n.First {
			fmt.Fprintf(&b, "    address: %s\n    first: true\n", n.Address)
		}
	}
	path := filepath.Join(c.folder, name+".yaml")
	return path, os.WriteFile(path, []byte(b.String()), 0o644)
}
