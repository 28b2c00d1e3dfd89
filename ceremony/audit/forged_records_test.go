package audit_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
	"officiant/bundle/seal"
	"officiant/ceremony/audit"
	"officiant/ceremony/transcript"
)

func named(name string) func(transcript.Intent) bool {
	return func(r transcript.Intent) bool { return r.Name == name }
}

func issuedDER(f *forger, intent *act) []byte {
	return f.result(intent).record.(transcript.Issued).Certificate
}

// stranger is a certificate of another name, signed by the kubernetes key.
func stranger(f *forger) (tbs, der []byte) {
	intent, _ := first(f, named("kubernetes"))
	parent := must(x509.ParseCertificate(issuedDER(f, intent)))
	template := &x509.Certificate{
		SerialNumber: must(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))), NotAfter: parent.NotAfter,
		NotBefore: parent.NotBefore, Subject: pkix.Name{CommonName: "backdoor", Organization: []string{"system:masters"}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	der = must(x509.CreateCertificate(rand.Reader, template, parent, key.Public(), f.key("kubernetes")))
	return must(x509.ParseCertificate(der)).RawTBSCertificate, der
}

// again is what is to be signed of a certificate when its first signature was
// lost: the same, but for the serial number.
func again(f *forger, name string) (tbs []byte) {
	intent, r := first(f, named(name))
	template := must(x509.ParseCertificate(issuedDER(f, intent)))
	template.SerialNumber = must(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)))
	issuer, _ := first(f, named(r.Signer))
	parent := must(x509.ParseCertificate(issuedDER(f, issuer)))
	der := must(x509.CreateCertificate(rand.Reader, template, parent, template.PublicKey, f.key(r.Signer)))
	return must(x509.ParseCertificate(der)).RawTBSCertificate
}

func keyNamed(name string, do func(k *transcript.Key)) func(*transcript.Key) bool {
	return func(k *transcript.Key) bool {
		if k.Name == name {
			do(k)
		}
		return k.Name == name
	}
}

