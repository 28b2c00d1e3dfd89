package pivcard

import "errors"

// field is one tag and its value.
type field struct {
	tag   int
	value []byte
}

var errFields = errors.New("not a row of tags and values")

// fields takes a row of BER-TLV apart, with tags of one byte and 7f49.
func fields(b []byte) ([]field, error) {
	var out []field
	for len(b) > 0 {
		tag, n := int(b[0]), 1
		if tag&0x1f == 0x1f {
			if len(b) < 2 {
				return nil, errFields
			}
			tag, n = tag<<8|int(b[1]), 2
		}
		length, used, ok := lengthOf(b[n:])
		if n += used; !ok || length > len(b)-n {
			return nil, errFields
		}
		out = append(out, field{tag, b[n : n+length]})
		b = b[n+length:]
	}
	return out, nil
}

func lengthOf(b []byte) (length, used int, ok bool) {
	switch {
	case len(b) > 0 && b[0] < 0x80:
		return int(b[0]), 1, true
	case len(b) > 1 && b[0] == 0x81:
		return int(b[1]), 2, true
	case len(b) > 2 && b[0] == 0x82:
		return int(b[1])<<8 | int(b[2]), 3, true
	}
	return 0, 0, false
}

// valueOf is the value of the first field of a tag; nil if there is none.
func valueOf(all []field, tag int) []byte {
	for _, f := range all {
		if f.tag == tag {
			return f.value
		}
	}
	return nil
}

func tlv(tag int, parts ...[]byte) []byte {
	var value []byte
	for _, p := range parts {
		value = append(value, p...)
	}
	var out []byte
	if tag > 0xff {
		out = append(out, byte(tag>>8))
	}
	out = append(out, byte(tag))
	switch n := len(value); {
	case n < 0x80:
		out = append(out, byte(n))
	case n < 0x100:
		out = append(out, 0x81, byte(n))
	default:
		out = append(out, 0x82, byte(n>>8), byte(n))
	}
	return append(out, value...)
}
