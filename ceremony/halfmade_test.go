package ceremony_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"officiant/ceremony"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/transcript"
)

// Attributes of PKCS#11, and the kinds of value of SoftHSM's object files.
const (
	ckaClass, ckaECParams, ckaLocal = 0x0, 0x180, 0x163
	privateKey                      = 3
)

// hollowed is the object file of a private key as SoftHSM leaves it when its
// process is killed at the last write of making one: with the key's name, but CKA_LOCAL
// false and no curve. Seen by killing a real key generation at each of its writes.
func hollowed(data []byte) (out []byte, is bool) {
	n := func(i int) int { return int(binary.BigEndian.Uint64(data[i:])) }
	class := -1
	out = append(out, data[:8]...)
	for i := 8; i < len(data); {
		size := map[int]int{1: 1, 2: 8}[n(i+8)]
		if size == 0 {
			size = 8 + n(i+16)
		}
		field := append([]byte(nil), data[i:i+16+size]...)
		switch n(i) {
		case ckaClass:
			class = n(i + 16)
		case ckaLocal:
			field[16] = 0
		case ckaECParams:
			field = append(field[:16], 0, 0, 0, 0, 0, 0, 0, 0)
		}
		out = append(out, field...)
		i += 16 + size
	}
	return out, class == privateKey
}

// TestHalfMade: what a killed process left of a key is named, in the run and on record,
// and another key is made.
func TestHalfMade(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	dir := filepath.Join(t.TempDir(), "ceremony")
	objects := func() []string {
		files, err := filepath.Glob(filepath.Join(f.Room, "tokens", "*", "*.object"))
		must(t, err)
		return files
	}
	var before []string
	k := &killer{}
	k.on = func(what string) {
		switch what {
		case "before create demo/release":
			before = objects()
		case "after create demo/release":
			k.at = k.n
		}
	}
	if _, err := ceremony.Run(t.Context(), mortal(f.Config(t, dir), k)); err == nil {
		t.Fatal("nothing was killed")
	}
	done := 0
	for _, file := range objects() {
		data, err := os.ReadFile(file)
		must(t, err)
		if out, is := hollowed(data); is && !slices.Contains(before, file) {
			done++
			must(t, os.WriteFile(file, out, 0o600))
		}
	}
	if done != 1 {
		t.Fatalf("%d private keys of this label", done)
	}
	cfg := f.Config(t, dir)
	said := &teller{Observer: cfg.Observer}
	cfg.Observer = said
	if _, err := ceremony.Run(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	const want = "half made: its making was cut off, and there is no key in it"
	if all := strings.Join(said.lines, "\n"); !strings.Contains(all, "the token has an object demo/release of id ") ||
		!strings.Contains(all, want) {
		t.Errorf("people are told\n%s", all)
	}
	for _, l := range readRecord(t, dir).Lines {
		if r, ok := l.Record.(transcript.KeyAbandoned); ok && strings.Contains(r.Reason, want) {
			return
		}
	}
	t.Error("the record does not say what is left of the key")
}
