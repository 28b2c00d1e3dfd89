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

// NewIdentity makes a hybrid identity (ML-KEM-768 with X25519) and an X25519 one, and
// their recipients. As text an identity is a line for each, the hybrid one first
// ("AGE-SECRET-KEY-PQ-1…", "AGE-SECRET-KEY-1…", secret); a recipient is both in one
// line with a blank between ("age1pq1… age1…", public).
func NewIdentity() (identity, recipient string, err error) {
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		return "", "", fmt.Errorf("make an age identity: %w", err)
	}
	classic, err := age.GenerateX25519Identity()
	if err != nil {
		return "", "", fmt.Errorf("make an age identity: %w", err)
	}
	return hybrid.String() + "\n" + classic.String(), hybrid.Recipient().String() + " " + classic.Recipient().String(), nil
}

// Recipient returns the recipient that belongs to an identity: "age1pq1… age1…", one of
// the two, or, of an SSH private key, its public one ("ssh-ed25519 AAAA…") without a
// comment.
func Recipient(identity string) (string, error) {
	if isSSH(identity) {
		key, err := ssh.ParsePrivateKey([]byte(identity))
		if err != nil {
			return "", sshProblem(err)
		}
		recipient := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key.PublicKey())))
		return recipient, ValidRecipient(recipient)
	}
	all, err := parseIdentity(identity)
	if err != nil {
		return "", err
	}
	var out []string
	for _, id := range all {
		switch id := id.(type) {
		case *age.HybridIdentity:
			out = append(out, id.Recipient().String())
		case *age.X25519Identity:
			out = append(out, id.Recipient().String())
		}
	}
	return strings.Join(out, " "), nil
}

// IdentityIn returns the identity in a file as age-keygen writes it: comments, and one
// line, or two lines with the hybrid identity first. It is empty if there is none.
func IdentityIn(text string) (string, error) {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	two := len(lines) == 2 && strings.HasPrefix(lines[0], hybridSecret) && !strings.HasPrefix(lines[1], hybridSecret)
	if len(lines) > 1 && !two {
		return "", errors.New("holds more than one identity")
	}
	return strings.Join(lines, "\n"), nil
}

const (
	hybridSecret = "AGE-SECRET-KEY-PQ-1"
	hybridPublic = "age1pq1"
)

// Hybrid says whether a file that is sealed to all these recipients is sealed to their
// hybrid ones: age mixes them with no others. lacking are those that have none, and hold
// the file back.
func Hybrid(recipients []string) (is bool, lacking []string) {
	for _, r := range recipients {
		if !strings.HasPrefix(r, hybridPublic) {
			lacking = append(lacking, r)
		}
	}
	return len(recipients) > 0 && len(lacking) == 0, lacking
}

// ValidRecipient says what is wrong with a recipient: it must be age1…, age1pq1…, both,
// ssh-ed25519 … or ssh-rsa …, without blanks around it, and such that something
// can be sealed to it.
func ValidRecipient(s string) error {
	both, err := parseRecipient(s)
	if err != nil {
		return err
	}
	for _, r := range []age.Recipient{both.hybrid, both.classic} {
		// A point of low order parses, and fails only when something is sealed to
		// it: that must not happen in the room.
		if x, ok := r.(*age.X25519Recipient); r == nil || ok && !lowOrder[x.String()] {
			continue
		}
		if _, err := r.Wrap(make([]byte, 16)); err != nil {
			return fmt.Errorf("nothing can be sealed to recipient %s: %w", shorten(s), err)
		}
	}
	return nil
}

// Plain is the X25519 recipient of one that has a hybrid one before it; any other as it is.
func Plain(recipient string) string {
	if hybrid, plain, two := strings.Cut(recipient, " "); two && strings.HasPrefix(hybrid, hybridPublic) {
		return plain
	}
	return recipient
}

