package audit_test

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/ceremony/audit"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/revocation"
	"officiant/ceremony/transcript"
)

// revoke carries out a second ceremony, which revokes the worker's certificate.
func (s *scene) revoke(t testing.TB) *scene {
	t.Helper()
	return s.nextFor(t, fmt.Sprintf(`  - {name: cp-1, roles: [control-plane, etcd], address: 10.0.0.11, first: true, request: requests/cp-1.req, renew: []}
crls:
  - {authority: kubernetes, nextUpdate: 90d}
revocations:
  - {serial: "%s", authority: kubernetes, reason: keyCompromise}
`, s.serial("worker-1/kubelet.conf")))
}

// serial is a certificate's serial number on the scene's record.
func (s *scene) serial(name string) string {
	for _, c := range must(transcript.Read("x", s.read("transcript.jsonl"))).Certificates() {
		if c.Name == name {
			return c.Certificate.SerialNumber.Text(16)
		}
	}
	panic("no " + name)
}

func withLists(t testing.TB) *scene {
	return performShape(t, ceremonytest.Shape{Workers: 1, Lists: []string{"root", "kubernetes", "etcd"}})
}

func TestRevocations(t *testing.T) {
	one := withLists(t)
	two := one.revoke(t)
	r := two.auditWith(t, audit.Options{Now: time.Now(), Root: &one.result.Root, ReleaseKey: one.key("release").Public(), Previous: []string{one.dir}})
	for _, f := range r.Findings() {
		t.Error(f)
	}
	if !slices.ContainsFunc(r.Checks, func(c audit.Check) bool { return c.Detail == "1 list of 1 revoked certificate, 2 carried over" }) {
		t.Errorf("nobody is told what was revoked: %+v", r.Checks)
	}
	record := must(transcript.Read("x", two.read("transcript.jsonl")))
	numbers := map[string]int64{}
	for _, l := range record.RevocationLists() {
		numbers[l.Signer] = l.List.Number.Int64()
	}
	if numbers["kubernetes"] != 2 || numbers["root"] != 1 || numbers["etcd"] != 1 {
		t.Errorf("lists on record: %v", numbers)
	}
	for _, l := range record.Lines {
		if k, ok := l.Record.(transcript.Key); ok && k.Name != "kubernetes" && k.Name != "release" {
			t.Errorf("the %s key was opened", k.Name)
		}
	}
	// openssl agrees about the list, and with it about the certificate.
	openssl := func(args ...string) string {
		c := exec.Command("openssl", args...)
		c.Dir = two.dir
		out, _ := c.CombinedOutput()
		return string(out)
	}
	for _, file := range [][]string{{"crls/kubernetes.crl", "DER"}, {"crls/kubernetes.crl.pem", "PEM"}} {
		out := openssl("crl", "-in", file[0], "-inform", file[1], "-noout", "-text", "-CAfile", "authorities/kubernetes.crt")
		for _, want := range []string{"verify OK", "Key Compromise", "CRL Number: \n                2\n"} {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q in\n%s", file[0], want, out)
			}
		}
	}
	leaf := filepath.Join(one.dir, "leaf.pem")
	for _, c := range must(transcript.Read("x", one.read("transcript.jsonl"))).Certificates() {
		if c.Name == "worker-1/kubelet.conf" || c.Name == "cp-1/apiserver" {
			one.write(t, "leaf.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate.Raw}))
			out := openssl("verify", "-partial_chain", "-crl_check", "-trusted", "authorities/kubernetes.crt", "-CRLfile", "crls/kubernetes.crl.pem", leaf)
			if revoked := strings.Contains(out, "certificate revoked"); revoked != (c.Name == "worker-1/kubelet.conf") || !revoked && !strings.HasSuffix(out, "OK\n") {
				t.Errorf("%s: %s", c.Name, out)
			}
		}
	}
}

