package request

import (
	"crypto/x509"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"

	"officiant/bundle/kubeconfig"
	"officiant/bundle/kubepki"
)

// Guess reads from a `kubeadm certs generate-csr` folder which cluster and node
// it was made for, as far as its files say: names, address, endpoint, DNS
// domain. What they do not say stays zero. It takes nothing for granted:
// FromCSRDir holds every CSR against what comes of it.
func Guess(dir fs.FS) (kubepki.Cluster, kubepki.Node, error) {
	var cluster kubepki.Cluster
	node := kubepki.Node{Roles: []kubepki.Role{kubepki.ControlPlane, kubepki.Etcd}}
	kubelet, err := guessCSR(dir, "kubelet.conf")
	if err != nil {
		return cluster, node, err
	}
	name, ok := strings.CutPrefix(kubelet.Subject.CommonName, "system:node:")
	if !ok {
		return cluster, node, fmt.Errorf("kubelet.conf.csr: CN %q is not system:node:NAME", kubelet.Subject.CommonName)
	}
	node.Name = name
	if _, _, err := readCSR(dir, "super-admin.conf"); err == nil {
		node.First = true
	}
	if etcd, err := guessCSR(dir, "etcd/server"); err == nil && len(etcd.IPAddresses) > 0 {
		node.Address, _ = netip.AddrFromSlice(etcd.IPAddresses[0]) // kubeadm puts it first
		node.Address = node.Address.Unmap()
	}
	data, err := fs.ReadFile(dir, "admin.conf")
	if err != nil {
		return cluster, node, err
	}
	defer clear(data)
	admin, err := kubeconfig.Parse("admin.conf", data)
	if err != nil {
		return cluster, node, err
	}
	clear(admin.Key)
	cluster.Name = admin.Cluster
	guessEndpoint(admin.Server, &cluster, &node)
	if api, err := guessCSR(dir, "apiserver"); err == nil {
		for _, name := range api.DNSNames {
			if domain, ok := strings.CutPrefix(name, "kubernetes.default.svc."); ok {
				cluster.DNSDomain = domain
			}
		}
	}
	return cluster, node, nil
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
