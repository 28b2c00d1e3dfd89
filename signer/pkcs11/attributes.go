//go:build cgo

package pkcs11

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/miekg/pkcs11"

	"officiant/signer"
)

// Values of an attribute besides a number's.
const (
	isTrue  = "true"
	isFalse = "false"
	absent  = "absent"
)

// evidence are the attributes that are read back of a private key. want is
// what they must read for a grade above Unproven; unwanted is what they must
// not read, where a token may do without them.
var evidence = []struct {
	name     string
	code     uint
	want     string
	unwanted string
}{
	{name: "CKA_TOKEN", code: pkcs11.CKA_TOKEN, want: isTrue},
	{name: "CKA_PRIVATE", code: pkcs11.CKA_PRIVATE, want: isTrue},
	{name: "CKA_SENSITIVE", code: pkcs11.CKA_SENSITIVE, want: isTrue},
	{name: "CKA_EXTRACTABLE", code: pkcs11.CKA_EXTRACTABLE, want: isFalse},
	{name: "CKA_ALWAYS_SENSITIVE", code: pkcs11.CKA_ALWAYS_SENSITIVE, want: isTrue},
	{name: "CKA_NEVER_EXTRACTABLE", code: pkcs11.CKA_NEVER_EXTRACTABLE, want: isTrue},
	{name: "CKA_LOCAL", code: pkcs11.CKA_LOCAL, want: isTrue},
	{name: "CKA_SIGN", code: pkcs11.CKA_SIGN, want: isTrue},
	{name: "CKA_UNWRAP", code: pkcs11.CKA_UNWRAP, unwanted: isTrue},
	{name: "CKA_SIGN_RECOVER", code: pkcs11.CKA_SIGN_RECOVER, unwanted: isTrue},
	{name: "CKA_DERIVE", code: pkcs11.CKA_DERIVE, unwanted: isTrue},
	// The rest is for the record.
	{name: "CKA_DECRYPT", code: pkcs11.CKA_DECRYPT},
	{name: "CKA_MODIFIABLE", code: pkcs11.CKA_MODIFIABLE},
	{name: "CKA_COPYABLE", code: pkcs11.CKA_COPYABLE},
	{name: "CKA_ALWAYS_AUTHENTICATE", code: pkcs11.CKA_ALWAYS_AUTHENTICATE},
}

// generators are the mechanisms that make keys, by the kind of algorithm.
var generators = map[string][]uint{
	"ECDSA": {pkcs11.CKM_EC_KEY_PAIR_GEN},
	"RSA":   {pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN, pkcs11.CKM_RSA_X9_31_KEY_PAIR_GEN},
}

// evidenceOf reads back what the token says of a private key.
func (in objects) evidenceOf(h pkcs11.SessionHandle, o pkcs11.ObjectHandle) (map[string]string, error) {
	read := map[string]string{}
	for _, e := range evidence {
		v, err := in.attribute(h, o, e.code)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.name, err)
		}
		read[e.name] = boolean(v)
	}
	v, err := in.attribute(h, o, pkcs11.CKA_KEY_GEN_MECHANISM)
	if err != nil {
		return nil, fmt.Errorf("CKA_KEY_GEN_MECHANISM: %w", err)
	}
	read["CKA_KEY_GEN_MECHANISM"] = absent
	if n, ok := number(v); ok && n != pkcs11.CK_UNAVAILABLE_INFORMATION {
		read["CKA_KEY_GEN_MECHANISM"] = fmt.Sprintf("0x%X", n)
	}
	return read, nil
}

// boolean reads a CK_BBOOL; anything but one byte of 0 or 1 is shown as it is,
// and so is neither.
func boolean(v []byte) string {
	switch {
	case v == nil:
		return absent
	case len(v) == 1 && v[0] == 0:
		return isFalse
	case len(v) == 1 && v[0] == 1:
		return isTrue
	}
	return fmt.Sprintf("0x%X", v)
}

// number reads a CK_ULONG, which has the machine's size and byte order.
func number(v []byte) (uint, bool) {
	switch len(v) {
	case 8:
		return uint(binary.NativeEndian.Uint64(v)), true
	case 4:
		return uint(binary.NativeEndian.Uint32(v)), true
	}
	return 0, false
}

// grade says how well the attributes show that a key was made inside and
// cannot leave, and why not better.
func grade(read map[string]string, algorithm signer.Algorithm, software bool) (signer.Grade, string) {
	var wrong []string
	for _, e := range evidence {
		v, ok := read[e.name]
		if !ok {
			v = absent
		}
		if e.want != "" && v != e.want || e.unwanted != "" && v != isFalse && v != absent {
			wrong = append(wrong, fmt.Sprintf("%s is %s", e.name, v))
		}
	}
	if made := read["CKA_KEY_GEN_MECHANISM"]; made != absent && !madeBy(made, algorithm) {
		wrong = append(wrong, fmt.Sprintf("CKA_KEY_GEN_MECHANISM is %s, which does not make such keys", made))
	}
	switch {
	case len(wrong) > 0:
		return signer.Unproven, strings.Join(wrong, ", ")
	case software:
		return signer.Software, "a software token: whoever has its files and PIN has the key"
	}
	return signer.Consistent, "the token's own word: its maker does not vouch for the key"
}

func madeBy(mechanism string, algorithm signer.Algorithm) bool {
	kind, _, _ := strings.Cut(string(algorithm), "-")
	for _, g := range generators[kind] {
		if mechanism == fmt.Sprintf("0x%X", g) {
			return true
		}
	}
	return false
}