// Seal encrypts secret to all recipients, each of which can open it alone, in
// ASCII armor. If all of them have a hybrid recipient, it is sealed to those; otherwise to
// none of those. Two calls never give the same bytes.
func Seal(recipients []string, secret []byte) ([]byte, error) {
	if len(recipients) == 0 {
		return nil, errors.New("no recipient to seal to")
	}
	if len(secret) > maxSecret {
		return nil, fmt.Errorf("a secret of %d bytes is longer than %d", len(secret), maxSecret)
	}
	parsed := make([]age.Recipient, len(recipients))
	hybrid, lacking := Hybrid(recipients)
	for i, s := range recipients {
		if slices.Contains(recipients[:i], s) {
			return nil, fmt.Errorf("recipient %s is named twice", shorten(s))
		}
		r, err := parseRecipient(s)
		if err != nil {
			return nil, err
		}
		switch {
		case hybrid:
			parsed[i] = r.hybrid
		case r.classic == nil:
			return nil, fmt.Errorf("recipient %s is hybrid alone, and %s is not: age seals to both kinds together in no file",
				shorten(s), shorten(lacking[0]))
		default:
			parsed[i] = r.classic
		}
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

// Open decrypts what Seal made, with one of its identities: one from NewIdentity, a single
// X25519 or hybrid one, or the PEM of an SSH private key. The caller clears the secret after use.
func Open(identity string, sealed []byte) ([]byte, error) {
	id, err := parseIdentity(identity)
	if err != nil {
		return nil, err
	}
	r, err := age.Decrypt(armor.NewReader(bytes.NewReader(sealed)), id...)
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

func parseIdentity(s string) ([]age.Identity, error) {
	if isSSH(s) {
		id, err := agessh.ParseIdentity([]byte(s))
		if err != nil {
			return nil, sshProblem(err)
		}
		return []age.Identity{id}, nil
	}
	hybrid, classic, both := strings.Cut(s, "\n")
	if !both && !strings.HasPrefix(s, hybridSecret) {
		hybrid, classic = "", s
	}
	var all []age.Identity
	if hybrid != "" {
		id, err := age.ParseHybridIdentity(hybrid)
		if err != nil {
			return nil, errNotIdentity
		}
		all = append(all, id)
	}
	if hybrid == "" || both {
		id, err := age.ParseX25519Identity(classic)
		if err != nil {
			return nil, errNotIdentity
		}
		all = append(all, id)
	}
	return all, nil
}

// sshProblem says why an SSH private key is none that can be used.
func sshProblem(err error) error {
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		return errors.New("the SSH private key is locked with a passphrase; a host's key is not")
	}
	return errNotIdentity
}

// recipient is one as it was parsed; what it has not is nil.
type recipient struct{ hybrid, classic age.Recipient }

func parseRecipient(s string) (recipient, error) {
	kind, rest, two := strings.Cut(s, " ")
	switch {
	case strings.HasPrefix(s, "AGE-SECRET-KEY-"):
		return recipient{}, errors.New("a recipient was expected, and this is an identity: it is secret")
	case strings.TrimSpace(s) != s || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }):
		return recipient{}, fmt.Errorf("recipient %s has blanks around it, or characters that are not printable ASCII",
			shorten(s))
	case kind == "ssh-ed25519" || kind == "ssh-rsa":
		r, err := agessh.ParseRecipient(s)
		if err != nil {
			return recipient{}, fmt.Errorf("recipient %s is not an SSH public key that can be sealed to: %w", shorten(s), err)
		}
		return recipient{classic: r}, nil
	}
	var out recipient
	if strings.HasPrefix(s, hybridPublic) {
		r, err := age.ParseHybridRecipient(kind)
		if err != nil {
			return recipient{}, fmt.Errorf("recipient %s is not a hybrid one of age (age1pq1…)", shorten(s))
		}
		out.hybrid = r
		if !two {
			return out, nil
		}
		s = rest
	}
	r, err := age.ParseX25519Recipient(s)
	if err != nil {
		return recipient{}, fmt.Errorf("recipient %s is none of age1…, ssh-ed25519 …, ssh-rsa …", shorten(s))
	}
	out.classic = r
	return out, nil
}

// shorten quotes enough of s to find it, and nothing a terminal would act on.
func shorten(s string) string {
	if len(s) > 24 {
		return fmt.Sprintf("%+q…", s[:24])
	}
	return fmt.Sprintf("%+q", s)
}
