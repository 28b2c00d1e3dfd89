package install_test

import (
	"crypto"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"officiant/bundle/bundletest"
	"officiant/bundle/install"
	"officiant/bundle/kubeconfig"
	"officiant/bundle/kubepki"
)

// spoilt is one thing that is wrong on a node; verify names its file and says what.
type spoilt struct {
	file, want string
	spoil      func(t *testing.T, p *bundletest.PKI, m machine)
	options    install.VerifyOptions
}

// reissued puts another certificate in the place of a leaf's, with its key.
func reissued(name string, change func(p *bundletest.PKI, c *x509.Certificate, issuer *bundletest.Authority, pub *crypto.PublicKey)) func(*testing.T, *bundletest.PKI, machine) {
	return func(t *testing.T, p *bundletest.PKI, m machine) {
		for _, l := range p.Leaves(t, m.who.Node) {
			if l.Name != name {
				continue
			}
			c, issuer, pub := bundletest.LeafTemplate(l), p.Authorities[l.Authority], m.who.Keys[name].Public()
			if change != nil {
				change(p, c, &issuer, &pub)
			}
			chain := bundletest.Certificates(bundletest.Sign(t, c, issuer.Certificate, pub, issuer.Key).Raw, issuer.Certificate.Raw)
			if l.Kubeconfig == nil {
				bundletest.WriteFile(t, m.at("etc/kubernetes/"+l.File), chain)
			} else {
				m.config(t, l.File, func(k *kubeconfig.Config) { k.Certificate = chain })
			}
		}
	}
}

// config changes a kubeconfig in place.
func (m machine) config(t *testing.T, name string, change func(k *kubeconfig.Config)) {
	t.Helper()
	at := m.at("etc/kubernetes/" + name)
	data, err := os.ReadFile(at)
	must(t, err)
	k, err := kubeconfig.Parse(at, data)
	must(t, err)
	change(k)
	must(t, os.WriteFile(at, k.Render(), 0o600))
}

func field(change func(c *x509.Certificate)) func(*bundletest.PKI, *x509.Certificate, *bundletest.Authority, *crypto.PublicKey) {
	return func(_ *bundletest.PKI, c *x509.Certificate, _ *bundletest.Authority, _ *crypto.PublicKey) { change(c) }
}

func chmod(path string, mode fs.FileMode) func(*testing.T, *bundletest.PKI, machine) {
	return func(t *testing.T, _ *bundletest.PKI, m machine) { must(t, os.Chmod(m.at(path), mode)) }
}

func written(path string, data []byte) func(*testing.T, *bundletest.PKI, machine) {
	return func(t *testing.T, _ *bundletest.PKI, m machine) { bundletest.WriteFile(t, m.at(path), data) }
}

// chowned gives a file to somebody else, which only root can.
func chowned(path string) func(*testing.T, *bundletest.PKI, machine) {
	return func(t *testing.T, _ *bundletest.PKI, m machine) {
		if err := os.Chown(m.at(path), 4711, -1); errors.Is(err, fs.ErrPermission) {
			t.Skip("only root gives files away")
		} else {
			must(t, err)
		}
	}
}

