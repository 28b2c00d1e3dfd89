package gcpkms

import (
	"bytes"
	"compress/gzip"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"

	"cloud.google.com/go/kms/apiv1/kmspb"
)

// A statement is what an HSM says of a key pair and signs: the format is
// Marvell's (once Cavium's), big-endian throughout.
//
//	V2: response code, flags, total size, buffer size    4 × uint32
//	    handles                                          up to the buffer
//	    buffer: version, flags, offset of the first key, 4 × uint16
//	            offset of the second key (0: none)       from the buffer's start
//	            the keys
//	    signature: RSA PKCS #1 v1.5, SHA-256, of all before it
//	V1: 984 bytes of another header, the keys, the signature
//	key: handle, attribute count, size of the attributes 3 × uint32
//	     the attributes: type, length, value             2 × uint32, length
//
// The first key is the public half, the second the private one.
type statement struct {
	signed, signature []byte
	public, private   object
}

// object is one half of a key pair: attributes as in PKCS #11, by type.
type object map[uint32][]byte

// The attributes that are looked at. The maker keeps the point of an elliptic
// curve where RSA has its modulus.
const (
	attrClass       = 0x000
	attrKeyType     = 0x100
	attrSensitive   = 0x103
	attrModulus     = 0x120
	attrExponent    = 0x122
	attrExtractable = 0x162
	attrLocal       = 0x163

	classPublic, classPrivate = 2, 3
	typeRSA, typeEC           = 0, 3
)

// Sizes that real statements stay far below: those of RSA-4096 keys have 4 KiB.
const (
	maxCompressed = 64 << 10
	maxStatement  = 256 << 10
	maxAttributes = 256

	signatureSize = 256 // of a partition's RSA-2048 key
	headerV2      = 16
	headerV1      = 984
	objectHeader  = 12
)

// parseStatement unpacks and takes apart what Google gives as an attestation.
func parseStatement(a *kmspb.KeyOperationAttestation) (*statement, error) {
	var parse func([]byte) (public, private object, err error)
	switch a.GetFormat() {
	case kmspb.KeyOperationAttestation_CAVIUM_V1_COMPRESSED:
		parse = parseV1
	case kmspb.KeyOperationAttestation_CAVIUM_V2_COMPRESSED:
		parse = parseV2
	default:
		return nil, fmt.Errorf("its format is %s, not CAVIUM_V1_COMPRESSED or CAVIUM_V2_COMPRESSED", a.GetFormat())
	}
	data, err := unpack(a.GetContent())
	if err != nil {
		return nil, err
	}
	if len(data) < signatureSize {
		return nil, fmt.Errorf("%d bytes are too few for a signature", len(data))
	}
	s := &statement{signed: data[:len(data)-signatureSize], signature: data[len(data)-signatureSize:]}
	if s.public, s.private, err = parse(s.signed); err != nil {
		return nil, err
	}
	return s, nil
}

// unpack takes one gzip member and nothing after it, of bounded size.
func unpack(content []byte) ([]byte, error) {
	if len(content) > maxCompressed {
		return nil, fmt.Errorf("it has more than %d bytes", maxCompressed)
	}
	in := bytes.NewReader(content)
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, fmt.Errorf("it is not gzip: %w", err)
	}
	z.Multistream(false)
	data, err := io.ReadAll(io.LimitReader(z, maxStatement+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("it is not gzip: %w", err)
	case len(data) > maxStatement:
		return nil, fmt.Errorf("unpacked it has more than %d bytes", maxStatement)
	case in.Len() > 0:
		return nil, fmt.Errorf("%d bytes follow it", in.Len())
	}
	return data, nil
}

// parseV2 takes the signed part apart. Its sizes count the signature.
func parseV2(signed []byte) (public, private object, err error) {
	if len(signed) < headerV2 {
		return nil, nil, errors.New("truncated: no header")
	}
	code, total, size := binary.BigEndian.Uint32(signed), binary.BigEndian.Uint32(signed[8:]), binary.BigEndian.Uint32(signed[12:])
	switch {
	case code != 0:
		return nil, nil, fmt.Errorf("the HSM answered with an error, 0x%x", code)
	case uint64(total) != uint64(len(signed)+signatureSize):
		return nil, nil, fmt.Errorf("it says that it has %d bytes, and has %d", total, len(signed)+signatureSize)
	case uint64(size) > uint64(len(signed)-headerV2) || size < 8:
		return nil, nil, fmt.Errorf("its buffer of %d bytes is not in it", size)
	}
	buffer := signed[len(signed)-int(size):]
	first, second := int(binary.BigEndian.Uint16(buffer[4:])), int(binary.BigEndian.Uint16(buffer[6:]))
	if second == 0 {
		return nil, nil, errors.New("it is about one key, not a pair")
	}
	if first < 8 || second < first {
		return nil, nil, fmt.Errorf("its keys begin at %d and %d", first, second)
	}
	return parsePair(buffer, first, second)
}

