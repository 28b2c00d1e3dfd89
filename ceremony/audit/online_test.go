package audit_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
	"officiant/ceremony/audit"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/transcript"
)

// TestOnlineAuthorities: a ceremony makes the authorities of an online signer, and one who
// has every key cannot widen what they are trusted for. The next ceremony gives one of
// them another certificate for its key.
func TestOnlineAuthorities(t *testing.T) {
	one := performShape(t, ceremonytest.Shape{Workers: 1, Online: true})
	if f := one.audit(t).Findings(); len(f) > 0 {
		t.Fatal(f)
	}
	for name, usage := range map[string]x509.ExtKeyUsage{
		"kubelet-serving": x509.ExtKeyUsageServerAuth, "kubelet-client": x509.ExtKeyUsageClientAuth,
	} {
		c := one.certificate(name)
		life := c.NotAfter.Sub(c.NotBefore)
		if len(c.ExtKeyUsage) != 1 || c.ExtKeyUsage[0] != usage || !c.MaxPathLenZero || life != 90*24*time.Hour {
			t.Errorf("%s: usages %v, pathLen %d, %s", name, c.ExtKeyUsage, c.MaxPathLen, life)
		}
	}
	const clientCA = "pki/client-ca.crt"
	for what, tt := range map[string]struct {
		forge func(f *forger)
		says  []string
	}{
		"etcd's clients let in": {func(f *forger) {
			f.files = func(b *bundle.Bundle) {
				if b.Node == "cp-1" {
					b.Files[clientCA] = slices.Concat(b.Files[clientCA], b.Files["pki/etcd/ca.crt"])
				}
			}
		}, []string{"bundles/cp-1: pki/client-ca.crt: does not hold the kubernetes and kubelet-client authorities on",
			"bundles/cp-1: pki/client-ca.crt: differs from what plan and record make it"}},
		"a worker with it": {func(f *forger) {
			f.files = func(b *bundle.Bundle) { b.Files[clientCA] = b.Files["pki/ca.crt"] }
		}, []string{"bundles/worker-1: pki/client-ca.crt: does not hold",
			"pki/client-ca.crt: does not belong to a node of this kind"}},
		"an authority for servers, too": {func(f *forger) {
			f.reissue("kubelet-client", func(c, parent *x509.Certificate) []byte {
				c.ExtKeyUsage = append(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
				return must(x509.CreateCertificate(rand.Reader, c, parent, c.PublicKey, f.key("root")))
			})
		}, []string{"authority kubelet-client: may issue more than an online signer's kubelet-client certificates"}},
		"a leaf by it": {func(f *forger) {
			f.reissue("worker-1/kubelet.conf", func(c, parent *x509.Certificate) []byte {
				parent.PublicKey = f.key("kubelet-client").Public()
				return must(x509.CreateCertificate(rand.Reader, c, parent, c.PublicKey, f.key("kubelet-client")))
			})
			change(f, func(r *transcript.Intent) bool {
				if r.Name != "worker-1/kubelet.conf" {
					return false
				}
				r.Signer = "kubelet-client"
				return true
			})
		}, []string{"worker-1/kubelet.conf is by kubelet-client, which signs nothing in a ceremony"}},
	} {
		f := one.forge(t)
		tt.forge(f)
		if err := f.write(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		found := strings.Join(f.audit(t).Findings(), "\n")
		for _, want := range tt.says {
			if !strings.Contains(found, want) {
				t.Errorf("%s: no finding has %q:\n%s", what, want, found)
			}
		}
	}
	two := one.renewsOnline(t)
	r := two.auditWith(t, audit.Options{Now: time.Now(), Root: &one.result.Root,
		ReleaseKey: one.key("release").Public(), Previous: []string{one.dir}})
	if f := r.Findings(); len(f) > 0 || r.Verdict() != audit.Verified {
		t.Errorf("%s: %q", r.Verdict(), f)
	}
	before, now := one.certificate("kubelet-client"), two.certificate("kubelet-client")
	if !bytes.Equal(before.RawSubjectPublicKeyInfo, now.RawSubjectPublicKeyInfo) || before.Equal(now) {
		t.Error("kubelet-client did not get another certificate for its key")
	}
}

// renewsOnline is a next ceremony that carries kubelet-serving over, and gives
// kubelet-client another certificate.
func (s *scene) renewsOnline(t *testing.T) *scene {
	t.Helper()
	for _, name := range []string{"kubelet-serving", "kubelet-client"} {
		path := filepath.Join(s.fixture.Folder, "before", name+".crt")
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, s.read("authorities/"+name+".crt"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	spki := must(fingerprint.SPKI(s.key("kubelet-client").Public()))
	root := s.authorities(map[string]string{})
	s.edit = func(plan string) string {
		return strings.Replace(root(plan), "release:", fmt.Sprintf("  - {name: kubelet-serving, certificate: "+
			"before/kubelet-serving.crt}\n  - {name: kubelet-client, renews: before/kubelet-client.crt, "+
			"key: {existing: %s}, evidence: software}\nrelease:", spki), 1)
	}
	return s.nextFor(t, kept)
}