// forgedRecords are ceremonies of which the record, signed by the release key,
// is in order and says what must not be.
var forgedRecords = []struct {
	what  string
	forge func(f *forger)
	says  []string
}{
	{"a certificate nobody planned", func(f *forger) {
		before, _ := first(f, func(transcript.IssuingClosed) bool { return true })
		tbs, der := stranger(f)
		f.insert(before, transcript.Intent{Entry: 99, Name: "backdoor", Signer: "kubernetes", TBS: tbs}, transcript.Issued{Certificate: der})
	}, []string{"signs backdoor, entry 99, which the schedule does not have"}},
	{"a room looked at with closed eyes", func(f *forger) {
		change(f, func(r *transcript.Preflight) bool { r.Checks = nil; return true })
	}, []string{"token, and this process had not looked at the room"}},
	{"a room looked at afterwards", func(f *forger) {
		look, r := first(f, func(transcript.Preflight) bool { return true })
		end, _ := first(f, func(transcript.IssuingClosed) bool { return true })
		f.drop(look)
		f.insert(end, r)
	}, []string{"token, and this process had not looked at the room"}},
	{"a key made without a canary", func(f *forger) {
		intent, _ := first(f, func(r transcript.CanaryIntent) bool { return r.Algorithm == "ECDSA-P384" })
		f.drop(intent, f.result(intent))
	}, []string{"the root key: was made before a canary of its algorithm was tried in its token"}},
	{"a canary that got out, and a grade that looks away", func(f *forger) {
		change(f, func(r *transcript.Canary) bool {
			r.Trials[2].Outcome, r.Trials[2].Leaks = "accepted", true
			return true
		})
	}, []string{`the kubernetes key: evidence is said to be "software", but line `}},
	{"a canary that got out, told as if it had not", func(f *forger) {
		change(f, func(r *transcript.Canary) bool {
			r.Trials[2].Outcome = "accepted: 160 bytes"
			return true
		})
	}, []string{"the line says that nothing leaked"}},
	{"a token whose maker is said to vouch for its key", func(f *forger) {
		change(f, keyNamed("root", func(k *transcript.Key) {
			k.Grade, k.Token.Model, k.Token.Manufacturer, k.Token.Module = "attested", "box", "maker", "/m.so"
		}))
	}, []string{"the root key", `evidence is said to be "attested"`}},
	{"a KMS that is said to attest, without an attestation", func(f *forger) {
		change(f, keyNamed("root", func(k *transcript.Key) {
			k.Grade, k.Token = "attested", transcript.Token{Backend: "gcpkms", Label: "ring"}
			k.Attributes = map[string]string{"protectionLevel": "HSM"}
		}))
	}, []string{"the root key", `evidence is said to be "attested"`}},
	{"a key in a place that is none", func(f *forger) {
		change(f, keyNamed("root", func(k *transcript.Key) { k.Token = transcript.Token{Backend: "vault"} }))
	}, []string{"the root key", `lives in a "vault"`}},
	{"a canary without an end", func(f *forger) {
		before, _ := first(f, func(transcript.IssuingClosed) bool { return true })
		_, r := first(f, func(transcript.CanaryIntent) bool { return true })
		r.ID = strings.Repeat("0", 32)
		f.insert(before, r, transcript.Abandoned{Reason: "lost"})
	}, []string{"a canary was made in token safe, and no line says what became of it"}},
	{"a certificate nobody planned, said to be abandoned", func(f *forger) {
		before, r := first(f, named("cp-1/admin.conf"))
		r.TBS, _ = stranger(f)
		f.insert(before, r, transcript.Abandoned{Reason: "killed"})
	}, []string{"intent of cp-1/admin.conf, abandoned: subject is", "CN=backdoor,O=system:masters"}},
	{"no certificate at all, said to be abandoned", func(f *forger) {
		before, r := first(f, named("cp-1/admin.conf"))
		r.TBS = []byte{0x30, 0x03, 0x02, 0x01, 0x7f}
		f.insert(before, r, transcript.Abandoned{Reason: "killed"})
	}, []string{"intent of cp-1/admin.conf, abandoned: not the to-be-signed part"}},
	{"a certificate in place of a bundle", func(f *forger) {
		before, _ := first(f, func(transcript.IssuingClosed) bool { return true })
		tbs, der := stranger(f)
		f.insert(before, transcript.Intent{Entry: 18, Name: "bundle cp-1", Signer: "kubernetes", TBS: tbs}, transcript.Issued{Certificate: der})
		intent, _ := first(f, func(r transcript.SignatureIntent) bool { return r.Name == "bundle cp-1" })
		f.drop(intent, f.result(intent))
	}, []string{"bundle cp-1", "is another kind of signature"}},
	{"a certificate under another line", func(f *forger) {
		change(f, func(r *transcript.Intent) bool { r.Entry = 20; return r.Name == "cp-1/admin.conf" })
	}, []string{"signs cp-1/admin.conf by kubernetes as entry 20"}},
	{"another signer on record", func(f *forger) {
		change(f, func(r *transcript.Intent) bool { r.Signer = "etcd"; return r.Name == "cp-1/admin.conf" })
	}, []string{"signs cp-1/admin.conf by etcd as entry"}},
	{"a certificate that was left out", func(f *forger) {
		intent, _ := first(f, named("cp-1/admin.conf"))
		f.drop(intent, f.result(intent))
	}, []string{"cp-1/admin.conf, was never signed"}},
	{"a bundle's signature that was left out", func(f *forger) {
		intent, _ := first(f, func(r transcript.SignatureIntent) bool { return r.Name == "bundle worker-1" })
		f.drop(intent, f.result(intent))
	}, []string{"bundle worker-1, was never signed"}},
	{"a bundle's signature by another", func(f *forger) {
		change(f, func(r *transcript.Signature) bool { r.Signature = []byte{1}; return true })
	}, []string{"signature of bundle cp-1: is not the release key's"}},
	{"a bundle before issuing was closed", func(f *forger) {
		closing, _ := first(f, func(transcript.IssuingClosed) bool { return true })
		intent, r := first(f, func(r transcript.SignatureIntent) bool { return r.Name == "bundle cp-1" })
		result := f.result(intent)
		signature := result.record
		f.drop(intent, result)
		f.insert(closing, r, signature)
	}, []string{"bundle cp-1 was to be signed before issuing was closed"}},
	{"issuing never closed", func(f *forger) {
		closing, _ := first(f, func(transcript.IssuingClosed) bool { return true })
		f.drop(closing)
	}, []string{"issuing was closed 0 times"}},
	{"a key nobody needs, said to be abandoned", func(f *forger) {
		before, r := first(f, func(transcript.KeyIntent) bool { return true })
		r.Name, r.ID = "spare", strings.Repeat("0a", 16)
		f.insert(before, r, transcript.KeyAbandoned{Name: r.Name, ID: r.ID, Reason: "killed"})
	}, []string{"a spare key of id", "which the schedule does not need"}},
	{"a key of which nothing more is heard", func(f *forger) {
		after, r := first(f, func(k transcript.Key) bool { return k.Name == "root" })
		f.insert(after, transcript.KeyAbandoned{Name: "root", ID: r.ID, Reason: "killed"},
			transcript.KeyIntent{Name: "root", Label: "demo/root", Algorithm: r.Algorithm, ID: strings.Repeat("0b", 16)})
	}, []string{"intent of the root key of id 0b", "has neither a key nor an end"}},
	{"a key that can leave", func(f *forger) {
		change(f, keyNamed("root", func(k *transcript.Key) { k.Attributes["CKA_EXTRACTABLE"] = "true" }))
	}, []string{"the root key", "CKA_EXTRACTABLE is true"}},
	{"a key that was imported", func(f *forger) {
		change(f, keyNamed("etcd", func(k *transcript.Key) { delete(k.Attributes, "CKA_LOCAL") }))
	}, []string{"the etcd key", "CKA_LOCAL is not on record"}},
	{"weaker evidence than asked for", func(f *forger) {
		change(f, keyNamed("root", func(k *transcript.Key) { k.Grade = "unproven" }))
	}, []string{"the root key", `evidence is "unproven", the plan asks for "software"`}},
	{"evidence of no such grade", func(f *forger) {
		change(f, keyNamed("root", func(k *transcript.Key) { k.Grade = "splendid" }))
	}, []string{"the root key", `evidence is "splendid"`}},
	{"software that calls itself hardware", func(f *forger) {
		change(f, keyNamed("root", func(k *transcript.Key) { k.Grade = "consistent" }))
	}, []string{"the root key", "the token is SoftHSM"}},
	{"a key that was there before", func(f *forger) {
		change(f, keyNamed("root", func(k *transcript.Key) { k.Made = false }))
	}, []string{"the root key", "was found; the plan creates it"}},
	{"a key of another id", func(f *forger) {
		change(f, keyNamed("root", func(k *transcript.Key) { k.ID = strings.Repeat("00", 16) }))
	}, []string{"the root key", "has id 0000"}},
	{"a key of another algorithm", func(f *forger) {
		change(f, keyNamed("root", func(k *transcript.Key) { k.Algorithm = "ECDSA-P256" }))
	}, []string{"the root key", "is of algorithm ECDSA-P384"}},
	{"a key with another's label", func(f *forger) {
		change(f, func(k *transcript.KeyIntent) bool { k.Label = "other/root"; return k.Name == "root" })
	}, []string{"the root key", "names it other/root"}},
	{"a key nobody asked for", func(f *forger) {
		before, _ := first(f, func(r transcript.KeyIntent) bool { return r.Name == "root" })
		der := must(x509.MarshalPKIXPublicKey(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)).Public()))
		id := hex.EncodeToString(make([]byte, 16))
		f.insert(before, transcript.KeyIntent{Name: "spare", Label: "demo/spare", Algorithm: "ECDSA-P256", ID: id},
			transcript.Key{Name: "spare", Label: "demo/spare", Algorithm: "ECDSA-P256", ID: id, Made: true, PublicKey: der, SPKI: fingerprint.Of(der), Grade: "software"})
	}, []string{"the schedule needs no spare key"}},
	{"a challenge without an answer", func(f *forger) {
		intent, r := first(f, func(r transcript.ChallengeIntent) bool { return r.Name == "etcd" })
		result := f.result(intent)
		f.insert(result, r)
		f.drop(intent)
		result.record, result.of = transcript.Abandoned{Reason: "x"}, f.acts[indexOf(f, result)-1]
	}, []string{"the etcd key never answered a challenge"}},
	{"a wrong answer", func(f *forger) {
		change(f, func(r *transcript.Challenge) bool { r.Signature = bytes.Repeat([]byte{1}, 70); return r.Name == "root" })
	}, []string{"challenge of the root key", "does not verify"}},
	{"a nonce that comes again", func(f *forger) {
		_, r := first(f, func(r transcript.ChallengeIntent) bool { return r.Name == "root" })
		change(f, func(c *transcript.ChallengeIntent) bool { c.Nonce = r.Nonce; return c.Name == "release" })
	}, []string{"the nonce of line"}},
	{"a key that signs before it proved itself", func(f *forger) {
		intent, r := first(f, func(r transcript.ChallengeIntent) bool { return r.Name == "root" })
		result := f.result(intent)
		answer := result.record
		f.drop(intent, result)
		closing, _ := first(f, func(transcript.IssuingClosed) bool { return true })
		f.insert(closing, r, answer)
	}, []string{"the root key is to sign root, and has not answered a challenge"}},
	{"a process in which a key did not prove itself", func(f *forger) {
		before, _ := first(f, named("cp-1/admin.conf"))
		f.insert(before, transcript.Resumed{Host: transcript.Host{}, Removed: []string{}})
	}, []string{"the kubernetes key is to sign cp-1/admin.conf, and has not answered a challenge of this process"}},
	{"a leaf before its authority", func(f *forger) {
		authority, r := first(f, named("kubernetes"))
		result := f.result(authority)
		issued := result.record
		f.drop(authority, result)
		closing, _ := first(f, func(transcript.IssuingClosed) bool { return true })
		f.insert(closing, r, issued)
	}, []string{"was to be signed by kubernetes, which had no certificate yet"}},
	{"a secret sealed after all", func(f *forger) {
		sealed, r := first(f, func(transcript.Sealed) bool { return true })
		f.drop(sealed)
		closed, _ := first(f, func(transcript.Closed) bool { return true })
		f.insert(closed, r)
	}, []string{"service-account was sealed after issuing was closed"}},
	{"a secret not sealed", func(f *forger) {
		sealed, _ := first(f, func(transcript.Sealed) bool { return true })
		f.drop(sealed)
	}, []string{"0 sealed secrets of a service-account key on record, the plan asks for 1"}},
	{"a secret sealed to one more", func(f *forger) {
		_, r := first(f, func(transcript.Sealed) bool { return true })
		_, other, _ := seal.NewIdentity()
		reseal(f, append(r.Recipients, other), append(r.Recipients, other))
	}, []string{"is sealed to"}},
	{"a secret sealed to one more than on record", func(f *forger) {
		_, r := first(f, func(transcript.Sealed) bool { return true })
		_, other, _ := seal.NewIdentity()
		reseal(f, append(r.Recipients, other), r.Recipients)
	}, []string{"can be opened by 2 recipients"}},
	{"a secret sealed to another", func(f *forger) {
		_, other, _ := seal.NewIdentity()
		reseal(f, []string{other}, []string{other})
	}, []string{"is sealed to"}},
	{"a CA's key as the service-account key", func(f *forger) {
		der := must(x509.MarshalPKIXPublicKey(f.key("kubernetes").Public()))
		change(f, func(r *transcript.Sealed) bool { r.PublicKey = der; return true })
	}, []string{" is the kubernetes key"}},
	{"another signer in the last line", func(f *forger) {
		change(f, func(r *transcript.Closed) bool { r.Signer[0] ^= 1; return true })
	}, []string{"as the signer, the release key on record is"}},
	{"another digest", func(f *forger) {
		change(f, func(r *transcript.Open) bool { r.Digest[0] ^= 1; return true })
	}, []string{"its digest is", "the record's first line says"}},
	{"another plan's name", func(f *forger) {
		change(f, func(r *transcript.Open) bool { r.Name = "other"; return true })
	}, []string{"its name is demo-1, the record's first line says other"}},
	{"another sequence", func(f *forger) {
		change(f, func(r *transcript.Open) bool { r.Sequence = 2; return true })
	}, []string{"sequence is 2, after its predecessors it has to be 1"}},
	{"a predecessor the plan does not name", func(f *forger) {
		change(f, func(r *transcript.Open) bool {
			r.Predecessors = []transcript.Predecessor{{Cluster: "demo", Sequence: 1}}
			return true
		})
	}, []string{"names other predecessors than plan.yaml"}},
	{"an approval without its file", func(f *forger) {
		change(f, func(r *transcript.Open) bool { r.Approvals = []transcript.Approval{{Person: "alice"}}; return true })
	}, []string{"SHA-256 0000", "alice's approval on record"}},
	{"another begin", func(f *forger) {
		change(f, func(r *transcript.Open) bool { r.NotBefore = r.NotBefore.Add(time.Minute); return true })
	}, []string{"cp-1/admin.conf", "valid from"}},
	{"a rehearsal", func(f *forger) {
		change(f, func(r *transcript.Open) bool { r.Rehearsal = true; return true })
	}, []string{"rehearsal"}},
	{"a plan changed afterwards", func(f *forger) {
		text := bytes.Replace(f.read("plan.yaml"), []byte("leaves: {validity: 1y}"), []byte("leaves: {validity: 2y}"), 1)
		f.scene.write(f.t, "plan.yaml", text)
		f.readPlan()
		f.scene.write(f.t, "schedule.txt", f.plan.Schedule)
		change(f, func(r *transcript.Open) bool { r.Digest = f.plan.Digest; return true })
	}, []string{"cp-1/admin.conf", "valid until"}},
	{"a plan that asked for better evidence", func(f *forger) {
		text := bytes.Replace(f.read("plan.yaml"), []byte("evidence: software"), []byte("evidence: consistent"), 1)
		f.scene.write(f.t, "plan.yaml", text)
		f.readPlan()
		f.scene.write(f.t, "schedule.txt", f.plan.Schedule)
		change(f, func(r *transcript.Open) bool { r.Digest = f.plan.Digest; return true })
	}, []string{"the root key", `evidence is "software", the plan asks for "consistent"`}},
	{"a bundle of another sequence", func(f *forger) {
		f.parts = func(h *bundle.Header, _ *bundle.Parts) { h.Sequence = 7 }
	}, []string{"bundles/cp-1: its header says"}},
	{"a bundle that ends later", func(f *forger) {
		f.parts = func(h *bundle.Header, _ *bundle.Parts) { h.NotAfter = time.Now().AddDate(5, 0, 0) }
	}, []string{"bundles/worker-1: its header says not-after"}},
	{"a bundle of another ceremony", func(f *forger) {
		f.parts = func(h *bundle.Header, _ *bundle.Parts) { h.Ceremony[0] ^= 1 }
	}, []string{"bundles/worker-1: its header says"}},
	{"a bundle for another request", func(f *forger) {
		f.parts = func(_ *bundle.Header, p *bundle.Parts) { p.Request[0] ^= 1 }
	}, []string{"bundles/worker-1: officiant/node.json: names request"}},
	{"a bundle with another certificate", func(f *forger) {
		_, der := stranger(f)
		f.parts = func(_ *bundle.Header, p *bundle.Parts) {
			if p.Node.Name == "worker-1" {
				p.Leaves["kubelet.conf"] = must(x509.ParseCertificate(der))
			}
		}
	}, []string{"bundles/worker-1: kubelet.conf", `certificate of "CN=backdoor,O=system:masters" that was not issued for this node`}},
	{"the root among those who may log in", func(f *forger) {
		f.files = func(b *bundle.Bundle) {
			b.Files["pki/ca.crt"] = append(b.Files["pki/ca.crt"], b.Files[bundle.RootFile]...)
		}
	}, []string{"bundles/worker-1: pki/ca.crt: differs from what plan and record make it"}},
	{"another service-account key", func(f *forger) {
		der := must(x509.MarshalPKIXPublicKey(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)).Public()))
		f.files = func(b *bundle.Bundle) {
			if b.Node == "cp-1" {
				b.Files["pki/sa.pub"] = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
			}
		}
	}, []string{"bundles/cp-1: pki/sa.pub: differs"}},
	{"a server to call instead", func(f *forger) {
		f.files = func(b *bundle.Bundle) {
			b.Files["kubelet.conf"] = bytes.Replace(b.Files["kubelet.conf"], []byte("api.demo.test"), []byte("evil.test"), 1)
		}
	}, []string{"bundles/worker-1: kubelet.conf", "evil.test"}},
	{"other words to read", func(f *forger) {
		f.files = func(b *bundle.Bundle) { b.Files[bundle.VerifyFile] = []byte("All is well.\n") }
	}, []string{"bundles/worker-1: VERIFY.txt: its text differs"}},
	{"a file more in a bundle", func(f *forger) {
		f.files = func(b *bundle.Bundle) { b.Files["pki/more.crt"] = b.Files["pki/ca.crt"] }
	}, []string{"bundles/worker-1: pki/more.crt"}},
	{"a private key in a bundle", func(f *forger) {
		der := must(x509.MarshalECPrivateKey(f.key("etcd").(*ecdsa.PrivateKey)))
		f.files = func(b *bundle.Bundle) { b.Files["pki/ca.key"] = der }
	}, []string{"bundles/worker-1.tar: worker-1/pki/ca.key: holds the private key of the etcd key"}},
	{"a private key in the record", func(f *forger) {
		before, _ := first(f, func(transcript.IssuingClosed) bool { return true })
		der := must(x509.MarshalPKCS8PrivateKey(f.key("root")))
		f.insert(before, transcript.Note{Text: string(pem.EncodeToMemory(&pem.Block{Type: "NOTE", Bytes: der}))})
	}, []string{"transcript.jsonl: holds the private key of the root key"}},
}

