package seal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"
	"golang.org/x/crypto/ssh"
)

// maxSecret bounds what Seal takes and Open gives; real secrets have some KiB.
const maxSecret = 1 << 20

// ErrNotForUs is in Open's error when the file is sealed to others alone.
var ErrNotForUs = errors.New("not sealed to this node's identity")

// NewIdentity makes an X25519 identity ("AGE-SECRET-KEY-1…", secret) and its
// recipient ("age1…", public).
func NewIdentity() (identity, recipient string, err error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return "", "", fmt.Errorf("make an age identity: %w", err)
	}
	return id.String(), id.Recipient().String(), nil
}

// Recipient returns the recipient that belongs to an identity: "age1…" or, of an
// SSH private key, its public one ("ssh-ed25519 AAAA…") without a comment.
func Recipient(identity string) (string, error) {
	if isSSH(identity) {
		key, err := ssh.ParsePrivateKey([]byte(identity))
		if err != nil {
			return "", sshProblem(err)
		}
		recipient := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key.PublicKey())))
		return recipient, ValidRecipient(recipient)
	}
	id, err := age.ParseX25519Identity(identity)
	if err != nil {
		return "", errNotIdentity
	}
	return id.Recipient().String(), nil
}

// ValidRecipient says what is wrong with a recipient: it must be age1…,
// ssh-ed25519 … or ssh-rsa …, without blanks around it, and such that something
// can be sealed to it.
func ValidRecipient(s string) error {
	r, err := parseRecipient(s)
	if err != nil {
		return err
	}
	// A point of low order parses, and fails only when something is sealed to
	// it: that must not happen in the room.
	if _, err := r.Wrap(make([]byte, 16)); err != nil {
		return fmt.Errorf("nothing can be sealed to recipient %s: %w", shorten(s), err)
	}
	return nil
}

// Seal encrypts secret to all recipients, each of which can open it alone, in
// ASCII armor. Two calls never give the same bytes.
func Seal(recipients []string, secret []byte) ([]byte, error) {
	if len(recipients) == 0 {
		return nil, errors.New("no recipient to seal to")
	}
	if len(secret) > maxSecret {
		return nil, fmt.Errorf("a secret of %d bytes is longer than %d", len(secret), maxSecret)
	}
	parsed := make([]age.Recipient, len(recipients))
	for i, s := range recipients {
		if slices.Contains(recipients[:i], s) {
			return nil, fmt.Errorf("recipient %s is named twice", shorten(s))
		}
		r, err := parseRecipient(s)
		if err != nil {
			return nil, err
		}
		parsed[i] = r
	}
	var out bytes.Buffer
	text := armor.NewWriter(&out)
	w, err := age.Encrypt(text, parsed...)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	if _, err := w.Write(secret); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	if err := errors.Join(w.Close(), text.Close()); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return out.Bytes(), nil
}

// Open decrypts what Seal made, with one of its identities: an X25519 one, or the
// PEM of an SSH private key. The caller clears the secret after use.
func Open(identity string, sealed []byte) ([]byte, error) {
	id, err := parseIdentity(identity)
	if err != nil {
		return nil, err
	}
	r, err := age.Decrypt(armor.NewReader(bytes.NewReader(sealed)), id)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) || errors.Is(err, age.ErrIncorrectIdentity) {
		return nil, ErrNotForUs
	}
	if err != nil {
		return nil, fmt.Errorf("open a sealed file: %w", err)
	}
	secret, err := io.ReadAll(io.LimitReader(r, maxSecret+1))
	if err != nil {
		return nil, fmt.Errorf("open a sealed file: %w", err)
	}
	if len(secret) > maxSecret {
		return nil, fmt.Errorf("open a sealed file: the secret is longer than %d bytes", maxSecret)
	}
	return secret, nil
}

// errNotIdentity stands for age's and ssh's errors: they may quote the secret.
var errNotIdentity = errors.New("the identity is neither of the form AGE-SECRET-KEY-1… nor an SSH private key (ed25519 or RSA)")

func isSSH(identity string) bool { return strings.HasPrefix(identity, "-----BEGIN ") }

func parseIdentity(s string) (age.Identity, error) {
	if isSSH(s) {
		id, err := agessh.ParseIdentity([]byte(s))
		if err != nil {
			return nil, sshProblem(err)
		}
		return id, nil
	}
	id, err := age.ParseX25519Identity(s)
	if err != nil {
		return nil, errNotIdentity
	}
	return id, nil
}

// sshProblem says why an SSH private key is none that can be used.
func sshProblem(err error) error {
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		return errors.New("the SSH private key is locked with a passphrase; a host's key is not")
	}
	return errNotIdentity
}

func parseRecipient(s string) (age.Recipient, error) {
	kind, _, _ := strings.Cut(s, " ")
	switch {
	case strings.HasPrefix(s, "AGE-SECRET-KEY-"):
		return nil, errors.New("a recipient was expected, and this is an identity: it is secret")
	case strings.TrimSpace(s) != s || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }):
		return nil, fmt.Errorf("recipient %s has blanks around it, or characters that are not printable ASCII", shorten(s))
	case kind == "ssh-ed25519" || kind == "ssh-rsa":
		r, err := agessh.ParseRecipient(s)
		if err != nil {
			return nil, fmt.Errorf("recipient %s is not an SSH public key that can be sealed to: %w", shorten(s), err)
		}
		return r, nil
	}
	r, err := age.ParseX25519Recipient(s)
	if err != nil {
		return nil, fmt.Errorf("recipient %s is none of age1…, ssh-ed25519 …, ssh-rsa …", shorten(s))
	}
	return r, nil
}

// shorten quotes enough of s to find it, and nothing a terminal would act on.
func shorten(s string) string {
	if len(s) > 24 {
		return fmt.Sprintf("%+q…", s[:24])
	}
	return fmt.Sprintf("%+q", s)
}
