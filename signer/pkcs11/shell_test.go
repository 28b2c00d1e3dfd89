//go:build cgo

package pkcs11

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/pkcs11"

	"officiant/signer"
)

// hollow makes of each private key in SoftHSM's token directory what a process
// leaves that is killed between SoftHSM's two steps of making one: its name,
// but CKA_LOCAL false and neither curve nor modulus.
func hollow(t *testing.T) {
	t.Helper()
	conf, err := os.ReadFile(os.Getenv("SOFTHSM2_CONF"))
	if err != nil {
		t.Fatal(err)
	}
	tokens := tokenDir(t, conf)
	files, err := filepath.Glob(filepath.Join(tokens, "*", "*.object"))
	if err != nil {
		t.Fatal(err)
	}
	done := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if changed, private := hollowed(data); private {
			done++
			if err := os.WriteFile(file, changed, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if done != 1 {
		t.Fatalf("%d private keys among %d files", done, len(files))
	}
}

// hollowed reads an object file: a generation number, then type, kind and value
// of each attribute, numbers in 8 bytes, big-endian.
func hollowed(data []byte) (out []byte, private bool) {
	n := func(i int) int { return int(binary.BigEndian.Uint64(data[i:])) }
	out = append(out, data[:8]...)
	for i := 8; i < len(data); {
		size := map[int]int{1: 1, 2: 8}[n(i+8)]
		if size == 0 {
			size = 8 + n(i+16)
		}
		field := append([]byte(nil), data[i:i+16+size]...)
		switch n(i) {
		case pkcs11.CKA_CLASS:
			private = n(i+16) == pkcs11.CKO_PRIVATE_KEY
		case pkcs11.CKA_LOCAL:
			field[16] = 0
		case pkcs11.CKA_EC_PARAMS, pkcs11.CKA_MODULUS:
			field = append(field[:16], 0, 0, 0, 0, 0, 0, 0, 0)
		}
		out = append(out, field...)
		i += 16 + size
	}
	return out, private
}

// TestShell: a key that was half made is not there, and in nobody's way.
func TestShell(t *testing.T) {
	for _, algorithm := range []signer.Algorithm{signer.ECDSAP256, signer.RSA2048} {
		t.Run(string(algorithm), func(t *testing.T) {
			r := newRoom(t, "officiant-root")
			ref, id := r.ref(0, "demo/root"), newID(t)
			first, err := Open(t.Context(), ref, r.ask)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := first.Create(t.Context(), ref, signer.Spec{Algorithm: algorithm}, id); err != nil {
				t.Fatal(err)
			}
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}
			hollow(t)

			s := r.open(t, 0)
			if _, err := s.FindID(t.Context(), ref, id); !errors.Is(err, signer.ErrNotFound) {
				t.Errorf("by id: %v", err)
			}
			if _, err := s.Find(t.Context(), ref); !errors.Is(err, signer.ErrNotFound) {
				t.Errorf("by label: %v", err)
			}
			if _, err := s.Create(t.Context(), ref, signer.Spec{Algorithm: algorithm}, id); !errors.Is(err, signer.ErrExists) {
				t.Errorf("the same id again: %v", err)
			}
			k := create(t, s, ref, algorithm)
			if err := sign(t.Context(), k); err != nil || k.info.Grade != signer.Software {
				t.Errorf("%s, %v", k.info.Grade, err)
			}
			if _, err := s.Find(t.Context(), ref); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

func tokenDir(t *testing.T, conf []byte) string {
	t.Helper()
	for line := range strings.Lines(string(conf)) {
		if name, value, ok := strings.Cut(line, "="); ok && strings.TrimSpace(name) == "directories.tokendir" {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("no token directory in %s", conf)
	return ""
}