// Whatever is wrong with an installed node is named by its file, one thing at a time.
func TestVerifyNamesWhatIsSpoilt(t *testing.T) {
	const api, admin, ca = "etc/kubernetes/pki/apiserver.crt", "etc/kubernetes/admin.conf", "etc/kubernetes/pki/ca.crt"
	month := install.VerifyOptions{ValidFor: 30 * 24 * time.Hour}
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.First())
	m.place(t, p, p.Bundle(t, m.who, 1))
	root := bundletest.Certificates(p.Root.Certificate.Raw)
	etcd := bundletest.Certificates(p.Authorities[kubepki.EtcdAuthority].Certificate.Raw)
	kube := bundletest.Certificates(p.Authorities[kubepki.KubernetesAuthority].Certificate.Raw)
	for name, c := range map[string]spoilt{
		"another certificate, as good": {file: api, want: "was changed", spoil: reissued("apiserver", nil)},
		"wrong key": {file: "etc/kubernetes/pki/apiserver.key", want: "does not belong to its certificate", spoil: reissued("apiserver",
			func(_ *bundletest.PKI, _ *x509.Certificate, _ *bundletest.Authority, pub *crypto.PublicKey) {
				*pub = bundletest.Key(t).Public()
			})},
		"CN":          {file: api, want: `CN is "kube"`, spoil: reissued("apiserver", field(func(c *x509.Certificate) { c.Subject.CommonName = "kube" }))},
		"O":           {file: admin, want: `O is ["system:masters"]`, spoil: reissued("admin.conf", field(func(c *x509.Certificate) { c.Subject.Organization = []string{"system:masters"} }))},
		"DNS name":    {file: api, want: "DNS names are", spoil: reissued("apiserver", field(func(c *x509.Certificate) { c.DNSNames = append(c.DNSNames, "evil.test") }))},
		"IP address":  {file: api, want: "IP addresses are", spoil: reissued("apiserver", field(func(c *x509.Certificate) { c.IPAddresses = []net.IP{{1, 2, 3, 4}} }))},
		"key usage":   {file: api, want: "key usage is", spoil: reissued("apiserver", field(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign }))},
		"usage":       {file: api, want: "extended key usage is clientAuth", spoil: reissued("apiserver", field(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }))},
		"etcd client": {file: "etc/kubernetes/pki/etcd/peer.crt", want: "extended key usage is serverAuth, must be", spoil: reissued("etcd/peer", field(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }))},
		"expired":     {file: api, want: "expired at", spoil: reissued("apiserver", field(func(c *x509.Certificate) { c.NotAfter = bundletest.Now.Add(-time.Second) }))},
		"not yet":     {file: api, want: "is not valid before", spoil: reissued("apiserver", field(func(c *x509.Certificate) { c.NotBefore = bundletest.Now.Add(time.Hour) }))},
		"not for long enough": {file: api, want: "expires at 2026-11-30T12:00:00Z, within 30 days", options: month,
			spoil: reissued("apiserver", field(func(c *x509.Certificate) { c.NotAfter = bundletest.Now.AddDate(0, 0, 7) }))},
		"wrong authority": {file: api, want: "was issued by", spoil: reissued("apiserver",
			func(p *bundletest.PKI, _ *x509.Certificate, issuer *bundletest.Authority, _ *crypto.PublicKey) {
				*issuer = p.Authorities[kubepki.EtcdAuthority]
			})},
		"another cluster's": {file: api, want: "signature is not", spoil: reissued("apiserver",
			func(p *bundletest.PKI, _ *x509.Certificate, issuer *bundletest.Authority, _ *crypto.PublicKey) {
				forged := *issuer.Certificate
				issuer.Key = bundletest.Key(t)
				forged.PublicKey, forged.SubjectKeyId = issuer.Key.Public(), nil
				issuer.Certificate = &forged
			})},
		"root in ca.crt":     {file: ca, want: "leaves of every authority", spoil: written(ca, append(kube[:len(kube):len(kube)], root...))},
		"root as ca.crt":     {file: ca, want: "leaves of every authority", spoil: written(ca, root)},
		"two in etcd/ca.crt": {file: "etc/kubernetes/pki/etcd/ca.crt", want: "holds 2 certificates", spoil: written("etc/kubernetes/pki/etcd/ca.crt", append(etcd[:len(etcd):len(etcd)], kube...))},
		"front-proxy's":      {file: "etc/kubernetes/pki/front-proxy-ca.crt", want: "extended key usage is", spoil: written("etc/kubernetes/pki/front-proxy-ca.crt", kube)},
		"kubeconfig's server": {file: admin, want: `server is "https://evil.test:6443"`, spoil: func(t *testing.T, _ *bundletest.PKI, m machine) {
			m.config(t, "admin.conf", func(k *kubeconfig.Config) { k.Server = "https://evil.test:6443" })
		}},
		"kubeconfig's CA": {file: admin, want: "another kubernetes authority", spoil: func(t *testing.T, _ *bundletest.PKI, m machine) {
			m.config(t, "admin.conf", func(k *kubeconfig.Config) { k.CA = etcd })
		}},
		"root in kubeconfig": {file: admin, want: "certificate-authority-data holds the root", spoil: func(t *testing.T, _ *bundletest.PKI, m machine) {
			m.config(t, "admin.conf", func(k *kubeconfig.Config) { k.CA = root })
		}},
		"kubeconfig's user":   {file: "etc/kubernetes/scheduler.conf", want: "CN is", spoil: reissued("scheduler.conf", field(func(c *x509.Certificate) { c.Subject.CommonName = "system:kube-controller-manager" }))},
		"kubeconfig's expiry": {file: "etc/kubernetes/kubelet.conf", want: "expired at", spoil: reissued("kubelet.conf", field(func(c *x509.Certificate) { c.NotAfter = bundletest.Now.Add(-time.Second) }))},
		"not a kubeconfig":    {file: admin, want: "is not v1, Config", spoil: written(admin, []byte("kind: Pod\n"))},
		"sa.pub":              {file: "etc/kubernetes/pki/sa.key", want: "does not belong to sa.pub", spoil: written("etc/kubernetes/pki/sa.key", bundletest.PrivatePEM(t, bundletest.Key(t)))},
		"sa.pub of others":    {file: "etc/kubernetes/pki/sa.pub", want: "was changed", spoil: written("etc/kubernetes/pki/sa.pub", bundletest.PublicPEM(t, bundletest.Key(t).Public()))},
		"unlisted":            {file: "etc/kubernetes/pki/etcd/old.crt", want: "is not from the bundle", spoil: written("etc/kubernetes/pki/etcd/old.crt", root)},
		"unlisted kubeconfig": {file: "etc/kubernetes/ops.conf", want: "is not from the bundle", spoil: written("etc/kubernetes/ops.conf", nil)},
		"unlisted below pki":  {file: "etc/kubernetes/pki/x/y/z", want: "is not from the bundle", spoil: written("etc/kubernetes/pki/x/y/z", nil)},
		"missing":             {file: ca, want: "missing", spoil: func(t *testing.T, _ *bundletest.PKI, m machine) { must(t, os.Remove(m.at(ca))) }},
		"missing key": {file: "etc/kubernetes/pki/sa.key", want: "missing", spoil: func(t *testing.T, _ *bundletest.PKI, m machine) {
			must(t, os.Remove(m.at("etc/kubernetes/pki/sa.key")))
		}},
		"mode of a key":      {file: "etc/kubernetes/pki/sa.key", want: "mode is 0640, must be 0600", spoil: chmod("etc/kubernetes/pki/sa.key", 0o640)},
		"mode of admin.conf": {file: admin, want: "mode is 0644, must be 0600", spoil: chmod(admin, 0o644)},
		"mode of a CA":       {file: ca, want: "mode is 0666, must be 0644", spoil: chmod(ca, 0o666)},
		"mode of a folder":   {file: "etc/kubernetes/pki", want: "mode is 0777", spoil: chmod("etc/kubernetes/pki", 0o777)},
		"owner":              {file: admin, want: "belongs to user 4711", spoil: chowned(admin)},
		"owner of a folder":  {file: "etc/kubernetes/pki/etcd", want: "belongs to user 4711", spoil: chowned("etc/kubernetes/pki/etcd")},
		"owner of the pins":  {file: pins, want: "belongs to user 4711", spoil: chowned(pins)},
	} {
		t.Run(name, func(t *testing.T) {
			c2 := m.copy(t)
			c.spoil(t, p, c2)
			c.options.Release = p.Release.Public()
			v, err := c2.Verify(c.options)
			must(t, err)
			for _, f := range v.Findings {
				if f.File == c.file && strings.Contains(f.Problem, c.want) {
					return
				}
			}
			t.Errorf("no finding %q about %s: %q", c.want, c.file, v.Findings)
		})
	}
}

