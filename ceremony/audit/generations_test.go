package audit_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
	"officiant/ceremony"
	"officiant/ceremony/audit"
	"officiant/ceremony/transcript"
)

// kept is cp-1 as it is, with one certificate made anew.
const kept = `  - name: cp-1
    roles: [control-plane, etcd]
    address: 10.0.0.11
    first: true
    request: requests/cp-1.req
    renew: [kubelet.conf]
`

// authorities changes lines of a plan: that of the authority, by its name.
func (s *scene) authorities(lines map[string]string) func(string) string {
	root := must(fingerprint.SPKI(s.key("root").Public()))
	lines["root"] = fmt.Sprintf("{name: root, certificate: before/root.crt, key: {existing: %s}, evidence: software}", root)
	return func(plan string) string {
		var out strings.Builder
		for line := range strings.Lines(plan) {
			for name, other := range lines {
				if strings.HasPrefix(line, "  - {name: "+name+",") {
					line = "  - " + other + "\n"
				}
			}
			out.WriteString(line)
		}
		return out.String()
	}
}

const successor = "{name: etcd-2, family: etcd, use: trust, key: {create: ECDSA-P256}, evidence: software}"

// TestTrustedSuccessor looks at the first stage of a rollover, and at forgeries
// of it by one who has every key.
func TestTrustedSuccessor(t *testing.T) {
	one := perform(t)
	etcd := "{name: etcd, certificate: before/etcd.crt}\n  - " + successor
	one.edit = one.authorities(map[string]string{"etcd": etcd})
	two := one.nextFor(t, kept)
	r := two.auditWith(t, audit.Options{Now: time.Now(), Root: &one.result.Root, ReleaseKey: one.key("release").Public(), Previous: []string{one.dir}})
	if f := r.Findings(); len(f) > 0 || r.Verdict() != audit.Verified {
		t.Fatalf("%s: %q", r.Verdict(), f)
	}
	if f := two.forge(t); f.write() != nil || len(f.audit(t).Findings()) > 0 {
		t.Fatalf("the forger alone: %q", f.audit(t).Findings())
	}
	signedBy := func(key func(f *forger) string) func(*forger, *x509.Certificate, *x509.Certificate) []byte {
		return func(f *forger, c, parent *x509.Certificate) []byte {
			parent.PublicKey = f.key(key(f)).Public()
			return must(x509.CreateCertificate(rand.Reader, c, parent, c.PublicKey, f.key(key(f))))
		}
	}
	for what, tt := range map[string]struct {
		forge func(f *forger)
		says  []string
	}{
		"a bundle without it": {func(f *forger) {
			f.parts = func(_ *bundle.Header, p *bundle.Parts) { p.Trusted = nil }
		}, []string{"bundles/cp-1: pki/etcd/ca.crt", "differs from what plan and record make it"}},
		"a record that does not say so": {func(f *forger) {
			change(f, func(r *transcript.IssuingClosed) bool { r.Authorities = nil; return true })
		}, []string{"names the authorities []"}},
		"a record that says it issues": {func(f *forger) {
			change(f, func(r *transcript.IssuingClosed) bool {
				r.Authorities = slices.Clone(r.Authorities)
				r.Authorities[3].Use = "issue"
				return true
			})
		}, []string{"names the authorities", "etcd-2 etcd issue"}},
		"a bundle with it first": {func(f *forger) {
			f.parts = func(_ *bundle.Header, p *bundle.Parts) {
				p.Authorities["etcd"], p.Trusted["etcd"][0] = p.Trusted["etcd"][0], p.Authorities["etcd"]
			}
		}, []string{"bundles/cp-1: pki/etcd/ca.crt", "differs from what plan and record make it"}},
		"certified by no root": {func(f *forger) {
			f.reissue("etcd-2", func(c, parent *x509.Certificate) []byte {
				return signedBy(func(*forger) string { return "kubernetes" })(f, c, parent)
			})
		}, []string{"authority etcd-2: no root of the plan certified it"}},
		"a leaf by one that is only trusted": {func(f *forger) {
			f.reissue("cp-1/kubelet.conf", func(c, parent *x509.Certificate) []byte {
				return signedBy(func(*forger) string { return "etcd-2" })(f, c, parent)
			})
			change(f, func(r *transcript.Intent) bool {
				if r.Name == "cp-1/kubelet.conf" {
					r.Signer = "etcd-2"
				}
				return r.Name == "cp-1/kubelet.conf"
			})
		}, []string{"cp-1/kubelet.conf is by etcd-2, which is only trusted"}},
	} {
		t.Run(what, func(t *testing.T) {
			f := two.forge(t)
			tt.forge(f)
			if err := f.write(); err != nil {
				t.Fatal(err)
			}
			wantFinding(t, f.audit(t), tt.says...)
		})
	}
}

