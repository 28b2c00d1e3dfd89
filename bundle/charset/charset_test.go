package charset

import (
	"strings"
	"testing"

	"officiant/bundle/limittest"
)

// texts are read as want, or refused.
func texts() []struct{ what, data, want, refused string } {
	return []struct{ what, data, want, refused string }{
		{"empty", "", "", ""},
		{"plain", "a: é\r\n", "a: é\r\n", ""},
		{"mark", "\xef\xbb\xbfa", "a", ""},
		{"UTF-16 little", "\xff\xfea\x00\xe9\x00", "aé", ""},
		{"UTF-16 big", "\xfe\xff\x00a\x00\xe9", "aé", ""},
		{"UTF-16 pair", "\xff\xfe\x3d\xd8\x00\xde", "😀", ""},
		{"UTF-16 of no characters", "\xff\xfe", "", ""},
		{"UTF-16 cut", "\xff\xfea", "", "half a character"},
		{"UTF-16 without a mark", "a\x00b\x00", "", "is UTF-16 without a byte order mark; save it as UTF-8"},
		{"UTF-32", "\xff\xfe\x00\x00a\x00\x00\x00", "", "is UTF-32; save it as UTF-8"},
		{"Latin-1", "a: b\nc: \xe9t\xe9\n", "", "line 2 is not UTF-8 (byte 0xe9)"},
		{"mark and Latin-1", "\xef\xbb\xbfa\xe9", "", "line 1 is not UTF-8 (byte 0xe9)"},
		{"gzip", "\x1f\x8b\x08\x00", "", "is compressed by gzip, and no text"},
		{"DER", "\x30\x82\x01\xff", "", "is DER, and no text"},
		{"cut", "a\xc3", "", "line 1 is not UTF-8 (byte 0xc3)"},
		{"ZIP", "PK\x03\x04\xff", "", "is a ZIP archive, and no text"},
		{"bzip2", "BZh9\xff", "", "is compressed by bzip2, and no text"},
		{"xz", "\xfd7zXZ\x00", "", "is compressed by xz, and no text"},
		{"JKS", "\xfe\xed\xfe\xed\x00", "", "is a Java keystore (keytool -exportcert"},
		{"zstd", "\x28\xb5\x2f\xfd", "", "is compressed by zstd, and no text"},
	}
}

func TestUTF8(t *testing.T) {
	for _, row := range texts() {
		got, err := UTF8([]byte(row.data))
		switch {
		case row.refused == "" && (err != nil || string(got) != row.want):
			t.Errorf("%s: %q, %v", row.what, got, err)
		case row.refused != "" && (err == nil || !strings.Contains(err.Error(), row.refused)):
			t.Errorf("%s: %q, %v; want %q", row.what, got, err, row.refused)
		}
	}
}

func FuzzUTF8(f *testing.F) {
	f.Add([]byte("\xff\xfea\x00"))
	f.Add([]byte("\xef\xbb\xbfa\xe9"))
	f.Fuzz(func(t *testing.T, data []byte) {
		defer limittest.Budget(t)()
		if text, err := UTF8(data); err == nil && Name(text) == "" {
			t.Errorf("%q is not UTF-8", text)
		}
	})
}
