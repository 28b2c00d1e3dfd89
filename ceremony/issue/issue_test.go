package issue_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/issue"
	"officiant/ceremony/lint"
	"officiant/signer"
)

// A chain of each pair of algorithms is made and verifies, here and with openssl.
func TestChains(t *testing.T) {
	for _, tt := range []struct{ root, intermediate signer.Algorithm }{
		{signer.ECDSAP384, signer.ECDSAP256},
		{signer.ECDSAP521, signer.ECDSAP384},
		{signer.ECDSAP256, signer.ECDSAP521},
		{signer.RSA3072, signer.ECDSAP256},
		{signer.ECDSAP384, signer.RSA3072},
	} {
		w := newWorld(t, tt.root, tt.intermediate)
		checked := w.check()
		if checked.Name() != "worker-1/kubelet.conf" {
			t.Errorf("name %q", checked.Name())
		}
		der, err := issue.Sign(context.Background(), checked, w.key)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(leaf.RawTBSCertificate, checked.TBS()) || leaf.SerialNumber.Cmp(checked.Serial()) != 0 {
			t.Error("another certificate was signed")
		}
		if bytes.Equal(checked.Throwaway().Signature, leaf.Signature) || leaf.CheckSignatureFrom(w.issuer) != nil {
			t.Error("not the issuer's signature")
		}
		if checked.Throwaway().CheckSignatureFrom(w.issuer) == nil {
			t.Error("the throw-away certificate verifies with the issuer's key")
		}
		roots, between := x509.NewCertPool(), x509.NewCertPool()
		roots.AddCert(w.root)
		between.AddCert(w.issuer)
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: start.Add(time.Hour),
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
			t.Errorf("%s under %s: %v", tt.intermediate, tt.root, err)
		}
	}
}