// What is none of the bundle's, but known to the operator, is no finding; nor are
// requests, which kubeadm leaves behind.
func TestVerifyAllows(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.Worker())
	m.place(t, p, p.Bundle(t, m.who, 1))
	bundletest.WriteFile(t, m.at("etc/kubernetes/pki/kubelet.csr"), nil)
	m.sound(t, p)
	bundletest.WriteFile(t, m.at("etc/kubernetes/pki/oidc.crt"), nil)
	for _, allow := range []string{"/etc/kubernetes/pki/oidc.crt", "etc/kubernetes/pki/../pki/oidc.crt"} {
		v, err := m.Verify(install.VerifyOptions{Release: p.Release.Public(), Allow: []string{allow}})
		must(t, err)
		if len(v.Findings) > 0 {
			t.Errorf("%s: %v", allow, v.Findings)
		}
	}
	v, err := m.Verify(install.VerifyOptions{Release: p.Release.Public(), Allow: []string{"/etc/kubernetes/pki"}})
	must(t, err)
	if len(v.Findings) != 1 {
		t.Errorf("a folder stands for no file in it: %v", v.Findings)
	}
}

// Everything that is wrong is found in one go.
func TestVerifyFindsAllAtOnce(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.First())
	m.place(t, p, p.Bundle(t, m.who, 1))
	reissued("apiserver", field(func(c *x509.Certificate) { c.Subject.CommonName, c.DNSNames = "x", nil }))(t, p, m)
	must(t, os.Remove(m.at("etc/kubernetes/pki/ca.crt")))
	must(t, os.Chmod(m.at("etc/kubernetes/pki/sa.key"), 0o644))
	bundletest.WriteFile(t, m.at("etc/kubernetes/pki/extra.key"), nil)
	v, err := m.Verify(install.VerifyOptions{Release: p.Release.Public()})
	must(t, err)
	byFile := map[string]int{}
	for _, f := range v.Findings {
		byFile[f.File]++
	}
	for file, n := range map[string]int{"apiserver.crt": 3, "ca.crt": 1, "sa.key": 1, "extra.key": 1} {
		if byFile["etc/kubernetes/pki/"+file] != n {
			t.Errorf("%d findings about %s, not %d: %q", byFile["etc/kubernetes/pki/"+file], file, n, v.Findings)
		}
	}
	if len(v.Findings) != 6 {
		t.Errorf("%q", v.Findings)
	}
}
