package bundle_test

import (
	"crypto/x509"
	"slices"
	"strings"
	"testing"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/kubepki"
)

// TestOnlineSigner: what a control-plane node has of an online signer's authorities, and
// what its texts say, with one of them and with both.
func TestOnlineSigner(t *testing.T) {
	const serving, client, trust = "pki/kubelet-serving-ca.crt", "pki/kubelet-client-ca.crt", "pki/client-ca.crt"
	for name, c := range map[string]struct {
		serving, client bool
		version         string
		has             []string
		says, lacks     []string // officiant/kubeadm.yaml
		join            bool     // the worker's kubelet keeps to kubelet.conf
	}{
		"both": {true, true, "1.37.2", []string{serving, client, trust}, []string{
			"  - name: client-ca-file\n    value: /etc/kubernetes/pki/client-ca.crt\n",
			"  - name: kubelet-certificate-authority\n    value: /etc/kubernetes/pki/kubelet-serving-ca.crt\n",
			"value: \"*,bootstrapsigner,tokencleaner,-certificatesigningrequest-signing-controller\"\n",
			"kind: KubeletConfiguration\nrotateCertificates: true\nserverTLSBootstrap: true\n",
		}, []string{"rotate-certificates", "InitConfiguration"}, false},
		"servers": {true, false, "1.27.16", []string{serving}, []string{
			"    kubelet-certificate-authority: /etc/kubernetes/pki/kubelet-serving-ca.crt\n",
			"    controllers: \"*,bootstrapsigner,tokencleaner,-csrsigning\"\n",
			"rotate-certificates: \"false\"", "kind: KubeletConfiguration\nserverTLSBootstrap: true\n",
		}, []string{"client-ca-file:", "rotateCertificates"}, true},
		"clients": {false, true, "1.37.2", []string{client, trust}, []string{"name: client-ca-file",
			"kind: KubeletConfiguration\nrotateCertificates: true\n"},
			[]string{"name: kubelet-certificate-authority", "serverTLSBootstrap", "rotate-certificates"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := bundletest.Cluster()
			cluster.KubeletServing, cluster.KubeletClient = c.serving, c.client
			cluster.KubernetesVersion, _ = kubepki.ParseVersion(c.version)
			p := bundletest.New(t, cluster)
			b := p.Bundle(t, p.NewNode(t, bundletest.First()), 1)
			worker := p.Bundle(t, p.NewNode(t, bundletest.Worker()), 1)
			for _, b := range []*bundle.Bundle{b, worker} {
				if f := b.Check(bundle.CheckOptions{Now: bundletest.Now}); len(f) > 0 || b.Format != bundletest.Online {
					t.Errorf("format %d: %v", b.Format, f)
				}
			}
			for _, path := range []string{serving, client, trust} {
				if _, has := b.Files[path]; has != slices.Contains(c.has, path) {
					t.Errorf("%s: %t", path, has)
				}
				if _, has := worker.Files[path]; has {
					t.Errorf("the worker has %s", path)
				}
			}
			if c.client && string(b.Files[trust]) != string(b.Files["pki/ca.crt"])+string(b.Files[client]) {
				t.Error("client-ca.crt is not ca.crt and kubelet-client-ca.crt")
			}
			text := string(b.Files[bundle.KubeadmFile])
			for _, s := range c.says {
				if !strings.Contains(text, s) {
					t.Errorf("does not say %q:\n%s", s, text)
				}
			}
			for _, s := range c.lacks {
				if strings.Contains(text, s) {
					t.Errorf("says %q:\n%s", s, text)
				}
			}
			join := string(worker.Files[bundle.JoinFile])
			if strings.Contains(join, "rotate-certificates") != c.join {
				t.Errorf("the worker joins with\n%s", join)
			}
		})
	}
}

