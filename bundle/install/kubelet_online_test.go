package install_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"os"
	"strings"
	"testing"

	"officiant/bundle/bundletest"
	"officiant/bundle/install"
	"officiant/bundle/kubepki"
)

// given is a certificate that the cluster's online signer gave the kubelet, in the place
// where a kubelet keeps it.
func (m machine) given(t *testing.T, by bundletest.Authority, days int) string {
	t.Helper()
	key := bundletest.Key(t)
	c := bundletest.Sign(t, &x509.Certificate{
		SerialNumber: bundletest.Serial(),
		Subject:      pkix.Name{CommonName: "system:node:worker-1", Organization: []string{"system:nodes"}},
		NotBefore:    bundletest.Now.AddDate(0, 0, -9), NotAfter: bundletest.Now.AddDate(0, 0, days),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, by.Certificate, key.Public(), by.Key)
	own := string(bundletest.CertificatePEM(c)) + string(bundletest.PrivatePEM(t, key))
	must(t, os.MkdirAll(m.at(kubeletPKI), 0o755))
	must(t, os.RemoveAll(m.at(kubeletPEM)))
	must(t, os.WriteFile(m.at(kubeletPEM), []byte(own), 0o600))
	return own
}

// TestKubeletThatAsks: where an online signer signs, what a kubelet got by asking stays
// through installs and rollbacks, and is no finding. A copy of an earlier kubelet.conf
// and what has expired are moved aside, as elsewhere.
func TestKubeletThatAsks(t *testing.T) {
	p := bundletest.New(t, bundletest.OnlineCluster())
	m := newMachine(t, p, bundletest.Worker())
	m.rotates(t, true)
	m.place(t, p, p.Bundle(t, m.who, 1))
	m.sound(t, p)
	m.startKubelet(t, "1") // copies kubelet.conf
	r, err := m.Install(p.Bundle(t, m.who, 2), install.Options{Release: p.Release.Public()})
	must(t, err)
	if len(r.Aside) != 1 {
		t.Errorf("a copy of the kubelet.conf before: aside %v", r.Aside)
	}
	own := m.given(t, p.Authorities[kubepki.KubeletClientAuthority], 3)
	stays := func(when string) {
		t.Helper()
		if got := m.startKubelet(t, "2"); got != own {
			t.Errorf("%s the kubelet uses something else", when)
		}
		m.sound(t, p)
	}
	stays("before")
	r, err = m.Install(p.Bundle(t, m.who, 3), install.Options{Release: p.Release.Public()})
	must(t, err)
	if len(r.Aside) != 0 || r.Kubelet.Own == nil || r.Kubelet.Instead != nil || !r.Kubelet.Signed {
		t.Errorf("aside %v, kubelet %+v", r.Aside, r.Kubelet)
	}
	stays("after an install")
	if _, err := m.Rollback(false); err != nil {
		t.Fatal(err)
	}
	stays("after a rollback")
	s, err := m.Status()
	must(t, err)
	if s.Kubelet.Own == nil || !strings.Contains(s.Kubelet.Own.Issuer, "kubelet-client-ca") {
		t.Errorf("the status says %+v", s.Kubelet)
	}
	for name, spoil := range map[string]func(m machine){
		"one that has expired": func(m machine) {
			m.given(t, p.Authorities[kubepki.KubeletClientAuthority], -1)
		},
		"one by the kubernetes authority": func(m machine) {
			m.given(t, p.Authorities[kubepki.KubernetesAuthority], 3)
		},
	} {
		c := m.copy(t)
		spoil(c)
		v, err := c.Verify(install.VerifyOptions{Release: p.Release.Public()})
		must(t, err)
		const advice = "moves that aside, and restart the kubelet"
		if len(v.Findings) != 1 || !strings.Contains(v.Findings[0].Problem, advice) {
			t.Errorf("%s: %v", name, v.Findings)
		}
		r, err := c.Install(p.Bundle(t, m.who, 4), install.Options{Release: p.Release.Public()})
		must(t, err)
		if len(r.Aside) != 1 {
			t.Errorf("%s: aside %v", name, r.Aside)
		}
		c.sound(t, p)
	}
}

// TestKubeletThatAskedBefore: once nobody signs, what a kubelet was given is moved aside.
func TestKubeletThatAskedBefore(t *testing.T) {
	p := bundletest.New(t, bundletest.OnlineCluster())
	m := newMachine(t, p, bundletest.Worker())
	m.rotates(t, true)
	m.place(t, p, p.Bundle(t, m.who, 1))
	m.given(t, p.Authorities[kubepki.KubeletClientAuthority], 3)
	p.Cluster.KubeletClient, p.Cluster.KubeletServing = false, false
	r, err := m.Install(p.Bundle(t, m.who, 2), install.Options{Release: p.Release.Public()})
	must(t, err)
	if len(r.Aside) != 1 || r.Kubelet.Signed {
		t.Errorf("aside %v, kubelet %+v", r.Aside, r.Kubelet)
	}
}
