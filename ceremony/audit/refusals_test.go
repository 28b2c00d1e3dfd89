package audit_test

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"maps"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"

	"officiant/ceremony/attestation"
	"officiant/ceremony/audit"
	"officiant/ceremony/transcript"
	"officiant/signer/gcpkms/gcpkmstest"
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

// attested are attributes of a key in Cloud KMS, with the attestation of a test HSM.
func attested(t *testing.T, pub crypto.PublicKey) map[string]string {
	t.Helper()
	a := gcpkmstest.Attest(pub, kmspb.KeyOperationAttestation_CAVIUM_V2_COMPRESSED, nil)
	chain := func(certs []string) string {
		var out []string
		for _, c := range certs {
			block, _ := pem.Decode([]byte(c))
			out = append(out, base64.StdEncoding.EncodeToString(block.Bytes))
		}
		return strings.Join(out, " ")
	}
	return map[string]string{
		"importOnly":                       "false",
		"importJob":                        "absent",
		"importTime":                       "absent",
		"reimportEligible":                 "false",
		"trustedWrappingEnabled":           "false",
		"generateTime":                     "2026-11-01T00:00:00Z",
		"protectionLevel":                  "HSM",
		"attestation.format":               "CAVIUM_V2_COMPRESSED",
		"attestation.result":               "verified",
		"attestation.content":              base64.StdEncoding.EncodeToString(a.Content),
		"attestation.sha256":               hexSum(string(a.Content)),
		"attestation.caviumCerts":          chain(a.CertChains.CaviumCerts),
		"attestation.googleCardCerts":      chain(a.CertChains.GoogleCardCerts),
		"attestation.googlePartitionCerts": chain(a.CertChains.GooglePartitionCerts),
	}
}

// evidence forges a ceremony whose plan asks for a grade, and whose root is said to
// live there with these attributes.
func (s *scene) evidence(
	t *testing.T,
	grade string,
	token transcript.Token,
	attributes map[string]string,
	roots ...*x509.Certificate,
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
	return f.auditWith(t, audit.Options{Root: &s.result.Root, ReleaseKey: f.key("release").Public(),
		AttestationRoots: roots})
}

// TestEvidenceOfServices: what a KMS said of a key is held against its grade, and an
// attestation is verified again: up to a root that is known, or told as not checked.
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
	good := attested(t, s.key("root").Public())
	guarantee := func(r *audit.Report, want audit.Verdict) {
		t.Helper()
		if len(r.Findings()) > 0 || r.Verdict() != audit.Verified {
			t.Errorf("%s: %q", r.Verdict(), r.Findings())
		}
		for _, g := range r.Guarantees() {
			if g.Number == 4 && g.Verdict != want {
				t.Errorf("guarantee 4 %s, not %s", g.Verdict, want)
			}
		}
	}
	guarantee(s.evidence(t, "attested", google, good), audit.NotChecked)
	guarantee(s.evidence(t, "attested", google, good, must(attestation.ParseRoots(gcpkmstest.Roots()))...), audit.Holds)
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
			"attestation.sha256 is of something else"},
		"three bytes and their sum": {"attested", google, with(with(good, "attestation.content", "AAAA"),
			"attestation.sha256", hexSum("\x00\x00\x00")), "attestation.content: "},
		"no chain": {"attested", google, with(good, "attestation.caviumCerts", "absent"),
			"attestation.caviumCerts: "},
		"of another key": {"attested", google, attested(t, s.key("etcd").Public()), "it is about another key"},
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
