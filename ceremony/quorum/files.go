package quorum

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"regexp"

	"officiant/bundle/seal"
)

// Names in the folder of a set.
const (
	SetFile    = "pin-set.txt"    // public
	SealedFile = "sealed-pin.txt" // stays with the shares
)

// ShareFile is the name of a person's sealed share.
func ShareFile(s *Share) string {
	return fmt.Sprintf("share-%d-%s.age", s.Index, strange.ReplaceAllString(s.Person, "_"))
}

var strange = regexp.MustCompile(`[^A-Za-z0-9._-]`)

// Hand seals a share to its person: an age recipient, or an SSH public key.
func Hand(s *Share, recipient string) ([]byte, error) {
	text := s.Text()
	defer clear(text)
	return seal.Seal([]string{recipient}, text)
}

// OpenShare opens what Hand sealed, with the person's identity.
func OpenShare(identity string, sealed []byte) (*Share, error) {
	text, err := seal.Open(identity, sealed)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	return ParseShare(text)
}

// Folder reads the set in a folder, and the sealed PIN beside it; nil if there is none.
func Folder(path string) (*Set, []byte, error) {
	data, err := read(filepath.Join(path, SetFile))
	if err != nil {
		return nil, nil, err
	}
	set, err := ParseSet(data)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", filepath.Join(path, SetFile), err)
	}
	data, err = read(filepath.Join(path, SealedFile))
	if errors.Is(err, os.ErrNotExist) {
		return set, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	sealed, err := set.ParseSealed(data)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", filepath.Join(path, SealedFile), err)
	}
	return set, sealed, nil
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxText+1))
	if err == nil && len(data) > maxText {
		err = fmt.Errorf("%s: has more than %d bytes", path, maxText)
	}
	return data, err
}

// letters are those of a PIN that is made: none looks like another.
const letters = "abcdefghijkmnpqrstuvwxyz23456789"

// NewPIN makes a PIN of n letters and digits, of five bits each.
func NewPIN(random io.Reader, n int) ([]byte, error) {
	if n < 4 || n > MaxPIN {
		return nil, fmt.Errorf("a PIN of %d characters; one that is made has 4 to %d", n, MaxPIN)
	}
	pin := make([]byte, n)
	for i := range pin {
		at, err := rand.Int(random, big.NewInt(int64(len(letters))))
		if err != nil {
			return nil, err
		}
		pin[i] = letters[at.Int64()]
	}
	return pin, nil
}
