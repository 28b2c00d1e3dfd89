package seal

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"io"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"
	"golang.org/x/crypto/ssh"
)

func identity(t testing.TB) (id, recipient string) {
	t.Helper()
	id, recipient, err := NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return id, recipient
}

func TestSealOpen(t *testing.T) {
	id1, r1 := identity(t)
	id2, r2 := identity(t)
	stranger, _ := identity(t)
	secret := []byte("not a key, but treated like one")
	sealed, err := Seal([]string{r1, r2}, secret)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(sealed, []byte("-----BEGIN AGE ENCRYPTED FILE-----\n")) || bytes.Contains(sealed, secret) {
		t.Errorf("sealed as\n%s", sealed)
	}
	for _, id := range []string{id1, id2} {
		got, err := Open(id, sealed)
		if err != nil || !bytes.Equal(got, secret) {
			t.Errorf("Open: %q, %v", got, err)
		}
	}
	if _, err := Open(stranger, sealed); !errors.Is(err, ErrNotForUs) {
		t.Errorf("a stranger's identity: %v", err)
	}
	if r, err := Recipient(id1); err != nil || r != r1 {
		t.Errorf("Recipient: %q, %v", r, err)
	}
}

func TestOpenRefusesEveryChange(t *testing.T) {
	id, r := identity(t)
	sealed, err := Seal([]string{r}, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if got, err := Open(id, changed); err == nil {
			t.Errorf("byte %d changed: opened as %q", i, got)
		}
		// Without its last newline it is the same file.
		if got, err := Open(id, sealed[:i]); err == nil && i < len(sealed)-1 {
			t.Errorf("cut at byte %d: opened as %q", i, got)
		}
	}
	if _, err := Open(id, append(bytes.Clone(sealed), "more"...)); err == nil {
		t.Error("opened with text behind it")
	}
}

const sshKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN"

// A node and an escrow with an SSH key, in one file.
func TestSealToSSHToo(t *testing.T) {
	pub, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sshPub, err := ssh.NewPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	id, recipient := identity(t)
	sealed, err := Seal([]string{recipient, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(sshPub)))}, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Open(id, sealed); err != nil || string(got) != "secret" {
		t.Errorf("the node: %q, %v", got, err)
	}
	escrow, err := agessh.NewEd25519Identity(private)
	if err != nil {
		t.Fatal(err)
	}
	r, err := age.Decrypt(armor.NewReader(bytes.NewReader(sealed)), escrow)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != "secret" {
		t.Errorf("the escrow: %q, %v", got, err)
	}
}