// TestOnlineAuthorityEnds: it is valid for less long than leaves, and may have ended when
// a bundle is installed. Nothing in that is issued by it.
func TestOnlineAuthorityEnds(t *testing.T) {
	p := bundletest.New(t, bundletest.OnlineCluster())
	for _, spec := range kubepki.Authorities(p.Cluster) {
		if !spec.Authority.Online() {
			continue
		}
		template := bundletest.AuthorityTemplate(spec, p.Cluster.Name)
		template.NotAfter = bundletest.Now.AddDate(0, 0, -1)
		key := p.Authorities[spec.Authority].Key
		p.Authorities[spec.Authority] = bundletest.Authority{Key: key,
			Certificate: bundletest.Sign(t, template, p.Root.Certificate, key.Public(), p.Root.Key)}
	}
	b := p.Bundle(t, p.NewNode(t, bundletest.First()), 1)
	if f := b.Check(bundle.CheckOptions{Now: bundletest.Now}); len(f) > 0 || !b.NotAfter.After(bundletest.Now) {
		t.Errorf("until %s: %v", b.NotAfter, f)
	}
}

// TestBadOnlineTrust: what would let others' clients in, or believe others' servers.
func TestBadOnlineTrust(t *testing.T) {
	const trust, client, serving = "pki/client-ca.crt", "pki/kubelet-client-ca.crt", "pki/kubelet-serving-ca.crt"
	p := bundletest.New(t, bundletest.OnlineCluster())
	good := p.Bundle(t, p.NewNode(t, bundletest.First()), 1)
	pem := func(c ...*x509.Certificate) (out []byte) {
		for _, cert := range c {
			out = append(out, bundletest.CertificatePEM(cert)...)
		}
		return out
	}
	of := func(a kubepki.Authority) *x509.Certificate { return p.Authorities[a].Certificate }
	kubernetes, kubelets := of(kubepki.KubernetesAuthority), of(kubepki.KubeletClientAuthority)
	for name, c := range map[string]struct {
		file, on, want string
		data           []byte
	}{
		"etcd's clients, too": {trust, trust, "hold, in this order and nothing else",
			pem(kubernetes, kubelets, of(kubepki.EtcdAuthority))},
		"the root":          {trust, trust, "nothing else", pem(kubernetes, kubelets, p.Root.Certificate)},
		"the other order":   {trust, trust, "nothing else", pem(kubelets, kubernetes)},
		"the server's":      {trust, trust, "nothing else", pem(kubernetes, of(kubepki.KubeletServingAuthority))},
		"kubelets alone":    {trust, trust, "nothing else", pem(kubelets)},
		"both in ca.crt":    {"pki/ca.crt", "pki/ca.crt", "holds 2 certificates", pem(kubernetes, kubelets)},
		"a client's server": {serving, serving, "extended key usage is clientAuth, must be serverAuth", pem(kubelets)},
		"clients by another": {client, client, "extended key usage is serverAuth, clientAuth, must be clientAuth",
			pem(kubernetes)},
		"not there": {trust, trust, "missing", nil},
	} {
		found := good.With(map[string][]byte{c.file: c.data}).Check(bundle.CheckOptions{Now: bundletest.Now})
		if !slices.ContainsFunc(found, func(f bundle.Finding) bool {
			return f.File == c.on && strings.Contains(f.Problem, c.want)
		}) {
			t.Errorf("%s: %v", name, found)
		}
	}
}

// TestOnlineFormat: a format is of clusters with an online signer, or of those without.
func TestOnlineFormat(t *testing.T) {
	plain, online := bundletest.New(t, bundletest.Cluster()), bundletest.New(t, bundletest.OnlineCluster())
	for _, c := range []struct {
		p      *bundletest.PKI
		format int
		want   string
	}{
		{plain, bundletest.Online, "format 6 is of clusters with an authority of an online signer"},
		{online, bundletest.Newest, "no revocation list and no online signer's authority"},
	} {
		n := c.p.NewNode(t, bundletest.Worker())
		h := c.p.Header(n, 1)
		h.Format = c.format
		if _, err := bundle.Build(h, c.p.Parts(t, n)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("format %d: %v", c.format, err)
		}
		b := bundletest.Clone(c.p.Bundle(t, n, 1))
		b.Format = c.format
		found := b.Check(bundle.CheckOptions{Now: bundletest.Now})
		if !slices.ContainsFunc(found, func(f bundle.Finding) bool {
			return f.File == bundle.FactsFile && strings.Contains(f.Problem, "of an online signer")
		}) {
			t.Errorf("format %d: %v", c.format, found)
		}
	}
}
