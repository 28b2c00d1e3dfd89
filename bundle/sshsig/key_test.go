package sshsig

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// fido is a security key in software: it signs what one would sign.
type fido struct {
	public  ssh.PublicKey
	private ed25519.PrivateKey
	flags   byte
}

const application = "ssh:"

func newFIDO(t testing.TB) *fido {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	key, err := ssh.ParsePublicKey(ssh.Marshal(struct {
		Kind        string
		Key         []byte
		Application string
	}{ssh.KeyAlgoSKED25519, public, application}))
	check(t, err)
	return &fido{key, private, 0x01}
}

func (f *fido) PublicKey() ssh.PublicKey { return f.public }

func (f *fido) Sign(_ io.Reader, data []byte) (*ssh.Signature, error) {
	app, sum := sha256.Sum256([]byte(application)), sha256.Sum256(data)
	rest := binary.BigEndian.AppendUint32([]byte{f.flags}, 7)
	signed := bytes.Join([][]byte{app[:], rest, sum[:]}, nil)
	return &ssh.Signature{Format: ssh.KeyAlgoSKED25519, Blob: ed25519.Sign(f.private, signed), Rest: rest}, nil
}

// A security key's signature counts when it was touched; ssh-keygen reads the same.
func TestSecurityKey(t *testing.T) {
	key := newFIDO(t)
	sig, err := Sign(rand.Reader, key, namespace, message)
	check(t, err)
	if _, err := Verify(sig, namespace, message); err != nil {
		t.Error(err)
	}
	key.flags = 0x04 // verified, but not present
	untouched, err := Sign(rand.Reader, key, namespace, message)
	check(t, err)
	if _, err := Verify(untouched, namespace, message); err == nil || !strings.Contains(err.Error(), "nobody touched") {
		t.Errorf("untouched: %v", err)
	}
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "allowed"), []byte("me "+Line(key.public)+"\n"), 0o600))
	check(t, os.WriteFile(filepath.Join(dir, "sig"), sig, 0o600))
	c := exec.Command("ssh-keygen", "-Y", "verify", "-f", "allowed", "-I", "me", "-n", namespace, "-s", "sig")
	c.Dir, c.Stdin = dir, bytes.NewReader(message)
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// What stands behind a signature is refused: a signature has one spelling.
func TestTrailing(t *testing.T) {
	for name, key := range map[string]ssh.Signer{"ed25519": signer(t, keys(t)["ed25519"]), "security key": newFIDO(t)} {
		sum := sha512.Sum512(message)
		sig, err := key.Sign(rand.Reader, append([]byte(magic), ssh.Marshal(signedData{namespace, "", "sha512", sum[:]})...))
		check(t, err)
		sig.Rest = append(sig.Rest, 0)
		text := armor(ssh.Marshal(blob{version, key.PublicKey().Marshal(), namespace, "", "sha512", ssh.Marshal(sig)}))
		if _, err := Verify(text, namespace, message); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseKey(t *testing.T) {
	good := map[string]ssh.PublicKey{"security key": newFIDO(t).public}
	for name, key := range keys(t) {
		good[name] = signer(t, key).PublicKey()
	}
	for name, want := range good {
		for _, line := range []string{Line(want), Line(want) + " kim@example.com", Line(want) + " a b"} {
			got, err := ParseKey(line)
			if err != nil || !bytes.Equal(got.Marshal(), want.Marshal()) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	line := Line(good["ed25519"])
	kind, text, _ := strings.Cut(line, " ")
	small, err := ssh.NewSignerFromKey(smallRSA(t))
	check(t, err)
	certificate := &ssh.Certificate{Key: good["ed25519"], CertType: ssh.UserCert, ValidBefore: ssh.CertTimeInfinity}
	check(t, certificate.SignCert(rand.Reader, signer(t, keys(t)["ed25519"])))
	for _, row := range []struct{ what, line, want string }{
		{"nothing", "", "is not an SSH public key, as a .pub file has it: it is empty"},
		{"a comment", "# " + line, `has "#" before its kind`},
		{"two lines", line + "\n" + line, "is more than one line"},
		{"a line end", line + "\n", "is more than one line"},
		{"options", "no-pty " + line, `has "no-pty" before its kind`},
		{"a name, as in allowed_signers", "kim@example.com " + line, `has "kim@example.com" before its kind`},
		{"a name and its namespace", `kim namespaces="file" ` + line, `has "kim" before its kind`},
		{"another kind", "ssh-rsa " + text, `says "ssh-rsa", and the base64 after it is a key of the kind ssh-ed25519`},
		{"base64 alone", text, "lacks its kind: write ssh-ed25519 before it"},
		{"the name of a file", "kim.pub", "is the name of a file"},
		{"kind alone", kind, "is not an SSH public key"},
		{"cut short", line[:40], "is not an SSH public key"},
		{"a private key", "-----BEGIN OPENSSH PRIVATE KEY-----", "is a private key; ssh-keygen -y"},
		{"a fingerprint", ssh.FingerprintSHA256(good["ed25519"]), "is a fingerprint"},
		{"an old fingerprint", ssh.FingerprintLegacyMD5(good["ed25519"]), "is not an SSH public key"},
		{"a small RSA key", Line(small.PublicKey()), "its RSA key has 1024 bits"},
		{"a certificate", Line(certificate), "is an SSH certificate of a key of the kind ssh-ed25519"},
		{"no DSA key", dsaLine, "is not an SSH public key|its key is of the kind ssh-dss"},
		{"DSA", dsaKey(t), "its key is of the kind ssh-dss"},
	} {
		_, err := ParseKey(row.line)
		if err == nil {
			err = errors.New("accepted")
		}
		ok := false
		for want := range strings.SplitSeq(row.want, "|") {
			ok = ok || strings.HasPrefix(err.Error(), want)
		}
		if !ok {
			t.Errorf("%s: got %v, want %s", row.what, err, row.want)
		}
	}
}

// dsaKey is a public key whose numbers have the sizes of DSA's.
func dsaKey(t *testing.T) string {
	t.Helper()
	one := big.NewInt(1)
	return "ssh-dss " + base64.StdEncoding.EncodeToString(ssh.Marshal(struct {
		Kind       string
		P, Q, G, Y *big.Int
	}{"ssh-dss", new(big.Int).Lsh(one, 1023), new(big.Int).Lsh(one, 159), one, one}))
}

// dsaLine has the form of a DSA key; no program makes them any more.
const dsaLine = "ssh-dss AAAAB3NzaC1kc3MAAAABBwAAAAEDAAAAAQIAAAABBA=="
