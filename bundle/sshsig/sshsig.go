package sshsig

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/ssh"
)

const (
	begin   = "-----BEGIN SSH SIGNATURE-----\n"
	end     = "-----END SSH SIGNATURE-----\n"
	columns = 70
	maxSize = 16 << 10
	magic   = "SSHSIG"
	version = 1
)

// ErrOther says that a signature is of another file, or was damaged.
var ErrOther = errors.New("is not the signature of this file")

// blob is a signature without its armor, after the magic.
type blob struct {
	Version   uint32
	PublicKey []byte
	Namespace string
	Reserved  string
	Hash      string
	Signature []byte
}

// signedData is what the key signs, after the magic.
type signedData struct {
	Namespace string
	Reserved  string
	Hash      string
	Sum       []byte
}

// Sign signs a message for one purpose, which the namespace names.
func Sign(rand io.Reader, key ssh.Signer, namespace string, message []byte) ([]byte, error) {
	if err := checkKey(key.PublicKey()); err != nil {
		return nil, err
	}
	sum := sha512.Sum512(message)
	data := append([]byte(magic), ssh.Marshal(signedData{namespace, "", "sha512", sum[:]})...)
	var sig *ssh.Signature
	var err error
	if key.PublicKey().Type() == ssh.KeyAlgoRSA {
		with, ok := key.(ssh.AlgorithmSigner)
		if !ok {
			return nil, errors.New("the RSA key can sign with SHA-1 only")
		}
		sig, err = with.SignWithAlgorithm(rand, data, ssh.KeyAlgoRSASHA512)
	} else {
		sig, err = key.Sign(rand, data)
	}
	if err != nil {
		return nil, err
	}
	return armor(ssh.Marshal(blob{version, key.PublicKey().Marshal(), namespace, "", "sha512", ssh.Marshal(sig)})), nil
}

// Verify checks a signature over a message and returns the key that made it.
func Verify(signature []byte, namespace string, message []byte) (ssh.PublicKey, error) {
	b, err := parse(signature)
	switch {
	case err != nil:
		return nil, err
	case b.Namespace != namespace:
		return nil, fmt.Errorf("is a signature for %.40q, not %s", b.Namespace, namespace)
	}
	key, err := ssh.ParsePublicKey(b.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("its public key: %w", err)
	}
	if err := checkKey(key); err != nil {
		return nil, err
	}
	var sig ssh.Signature
	if err := ssh.Unmarshal(b.Signature, &sig); err != nil {
		return nil, errors.New("is damaged")
	}
	if key.Type() == ssh.KeyAlgoRSA && sig.Format != ssh.KeyAlgoRSASHA512 && sig.Format != ssh.KeyAlgoRSASHA256 {
		return nil, fmt.Errorf("is by an RSA key with %.40q, not with SHA-2", sig.Format)
	}
	if err := checkFlags(key.Type(), sig.Rest); err != nil {
		return nil, err
	}
	sum := sum(b.Hash, message)
	if sum == nil {
		return nil, fmt.Errorf("is of the hash %.40q, not sha512 or sha256", b.Hash)
	}
	data := append([]byte(magic), ssh.Marshal(signedData{b.Namespace, "", b.Hash, sum})...)
	if err := key.Verify(data, &sig); err != nil {
		return nil, ErrOther
	}
	return key, nil
}

func sum(hash string, message []byte) []byte {
	switch hash {
	case "sha512":
		s := sha512.Sum512(message)
		return s[:]
	case "sha256":
		s := sha256.Sum256(message)
		return s[:]
	}
	return nil
}

// checkFlags looks at what stands behind a signature: nothing, or the flags and
// the counter of a security key. A security key that was not touched signs for
// whoever has the machine it is plugged into.
func checkFlags(kind string, rest []byte) error {
	const touched = 0x01 // user presence, WebAuthn 6.1
	switch kind {
	case ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256:
		if len(rest) != 5 {
			return errors.New("is damaged")
		}
		if rest[0]&touched == 0 {
			return errors.New("was made by a security key that nobody touched")
		}
	default:
		if len(rest) != 0 {
			return errors.New("is damaged")
		}
	}
	return nil
}

// ParseKey reads one public key as a line of a .pub file has it: kind, base64,
// and a comment that does not count. Weak keys, certificates and options are
// refused.
func ParseKey(line string) (ssh.PublicKey, error) {
	if strings.ContainsAny(line, "\r\n") {
		return nil, errors.New("is more than one line")
	}
	key, _, options, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		return nil, instead(line)
	}
	if len(options) > 0 {
		return nil, before(strings.Fields(line)[0])
	}
	if err := checkKey(key); err != nil {
		return nil, err
	}
	// One key has one spelling: it is compared as text, too.
	if fields := strings.Fields(line); len(fields) < 2 || fields[0]+" "+fields[1] != Line(key) {
		return nil, errors.New("is not an SSH public key, as a .pub file has it")
	}
	return key, nil
}

// Line is a public key as a line of a .pub file, without comment and newline.
func Line(key ssh.PublicKey) string {
	return strings.TrimSuffix(string(ssh.MarshalAuthorizedKey(key)), "\n")
}

// checkKey refuses kinds of keys that have no business here, and weak ones.
func checkKey(key ssh.PublicKey) error {
	if c, ok := key.(*ssh.Certificate); ok {
		return fmt.Errorf("is an SSH certificate of a key of the kind %s: give that key itself, as the .pub file "+
			"without -cert has it", c.Key.Type())
	}
	switch key.Type() {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256:
		return nil
	case ssh.KeyAlgoRSA:
		c, ok := key.(ssh.CryptoPublicKey)
		if !ok {
			break
		}
		if k, ok := c.CryptoPublicKey().(*rsa.PublicKey); ok {
			if bits := k.N.BitLen(); bits < 2048 || bits > 16384 {
				return fmt.Errorf("its RSA key has %d bits", bits)
			}
			return nil
		}
	}
	return fmt.Errorf("its key is of the kind %s", key.Type())
}

func armor(raw []byte) []byte {
	text := base64.StdEncoding.EncodeToString(append([]byte(magic), raw...))
	var out bytes.Buffer
	out.WriteString(begin)
	for len(text) > 0 {
		n := min(columns, len(text))
		out.WriteString(text[:n] + "\n")
		text = text[n:]
	}
	out.WriteString(end)
	return out.Bytes()
}

// parse reads exactly what armor writes.
func parse(signature []byte) (*blob, error) {
	errForm := errors.New("is not an SSH signature as ssh-keygen writes it")
	if len(signature) > maxSize {
		return nil, errForm
	}
	text, ok := bytes.CutPrefix(signature, []byte(begin))
	text, ends := bytes.CutSuffix(text, []byte(end))
	if !ok || !ends {
		return nil, errForm
	}
	raw, err := base64.StdEncoding.DecodeString(string(bytes.ReplaceAll(text, []byte("\n"), nil)))
	if err != nil {
		return nil, errForm
	}
	body, ok := bytes.CutPrefix(raw, []byte(magic))
	var b blob
	if !ok || ssh.Unmarshal(body, &b) != nil || b.Version != version || b.Reserved != "" ||
		!bytes.Equal(armor(ssh.Marshal(b)), signature) {
		return nil, errForm
	}
	return &b, nil
}
