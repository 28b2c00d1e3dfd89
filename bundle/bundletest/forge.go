package bundletest

import (
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle"
)

// Reseal writes SHA256SUMS again for the files as they are now, and signs it, as any
// holder of the release key could. It shares no code with package bundle.
func (p *PKI) Reseal(t testing.TB, b *bundle.Bundle) {
	t.Helper()
	b.Sums = Sums(b.Header, b.Files)
	p.Seal(t, b)
}

// Sums renders SHA256SUMS as its specification says.
func Sums(h bundle.Header, files map[string][]byte) []byte {
	var s strings.Builder
	fmt.Fprintf(&s, "# officiant-bundle: v%d\n# cluster: %s\n# node: %s\n# ceremony: %x\n# transcript: %x\n# sequence: %d\n# not-after: %s\n",
		h.Format, h.Cluster, h.Node, h.Ceremony[:], h.Transcript[:], h.Sequence, h.NotAfter.UTC().Format(time.RFC3339))
	if h.Rehearsal {
		s.WriteString("# rehearsal: not for use\n")
	}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(&s, "%x  %s\n", sha256.Sum256(files[path]), path)
	}
	return []byte(s.String())
}

// Clone copies a bundle so that a test may spoil it.
func Clone(b *bundle.Bundle) *bundle.Bundle {
	c := *b
	c.Files = map[string][]byte{}
	for path, data := range b.Files {
		c.Files[path] = slices.Clone(data)
	}
	c.Sums, c.Signature = slices.Clone(b.Sums), slices.Clone(b.Signature)
	return &c
}

// Scatter writes a bundle's files as they are, whole or spoilt, into a new folder.
func Scatter(t testing.TB, b *bundle.Bundle) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), b.Node)
	WriteFile(t, filepath.Join(dir, bundle.SumsFile), b.Sums)
	WriteFile(t, filepath.Join(dir, bundle.SignatureFile), b.Signature)
	for path, data := range b.Files {
		WriteFile(t, filepath.Join(dir, filepath.FromSlash(path)), data)
	}
	return dir
}

// WriteFile writes a file and the folders above it.
func WriteFile(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// Certificates renders PEM certificates in a row.
func Certificates(ders ...[]byte) []byte {
	var out []byte
	for _, der := range ders {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return out
}