// parseV1 does so for the older format, which tells no offsets.
func parseV1(signed []byte) (public, private object, err error) {
	if len(signed) < headerV1+objectHeader {
		return nil, nil, errors.New("truncated: no header")
	}
	size := binary.BigEndian.Uint32(signed[headerV1+8:])
	if uint64(size) > uint64(len(signed)) {
		return nil, nil, fmt.Errorf("its first key of %d bytes is not in it", size)
	}
	return parsePair(signed, headerV1, headerV1+objectHeader+int(size))
}

// parsePair wants two keys that fill data from first on, and are of one kind.
func parsePair(data []byte, first, second int) (public, private object, err error) {
	public, end, err := parseObject(data, first)
	if err != nil {
		return nil, nil, fmt.Errorf("first key: %w", err)
	}
	if end != second {
		return nil, nil, fmt.Errorf("its first key ends at %d, its second begins at %d", end, second)
	}
	private, end, err = parseObject(data, second)
	if err != nil {
		return nil, nil, fmt.Errorf("second key: %w", err)
	}
	if end != len(data) {
		return nil, nil, fmt.Errorf("its second key ends at %d of %d", end, len(data))
	}
	if c := public.number(attrClass); c != classPublic {
		return nil, nil, fmt.Errorf("its first key is of class %d, not a public key", c)
	}
	if c := private.number(attrClass); c != classPrivate {
		return nil, nil, fmt.Errorf("its second key is of class %d, not a private key", c)
	}
	return public, private, nil
}

// parseObject reads the key at an offset, and says where it ends.
func parseObject(data []byte, at int) (object, int, error) {
	if at > len(data)-objectHeader {
		return nil, 0, errors.New("truncated: no header")
	}
	count, size := binary.BigEndian.Uint32(data[at+4:]), binary.BigEndian.Uint32(data[at+8:])
	at += objectHeader
	switch {
	case uint64(size) > uint64(len(data)-at):
		return nil, 0, fmt.Errorf("truncated: %d bytes of attributes, %d are there", size, len(data)-at)
	case count > maxAttributes:
		return nil, 0, fmt.Errorf("%d attributes", count)
	}
	end := at + int(size)
	rest, out := data[at:end], object{}
	for range count {
		if len(rest) < 8 {
			return nil, 0, errors.New("truncated: no attribute")
		}
		kind, length := binary.BigEndian.Uint32(rest), binary.BigEndian.Uint32(rest[4:])
		rest = rest[8:]
		if uint64(length) > uint64(len(rest)) {
			return nil, 0, fmt.Errorf("truncated: attribute 0x%04x of %d bytes, %d are there", kind, length, len(rest))
		}
		if _, twice := out[kind]; twice {
			return nil, 0, fmt.Errorf("attribute 0x%04x stands there twice", kind)
		}
		out[kind], rest = rest[:length], rest[length:]
	}
	if len(rest) > 0 {
		return nil, 0, fmt.Errorf("%d bytes are left over", len(rest))
	}
	return out, end, nil
}

// number is an attribute of one byte; -1 when it is not there, or is none.
func (o object) number(kind uint32) int {
	if v, ok := o[kind]; ok && len(v) == 1 {
		return int(v[0])
	}
	return -1
}

// raw is an attribute as it goes into the record.
func (o object) raw(kind uint32) string {
	if v, ok := o[kind]; ok {
		return fmt.Sprintf("0x%x", v)
	}
	return "absent"
}

// binds holds the statement against a public key: the private key it is about
// was made in the HSM, cannot leave it, and is the other half of pub.
func (s *statement) binds(pub crypto.PublicKey) error {
	for _, want := range []struct {
		kind  uint32
		name  string
		value int
	}{
		{attrLocal, "CKA_LOCAL", 1}, {attrExtractable, "CKA_EXTRACTABLE", 0}, {attrSensitive, "CKA_SENSITIVE", 1},
	} {
		if s.private.number(want.kind) != want.value {
			return fmt.Errorf("%s (0x%04x) of the private key is %s, not 0x%02x", want.name, want.kind, s.private.raw(want.kind), want.value)
		}
	}
	for half, o := range map[string]object{"private": s.private, "public": s.public} {
		if err := o.same(pub); err != nil {
			return fmt.Errorf("its %s half: %w", half, err)
		}
	}
	return nil
}

// same wants o to be a half of pub's pair.
func (o object) same(pub crypto.PublicKey) error {
	other := errors.New("it is about another key: its modulus or point (0x0120) is not that of the public key")
	kind := typeEC
	switch pub := pub.(type) {
	case *ecdsa.PublicKey:
		point, err := pub.Bytes()
		if err != nil {
			return err
		}
		if !bytes.Equal(o[attrModulus], point) {
			return other
		}
	case *rsa.PublicKey:
		kind = typeRSA
		if new(big.Int).SetBytes(o[attrModulus]).Cmp(pub.N) != 0 {
			return other
		}
		if new(big.Int).SetBytes(o[attrExponent]).Cmp(big.NewInt(int64(pub.E))) != 0 {
			return errors.New("its public exponent (0x0122) is not that of the public key")
		}
	default:
		return fmt.Errorf("no statement is about a %T", pub)
	}
	if got := o.number(attrKeyType); got != kind {
		return fmt.Errorf("its key type (0x0100) is %s, not 0x%02x", o.raw(attrKeyType), kind)
	}
	return nil
}
