package bundle_test

import (
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/kubepki"
)

// listed is a PKI whose etcd is given revocation lists.
func listed(t *testing.T, version string) *bundletest.PKI {
	t.Helper()
	c := bundletest.Cluster()
	v, err := kubepki.ParseVersion(version)
	if err != nil {
		t.Fatal(err)
	}
	c.KubernetesVersion, c.RevocationLists = v, true
	return bundletest.New(t, c)
}

const listPath = "pki/etcd/ca.crl"

func TestRevocationList(t *testing.T) {
	p := listed(t, "v1.37.2")
	etcd := p.Authorities[kubepki.EtcdAuthority]
	for _, n := range nodes() {
		node := p.NewNode(t, n)
		parts := p.Parts(t, node)
		if n.Has(kubepki.Etcd) {
			parts.RevocationList = etcd.List(t, 3, bundletest.Now, big.NewInt(7))
		}
		b, err := bundle.Build(p.Header(node, 1), parts)
		if err != nil {
			t.Fatal(err)
		}
		if f := b.Check(bundle.CheckOptions{Now: bundletest.Now}); len(f) > 0 {
			t.Errorf("%s: findings in a good bundle: %v", n.Name, f)
		}
		if has := b.Files[listPath] != nil; has != n.Has(kubepki.Etcd) || b.Format != bundletest.Newest {
			t.Errorf("%s: has a list: %t, format %d", n.Name, has, b.Format)
		}
		told := strings.Contains(string(b.Files[bundle.ReadmeFile]), "/etc/kubernetes/pki/etcd/ca.crl")
		if want := n.First || n.Has(kubepki.Etcd) && !n.Has(kubepki.ControlPlane); told != want {
			t.Errorf("%s: %s tells of the list: %t", n.Name, bundle.ReadmeFile, told)
		}
		if !n.Has(kubepki.Etcd) {
			parts.RevocationList = etcd.List(t, 3, bundletest.Now)
			if _, err := bundle.Build(p.Header(node, 1), parts); err == nil || !strings.Contains(err.Error(), "no use for a revocation list") {
				t.Errorf("%s: %v", n.Name, err)
			}
			continue
		}
		parts.RevocationList = nil
		if _, err := bundle.Build(p.Header(node, 1), parts); err == nil || !strings.Contains(err.Error(), listPath+": not given") {
			t.Errorf("%s: %v", n.Name, err)
		}
		h := p.Header(node, 1)
		h.Format = 2
		parts.RevocationList = etcd.List(t, 3, bundletest.Now)
		if _, err := bundle.Build(h, parts); err == nil || !strings.Contains(err.Error(), "format 2 holds") {
			t.Errorf("%s: %v", n.Name, err)
		}
	}
}

// kubeadm of either API version is given what it reads.
func TestRevocationListForKubeadm(t *testing.T) {
	for version, want := range map[string]string{
		"v1.37.2": "etcd:\n  local:\n    extraArgs:\n    - name: client-crl-file\n      value: /etc/kubernetes/pki/etcd/ca.crl\n    - name: peer-crl-file\n      value: /etc/kubernetes/pki/etcd/ca.crl\n",
		"v1.28.0": "etcd:\n  local:\n    extraArgs:\n      client-crl-file: /etc/kubernetes/pki/etcd/ca.crl\n      peer-crl-file: /etc/kubernetes/pki/etcd/ca.crl\n",
	} {
		p := listed(t, version)
		node := p.NewNode(t, bundletest.First())
		parts := p.Parts(t, node)
		parts.RevocationList = p.Authorities[kubepki.EtcdAuthority].List(t, 3, bundletest.Now)
		b, err := bundle.Build(p.Header(node, 1), parts)
		if err != nil {
			t.Fatal(err)
		}
		text := string(b.Files[bundle.KubeadmFile])
		if !strings.Contains(text, "\n"+want) || !strings.Contains(text, "root-ca-file") {
			t.Errorf("%s:\n%s", version, text)
		}
	}
}

func TestBadRevocationList(t *testing.T) {
	p := listed(t, "v1.37.2")
	etcd, kubernetes := p.Authorities[kubepki.EtcdAuthority], p.Authorities[kubepki.KubernetesAuthority]
	node := p.NewNode(t, bundletest.EtcdOnly())
	parts := p.Parts(t, node)
	good := etcd.List(t, 3, bundletest.Now)
	forged := slices.Clone(good)
	forged[len(forged)-1] ^= 1
	for want, data := range map[string][]byte{
		"was issued by":              kubernetes.List(t, 3, bundletest.Now),
		"its signature is not":       forged,
		"the clock here says":        etcd.List(t, 3, bundletest.Now.Add(time.Hour)),
		"is PEM; etcd reads DER":     pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: good}),
		"one revocation list in DER": append(slices.Clone(good), 0),
		"in DER: ":                   []byte("x"),
		"revokes the certificate in pki/etcd/server.crt": etcd.List(t, 3, bundletest.Now, parts.Leaves["etcd/server"].SerialNumber),
	} {
		parts.RevocationList = data
		b, err := bundle.Build(p.Header(node, 1), parts)
		if err != nil {
			t.Fatal(err)
		}
		f := b.Check(bundle.CheckOptions{Now: bundletest.Now})
		if len(f) != 1 || f[0].File != listPath || !strings.Contains(f[0].Problem, want) {
			t.Errorf("%v, want %q", f, want)
		}
	}
	parts.RevocationList = good
	b, err := bundle.Build(p.Header(node, 1), parts)
	if err != nil {
		t.Fatal(err)
	}
	delete(b.Files, listPath)
	b.Sums = bundletest.Sums(b.Header, b.Files)
	if f := b.Check(bundle.CheckOptions{}); len(f) != 1 || f[0].String() != listPath+": missing" {
		t.Errorf("taken away: %v", f)
	}
	b.Files[listPath] = good
	b.Format = 2
	b.Sums = bundletest.Sums(b.Header, b.Files)
	if f := b.Check(bundle.CheckOptions{}); !slices.ContainsFunc(f, func(f bundle.Finding) bool {
		return strings.Contains(f.Problem, "names a revocation list, which format 2 cannot hold")
	}) {
		t.Errorf("under an old format: %v", f)
	}
}
