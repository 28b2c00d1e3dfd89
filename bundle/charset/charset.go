package charset

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// Name is the encoding of data: "UTF-8", "UTF-8 with a byte order mark",
// "UTF-16 …" or "UTF-32 …"; "" if it is none of them. UTF-16 without a mark is
// recognized by the zero byte beside its first character, which must be ASCII.
func Name(data []byte) string {
	switch {
	case bytes.HasPrefix(data, []byte{0xff, 0xfe, 0, 0}), bytes.HasPrefix(data, []byte{0, 0, 0xfe, 0xff}):
		return "UTF-32"
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}), bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		return "UTF-16"
	case len(data) >= 2 && (data[0] == 0) != (data[1] == 0):
		return "UTF-16 without a byte order mark"
	case bytes.HasPrefix(data, mark):
		return "UTF-8 with a byte order mark"
	case utf8.Valid(data):
		return "UTF-8"
	}
	return ""
}

var mark = []byte("\ufeff")

// UTF8 returns the text as UTF-8 without a byte order mark. Text that is already
// so is returned as it is. Its error says what the text is instead.
func UTF8(data []byte) ([]byte, error) {
	switch name := Name(data); name {
	case "UTF-8":
		return data, nil
	case "UTF-8 with a byte order mark":
		if text := data[len(mark):]; utf8.Valid(text) {
			return text, nil
		}
	case "UTF-16":
		return fromUTF16(data)
	case "":
	default:
		return nil, fmt.Errorf("is %s; save it as UTF-8", name)
	}
	if what := format(data); what != "" {
		return nil, fmt.Errorf("is %s, and no text", what)
	}
	line := 1 + bytes.Count(data[:firstInvalid(data)], []byte("\n"))
	return nil, fmt.Errorf("line %d is not UTF-8 (byte 0x%02x); save it as UTF-8", line, data[firstInvalid(data)])
}

// format is what data is that is not text at all, by its first bytes; "" when they
// tell nothing.
func format(data []byte) string {
	for _, f := range []struct{ begin, name string }{
		{"\x1f\x8b", "compressed by gzip"}, {"PK\x03\x04", "a ZIP archive"}, {"BZh", "compressed by bzip2"},
		{"\xfd7zXZ", "compressed by xz"}, {"\x28\xb5\x2f\xfd", "compressed by zstd"}, {"\x7fELF", "a program"},
		{"\xfe\xed\xfe\xed", "a Java keystore (keytool -exportcert -rfc writes a certificate out)"},
		{"%PDF-", "a PDF"}, {"\x30\x82", "DER"}, {"\x30\x81", "DER"},
	} {
		if bytes.HasPrefix(data, []byte(f.begin)) {
			return f.name
		}
	}
	return ""
}

// fromUTF16 reads UTF-16 that begins with its byte order mark.
func fromUTF16(data []byte) ([]byte, error) {
	if len(data)%2 != 0 {
		return nil, errors.New("is UTF-16 and has half a character at its end; save it as UTF-8")
	}
	order := binary.ByteOrder(binary.LittleEndian)
	if data[0] == 0xfe {
		order = binary.BigEndian
	}
	units := make([]uint16, 0, len(data)/2-1)
	for i := 2; i < len(data); i += 2 {
		units = append(units, order.Uint16(data[i:]))
	}
	return []byte(string(utf16.Decode(units))), nil
}

// firstInvalid is where text stops being UTF-8.
func firstInvalid(data []byte) int {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size <= 1 {
			return i
		}
		i += size
	}
	return len(data) - 1
}
