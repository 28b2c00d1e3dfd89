package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"officiant/bundle/fingerprint"
	"officiant/ceremony"
	"officiant/cmd/internal/exit"
	"officiant/signer"
	"officiant/signer/pkcs11"
)

// pinTries are the wrong PINs that this machine remembers, a file for each token that
// had one since its last right PIN. Files that cannot be written are told of once.
type pinTries struct {
	folder string
	said   io.Writer
	once   *sync.Once
}

// recordedTries are those and the ones on the record of the ceremony that goes on.
type recordedTries struct {
	pkcs11.Tries // nil: the machine remembers none
	record       *ceremony.WrongPINs
}

func (t recordedTries) Wrong(d signer.Device) int {
	if t.Tries == nil {
		return t.record.Of(d)
	}
	return max(t.record.Of(d), t.Tries.Wrong(d))
}

func (t recordedTries) Remember(d signer.Device, wrong int) {
	if t.Tries != nil {
		t.Tries.Remember(d, wrong)
	}
}

func (p pinTries) file(d signer.Device) string {
	name := fingerprint.Of([]byte(strings.Join([]string{d.Manufacturer, d.Model, d.Label, d.Serial}, "\x00")))
	return filepath.Join(p.folder, hex.EncodeToString(name[:]))
}

func (p pinTries) Wrong(d signer.Device) int {
	data, err := os.ReadFile(p.file(d))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(data), "\n")
	n, err := strconv.Atoi(first)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

func (p pinTries) Remember(d signer.Device, wrong int) {
	err := p.remember(d, wrong)
	if err != nil && !os.IsNotExist(err) {
		p.once.Do(func() {
			fmt.Fprintf(p.said, "wrong PINs are not remembered: %s\n", exit.Line(err.Error()))
		})
	}
}

// mostTokens bounds the tokens of which this machine remembers wrong PINs. Of those that
// had one longest ago it forgets, as another machine does not know of them.
const mostTokens = 1000

func (p pinTries) remember(d signer.Device, wrong int) error {
	if wrong == 0 {
		return os.Remove(p.file(d))
	}
	if err := os.MkdirAll(p.folder, 0o700); err != nil {
		return err
	}
	if _, err := os.Lstat(p.file(d)); errors.Is(err, fs.ErrNotExist) {
		if err := ceremony.MakeRoom(p.folder, mostTokens); err != nil {
			return err
		}
	}
	text := fmt.Sprintf("%d\ntoken %q, serial %q\n", wrong, d.Label, d.Serial)
	next := p.file(d) + ".next"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(next, p.file(d))
}
