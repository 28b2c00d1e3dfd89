package progress

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
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

var began = time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)

func certificateOf(t *testing.T, serial int64, name string) *x509.Certificate {
	t.Helper()
	key := ed25519.NewKeyFromSeed([]byte(strings.Repeat("s", 32)))
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
		NotBefore: began, NotAfter: began.AddDate(1, 0, 0)}
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

// issue records the certificates of an authority and of a leaf; the last line is not synced.
func issue(t *testing.T) (p *Progress, path string, root, leaf *x509.Certificate) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "transcript.jsonl")
	now := func() time.Time { return began }
	p = New([]string{"one"})
	p.At(1)
	open := transcript.Open{Name: "demo", Cluster: "demo", Sequence: 1, Steps: 1, NotBefore: began,
		Digest: fingerprint.Of([]byte("digest")), Program: transcript.Program{Version: "v1", Go: "go1"},
		Host: transcript.Host{Name: "room", Interfaces: []string{}}}
	if err := p.Create(&durable.Disk{}, path, now, open); err != nil {
		t.Fatal(err)
	}
	root, leaf = certificateOf(t, 7, "root"), certificateOf(t, 8, "worker-1")
	for i, c := range []*x509.Certificate{root, leaf} {
		name := []string{"root", "worker-1/kubelet.conf"}[i]
		intent, err := p.Record(transcript.Intent{Entry: i + 1, Name: name, Signer: "root", TBS: c.RawTBSCertificate})
		if err == nil {
			_, err = p.Append(transcript.Issued{Intent: intent, Certificate: c.Raw})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return p, path, root, leaf
}

// TestCertificatesAreReadBack: of a leaf the state has its place in the record, whether it is
// on the disk yet or not, written by this process or found by it.
func TestCertificatesAreReadBack(t *testing.T) {
	p, path, root, leaf := issue(t)
	check := func(p *Progress) {
		t.Helper()
		c, err := p.Certificate("worker-1/kubelet.conf")
		if err != nil || !c.Equal(leaf) {
			t.Errorf("the leaf is not the one that was issued: %v", err)
		}
		held := p.Authority("root")
		if held == nil || !held.Equal(root) || p.Authority("worker-1/kubelet.conf") != nil {
			t.Error("the root is not held, or the leaf is")
		}
		const nobodys = "worker-2/kubelet.conf"
		if c, err := p.Certificate(nobodys); c != nil || err != nil || p.Issued(nobodys) {
			t.Errorf("there is a certificate that nobody issued: %v", err)
		}
		if !p.Issued("root") || p.Certificates() != 2 || !p.SerialUsed(big.NewInt(8)) || p.SerialUsed(big.NewInt(9)) {
			t.Error("what is issued, or which serial numbers are used, is not known")
		}
	}
	check(p) // the leaf's line is in memory
	if _, err := p.Record(transcript.IssuingClosed{Certificates: 2, Authorities: []transcript.Standing{}}); err != nil {
		t.Fatal(err)
	}
	sums := fingerprint.Of([]byte("sums"))
	first, err := p.Record(transcript.SignatureIntent{Entry: 3, Name: "bundle worker-1", SHA256: sums})
	if err == nil {
		_, err = p.Record(transcript.Signature{Intent: first, Signature: []byte("signature")})
	}
	if err != nil {
		t.Fatal(err)
	}
	check(p)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	again := New([]string{"one"})
	lines, asked := 0, false
	_, err = again.Resume(&durable.Disk{}, path, func() time.Time { return began },
		func(transcript.Line) { lines++ }, func() error { asked = true; return nil })
	if err != nil {
		t.Fatal(err)
	}
	if lines == 0 || !asked {
		t.Errorf("%d lines shown, asked %t", lines, asked)
	}
	defer again.Close()
	check(again)
	s, ok, err := again.Signature("bundle worker-1")
	if err != nil || !ok || string(s.Bytes) != "signature" || s.SHA256 != sums || !again.Signed("bundle worker-1") {
		t.Errorf("the signature that is read back is %t, %q, %v", ok, s.Bytes, err)
	}
	if _, ok, err := again.Signature("bundle worker-2"); ok || err != nil || again.Signed("bundle worker-2") {
		t.Errorf("there is a signature that nobody made: %v", err)
	}
}

// TestChangedRecordIsNotReadBack has the record change below a running ceremony.
func TestChangedRecordIsNotReadBack(t *testing.T) {
	for what, change := range map[string]struct {
		do   func(data []byte, leaf *x509.Certificate) []byte
		want string
	}{
		"another certificate": {func(data []byte, leaf *x509.Certificate) []byte {
			was := []byte(base64.StdEncoding.EncodeToString(leaf.Raw))
			other := bytes.Clone(leaf.Raw)
			other[len(other)-1] ^= 1
			return bytes.Replace(data, was, []byte(base64.StdEncoding.EncodeToString(other)), 1)
		}, "the record was changed while the ceremony was at work"},
		"no line": {func(data []byte, leaf *x509.Certificate) []byte {
			return bytes.Replace(data, []byte(`"type":"issued"`), []byte(`"type":"issuex"`), 2)
		}, "is not what was recorded"},
		"cut off": {func(data []byte, _ *x509.Certificate) []byte { return data[:200] }, "EOF"},
	} {
		t.Run(what, func(t *testing.T) {
			p, path, _, leaf := issue(t)
			defer p.Close()
			if err := p.Sync(); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			changed := change.do(data, leaf)
			if bytes.Equal(changed, data) {
				t.Fatal("nothing was changed")
			}
			if err := os.WriteFile(path, changed, 0o644); err != nil {
				t.Fatal(err)
			}
			_, err = p.Certificate("worker-1/kubelet.conf")
			if err == nil || !strings.Contains(err.Error(), change.want) {
				t.Errorf("got: %v", err)
			}
		})
	}
}
