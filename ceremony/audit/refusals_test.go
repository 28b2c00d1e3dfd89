package audit_test

import (
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"math/big"
	"strings"
	"testing"
	"time"

	"officiant/ceremony/audit"
	"officiant/ceremony/transcript"
)

// shift moves the beginning of everything that is issued, as one who has every key can.
func (f *forger) shift(by time.Duration) {
	change(f, func(r *transcript.Open) bool { r.NotBefore = r.NotBefore.Add(by); return true })
	for _, a := range f.acts {
		in, ok := a.record.(transcript.Intent)
		if !ok {
			continue
		}
		f.reissue(in.Name, func(template, parent *x509.Certificate) []byte {
			template.NotBefore, template.NotAfter = template.NotBefore.Add(by), template.NotAfter.Add(by)
			if in.Signer == in.Name {
				parent = template
			}
			return must(x509.CreateCertificate(rand.Reader, template, parent, template.PublicKey, f.key(in.Signer)))
		})
	}
}

// TestBegin: certificates begin when the line says that sets it, and no other time.
func TestBegin(t *testing.T) {
	s := perform(t)
	for what, c := range map[string]struct {
		by   time.Duration
		says string
	}{
		"long before":   {-300 * 24 * time.Hour, "transcript.jsonl:1: certificates are valid from"},
		"an hour early": {-time.Hour, "transcript.jsonl:1: certificates are valid from"},
		"later":         {time.Hour, "transcript.jsonl:1: certificates are valid from"},
		"as it was":     {0, ""},
	} {
		t.Run(what, func(t *testing.T) {
			f := s.forge(t)
			f.shift(c.by)
			if err := f.write(); err != nil {
				t.Fatal(err)
			}
			r := f.auditWith(t, audit.Options{ReleaseKey: f.release.Public()})
			if c.says == "" && len(r.Findings()) > 0 {
				t.Errorf("%q", r.Findings())
			} else if c.says != "" {
				wantFinding(t, r, c.says)
			}
		})
	}
}

// attested are attributes of a key in Cloud KMS, in the form that an attestation has.
func attested(t *testing.T) map[string]string {
	t.Helper()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	must(z.Write(make([]byte, 400)))
	must(0, z.Close())
	sum := sha256.Sum256(packed.Bytes())
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	chain := base64.StdEncoding.EncodeToString(
		must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)),
	)
	return map[string]string{
		"importOnly":             "false",
		"importJob":              "absent",
		"importTime":             "absent",
		"reimportEligible":       "false",
		"trustedWrappingEnabled": "false",
		"generateTime":           "2026-11-01T00:00:00Z",
		"protectionLevel":        "HSM",
		"attestation.format":     "CAVIUM_V2_COMPRESSED",
		"attestation.result":     "verified",
		"attestation.roots":      strings.Repeat("ab", 32) + " " + strings.Repeat("cd", 32),
		"attestation.content": base64.StdEncoding.EncodeToString(
			packed.Bytes(),
		),
		"attestation.sha256":               hex.EncodeToString(sum[:]),
		"attestation.caviumCerts":          chain + " " + chain,
		"attestation.googleCardCerts":      chain,
		"attestation.googlePartitionCerts": chain,
	}
}

// evidence forges a ceremony whose plan asks for a grade, and whose root is said to
// live there with these attributes.
func (s *scene) evidence(
	t *testing.T,
	grade string,
	token transcript.Token,
	attributes map[string]string,
) *audit.Report {
	t.Helper()
	f := s.forge(t)
	f.scene.write(
		t,
		"plan.yaml",
		[]byte(strings.Replace(string(f.read("plan.yaml")), "evidence: software", "evidence: "+grade, 1)),
	)
	f.readPlan()
	f.scene.write(t, "schedule.txt", f.plan.Schedule)
	change(f, func(r *transcript.Open) bool { r.Digest = f.plan.Digest; return true })
	for _, a := range f.acts {
		if k, ok := a.record.(transcript.Key); ok && k.Name == "root" {
			k.Grade, k.Token, k.Attributes = grade, token, attributes
			a.record = k
		}
		if in, ok := a.record.(transcript.KeyIntent); ok && in.Name == "root" {
			in.Token = &token
			a.record = in
		}
	}
	if err := f.write(); err != nil {
		t.Fatal(err)
	}
	return f.audit(t)
}

