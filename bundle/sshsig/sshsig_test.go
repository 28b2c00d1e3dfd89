package sshsig

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"officiant/bundle/limittest"
)

const namespace = "officiant-test"

var message = []byte("what is signed\n")

func keys(t testing.TB) map[string]crypto.Signer {
	t.Helper()
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	ec5, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	check(t, err)
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	check(t, err)
	return map[string]crypto.Signer{"ed25519": ed, "ecdsa": ec, "ecdsa521": ec5, "rsa": rs}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func signer(t testing.TB, key crypto.Signer) ssh.Signer {
	t.Helper()
	s, err := ssh.NewSignerFromSigner(key)
	check(t, err)
	return s
}

func TestVerify(t *testing.T) {
	for name, key := range keys(t) {
		s := signer(t, key)
		sig, err := Sign(rand.Reader, s, namespace, message)
		check(t, err)
		got, err := Verify(sig, namespace, message)
		if err != nil || !bytes.Equal(got.Marshal(), s.PublicKey().Marshal()) {
			t.Errorf("%s: %v", name, err)
		}
		for i := range sig {
			changed := bytes.Clone(sig)
			changed[i] ^= 1
			if _, err := Verify(changed, namespace, message); err == nil {
				t.Errorf("%s: byte %d changed: accepted", name, i)
			}
		}
	}
}

// What one of the two programs signs, the other verifies.
func TestSSHKeygen(t *testing.T) {
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		if os.Getenv("OFFICIANT_REQUIRE_SOFTHSM") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	for name, key := range keys(t) {
		dir := t.TempDir()
		at := func(name string) string { return filepath.Join(dir, name) }
		block, err := ssh.MarshalPrivateKey(key, "")
		check(t, err)
		s := signer(t, key)
		check(t, os.WriteFile(at("key"), pem.EncodeToMemory(block), 0o600))
		check(t, os.WriteFile(at("message"), message, 0o600))
		check(t, os.WriteFile(at("allowed"), append([]byte("me "), ssh.MarshalAuthorizedKey(s.PublicKey())...), 0o600))
		if out, err := exec.Command("ssh-keygen", "-Y", "sign", "-f", at("key"), "-n", namespace, at("message")).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		theirs, err := os.ReadFile(at("message.sig"))
		check(t, err)
		if _, err := Verify(theirs, namespace, message); err != nil {
			t.Errorf("%s: theirs: %v\n%s", name, err, theirs)
		}
		ours, err := Sign(rand.Reader, s, namespace, message)
		check(t, err)
		check(t, os.WriteFile(at("ours.sig"), ours, 0o600))
		c := exec.Command("ssh-keygen", "-Y", "verify", "-f", at("allowed"), "-I", "me", "-n", namespace, "-s", at("ours.sig"))
		c.Stdin = bytes.NewReader(message)
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%s: ours: %v\n%s", name, err, out)
		}
	}
}

func TestRefused(t *testing.T) {
	s := signer(t, keys(t)["ed25519"])
	good, err := Sign(rand.Reader, s, namespace, message)
	check(t, err)
	b, err := parse(good)
	check(t, err)
	with := func(change func(*blob)) []byte { c := *b; change(&c); return armor(ssh.Marshal(c)) }
	text := string(good)
	for _, row := range []struct{ what, sig, want string }{
		{"nothing", "", "is not an SSH signature"},
		{"another namespace", string(must(t, s, "file", message)), `is a signature for "file", not officiant-test`},
		{"another message", string(must(t, s, namespace, []byte("x"))), "is not the signature of this file"},
		{"text before", "# x\n" + text, "is not an SSH signature"},
		{"text behind", text + "\n", "is not an SSH signature"},
		{"without a newline", strings.TrimSuffix(text, "\n"), "is not an SSH signature"},
		{"other line ends", strings.ReplaceAll(text, "\n", "\r\n"), "is not an SSH signature"},
		{"one line", begin + strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(text, begin), end), "\n", "") + "\n" + end, "is not an SSH signature"},
		{"version 2", string(with(func(b *blob) { b.Version = 2 })), "is not an SSH signature"},
		{"something reserved", string(with(func(b *blob) { b.Reserved = "x" })), "is not an SSH signature"},
		{"hash", string(with(func(b *blob) { b.Hash = "md5" })), `is of the hash "md5"`},
		{"other hash", string(with(func(b *blob) { b.Hash = "sha256" })), "is not the signature of this file"},
		{"no key", string(with(func(b *blob) { b.PublicKey = nil })), "its public key"},
		{"no signature", string(with(func(b *blob) { b.Signature = nil })), "is damaged"},
		{"too long", begin + strings.Repeat("A", maxSize) + "\n" + end, "is not an SSH signature"},
	} {
		if _, err := Verify([]byte(row.sig), namespace, message); err == nil || !strings.HasPrefix(err.Error(), row.want) {
			t.Errorf("%s: got %v, want %s", row.what, err, row.want)
		}
	}
}

func must(t *testing.T, s ssh.Signer, namespace string, message []byte) []byte {
	t.Helper()
	sig, err := Sign(rand.Reader, s, namespace, message)
	check(t, err)
	return sig
}

// An RSA signature with SHA-1, and weak keys, are refused.
func TestWeak(t *testing.T) {
	s := signer(t, keys(t)["rsa"])
	sum := sha512.Sum512(message)
	data := append([]byte(magic), ssh.Marshal(signedData{namespace, "", "sha512", sum[:]})...)
	sig, err := s.(ssh.AlgorithmSigner).SignWithAlgorithm(rand.Reader, data, ssh.KeyAlgoRSA)
	check(t, err)
	text := armor(ssh.Marshal(blob{version, s.PublicKey().Marshal(), namespace, "", "sha512", ssh.Marshal(sig)}))
	if _, err := Verify(text, namespace, message); err == nil || !strings.Contains(err.Error(), "not with SHA-2") {
		t.Errorf("SHA-1: %v", err)
	}
	small, err := ssh.NewSignerFromKey(smallRSA(t))
	check(t, err)
	if _, err := Sign(rand.Reader, small, namespace, message); err == nil || !strings.Contains(err.Error(), "its RSA key has 1024 bits") {
		t.Errorf("1024 bits: %v", err)
	}
}

func smallRSA(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	t.Setenv("GODEBUG", "rsa1024min=0")
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	check(t, err)
	return key
}

func FuzzVerify(f *testing.F) {
	sig, err := Sign(rand.Reader, signer(f, keys(f)["ed25519"]), namespace, message)
	check(f, err)
	f.Add(sig)
	f.Add([]byte(begin + end))
	f.Fuzz(func(t *testing.T, data []byte) {
		defer limittest.Budget(t)()
		key, err := Verify(data, namespace, message)
		if (key == nil) == (err == nil) {
			t.Errorf("%v and %v", key, err)
		}
	})
}