func TestBadRecipients(t *testing.T) {
	id, good := identity(t)
	// Its point is all zeros, so that no shared secret comes of it.
	const lowOrder = "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq5cu47z"
	bad := map[string]string{
		"empty":              "",
		"an identity":        id,
		"cut":                good[:len(good)-1],
		"a letter changed":   swapLetter(good, 10),
		"blank before":       " " + good,
		"newline after":      good + "\n",
		"two":                good + "\n" + good,
		"upper case":         strings.ToUpper(good),
		"a plugin's":         "age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t",
		"ssh, no key":        "ssh-ed25519",
		"ssh, broken":        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO",
		"ssh ecdsa":          "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBA==",
		"ssh with options":   `command="sh" ` + sshKey,
		"ssh, wrong name":    strings.Replace(sshKey, "ssh-ed25519", "ssh-rsa", 1),
		"ssh, two lines":     sshKey + "\n" + sshKey,
		"escape sequence":    "age1\x1b[2J",
		"not ASCII":          "age1\u202e",
		"a point of order 1": lowOrder,
	}
	for name, s := range bad {
		err := ValidRecipient(s)
		if s == lowOrder {
			if _, perr := parseRecipient(s); perr != nil {
				t.Errorf("%s: does not even parse: %v", name, perr)
			}
		}
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		if strings.Contains(err.Error(), id) || strings.ContainsAny(err.Error(), "\x1b\n\u202e") {
			t.Errorf("%s: the error repeats what it must not: %q", name, err)
		}
	}
	for _, s := range []string{good, sshKey, sshKey + " escrow@example"} {
		if err := ValidRecipient(s); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	if _, err := Seal(nil, []byte("x")); err == nil {
		t.Error("sealed to nobody")
	}
	if _, err := Seal([]string{good, good}, []byte("x")); err == nil {
		t.Error("sealed twice to the same")
	}
	if _, err := Seal([]string{good}, make([]byte, maxSecret+1)); err == nil {
		t.Error("sealed too much")
	}
}

// TestLongSecret: what others sealed is opened up to the bound, and no further.
func TestLongSecret(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for _, more := range []int{0, 1} {
		var sealed bytes.Buffer
		text := armor.NewWriter(&sealed)
		w, err := age.Encrypt(text, id.Recipient())
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Write(make([]byte, maxSecret+more))
		if err = errors.Join(err, w.Close(), text.Close()); err != nil {
			t.Fatal(err)
		}
		secret, err := Open(id.String(), sealed.Bytes())
		if more == 0 && (err != nil || len(secret) != maxSecret) {
			t.Errorf("at the bound: %d bytes, %v", len(secret), err)
		}
		if more > 0 && (err == nil || err.Error() != "open a sealed file: the secret is longer than 1048576 bytes") {
			t.Errorf("beyond it: %v", err)
		}
	}
}

func TestBadIdentityIsNotRepeated(t *testing.T) {
	id, _ := identity(t)
	for _, s := range []string{"", id[:len(id)-1], strings.ToLower(id), id + "\n"} {
		_, err := Open(s, nil)
		if err == nil || s != "" && strings.Contains(err.Error(), s[:20]) {
			t.Errorf("%v", err)
		}
	}
}

// swapLetter puts another letter of bech32's alphabet at i.
func swapLetter(s string, i int) string {
	if s[i] == 'q' {
		return s[:i] + "p" + s[i+1:]
	}
	return s[:i] + "q" + s[i+1:]
}

// TestSSHIdentity: a host key opens what is sealed to it, here and for age.
func TestSSHIdentity(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	small, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text := func(key crypto.PrivateKey) string {
		block, err := ssh.MarshalPrivateKey(key, "host")
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(block))
	}
	_, other := identity(t)
	for kind, id := range map[string]string{"ssh-ed25519": text(ed), "ssh-rsa": text(rsaKey)} {
		recipient, err := Recipient(id)
		if err != nil || !strings.HasPrefix(recipient, kind+" AAAA") || strings.Count(recipient, " ") != 1 {
			t.Fatalf("%s: %q, %v", kind, recipient, err)
		}
		sealed, err := Seal([]string{other, recipient}, []byte("secret"))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Open(id, sealed); err != nil || string(got) != "secret" {
			t.Errorf("%s: %q, %v", kind, got, err)
		}
		foreign, err := Seal([]string{other}, []byte("secret"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Open(id, foreign); !errors.Is(err, ErrNotForUs) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if _, err := Recipient(text(small)); err == nil || !strings.Contains(err.Error(), "ssh-ed25519 …, ssh-rsa …") {
		t.Errorf("an ECDSA host key: %v", err)
	}
	locked, err := ssh.MarshalPrivateKeyWithPassphrase(ed, "host", []byte("a passphrase"))
	if err != nil {
		t.Fatal(err)
	}
	for want, id := range map[string]string{
		"passphrase":              string(pem.EncodeToMemory(locked)),
		"neither of the form":     "-----BEGIN CERTIFICATE-----\n",
		"nor an SSH private key":  "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n-----END OPENSSH PRIVATE KEY-----\n",
		"neither of the form AGE": "secret",
	} {
		for what, err := range map[string]error{"Recipient": last(Recipient(id)), "Open": last(Open(id, []byte("x")))} {
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "c2VjcmV0") {
				t.Errorf("%s, %s: %v", what, want, err)
			}
		}
	}
}

func last[T any](_ T, err error) error { return err }

// TestHybrid: a file is sealed to hybrid recipients when all have one, and to none of them
// otherwise; who has an older identity is served all the same.
func TestHybrid(t *testing.T) {
	id, r := identity(t)
	hybrid, classic, _ := strings.Cut(r, " ")
	secret, older, _ := strings.Cut(id, "\n")
	olderID, olderR := older, classic
	_, other := identity(t)
	for _, c := range []struct {
		to   []string
		kind string
		opens,
		not string
	}{
		{[]string{r, other}, "-> mlkem768x25519 ", id, olderID},
		{[]string{hybrid}, "-> mlkem768x25519 ", secret, olderID},
		{[]string{olderR}, "-> X25519 ", id, secret},
		{[]string{other, olderR}, "-> X25519 ", olderID, secret},
	} {
		sealed, err := Seal(c.to, []byte("secret"))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(armor.NewReader(bytes.NewReader(sealed)))
		ours, all := strings.Count(string(text), c.kind), strings.Count(string(text), "\n-> ")
		if err != nil || ours != len(c.to) || all != len(c.to) {
			t.Errorf("%d recipients, of kind %s: %v\n%.400q", len(c.to), c.kind, err, text)
		}
		if got, err := Open(c.opens, sealed); err != nil || string(got) != "secret" {
			t.Errorf("%s: %v", c.kind, err)
		}
		if _, err := Open(c.not, sealed); !errors.Is(err, ErrNotForUs) {
			t.Errorf("%s: opened by another kind: %v", c.kind, err)
		}
	}
	if _, err := Seal([]string{hybrid, olderR}, []byte("secret")); err == nil {
		t.Error("hybrid alone and X25519 alone in one file")
	}
	same := Plain(classic) == classic && Plain("ssh-rsa AAAA") == "ssh-rsa AAAA" && Plain(hybrid) == hybrid
	if Plain(r) != classic || !same {
		t.Error("plain recipients")
	}
	if is, lacking := Hybrid([]string{r, olderR}); is || len(lacking) != 1 || lacking[0] != olderR {
		t.Errorf("%t, %q", is, lacking)
	}
	wrong := []string{hybrid + " " + hybrid, classic + " " + hybrid, hybrid + "  " + classic, hybrid + " ", hybrid[:40]}
	for _, bad := range wrong {
		if err := ValidRecipient(bad); err == nil {
			t.Errorf("taken: %.60q", bad)
		}
	}
	for text, want := range map[string]string{
		"# public key: x\n" + id + "\n": id, older + "\n": older, "\n# nothing\n": "", secret + "\n": secret,
	} {
		if got, err := IdentityIn(text); err != nil || got != want {
			t.Errorf("%q, %v", got, err)
		}
	}
	for _, text := range []string{older + "\n" + older, older + "\n" + secret, id + "\n" + older, secret + "\n" + secret} {
		if _, err := IdentityIn(text); err == nil {
			t.Error("taken for one identity")
		}
	}
}