// TestEvidenceOfServices: what a KMS said of a key is held against its grade, and an
// attestation, which is not verified here, is told as not checked.
func TestEvidenceOfServices(t *testing.T) {
	s := perform(t)
	google := transcript.Token{Backend: "gcpkms", Label: "projects/x/locations/y/keyRings/z"}
	amazon := transcript.Token{Backend: "awskms", Label: "x"}
	aws := map[string]string{
		"Origin":            "AWS_KMS",
		"MultiRegion":       "false",
		"ValidTo":           "absent",
		"CustomKeyStoreId":  "absent",
		"CloudHsmClusterId": "absent",
	}
	with := func(of map[string]string, name, value string) map[string]string {
		out := maps.Clone(of)
		if out[name] = value; value == "" {
			delete(out, name)
		}
		return out
	}
	good := attested(t)
	r := s.evidence(t, "attested", google, good)
	if len(r.Findings()) > 0 || r.Verdict() != audit.Verified {
		t.Errorf("%s: %q", r.Verdict(), r.Findings())
	}
	for _, g := range r.Guarantees() {
		if want := map[int]audit.Verdict{4: audit.NotChecked}[g.Number]; want != "" && g.Verdict != want {
			t.Errorf("guarantee %d %s", g.Number, g.Verdict)
		}
	}
	if r := s.evidence(t, "consistent", amazon, aws); len(r.Findings()) > 0 {
		t.Errorf("%q", r.Findings())
	}
	for what, c := range map[string]struct {
		grade string
		token transcript.Token
		said  map[string]string
		says  string
	}{
		"three bytes": {"attested", google, with(good, "attestation.content", "AAAA"),
			"attestation.content is not what attestation.sha256 is of"},
		"three bytes and their sum": {"attested", google, with(with(good, "attestation.content", "AAAA"),
			"attestation.sha256", hexSum("\x00\x00\x00")), "attestation.content: "},
		"no chain": {"attested", google, with(good, "attestation.caviumCerts", "absent"),
			"attestation.caviumCerts: "},
		"no roots":       {"attested", google, with(good, "attestation.roots", "none"), "attestation.roots: "},
		"another format": {"attested", google, with(good, "attestation.format", "absent"), "its format is"},
		"another result": {"attested", google, with(good, "attestation.result", "bad signature"),
			"the result was"},
		"of Amazon":        {"attested", amazon, good, "a key in awskms has none"},
		"imported, Google": {"consistent", google, with(good, "importJob", "job"), "importJob is job, not absent"},
		"never generated": {"consistent", google, with(good, "generateTime", "absent"),
			"when Cloud KMS generated the key"},
		"Google's software": {"consistent", google, with(good, "protectionLevel", "SOFTWARE"),
			`its protection level is "SOFTWARE"`},
		"to be wrapped": {"consistent", google, with(good, "trustedWrappingEnabled", "true"),
			"trustedWrappingEnabled is true"},
		"imported, Amazon": {"consistent", amazon, with(aws, "Origin", "EXTERNAL"),
			"Origin is EXTERNAL, not AWS_KMS"},
		"in several Regions": {"consistent", amazon, with(aws, "MultiRegion", "true"), "MultiRegion is true"},
		"nothing said":       {"consistent", amazon, with(aws, "Origin", ""), "Origin is not on record"},
		"no such place":      {"consistent", transcript.Token{Backend: "drawer"}, aws, "which is no place for keys"},
	} {
		t.Run(what, func(t *testing.T) { wantFinding(t, s.evidence(t, c.grade, c.token, c.said), "the root key: ", c.says) })
	}
}

func hexSum(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// TestRootAlone: a root is a pin of certificates, and of no record: of public
// certificates anybody can write one.
func TestRootAlone(t *testing.T) {
	s := perform(t)
	r := s.auditWith(t, audit.Options{Root: &s.result.Root})
	if r.Verdict() != audit.RootAlone || !r.RootPinned || r.ReleasePinned || len(r.Findings()) > 0 {
		t.Errorf("%s: %q", r.Verdict(), r.Findings())
	}
}
