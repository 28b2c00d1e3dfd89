package transcript_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/ceremony/transcript"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// clock ticks 250 ms each time it is read.
func clock() func() time.Time {
	at := start
	return func() time.Time {
		at = at.Add(250 * time.Millisecond)
		return at
	}
}

// certificate is the same bytes each time: Ed25519 signatures do not vary.
func certificate(t testing.TB, serial int64, name string) *x509.Certificate {
	t.Helper()
	key := ed25519.NewKeyFromSeed([]byte(strings.Repeat("s", 32)))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
		NotBefore: start, NotAfter: start.AddDate(1, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// list is a revocation list, the same bytes each time.
func list(t testing.TB, number int64) *x509.RevocationList {
	t.Helper()
	key := ed25519.NewKeyFromSeed([]byte(strings.Repeat("s", 32)))
	issuer := &x509.Certificate{Subject: pkix.Name{CommonName: "root"}, KeyUsage: x509.KeyUsageCRLSign, SubjectKeyId: []byte("id")}
	template := &x509.RevocationList{
		Number: big.NewInt(number), ThisUpdate: start, NextUpdate: start.AddDate(0, 3, 0),
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: big.NewInt(102), RevocationTime: start, ReasonCode: 1}},
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, issuer, key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := x509.ParseRevocationList(der)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func open() transcript.Open {
	return transcript.Open{
		Name: "demo", Cluster: "demo", Sequence: 1, Steps: 9, NotBefore: start,
		Digest: fingerprint.Of([]byte("digest")), Station: fingerprint.Of([]byte("station")),
		People: []transcript.Person{{Name: "kim", Role: "officer", Key: "ssh-ed25519 AAAA"}}, Threshold: 1,
		Approvals: []transcript.Approval{{Person: "kim", Key: "SHA256:abc", Signature: fingerprint.Of([]byte("sig"))}},
		Program:   transcript.Program{Version: "v0.1.0", SHA256: fingerprint.Of([]byte("program")), Go: "go1.26.8"},
		Modules:   []transcript.Module{{Path: "/usr/lib/softhsm/libsofthsm2.so", SHA256: fingerprint.Of([]byte("module")).String()}},
		Host:      transcript.Host{Name: "room", Kernel: "6.1.0", Interfaces: []string{}},
	}
}

const keyID = "000102030405060708090a0b0c0d0e0f"

func madeKey(name string) transcript.Key {
	pub := []byte("public key of " + name)
	return transcript.Key{
		Name: name, Label: "demo/" + name, Algorithm: "ECDSA-P256", ID: keyID, Made: true, SPKI: fingerprint.Of(pub), PublicKey: pub,
		Token: transcript.Token{Backend: "pkcs11", Label: "demo", Serial: "1"}, Grade: "software", Reason: "SoftHSM <2>",
		Attributes: map[string]string{"CKA_SENSITIVE": "true", "CKA_LOCAL": "absent"},
	}
}

// step is one Append of the sample: the step's number and its records.
type step struct {
	n    int
	recs []transcript.Record
}

// whole is a ceremony with every type of record in it, after its first line.
func whole(t testing.TB) []step {
	root, leaf, again := certificate(t, 101, "root"), certificate(t, 102, "cp-1"), certificate(t, 103, "cp-1")
	spki := fingerprint.Of([]byte("public key of root"))
	return []step{
		{1, []transcript.Record{transcript.Step{Title: "Open the token"}, transcript.Token{Backend: "pkcs11", Label: "demo", Serial: "1"}}},
		{2, []transcript.Record{transcript.KeyIntent{Name: "release", Label: "demo/release", Algorithm: "ECDSA-P256", ID: keyID}}},
		{2, []transcript.Record{transcript.KeyAbandoned{Name: "release", ID: keyID, Reason: "not in the token"}}},
		{2, []transcript.Record{transcript.KeyIntent{Name: "root", Label: "demo/root", Algorithm: "ECDSA-P256", ID: keyID}}},
		{2, []transcript.Record{madeKey("root")}},
		{2, []transcript.Record{transcript.ChallengeIntent{Name: "root", Nonce: []byte("nonce"), SPKI: spki}}}, // 8
		{2, []transcript.Record{transcript.Challenge{Name: "root", Intent: 8, Signature: []byte("signature")}}},
		{3, []transcript.Record{ // 10, 11
			transcript.Intent{Entry: 1, Name: "root", Signer: "root", TBS: root.RawTBSCertificate},
			transcript.Intent{Entry: 2, Name: "cp-1/apiserver", Signer: "root", TBS: leaf.RawTBSCertificate},
		}},
		{3, []transcript.Record{transcript.Issued{Intent: 10, Certificate: root.Raw}, transcript.Paused{Reason: "lunch & a walk"}}},
		{3, []transcript.Record{transcript.Resumed{}, transcript.Abandoned{Intent: 11, Reason: "no result"}}},
		{3, []transcript.Record{transcript.Intent{Entry: 2, Name: "cp-1/apiserver", Signer: "root", TBS: again.RawTBSCertificate}}}, // 16
		{3, []transcript.Record{transcript.Issued{Intent: 16, Certificate: again.Raw}}},
		{4, []transcript.Record{transcript.Sealed{Secret: "service-account", File: "secrets/sa.key.age", SHA256: spki, Recipients: []string{"age1x"}, PublicKey: []byte("x")}}},
		{4, []transcript.Record{transcript.Carried{Secret: "service-account", File: "previous/demo-1/sa.key.age", SHA256: spki, Recipients: []string{"age1x"}, PublicKey: []byte("x")}}},
		{4, []transcript.Record{transcript.Shared{Secret: "service-account", Node: "cp-2", File: "requests/cp-2.sa.key.age", SHA256: spki, Recipient: "age1y", PublicKey: []byte("x")}}},
		{4, []transcript.Record{transcript.NodeKeys{Node: "worker-1", Algorithm: "ECDSA-P256", File: "secrets/worker-1.keys.age", SHA256: spki, Recipient: "age1x", Keys: []transcript.NodeKey{{Name: "kubelet.conf", PublicKey: []byte("x")}}}}},
		{4, []transcript.Record{transcript.CRLCarried{Signer: "etcd", Family: "etcd", List: list(t, 4).Raw}}},
		{4, []transcript.Record{transcript.CRLIntent{Entry: 4, Name: "crl root", Signer: "root", Family: "root", TBS: list(t, 2).RawTBSRevocationList}}}, // 23
		{4, []transcript.Record{transcript.CRL{Intent: 23, List: list(t, 2).Raw}}},
		{5, []transcript.Record{transcript.IssuingClosed{Certificates: 2, Abandoned: 1}}},
		{6, []transcript.Record{transcript.SignatureIntent{Entry: 3, Name: "bundle cp-1", SHA256: spki}}}, // 26
		{6, []transcript.Record{transcript.Signature{Intent: 26, Signature: []byte("signature")}}},
		{7, []transcript.Record{transcript.Note{Text: "“다 되었다”", By: "kim"}, transcript.Deviation{Text: "the clock was 3 s late", By: []string{"kim", "lee"}}}},
		{7, []transcript.Record{transcript.CanaryIntent{Token: transcript.Token{Backend: "pkcs11", Label: "demo", Serial: "1"}, Algorithm: "ECDSA-P256", ID: keyID}}}, // 30
		{7, []transcript.Record{transcript.Canary{Intent: 30, Attributes: map[string]string{"CKA_LOCAL": "true"}, Trials: []transcript.Trial{
			{Name: "set CKA_EXTRACTABLE to true", Outcome: "CKR_ATTRIBUTE_READ_ONLY"}, {Name: "wrap", Outcome: "accepted", Leaks: true},
		}}}},
		{7, []transcript.Record{transcript.Preflight{Checks: []transcript.RoomCheck{
			{Name: "network", Seen: "up: eth0; down: none", Wrong: "eth0 is up", Level: "refuse"}, {Name: "swap", Seen: "none", Level: "warn"},
		}}, transcript.Deviation{Text: "network: eth0 is up: the HSM is reached by it", By: []string{"kim", "lee"}, Waives: "network"}}},
		{8, []transcript.Record{transcript.Closed{Signer: spki}}},
	}
}

// write plays steps into a new transcript and returns its path.
func write(t testing.TB, steps []step) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "transcript.jsonl")
	w, err := transcript.Create(&durable.Disk{}, path, clock(), open())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range steps {
		play(t, w, s)
	}
	if err := w.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func play(t testing.TB, w *transcript.Writer, s step) {
	t.Helper()
	for i, r := range s.recs {
		if _, ok := r.(transcript.Resumed); ok {
			s.recs[i] = transcript.Resumed{Head: w.Head()}
		}
	}
	if _, err := w.Append(s.n, s.recs...); err != nil {
		t.Fatal(err)
	}
}

func contents(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
