package fingerprint

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// SHA256 is a digest. Its text form is 64 lower-case hex digits.
type SHA256 [sha256.Size]byte

const (
	digits        = 2 * sha256.Size
	groupDigits   = 4
	groupsPerLine = 8
	wordsPerLine  = 4
	wordWidth     = 12 // the longest word has 11 letters
)

// Of returns the digest of data.
func Of(data []byte) SHA256 { return sha256.Sum256(data) }

// OfFile is the SHA-256 of a file, which may be large: it is not held in memory.
func OfFile(path string) (sum SHA256, err error) {
	f, err := os.Open(path)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return sum, err
	}
	return SHA256(h.Sum(nil)), nil
}

// SPKI returns the digest of the DER SubjectPublicKeyInfo of pub.
func SPKI(pub crypto.PublicKey) (SHA256, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return SHA256{}, fmt.Errorf("public key: %w", err)
	}
	return Of(der), nil
}

// Parse reads a digest as people pass it on; the package comment says how.
func Parse(s string) (SHA256, error) {
	text := strings.ToLower(strings.TrimSpace(s))
	text = strings.TrimSpace(strings.TrimPrefix(text, "sha256:"))
	size, groups := groupDigits, strings.Fields(text)
	if len(groups) == 1 && strings.Contains(text, ":") {
		size, groups = 2, strings.Split(text, ":")
	}
	if len(groups) > 1 {
		for _, g := range groups {
			if len(g) != size {
				return SHA256{}, fmt.Errorf("fingerprint: group %q does not have %d digits", g, size)
			}
		}
	}
	return decode(strings.Join(groups, ""))
}

// ParseWords reads a digest as Words gives it: 32 words, in any case and with any
// white space between them. The error names the first wrong word by its
// position, from 1; a word of the other list shows that one was left out or doubled.
func ParseWords(s string) (f SHA256, err error) {
	spoken := strings.Fields(s)
	for i, w := range spoken {
		list, other := even, odd
		if i%2 == 1 {
			list, other = odd, even
		}
		at := indexFold(list, w)
		switch {
		case i >= len(f):
			return SHA256{}, fmt.Errorf("fingerprint: %d words in place of %d", len(spoken), len(f))
		case at < 0 && indexFold(other, w) >= 0:
			return SHA256{}, fmt.Errorf("fingerprint: word %d, %s, is out of place: one before it was left out, said twice, or swapped", i+1, w)
		case at < 0:
			return SHA256{}, fmt.Errorf("fingerprint: word %d, %q, is none of the list", i+1, w)
		}
		f[i] = byte(at)
	}
	if len(spoken) < len(f) {
		return SHA256{}, fmt.Errorf("fingerprint: %d words in place of %d", len(spoken), len(f))
	}
	return f, nil
}

func indexFold(list []string, word string) int {
	return slices.IndexFunc(list, func(w string) bool { return strings.EqualFold(w, word) })
}

func decode(s string) (f SHA256, err error) {
	if len(s) != digits {
		return SHA256{}, fmt.Errorf("fingerprint: %d hex digits in place of %d", len(s), digits)
	}
	if _, err := hex.Decode(f[:], []byte(s)); err != nil {
		return SHA256{}, errors.New("fingerprint: not hex digits")
	}
	return f, nil
}

func (f SHA256) String() string { return hex.EncodeToString(f[:]) }

// IsZero says whether f was never set.
func (f SHA256) IsZero() bool { return f == SHA256{} }

// Grouped returns the hex digits in groups of four.
func (f SHA256) Grouped() string { return strings.Join(f.groups(), " ") }

func (f SHA256) groups() []string {
	s := f.String()
	groups := make([]string, 0, digits/groupDigits)
	for ; s != ""; s = s[groupDigits:] {
		groups = append(groups, s[:groupDigits])
	}
	return groups
}

// Words returns the digest as 32 words of the PGP word list.
func (f SHA256) Words() []string { return words(f[:]) }

func words(data []byte) []string {
	w := make([]string, len(data))
	for i, b := range data {
		w[i] = wordAt(i, b)
	}
	return w
}

// Lines returns hex and words for a terminal: two lines of eight groups, then
// eight lines of four words in columns, none wider than 78.
func (f SHA256) Lines() []string {
	var lines []string
	for groups := f.groups(); len(groups) > 0; groups = groups[groupsPerLine:] {
		lines = append(lines, strings.Join(groups[:groupsPerLine], " "))
	}
	for w := f.Words(); len(w) > 0; w = w[wordsPerLine:] {
		var b strings.Builder
		for _, word := range w[:wordsPerLine] {
			fmt.Fprintf(&b, "%-*s", wordWidth, word)
		}
		lines = append(lines, strings.TrimRight(b.String(), " "))
	}
	return lines
}

// MarshalText gives the 64 hex digits.
func (f SHA256) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText accepts 64 lower-case hex digits and nothing else.
func (f *SHA256) UnmarshalText(text []byte) error {
	s := string(text)
	if s != strings.ToLower(s) {
		return errors.New("fingerprint: capital hex digits, files have lower-case ones")
	}
	d, err := decode(s)
	if err != nil {
		return err
	}
	*f = d
	return nil
}