// What Check refuses, no token is asked for.
func TestCheckRefuses(t *testing.T) {
	w := newWorld(t, signer.ECDSAP384, signer.ECDSAP256)
	other := newDevice(t, signer.ECDSAP256).Public()
	for name, tt := range map[string]struct {
		change  func(c *x509.Certificate, in *lint.Context)
		key     crypto.PublicKey
		subject crypto.PublicKey
		rule    string
		reason  string
	}{
		"a lint finding": {change: func(c *x509.Certificate, _ *lint.Context) { c.ExtKeyUsage = nil }, rule: "k8s_leaf_without_eku"},
		"a serial again": {change: func(_ *x509.Certificate, in *lint.Context) { in.Used = func(*big.Int) bool { return true } }, rule: "k8s_serial_used"},
		"another issuer in the context": {change: func(_ *x509.Certificate, in *lint.Context) { in.Issuer = w.root; in.Kind = lint.Root },
			rule: "k8s_issuer"},
		"a hash weaker than the key": {change: func(c *x509.Certificate, _ *lint.Context) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 },
			reason: "signature algorithm ECDSA-SHA1 is not supported"},
		"no algorithm": {change: func(c *x509.Certificate, _ *lint.Context) { c.SignatureAlgorithm = 0 }, reason: "is not supported"},
		"an algorithm of another kind of key": {change: func(c *x509.Certificate, _ *lint.Context) { c.SignatureAlgorithm = x509.SHA256WithRSA },
			reason: "worker-1/kubelet.conf: x509: requested SignatureAlgorithm does not match private key type"},
		"another key than the issuer's": {key: other, reason: "not the one its certificate holds"},
		"no key":                        {key: "x", reason: "not the one its certificate holds"},
		"the issuer's key for the leaf": {subject: w.key.Public(), rule: "k8s_issuer"},
		"a key that is none":            {subject: "x", reason: "worker-1/kubelet.conf: x509"},
	} {
		template, in := w.template(), w.context()
		if tt.change != nil {
			tt.change(template, &in)
		}
		if tt.key == nil {
			tt.key = w.key.Public()
		}
		if tt.subject == nil {
			tt.subject = w.subject
		}
		c, err := w.checker.Check(template, w.issuer, tt.key, tt.subject, in)
		if c != nil || err == nil {
			t.Errorf("%s: was checked", name)
			continue
		}
		var refused *issue.Refused
		if errors.As(err, &refused) != (tt.rule != "") || !strings.Contains(err.Error(), tt.rule+tt.reason) || !strings.Contains(err.Error(), "worker-1/kubelet.conf") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// One Checker serves many goroutines, from its first certificate on.
func TestCheckConcurrently(t *testing.T) {
	w := newWorld(t, signer.ECDSAP384, signer.ECDSAP256)
	w.checker = issue.NewChecker(rand.Reader)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5 {
				if _, err := w.checker.Check(w.template(), w.issuer, w.key.Public(), w.subject, w.context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestSignRefuses(t *testing.T) {
	w := newWorld(t, signer.ECDSAP384, signer.ECDSAP256)
	ctx := context.Background()
	for _, c := range []*issue.Checked{nil, {}} {
		if der, err := issue.Sign(ctx, c, w.key); der != nil || !errors.Is(err, issue.ErrNotChecked) {
			t.Errorf("what was not checked: %v", err)
		}
	}
	checked := w.check()
	other := newDevice(t, signer.ECDSAP256)
	if der, err := issue.Sign(ctx, checked, other); der != nil || err == nil || other.asked.Load() > 0 {
		t.Errorf("another key was asked: %v", err)
	}
	late, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
	defer cancel()
	for name, tt := range map[string]struct {
		ctx  context.Context
		sign func(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error)
		want error
	}{
		"no signature":  {ctx, func(context.Context, []byte, crypto.SignerOpts) ([]byte, error) { return nil, nil }, issue.ErrWrongSignature},
		"rubbish":       {ctx, func(context.Context, []byte, crypto.SignerOpts) ([]byte, error) { return []byte("signature"), nil }, issue.ErrWrongSignature},
		"another key's": {ctx, other.SignContext, issue.ErrWrongSignature},
		"another message": {ctx, func(ctx context.Context, d []byte, o crypto.SignerOpts) ([]byte, error) {
			sum := sha256.Sum256(d)
			return w.key.Signer.Sign(rand.Reader, sum[:], o)
		}, issue.ErrWrongSignature},
		"a flipped bit": {ctx, func(ctx context.Context, d []byte, o crypto.SignerOpts) ([]byte, error) {
			s, err := w.key.Signer.Sign(rand.Reader, d, o)
			s[len(s)-1] ^= 1
			return s, err
		}, issue.ErrWrongSignature},
		"a device that fails": {ctx, func(context.Context, []byte, crypto.SignerOpts) ([]byte, error) { return nil, signer.ErrUnavailable }, signer.ErrUnavailable},
		"a device that hangs": {late, func(ctx context.Context, _ []byte, _ crypto.SignerOpts) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, context.DeadlineExceeded},
	} {
		// The key says it is the right one, and signs as told.
		key := &device{Signer: w.key.Signer, label: "demo/kubernetes", sign: tt.sign}
		der, err := issue.Sign(tt.ctx, checked, key)
		if der != nil || !errors.Is(err, tt.want) || !strings.Contains(err.Error(), "demo/kubernetes") || !strings.Contains(err.Error(), checked.Name()) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// RSA alike.
	r := newWorld(t, signer.ECDSAP256, signer.RSA3072)
	key := &device{Signer: r.key.Signer, label: "demo/kubernetes", sign: newDevice(t, signer.RSA3072).SignContext}
	if der, err := issue.Sign(ctx, r.check(), key); der != nil || !errors.Is(err, issue.ErrWrongSignature) {
		t.Errorf("another RSA key's: %v", err)
	}
}

func TestSignAll(t *testing.T) {
	w := newWorld(t, signer.ECDSAP384, signer.ECDSAP256)
	var all []*issue.Checked
	for range 40 {
		all = append(all, w.check())
	}
	for _, workers := range []int{0, 1, 3, 100} {
		ders, err := issue.SignAll(context.Background(), all, w.key, workers)
		if err != nil || len(ders) != len(all) {
			t.Fatal(err)
		}
		for i, der := range ders {
			if c, err := x509.ParseCertificate(der); err != nil || c.SerialNumber.Cmp(all[i].Serial()) != 0 {
				t.Fatalf("%d workers: place %d holds another certificate (%v)", workers, i, err)
			}
		}
	}
	if ders, err := issue.SignAll(context.Background(), nil, w.key, 4); err != nil || len(ders) != 0 {
		t.Errorf("nothing: %v", err)
	}
}

// After a failure no more is asked for, and what was signed is handed over.
func TestSignAllStops(t *testing.T) {
	w := newWorld(t, signer.ECDSAP384, signer.ECDSAP256)
	var all []*issue.Checked
	for range 20 {
		all = append(all, w.check())
	}
	var n, signed atomic.Int64
	key := &device{Signer: w.key.Signer, label: "demo/kubernetes", sign: func(_ context.Context, d []byte, o crypto.SignerOpts) ([]byte, error) {
		if n.Add(1) == 8 {
			return nil, signer.ErrUnavailable
		}
		signed.Add(1)
		return w.key.Signer.Sign(rand.Reader, d, o)
	}}
	ders, err := issue.SignAll(context.Background(), all, key, 2)
	if !errors.Is(err, signer.ErrUnavailable) {
		t.Fatalf("error is %v", err)
	}
	got := int64(0)
	for _, der := range ders {
		if der != nil {
			got++
		}
	}
	if got != signed.Load() || got < 7 || got > 8 {
		t.Errorf("%d certificates of %d signatures", got, signed.Load())
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	before := w.key.asked.Load()
	if _, err := issue.SignAll(ctx, all, w.key, 2); !errors.Is(err, context.Canceled) || w.key.asked.Load() != before {
		t.Errorf("after an interrupt the key was asked %d times: %v", w.key.asked.Load()-before, err)
	}
}

func TestFile(t *testing.T) {
	data := []byte("0123  pki/ca.crt\n")
	sum := sha256.Sum256(data)
	ctx := context.Background()
	for _, a := range []signer.Algorithm{signer.ECDSAP256, signer.RSA3072} {
		key := newDevice(t, a)
		sig, err := issue.File(ctx, sum, key)
		if err != nil {
			t.Fatal(err)
		}
		opensslVerifies(t, key.Public(), data, sig)
		if signer.VerifyFile(newDevice(t, a).Public(), sum, sig) == nil {
			t.Errorf("%s: verifies with another key", a)
		}
		if signer.VerifyFile(key.Public(), sha256.Sum256(nil), sig) == nil {
			t.Errorf("%s: verifies another file", a)
		}
		liar := &device{Signer: key.Signer, label: "demo/release", sign: newDevice(t, a).SignContext}
		if sig, err := issue.File(ctx, sum, liar); sig != nil || !errors.Is(err, issue.ErrWrongSignature) || !strings.Contains(err.Error(), "demo/release") {
			t.Errorf("%s: another key's signature: %v", a, err)
		}
	}
	p384 := newDevice(t, signer.ECDSAP384) // its hash would not be SHA-256
	if _, err := issue.File(ctx, sum, p384); err == nil || p384.asked.Load() > 0 {
		t.Errorf("a P-384 release key was asked: %v", err)
	}
}

func TestFiles(t *testing.T) {
	key := newDevice(t, signer.ECDSAP256)
	var sums []fingerprint.SHA256
	for i := range 20 {
		sums = append(sums, fingerprint.Of([]byte{byte(i)}))
	}
	signatures, err := issue.Files(context.Background(), sums, key, 3)
	if err != nil {
		t.Fatal(err)
	}
	for i, sig := range signatures {
		if err := signer.VerifyFile(key.Public(), sums[i], sig); err != nil {
			t.Errorf("signature %d is not that of file %d: %v", i, i, err)
		}
	}
	asked := 0
	breaks := &device{Signer: key.Signer, label: "demo/release", sign: func(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
		if asked++; asked == 3 {
			return nil, errors.New("device error")
		}
		return key.SignContext(ctx, digest, opts)
	}}
	signatures, err = issue.Files(context.Background(), sums, breaks, 1)
	if err == nil || asked != 3 || signatures[1] == nil || signatures[2] != nil {
		t.Errorf("asked %d times: %v", asked, err)
	}
}

// opensslVerifies does what docs tell everybody to do.
func opensslVerifies(t *testing.T, pub crypto.PublicKey, data, sig []byte) {
	t.Helper()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Log("openssl is not installed")
		return
	}
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string][]byte{"pub": der, "data": data, "sig": sig} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(openssl, "dgst", "-sha256", "-keyform", "DER", "-verify", "pub", "-signature", "sig", "data")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("openssl: %s", out)
	}
}
