//go:build cgo

package pkcs11

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/pkcs11"
	"golang.org/x/sys/unix"

	"officiant/signer"
)

// works shows that a key was paired with its own public half.
func works(t *testing.T, k signer.Key) {
	t.Helper()
	if err := sign(t.Context(), k.(*key)); err != nil {
		t.Errorf("%s: %v", k.Info().Label, err)
	}
}

// TestPairsOfOthers: keys as other programs leave them are paired as far as
// label or id tell, and each signature shows that it was right.
func TestPairsOfOthers(t *testing.T) {
	const ec = pkcs11.CKM_EC_KEY_PAIR_GEN
	r := newRoom(t, "officiant-root")
	s := r.open(t, 0)
	foreign(t, s, "no id", nil, ec, p256)
	foreign(t, s, "no id either", nil, ec, p256)
	foreign(t, s, "2019", []byte{0x12}, ec, p256)
	foreign(t, s, "2024", []byte{0x12}, ec, p256)
	foreign(t, s, "padded\x00\x00", []byte{0x13}, ec, p256)
	for _, label := range []string{"no id", "no id either", "2019", "2024", "padded"} {
		k, err := s.Find(t.Context(), r.ref(0, label))
		if err != nil {
			t.Errorf("%s: %v", label, err)
			continue
		}
		works(t, k)
	}
}

// TestCandidates: several keys of one label are listed with what tells them
// apart, and reached by it.
func TestCandidates(t *testing.T) {
	const ec = pkcs11.CKM_EC_KEY_PAIR_GEN
	r := newRoom(t, "officiant-root")
	s := r.open(t, 0)
	foreign(t, s, "root", []byte{0x0a, 1}, ec, p256)
	foreign(t, s, "root", []byte{0x0a, 2}, ec, p256)
	_, err := s.Find(t.Context(), r.ref(0, "root"))
	if !errors.Is(err, signer.ErrAmbiguous) {
		t.Fatal(err)
	}
	for _, id := range []string{"id=%0a%01", "id=%0a%02"} {
		if !strings.Contains(err.Error(), id) {
			t.Errorf("%s is not among the candidates: %v", id, err)
		}
		ref := signer.Ref{URI: strings.Replace(r.ref(0, "").URI, "?", ";object=root;"+id+"?", 1)}
		k, err := s.Find(t.Context(), ref)
		if err != nil {
			t.Errorf("%s: %v", id, err)
			continue
		}
		works(t, k)
		der, err := x509.MarshalPKIXPublicKey(k.Public())
		if err != nil {
			t.Fatal(err)
		}
		again, err := s.FindPublic(t.Context(), r.ref(0, "whatever"), sha256.Sum256(der))
		if err != nil || string(again.Info().ID) != string(k.Info().ID) {
			t.Errorf("by its public key: %v", err)
		}
	}
	if _, err := s.FindPublic(t.Context(), r.ref(0, ""), [32]byte{}); !errors.Is(err, signer.ErrNotFound) {
		t.Errorf("a public key that nobody has: %v", err)
	}
	foreign(t, s, "twin", []byte{3}, ec, p256)
	foreign(t, s, "twin", []byte{3}, ec, p256)
	if _, err := s.Find(t.Context(), r.ref(0, "twin")); !errors.Is(err, signer.ErrAmbiguous) ||
		!strings.Contains(err.Error(), "by its public key") {
		t.Errorf("twins: %v", err)
	}
}

