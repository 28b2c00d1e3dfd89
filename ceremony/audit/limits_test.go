package audit

import (
	"archive/tar"
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"officiant/bundle/limittest"
)

// sparse is a tar of 3 KiB with an entry that says it has size bytes, in the
// format GNU tar writes (PAX, sparse 1.0).
func sparse(size int64) []byte {
	record := func(key, value string) string {
		n := len(key) + len(value) + 3
		for total := n + len(fmt.Sprint(n)); ; total++ {
			if s := fmt.Sprintf("%d %s=%s\n", total, key, value); len(s) == total {
				return s
			}
		}
	}
	header := func(name string, size int, kind byte) []byte {
		h := make([]byte, 512)
		copy(h, name)
		copy(h[100:], "0000644\x00")
		copy(h[124:], fmt.Sprintf("%011o\x00", size))
		copy(h[136:], "00000000000\x00")
		h[156] = kind
		copy(h[257:], "ustar\x0000")
		copy(h[148:], "        ")
		sum := 0
		for _, c := range h {
			sum += int(c)
		}
		copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
		return h
	}
	pad := func(b []byte) []byte { return append(b, make([]byte, -len(b)&511)...) }
	pax := record("GNU.sparse.major", "1") + record("GNU.sparse.minor", "0") + record("GNU.sparse.name", "x") +
		record("GNU.sparse.realsize", fmt.Sprint(size))
	sparseMap := pad(fmt.Appendf(nil, "1\n%d\n0\n", size))
	out := append(header("PaxHeaders.0/x", len(pax), 'x'), pad([]byte(pax))...)
	out = append(append(out, header("x", len(sparseMap), '0')...), sparseMap...)
	return append(out, make([]byte, 1024)...)
}

// A sparse entry is named and not read; one of an honest tar is looked into.
func TestSparseTar(t *testing.T) {
	why := each("x.tar", sparse(1e12), func(string, []byte) {})
	if !strings.Contains(why, `its entry "x" says it has 1000000000000 bytes`) {
		t.Errorf("%q", why)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: "a", Size: 5, Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var seen []string
	why = each("y.tar", b.Bytes(), func(name string, data []byte) {
		if len(data) == 5 {
			seen = append(seen, name+" "+string(data))
		}
	})
	if why != "" || !slices.Equal(seen, []string{"y.tar: a hello"}) {
		t.Errorf("%q %v", why, seen)
	}
}

// wrapped is base64 of base64.
func wrapped(size int, escaped bool) []byte {
	data := bytes.Repeat([]byte("abc"), size/16)
	for len(data) < size {
		if escaped {
			data = bytes.ReplaceAll(data, []byte("\n"), []byte(`\n`))
			data = append(data, `\n`...)
		}
		data = base64.StdEncoding.AppendEncode(nil, data)
	}
	return data[:size]
}

func TestWorstFiles(t *testing.T) {
	const size = 1 << 20
	a := &leakAudit{view: &view{}}
	for name, data := range map[string][]byte{
		"a sparse tar":        sparse(1e12),
		"many sparse entries": bytes.Repeat(sparse(size)[:2048], size/2048),
		"sequences": bytes.Repeat([]byte{0x30, 0x83, 0x0f, 0, 0, 2, 1, 0, 2, 0x83, 0x0e, 0, 0},
			size/13),
		"base64":                           bytes.Repeat([]byte("abcd"), size/4),
		"base64 in base64":                 wrapped(size, false),
		"base64 in base64, with line ends": wrapped(size, true),
		"base64 at every alignment":        bytes.Repeat([]byte("V"), size),
		"line ends":                        bytes.Repeat([]byte(`aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n`), size/46),
		"short lines":                      bytes.Repeat([]byte("a\n"), size/2),
		"PEM that begins":                  bytes.Repeat([]byte("-----BEGIN A-----\n"), size/18),
	} {
		limittest.Hold(t, name, func() {
			each(name, data, func(_ string, data []byte) { a.privateKeys(data) })
		})
	}
	atEveryAlignment := bytes.Repeat([]byte("V"), 2*size)
	if found := a.privateKeys(atEveryAlignment); !slices.Contains(found, beyond) {
		t.Errorf("what is not looked into is not said: %v", found)
	}
	if found := a.privateKeys(wrapped(size, false)); len(found) > 0 {
		t.Errorf("what was looked into: %v", found)
	}
}