// TestListsByHand checks lists with openssl and jq, as docs/verify-by-hand.md does.
func TestListsByHand(t *testing.T) {
	for _, program := range []string{"bash", "openssl", "jq", "sha256sum", "tar"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
	whole := withLists(t)
	if out, err := byHand(t, whole.dir); err != nil || strings.Count(out, "verify OK\n") != 3 {
		t.Fatalf("%v\n%s", err, out)
	}
	spoilt := whole.copy(t)
	spoilt.write(t, "crls/etcd.crl", whole.read("crls/root.crl"))
	if out, err := byHand(t, spoilt.dir); err == nil {
		t.Errorf("another list is not found:\n%s", out)
	}
}

// relist replaces a revocation list. The template is the list as it is.
func (f *forger) relist(change func(l *x509.RevocationList)) { f.relistBy("kubernetes", change) }

func (f *forger) relistBy(key string, change func(l *x509.RevocationList)) {
	f.t.Helper()
	intent, record := first(f, func(r transcript.CRLIntent) bool { return r.Name == "crl kubernetes" })
	made := f.result(intent)
	list := must(x509.ParseRevocationList(made.record.(transcript.CRL).List))
	list.Extensions = nil
	for i := range list.RevokedCertificateEntries {
		list.RevokedCertificateEntries[i].Extensions = nil
	}
	change(list)
	issuer := *f.plan.Certificates["kubernetes"]
	issuer.PublicKey = f.key(key).Public()
	der := must(x509.CreateRevocationList(rand.Reader, list, &issuer, f.key(key)))
	record.TBS = must(x509.ParseRevocationList(der)).RawTBSRevocationList
	intent.record, made.record = record, transcript.CRL{List: der}
}

func TestForgedRevocations(t *testing.T) {
	one := withLists(t)
	two := one.revoke(t)
	serial := one.serial("worker-1/kubelet.conf")
	if f := two.forge(t); f.write() != nil || len(f.audit(t).Findings()) > 0 {
		t.Fatalf("the forger alone: %q", f.audit(t).Findings())
	}
	carried := func(signer string, do func(f *forger, a *act, r transcript.CRLCarried)) func(*forger) {
		return func(f *forger) {
			a, r := first(f, func(r transcript.CRLCarried) bool { return r.Signer == signer })
			do(f, a, r)
		}
	}
	for what, tt := range map[string]struct {
		forge func(f *forger)
		says  []string
	}{
		"nothing on it": {func(f *forger) {
			f.relist(func(l *x509.RevocationList) { l.RevokedCertificateEntries, l.RevokedCertificates = nil, nil })
		},
			[]string{"crl kubernetes: does not revoke " + serial + ", which the plan does"}},
		"another reason": {func(f *forger) {
			f.relist(func(l *x509.RevocationList) { l.RevokedCertificateEntries[0].ReasonCode = revocation.Superseded.Code() })
		}, []string{"revokes " + serial + " for superseded, the plan says keyCompromise"}},
		"no reason": {func(f *forger) {
			f.relist(func(l *x509.RevocationList) { l.RevokedCertificateEntries[0].ReasonCode = 0 })
		},
			[]string{"lacks extension 2.5.29.21"}},
		"another certificate": {func(f *forger) {
			f.relist(func(l *x509.RevocationList) {
				more := l.RevokedCertificateEntries[0]
				more.SerialNumber = big.NewInt(12345)
				l.RevokedCertificateEntries = append([]x509.RevocationListEntry{more}, l.RevokedCertificateEntries...)
			})
		}, []string{"revokes 3039, which the plan does not"}},
		"one twice": {func(f *forger) {
			f.relist(func(l *x509.RevocationList) {
				l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, l.RevokedCertificateEntries[0])
			})
		}, []string{"revokes " + serial + " twice"}},
		"another date": {func(f *forger) {
			f.relist(func(l *x509.RevocationList) {
				l.RevokedCertificateEntries[0].RevocationTime = l.ThisUpdate.Add(-time.Hour)
			})
		}, []string{"revokes " + serial + " as of"}},
		"a number too high": {func(f *forger) { f.relist(func(l *x509.RevocationList) { l.Number = big.NewInt(3) }) }, []string{"its number is 3, it has to be 2"}},
		"a former number":   {func(f *forger) { f.relist(func(l *x509.RevocationList) { l.Number = big.NewInt(1) }) }, []string{"its number is 1, it has to be 2"}},
		"a later update": {func(f *forger) {
			f.relist(func(l *x509.RevocationList) { l.NextUpdate = l.NextUpdate.Add(time.Hour) })
		}, []string{"with the next update on"}},
		"an extension": {func(f *forger) {
			f.relist(func(l *x509.RevocationList) {
				l.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: []byte{0x30, 0}}}
			})
		}, []string{"has extension 2.5.29.28, which was not planned"}},
		"an entry's extension": {func(f *forger) {
			f.relist(func(l *x509.RevocationList) {
				l.RevokedCertificateEntries[0].ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 24}, Value: []byte{0x30, 0}}}
			})
		}, []string{"the entry of " + serial, "has extension 2.5.29.24"}},
		"another authority's key": {func(f *forger) { f.relistBy("etcd", func(*x509.RevocationList) {}) },
			[]string{"signature is not that of authority kubernetes"}},
		"never signed": {func(f *forger) {
			intent, _ := first(f, func(transcript.CRLIntent) bool { return true })
			f.drop(intent, f.result(intent))
		}, []string{"crl kubernetes, was never signed"}},
		"a list that was not planned": {func(f *forger) {
			intent, r := first(f, func(transcript.CRLIntent) bool { return true })
			made := f.result(intent).record
			r.Entry, r.Signer = 3, "etcd" // the transcript's line
			f.insert(intent, r, made)
		}, []string{"entry 3, transcript, is of kind transcript, and this is another kind of signature"}},
		"an abandoned list of something else": {func(f *forger) {
			intent, r := first(f, func(transcript.CRLIntent) bool { return true })
			list := must(x509.ParseRevocationList(f.result(intent).record.(transcript.CRL).List))
			more := list.RevokedCertificateEntries[0]
			more.SerialNumber = big.NewInt(12345)
			list.RevokedCertificateEntries, list.Extensions = []x509.RevocationListEntry{more}, nil
			f.relist(func(l *x509.RevocationList) { l.Number = big.NewInt(3) }) // the next attempt's
			r.TBS = must(x509.ParseRevocationList(must(x509.CreateRevocationList(rand.Reader, list, f.plan.Certificates["kubernetes"], f.key("kubernetes"))))).RawTBSRevocationList
			f.insert(intent, r, transcript.Abandoned{Reason: "killed"})
		}, []string{"intent of crl kubernetes, abandoned: revokes 3039, which the plan does not"}},
		"a previous list forgotten": {carried("root", func(f *forger, a *act, _ transcript.CRLCarried) { f.drop(a) }),
			[]string{"list 1 of CN=demo root,O=demo is neither followed nor carried over"}},
		"another previous list": {carried("root", func(f *forger, a *act, r transcript.CRLCarried) {
			list := must(x509.ParseRevocationList(r.List))
			list.Number, list.Extensions = big.NewInt(7), nil
			r.List = must(x509.CreateRevocationList(rand.Reader, list, f.plan.Certificates["root"], f.key("root")))
			a.record = r
		}), []string{"carries a list of root over that is not the newest on the previous records"}},
		"a list before its key has proven itself": {func(f *forger) {
			intent, _ := first(f, func(transcript.CRLIntent) bool { return true })
			made := f.result(intent)
			f.drop(intent, made)
			key, _ := first(f, func(r transcript.ChallengeIntent) bool { return r.Name == "kubernetes" })
			f.insert(key, intent.record, made.record)
		}, []string{"the kubernetes key is to sign crl kubernetes, and has not answered a challenge"}},
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
	for what, spoil := range map[string]func(s *scene){
		"crls/kubernetes.crl: is not what the record says":     func(s *scene) { s.write(t, "crls/kubernetes.crl", one.read("crls/kubernetes.crl")) },
		"crls/kubernetes.crl.pem: is not what the record says": func(s *scene) { s.write(t, "crls/kubernetes.crl.pem", []byte("x")) },
		"crls/kubernetes.crl: missing":                         func(s *scene) { must(0, os.Remove(s.path("crls/kubernetes.crl"))) },
		"crls/etcd.crl: does not belong to the ceremony":       func(s *scene) { s.write(t, "crls/etcd.crl", one.read("crls/etcd.crl")) },
	} {
		t.Run(what, func(t *testing.T) {
			s := two.copy(t)
			spoil(s)
			wantOnly(t, s.audit(t), what)
		})
	}
}

// An abandoned attempt that was planned is no finding: its number is used up.
func TestAbandonedList(t *testing.T) {
	f := withLists(t).revoke(t).forge(t)
	intent, r := first(f, func(transcript.CRLIntent) bool { return true })
	f.relist(func(l *x509.RevocationList) { l.Number = big.NewInt(3) })
	f.insert(intent, r, transcript.Abandoned{Reason: "killed"})
	if err := f.write(); err != nil {
		t.Fatal(err)
	}
	for _, finding := range f.audit(t).Findings() {
		t.Error(finding)
	}
}
