package bundle_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"officiant/bundle"
)

// rawHeader is a tar header by hand: what no writer writes.
func rawHeader(name string, kind byte, size int64, patch func(h []byte)) []byte {
	h := make([]byte, 512)
	copy(h, name)
	copy(h[100:], "0000644\x000000000\x000000000\x00")
	copy(h[124:], fmt.Sprintf("%011o\x00%011o\x00", size, 0))
	h[156] = kind
	copy(h[257:], "ustar\x0000")
	if patch != nil {
		patch(h)
	}
	copy(h[148:], "        ")
	sum := 0
	for _, b := range h {
		sum += int(b)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return h
}

func padded(s string) []byte { return append([]byte(s), make([]byte, (512-len(s)%512)%512)...) }

// pax is a pax header with records, to stand before an entry.
func pax(records ...string) []byte {
	var text strings.Builder
	for _, r := range records {
		n := len(r) + 4
		if len(fmt.Sprintf("%d %s\n", n, r)) != n {
			n = len(fmt.Sprintf("%d %s\n", n, r))
		}
		fmt.Fprintf(&text, "%d %s\n", n, r)
	}
	return append(rawHeader("pax", 'x', int64(text.Len()), nil), padded(text.String())...)
}

const hole = 63 << 20 // just below what one bundle may have

// gnuSparse is a file of one hole, as GNU tar writes it: 512 bytes.
func gnuSparse(name string) []byte {
	return rawHeader(name, 'S', 0, func(h []byte) {
		copy(h[257:], "ustar  \x00")
		copy(h[386:], fmt.Sprintf("%011o\x00%011o\x00", hole, 0))
		copy(h[483:], fmt.Sprintf("%011o\x00", hole))
	})
}

// paxSparse is the same, as pax has it.
func paxSparse(name string) []byte {
	return append(pax(fmt.Sprintf("GNU.sparse.size=%d", hole), "GNU.sparse.numblocks=1", fmt.Sprintf("GNU.sparse.map=%d,0", hole)), rawHeader(name, '0', 0, nil)...)
}

// Small archives that unpack to more than there is room for are refused before
// anything is made of them.
func TestArchivesThatGrow(t *testing.T) {
	for name, data := range map[string][]byte{
		"GNU sparse":             gnuSparse("worker-1/a"),
		"GNU sparse, many times": bytes.Repeat(gnuSparse("worker-1/a"), 4000),
		"pax sparse":             paxSparse("worker-1/a"),
		"pax sparse, many times": bytes.Repeat(paxSparse("worker-1/a"), 4000),
		"pax size":               append(pax("size=1125899906842624"), rawHeader("worker-1/a", '0', 0, nil)...),
		"pax size below nothing": append(pax("size=-1"), rawHeader("worker-1/a", '0', 0, nil)...),
		"size in base 256":       rawHeader("worker-1/a", '0', 0, func(h []byte) { copy(h[124:], "\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff") }),
		"GNU long name":          append(append(rawHeader("././@LongLink", 'L', 12, nil), padded("../../etc/x\x00")...), rawHeader("worker-1/a", '0', 0, nil)...),
		"GNU long link":          append(append(rawHeader("././@LongLink", 'K', 12, nil), padded("../../etc/x\x00")...), rawHeader("worker-1/a", '2', 0, nil)...),
		"pax path":               append(pax("path=../../etc/x"), rawHeader("worker-1/a", '0', 0, nil)...),
		"pax path is a link":     append(pax("linkpath=/etc"), rawHeader("worker-1/a", '2', 0, nil)...),
		"global pax header":      append(append(rawHeader("pax", 'g', 9, nil), padded("9 path=x\n")...), rawHeader("worker-1/a", '0', 0, nil)...),
		"pax header of 1 GiB":    rawHeader("pax", 'x', 1<<30, nil),
		"only pax headers":       bytes.Repeat(pax("path=worker-1/a"), 50000),
		"solaris kind":           rawHeader("worker-1/a", 'X', 0, nil),
		"GNU volume":             rawHeader("worker-1/a", 'V', 0, nil),
		"GNU directory":          rawHeader("worker-1/a", 'D', 0, nil),
		"no kind":                rawHeader("worker-1/a", 0, 0, nil),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := bundle.Parse("bomb.tar", append(data, make([]byte, 1024)...))
			runtime.ReadMemStats(&after)
			refusedFor(t, err, "")
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 32<<20+uint64(len(data))*8 {
				t.Errorf("an archive of %d bytes took %d MiB", len(data), grown>>20)
			}
		})
	}
}

// What has no end is not begun.
func TestEndlessBundle(t *testing.T) {
	for _, path := range []string{"/dev/zero", "/dev/stdin"} {
		if info, err := os.Stat(path); err != nil || info.Mode().IsRegular() {
			continue
		}
		_, err := bundle.Open(path)
		refusedFor(t, err, "")
	}
	link := filepath.Join(t.TempDir(), "worker-1.tar")
	if err := os.Symlink("/dev/zero", link); err != nil {
		t.Fatal(err)
	}
	_, err := bundle.Open(link)
	refusedFor(t, err, "")
}
