package request

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"

	"officiant/bundle/kubeconfig"
	"officiant/bundle/kubepki"
)

// Guess reads from a `kubeadm certs generate-csr` folder which cluster and node
// it was made for, as far as its files say: roles, names, address, endpoint, DNS
// domain. What they do not say stays zero. The guess is not trusted:
// FromCSRDir checks every CSR against it.
func Guess(dir fs.FS) (kubepki.Cluster, kubepki.Node, error) {
	var cluster kubepki.Cluster
	var node kubepki.Node
	kubelet, err := guessCSR(dir, "kubelet.conf")
	switch {
	case errors.Is(err, fs.ErrNotExist): // its name may be given
	case err != nil:
		return cluster, node, err
	default:
		name, ok := strings.CutPrefix(kubelet.Subject.CommonName, "system:node:")
		if !ok {
			return cluster, node, fmt.Errorf("kubelet.conf.csr: CN %q is not system:node:NAME", kubelet.Subject.CommonName)
		}
		node.Name = name
	}
	if _, _, err := readCSR(dir, "super-admin.conf"); err == nil {
		node.First = true
	}
	if api, err := guessCSR(dir, "apiserver"); err == nil {
		node.Roles = append(node.Roles, kubepki.ControlPlane)
		for _, name := range api.DNSNames {
			if domain, ok := strings.CutPrefix(name, "kubernetes.default.svc."); ok {
				cluster.DNSDomain = domain
			}
		}
	}
	if etcd, err := guessCSR(dir, "etcd/server"); err == nil {
		node.Roles = append(node.Roles, kubepki.Etcd)
		if len(etcd.IPAddresses) > 0 {
			node.Address, _ = netip.AddrFromSlice(etcd.IPAddresses[0]) // kubeadm puts it first
			node.Address = node.Address.Unmap()
		}
	}
	if len(node.Roles) == 0 && kubelet == nil {
		return cluster, node, err // there is nothing in it
	}
	if len(node.Roles) == 0 {
		node.Roles = []kubepki.Role{kubepki.Worker}
	}
	return cluster, node, guessCluster(dir, &cluster, &node)
}

// guessCluster reads the cluster's name and endpoint from a kubeconfig: a
// control-plane node's admin.conf, or the one file that a worker has.
func guessCluster(dir fs.FS, cluster *kubepki.Cluster, node *kubepki.Node) error {
	for _, name := range []string{"admin.conf", "kubelet.conf"} {
		data, err := readFile(dir, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		defer clear(data)
		c, err := kubeconfig.Read(name, data)
		if err != nil {
			return err
		}
		clear(c.Key)
		if c.Cluster != "default-cluster" { // what a join writes, whatever the cluster's name is
			cluster.Name = c.Cluster
		}
		guessEndpoint(c.Server, cluster, node)
		return nil
	}
	return nil
}

// guessEndpoint: without a control-plane endpoint, kubeadm lets admin.conf point
// at the node itself.
func guessEndpoint(server string, cluster *kubepki.Cluster, node *kubepki.Node) {
	endpoint := strings.TrimPrefix(server, "https://")
	own, err := netip.ParseAddrPort(endpoint)
	if err == nil && own.Addr() == node.Address {
		node.BindPort = int(own.Port())
		return
	}
	cluster.ControlPlaneEndpoint = endpoint
}

func guessCSR(dir fs.FS, name string) (*x509.CertificateRequest, error) {
	at, data, err := readCSR(dir, name)
	if err != nil {
		return nil, err
	}
	csr, err := parseCSR(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	return csr, nil
}