// TestPINSourceRefused: what an editor has put around a PIN, a file of others', and a pipe
// that nobody writes to cost no try and keep nobody waiting.
func TestPINSourceRefused(t *testing.T) {
	r := newRoom(t, "officiant-root")
	w := r.wrap(t)
	dir := t.TempDir()
	open := func(ctx context.Context, source string) error {
		ref := r.ref(0, "")
		ref.URI += "&pin-source=file:" + source
		s, err := Open(ctx, ref, nil)
		if err != nil {
			return err
		}
		return s.Close()
	}
	for name, c := range map[string]struct{ content, want string }{
		"utf8-bom":  {"\xef\xbb\xbf" + r.pin + "\r\n", "byte order mark"},
		"utf16le":   {"\xff\xfeu\x00s\x00", "UTF-16"},
		"utf16":     {"u\x00s\x00", "UTF-16"},
		"no-break":  {r.pin + "\u00a0", "cannot be seen"},
		"zerowidth": {"\u200b" + r.pin, "cannot be seen"},
		"escape":    {"\x1b" + r.pin, "cannot be seen"},
		"lines":     {r.pin + "\r\n" + r.pin, "more than one line"},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := open(t.Context(), path); err == nil || !strings.Contains(err.Error(), c.want) ||
			!strings.Contains(err.Error(), "no PIN was tried") {
			t.Errorf("%s: %v", name, err)
		}
	}
	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	start := time.Now()
	if err := open(ctx, pipe); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > time.Minute {
		t.Errorf("a pipe without a writer: %v after %s", err, time.Since(start))
	}
	if os.Getuid() == 0 {
		theirs := filepath.Join(dir, "theirs")
		if err := errors.Join(os.WriteFile(theirs, []byte(r.pin), 0o600), os.Chown(theirs, 65534, 65534)); err != nil {
			t.Fatal(err)
		}
		if err := open(t.Context(), theirs); err == nil || !strings.Contains(err.Error(), "belongs to user 65534") {
			t.Errorf("a file of others: %v", err)
		}
	}
	if n := w.calls(t)["C_Login"]; n != 0 {
		t.Errorf("%d tries were spent", n)
	}
	go func() {
		time.Sleep(3 * pollTime)
		_ = os.WriteFile(pipe, []byte(r.pin+"\n"), 0)
	}()
	if err := open(t.Context(), pipe); err != nil {
		t.Errorf("a pipe that is written to later: %v", err)
	}
}

// placeCertificate puts what is said to be a certificate into a token.
func placeCertificate(t *testing.T, s *store, label string, id, der []byte) {
	t.Helper()
	on(t, s, func(h pkcs11.SessionHandle) error {
		_, err := s.lib.ctx.CreateObject(h, []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_CERTIFICATE),
			pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
			pkcs11.NewAttribute(pkcs11.CKA_CERTIFICATE_TYPE, pkcs11.CKC_X_509),
			pkcs11.NewAttribute(pkcs11.CKA_SUBJECT, []byte{0x30, 0}), pkcs11.NewAttribute(pkcs11.CKA_LABEL, label),
			pkcs11.NewAttribute(pkcs11.CKA_ID, id), pkcs11.NewAttribute(pkcs11.CKA_VALUE, der),
		})
		return err
	})
}

// TestCertificatesOfOthers: a private key beside its certificate, with no public key
// object, is paired by the certificate; a certificate alone is no key, and says so.
func TestCertificatesOfOthers(t *testing.T) {
	const ec = pkcs11.CKM_EC_KEY_PAIR_GEN
	r := newRoom(t, "officiant-root")
	s := r.open(t, 0)
	certificate := func(k signer.Key) []byte {
		t.Helper()
		template := &x509.Certificate{SerialNumber: big.NewInt(1)}
		der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	made := foreign(t, s, "corp", []byte{0x21}, ec, p256)
	other := foreign(t, s, "other", []byte{0x22}, ec, p256)
	find := func(label string) (signer.Key, error) { return s.Find(t.Context(), r.ref(0, label)) }
	first, err := find("corp")
	if err != nil {
		t.Fatal(err)
	}
	second, err := find("other")
	if err != nil {
		t.Fatal(err)
	}
	own, others := certificate(first), certificate(second)
	destroyObject(t, s, made.public)
	if _, err := find("corp"); err == nil || !strings.Contains(err.Error(), "has its id 21, no certificate has it") {
		t.Errorf("no public half: %v", err)
	}
	placeCertificate(t, s, "corp", []byte{0x21}, own)
	k, err := find("corp")
	if err != nil {
		t.Fatal(err)
	}
	works(t, k)
	placeCertificate(t, s, "corp, of another key", []byte{0x21}, others)
	if _, err := find("corp"); !errors.Is(err, signer.ErrAmbiguous) {
		t.Errorf("two certificates: %v", err)
	}
	placeCertificate(t, s, "lonely", []byte{0x23}, own)
	destroyObject(t, s, other.private)
	for label, want := range map[string]string{
		"lonely": "a certificate has the name, and its private key is not in the token",
		"other":  "a public key has the name, and its private half is not", "nobody": "",
	} {
		if _, err := find(label); !errors.Is(err, signer.ErrNotFound) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", label, err)
		}
	}
}