func indexOf(f *forger, a *act) int {
	for i := range f.acts {
		if f.acts[i] == a {
			return i
		}
	}
	return -1
}

// reseal seals something to recipients and puts others on record.
func reseal(f *forger, recipients, onRecord []string) {
	sealed := must(seal.Seal(recipients, []byte("x")))
	f.scene.write(f.t, "secrets/sa.key.age", sealed)
	change(f, func(r *transcript.Sealed) bool {
		r.Recipients, r.SHA256 = onRecord, fingerprint.Of(sealed)
		return true
	})
}

func TestForgedRecords(t *testing.T) {
	whole := perform(t)
	for _, c := range forgedRecords {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			f := whole.forge(t)
			c.forge(f)
			if err := f.write(); err != nil {
				t.Fatal(err)
			}
			wantFinding(t, f.auditWith(t, audit.Options{Now: time.Now(), ReleaseKey: f.release.Public()}), c.says...)
		})
	}
}

// TestAnotherReleaseKey forges all that a release key vouches for, with another
// one. Only its own pin tells: no CA key ever signs what names the release key.
func TestAnotherReleaseKey(t *testing.T) {
	whole := perform(t)
	f := whole.forge(t)
	other := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	der := must(x509.MarshalPKIXPublicKey(other.Public()))
	f.release = other
	change(f, keyNamed("release", func(k *transcript.Key) { k.PublicKey, k.SPKI = der, fingerprint.Of(der) }))
	var nonce []byte
	change(f, func(r *transcript.ChallengeIntent) bool {
		if r.Name == "release" {
			r.SPKI, nonce = fingerprint.Of(der), r.Nonce
		}
		return r.Name == "release"
	})
	sum := fingerprint.Of(append(append([]byte("officiant challenge v1\n"), nonce...), der...))
	change(f, func(r *transcript.Challenge) bool { r.Signature = f.sign(sum); return r.Name == "release" })
	change(f, func(r *transcript.Closed) bool { r.Signer = fingerprint.Of(der); return true })
	if err := f.write(); err != nil {
		t.Fatal(err)
	}
	wantFinding(t, f.auditWith(t, audit.Options{ReleaseKey: whole.key("release").Public()}), "the release key is", "pinned is")
	r := f.auditWith(t, audit.Options{Root: &whole.result.Root})
	for _, finding := range r.Findings() {
		t.Error(finding)
	}
	last := r.Checks[len(r.Checks)-1]
	if len(last.Notes) != 1 || !strings.Contains(last.Notes[0], fingerprint.Of(der).String()) {
		t.Errorf("nothing says that the root does not vouch for the release key: %q", last.Notes)
	}
}

// TestAbandoned shows that what may have been signed is listed and counts.
func TestAbandoned(t *testing.T) {
	f := perform(t).forge(t)
	for _, name := range []string{"cp-1/admin.conf", "kubernetes", "root"} {
		before, r := first(f, named(name))
		r.TBS = again(f, name)
		f.insert(before, r, transcript.Abandoned{Reason: "killed"})
	}
	if err := f.write(); err != nil {
		t.Fatal(err)
	}
	report := f.audit(t)
	for _, finding := range report.Findings() {
		t.Error(finding)
	}
	if report.Abandoned != 3 {
		t.Errorf("%d abandoned", report.Abandoned)
	}
	for _, c := range report.Checks {
		for _, n := range c.Notes {
			if strings.Contains(n, "abandoned cp-1/admin.conf (killed)") {
				return
			}
		}
	}
	t.Error("no note lists it")
}