// TestRenewedAuthority looks at an authority's second certificate for its key.
func TestRenewedAuthority(t *testing.T) {
	one := perform(t)
	spki := must(fingerprint.SPKI(one.key("etcd").Public()))
	one.edit = one.authorities(map[string]string{
		"etcd": fmt.Sprintf("{name: etcd, renews: before/etcd.crt, key: {existing: %s}, validity: 12y, evidence: software}", spki)})
	two := one.nextFor(t, kept)
	r := two.auditWith(t, audit.Options{Now: time.Now(), Root: &one.result.Root, ReleaseKey: one.key("release").Public(), Previous: []string{one.dir}})
	if f := r.Findings(); len(f) > 0 || r.Verdict() != audit.Verified {
		t.Fatalf("%s: %q", r.Verdict(), f)
	}
	if f := two.forge(t); f.write() != nil || len(f.audit(t).Findings()) > 0 {
		t.Fatalf("the forger alone: %q", f.audit(t).Findings())
	}
	other := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	for says, change := range map[string]func(c *x509.Certificate){
		"the subject of its new certificate is":        rename(func(n *pkix.Name) { n.CommonName = "etcd" }),
		"its new certificate is for another key":       func(c *x509.Certificate) { c.PublicKey = other.Public() },
		"its new certificate has another key identifi": func(c *x509.Certificate) { c.SubjectKeyId = make([]byte, 20) },
		"sooner than the one it renews":                func(c *x509.Certificate) { c.NotAfter = c.NotAfter.AddDate(-3, 0, 0) },
	} {
		t.Run(says, func(t *testing.T) {
			f := two.forge(t)
			f.reissue("etcd", func(c, parent *x509.Certificate) []byte {
				change(c)
				return must(x509.CreateCertificate(rand.Reader, c, parent, c.PublicKey, f.key("root")))
			})
			if err := f.write(); err != nil {
				t.Fatal(err)
			}
			wantFinding(t, f.audit(t), "authority etcd: ", says)
		})
	}
}

// TestAnotherCertificate: an authority goes on with the certificate on record; a
// twin by the same root, for the same key, passes for it in no plan.
func TestAnotherCertificate(t *testing.T) {
	one := perform(t)
	block, _ := pem.Decode(one.read("authorities/etcd.crt"))
	template := *must(x509.ParseCertificate(block.Bytes))
	block, _ = pem.Decode(one.read("authorities/root.crt"))
	template.SerialNumber = must(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)))
	der := must(x509.CreateCertificate(rand.Reader, &template, must(x509.ParseCertificate(block.Bytes)), one.key("etcd").Public(), one.key("root")))
	spki := must(fingerprint.SPKI(one.key("etcd").Public()))
	carried := "{name: etcd, certificate: before/etcd.crt}"
	for says, line := range map[string]string{
		"authority etcd: its certificate is not the one on the previous record": carried,
		"before/etcd.crt: is not the certificate authority etcd had on record": fmt.Sprintf(
			"{name: etcd, renews: before/etcd.crt, key: {existing: %s}, validity: 12y, evidence: software}", spki),
	} {
		change := one.authorities(map[string]string{"etcd": line})
		one.edit = func(plan string) string {
			twin := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
			if err := os.WriteFile(filepath.Join(one.fixture.Folder, "before", "etcd.crt"), twin, 0o644); err != nil {
				t.Fatal(err)
			}
			return change(plan)
		}
		_, err := one.tryNext(t, kept)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("want %q: %v", says, err)
		}
	}
}

// tryNext is nextFor for a ceremony that may be refused.
func (s *scene) tryNext(t testing.TB, nodes string) (*ceremony.Result, error) {
	t.Helper()
	s.writeNext(t, nodes)
	cfg := s.fixture.Config(t, filepath.Join(t.TempDir(), "ceremony"))
	cfg.Open = s.safe.open
	return ceremony.Run(context.Background(), cfg)
}
