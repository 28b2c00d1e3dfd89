package audit_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"errors"
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

// TestDroppedClientAuthority: client-ca.crt of each stage of a rollover holds whom the
// record says, and one who has every key neither keeps the authority that was dropped in it
// nor leaves out one that issues or is trusted.
func TestDroppedClientAuthority(t *testing.T) {
	const clientCA = "pki/client-ca.crt"
	const successor = "{name: %s, family: kubelet-client, %skey: {create: ECDSA-P256}, evidence: software}\n"
	one := performShape(t, ceremonytest.Shape{Workers: 1, Online: true})
	stage := func(clients string) *scene {
		for _, name := range []string{"kubelet-serving", "kubelet-client"} {
			path := filepath.Join(one.fixture.Folder, "before", name+".crt")
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755),
				os.WriteFile(path, one.read("authorities/"+name+".crt"), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		root := one.authorities(map[string]string{})
		one.edit = func(plan string) string {
			return strings.Replace(root(plan), "release:", "  - {name: kubelet-serving, certificate: "+
				"before/kubelet-serving.crt}\n"+clients+"release:", 1)
		}
		two := one.nextFor(t, kept)
		if f := two.forge(t); f.write() != nil || len(f.audit(t).Findings()) > 0 {
			t.Fatalf("the forger alone: %q", f.audit(t).Findings())
		}
		return two
	}
	old := one.read("authorities/kubelet-client.crt")
	trust := stage("  - {name: kubelet-client, certificate: before/kubelet-client.crt}\n  - " +
		fmt.Sprintf(successor, "kubelet-client-2", "use: trust, "))
	drop := stage("  - " + fmt.Sprintf(successor, "kubelet-client-3", ""))
	next := map[*scene][]byte{trust: trust.read("authorities/kubelet-client-2.crt"),
		drop: drop.read("authorities/kubelet-client.crt")}
	for what, tt := range map[string]struct {
		in      *scene
		dropped bool // the audit names it
		file    func(kubernetes []byte) []byte
	}{
		"the dropped one kept": {drop, true, func(k []byte) []byte { return slices.Concat(k, next[drop], old) }},
		"the dropped one kept in place of the one that issues": {drop, true,
			func(k []byte) []byte { return slices.Concat(k, old) }},
		"the one that issues missing":   {drop, false, func(k []byte) []byte { return k }},
		"the one to be trusted missing": {trust, false, func(k []byte) []byte { return slices.Concat(k, old) }},
		"the one that issues missing, beside a trusted one": {trust, false,
			func(k []byte) []byte { return slices.Concat(k, next[trust]) }},
		"the dropped one in the place of kubernetes": {drop, true,
			func([]byte) []byte { return slices.Concat(old, next[drop]) }},
	} {
		t.Run(what, func(t *testing.T) {
			f := tt.in.forge(t)
			f.files = func(b *bundle.Bundle) {
				if b.Node == "cp-1" {
					b.Files[clientCA] = tt.file(b.Files["pki/ca.crt"])
				}
			}
			if err := f.write(); err != nil {
				t.Fatal(err)
			}
			r := f.audit(t)
			wantFinding(t, r, "bundles/cp-1: "+clientCA+": does not hold the kubernetes and kubelet-client")
			wantFinding(t, r, "bundles/cp-1: "+clientCA+": differs from what plan and record make it")
			if tt.dropped {
				wantFinding(t, r, clientCA+`: holds a certificate of "CN=kubelet-client-ca,O=demo" that was not`)
			}
		})
	}
}
