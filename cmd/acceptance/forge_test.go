package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// forgeTree makes below dir what an installed first control-plane node with
// etcd holds in /etc/kubernetes, so that the checks can be tested without the
// programs they are meant for.
func forgeTree(t *testing.T, dir string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	write := func(name string, data []byte, mode os.FileMode) {
		t.Helper()
		path := filepath.Join(dir, name)
		must(os.MkdirAll(filepath.Dir(path), 0o755))
		must(os.WriteFile(path, data, mode))
	}
	root, err := newAuthority(nil, "demo root")
	must(err)
	authorities := map[string]*authority{}
	for name, file := range map[string]string{"kubernetes": "pki/ca.crt", "etcd-ca": "pki/etcd/ca.crt", "front-proxy-ca": "pki/front-proxy-ca.crt"} {
		a, err := newAuthority(root, name)
		must(err)
		authorities[name] = a
		write(file, certificatePEM(a.certificate), 0o644)
	}
	kubernetes := authorities["kubernetes"]
	write("pki/server-ca.crt", certificatePEM(kubernetes.certificate, root.certificate), 0o644)

	node, vip, local := net.IPv4(10, 0, 0, 11), net.IPv4(10, 96, 0, 1), net.IPv4(127, 0, 0, 1)
	api := []string{"cp-1", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "api.demo.test"}
	for _, leaf := range []struct {
		authority, name, commonName string
		names                       []string
		addresses                   []net.IP
	}{
		{"kubernetes", "apiserver", "kube-apiserver", api, []net.IP{vip, node}},
		{"kubernetes", "apiserver-kubelet-client", "kube-apiserver-kubelet-client", nil, nil},
		{"etcd-ca", "apiserver-etcd-client", "kube-apiserver-etcd-client", nil, nil},
		{"front-proxy-ca", "front-proxy-client", "front-proxy-client", nil, nil},
		{"etcd-ca", "etcd/server", "cp-1", []string{"cp-1", "localhost"}, []net.IP{node, local, net.IPv6loopback}},
		{"etcd-ca", "etcd/peer", "cp-1", []string{"cp-1", "localhost"}, []net.IP{node, local, net.IPv6loopback}},
		{"etcd-ca", "etcd/healthcheck-client", "kube-etcd-healthcheck-client", nil, nil},
	} {
		issuer := authorities[leaf.authority]
		certificate, key, err := issuer.leaf(leaf.commonName, nil, leaf.names, leaf.addresses...)
		must(err)
		private, err := keyPEM(key)
		must(err)
		write("pki/"+leaf.name+".crt", certificatePEM(certificate, issuer.certificate), 0o644)
		write("pki/"+leaf.name+".key", private, 0o600)
	}
	for _, user := range []struct{ file, user, organization, server string }{
		{"admin.conf", "kubernetes-admin", "kubeadm:cluster-admins", "api.demo.test"},
		{"super-admin.conf", "kubernetes-super-admin", "system:masters", "api.demo.test"},
		{"controller-manager.conf", "system:kube-controller-manager", "", "10.0.0.11"},
		{"scheduler.conf", "system:kube-scheduler", "", "10.0.0.11"},
		{"kubelet.conf", "system:node:cp-1", "system:nodes", "api.demo.test"},
	} {
		var organization []string
		if user.organization != "" {
			organization = []string{user.organization}
		}
		certificate, key, err := kubernetes.leaf(user.user, organization, nil)
		must(err)
		private, err := keyPEM(key)
		must(err)
		encode := base64.StdEncoding.EncodeToString
		write(user.file, fmt.Appendf(nil, kubeconfigLayout, encode(certificatePEM(kubernetes.certificate)), user.user,
			encode(certificatePEM(certificate, kubernetes.certificate)), encode(private), user.server), 0o600)
	}
	sa, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	private, err := keyPEM(sa)
	must(err)
	public, err := x509.MarshalPKIXPublicKey(sa.Public())
	must(err)
	write("pki/sa.key", private, 0o600)
	write("pki/sa.pub", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), 0o600)
}

const kubeconfigLayout = `apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: %[1]s
    server: https://%[5]s:6443
  name: demo
contexts:
- context:
    cluster: demo
    user: %[2]s
  name: %[2]s@demo
current-context: %[2]s@demo
kind: Config
users:
- name: %[2]s
  user:
    client-certificate-data: %[3]s
    client-key-data: %[4]s
`
