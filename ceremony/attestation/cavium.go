package attestation

import (
	"bytes"
	"compress/gzip"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"

	"golang.org/x/crypto/cryptobyte"

	"officiant/signer/attestation/roots"
)

const (
	cavium1 = "CAVIUM_V1_COMPRESSED"
	cavium2 = "CAVIUM_V2_COMPRESSED"

	maxStatement  = 1 << 20
	signatureSize = 256 // RSA-2048
	headerOfV1    = 984
)

// verifyCavium verifies the statement of an HSM of Google's: its signature by the
// partition's key, which the maker and Google certify, each for itself.
func verifyCavium(format string, said map[string]string, spki []byte, given []*x509.Certificate) (string, error) {
	data, err := unpacked(said)
	if err != nil {
		return "", fmt.Errorf("attestation.content: %w", err)
	}
	signed, signature := data[:len(data)-signatureSize], data[len(data)-signatureSize:]
	pub, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return "", err
	}
	if err := statement(format, signed, pub); err != nil {
		return "", fmt.Errorf("attestation.content: %w", err)
	}
	var chains [3][]*x509.Certificate
	for i, name := range []string{"caviumCerts", "googleCardCerts", "googlePartitionCerts"} {
		if chains[i], err = chain(said, "attestation."+name); err != nil {
			return "", err
		}
	}
	known, err := anchors(roots.Google, given)
	if err != nil {
		return "", err
	}
	return vouched(signed, signature, chains, known)
}

func unpacked(said map[string]string) ([]byte, error) {
	packed, err := base64.StdEncoding.DecodeString(said["attestation.content"])
	if err != nil {
		return nil, err
	}
	if s := sha256.Sum256(packed); hex.EncodeToString(s[:]) != said["attestation.sha256"] {
		return nil, errors.New("attestation.sha256 is of something else")
	}
	in := bytes.NewReader(packed)
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, err
	}
	z.Multistream(false)
	data, err := io.ReadAll(io.LimitReader(z, maxStatement+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > maxStatement:
		return nil, fmt.Errorf("it unpacks to more than %d MiB", maxStatement>>20)
	case in.Len() > 0:
		return nil, fmt.Errorf("%d bytes follow what is packed", in.Len())
	case len(data) <= signatureSize:
		return nil, fmt.Errorf("%d bytes hold no statement and its signature", len(data))
	}
	return data, nil
}

// statement wants the two halves of the pair that pub is of, the private one made in the
// HSM, sensitive and not extractable.
func statement(format string, signed []byte, pub crypto.PublicKey) error {
	s := cryptobyte.String(signed)
	if format == cavium2 {
		var code, flags, total, size uint32
		if !s.ReadUint32(&code) || !s.ReadUint32(&flags) || !s.ReadUint32(&total) || !s.ReadUint32(&size) ||
			code != 0 || int64(total) != int64(len(signed))+signatureSize || int64(size) > int64(len(s)) {
			return errors.New("its header does not fit it")
		}
		s = s[len(s)-int(size):]
		var version, bits, first, second uint16
		if !s.ReadUint16(&version) || !s.ReadUint16(&bits) || !s.ReadUint16(&first) || !s.ReadUint16(&second) ||
			first < 8 || !s.Skip(int(first)-8) || second <= first {
			return errors.New("its keys are not where it says")
		}
	} else if !s.Skip(headerOfV1) {
		return errors.New("it has no header")
	}
	for _, half := range []struct {
		class byte
		wants map[uint32]byte
	}{
		{2, nil},
		{3, map[uint32]byte{0x103: 1, 0x162: 0, 0x163: 1}}, // sensitive, extractable, local
	} {
		said, err := attributesOf(&s)
		if err != nil {
			return err
		}
		if !bytes.Equal(said[0], []byte{half.class}) {
			return fmt.Errorf("a key of class %x where %d belongs", said[0], half.class)
		}
		if !about(said, pub) {
			return errors.New("it is about another key")
		}
		for kind, value := range half.wants {
			if !bytes.Equal(said[kind], []byte{value}) {
				return fmt.Errorf("attribute 0x%04x of the private key is 0x%x, not 0x%02x", kind, said[kind], value)
			}
		}
	}
	if !s.Empty() {
		return fmt.Errorf("%d bytes follow its keys", len(s))
	}
	return nil
}

// attributesOf reads one key: handle, count, size, and so many attributes.
func attributesOf(s *cryptobyte.String) (map[uint32][]byte, error) {
	var handle, count, size uint32
	var body []byte
	if !s.ReadUint32(&handle) || !s.ReadUint32(&count) || !s.ReadUint32(&size) || size > maxStatement ||
		!s.ReadBytes(&body, int(size)) {
		return nil, errors.New("a key of it is cut off")
	}
	in, out := cryptobyte.String(body), map[uint32][]byte{}
	for ; count > 0; count-- {
		var kind, length uint32
		var value []byte
		if !in.ReadUint32(&kind) || !in.ReadUint32(&length) || length > maxStatement || !in.ReadBytes(&value,
			int(length)) {
			return nil, errors.New("an attribute of it is cut off")
		}
		if _, twice := out[kind]; twice {
			return nil, fmt.Errorf("attribute 0x%04x stands there twice", kind)
		}
		out[kind] = value
	}
	if !in.Empty() {
		return nil, errors.New("bytes follow a key's attributes")
	}
	return out, nil
}

// about says whether a half's key type and modulus, or point, are pub's.
func about(said map[uint32][]byte, pub crypto.PublicKey) bool {
	switch pub := pub.(type) {
	case *ecdsa.PublicKey:
		point, err := pub.Bytes()
		return err == nil && bytes.Equal(said[0x120], point) && bytes.Equal(said[0x100], []byte{3})
	case *rsa.PublicKey:
		return new(big.Int).SetBytes(said[0x120]).Cmp(pub.N) == 0 && bytes.Equal(said[0x100], []byte{0}) &&
			new(big.Int).SetBytes(said[0x122]).Cmp(big.NewInt(int64(pub.E))) == 0
	}
	return false
}

// vouched follows both chains: the maker's from the partition's key over the card, and
// Google's, which certifies both keys itself. Both ends must be known, and not one key.
func vouched(signed, signature []byte, chains [3][]*x509.Certificate, known []*x509.Certificate) (string, error) {
	digest := sha256.Sum256(signed)
	same := func(in []*x509.Certificate, of *x509.Certificate) *x509.Certificate {
		for _, c := range in {
			if bytes.Equal(c.RawSubjectPublicKeyInfo, of.RawSubjectPublicKeyInfo) {
				return c
			}
		}
		return nil
	}
	signer := func(of ...*x509.Certificate) *x509.Certificate {
		for _, r := range known {
			if !slices.ContainsFunc(of, func(c *x509.Certificate) bool { return !signedBy(c, r) }) {
				return r
			}
		}
		return nil
	}
	for _, partition := range chains[0] {
		key, ok := partition.PublicKey.(*rsa.PublicKey)
		if !ok || rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) != nil {
			continue
		}
		for _, card := range chains[0] {
			if card == partition || !signedBy(partition, card) {
				continue
			}
			googleCard, googlePartition := same(chains[1], card), same(chains[2], partition)
			if googleCard == nil || googlePartition == nil {
				return "", errors.New("the card or the partition is none of Google's")
			}
			maker, google := signer(card), signer(googleCard, googlePartition)
			switch {
			case maker == nil || google == nil:
				return "", fmt.Errorf("%w: the card is by %.80q and %.80q", ErrNoRoot, card.Issuer, googleCard.Issuer)
			case bytes.Equal(maker.RawSubjectPublicKeyInfo, google.RawSubjectPublicKeyInfo):
				return "", fmt.Errorf("%w: maker and Google have one root, so only one of them vouches", ErrNoRoot)
			}
			return fmt.Sprintf("Cloud HSM, up to %s and %s", maker.Subject.CommonName, google.Subject.CommonName), nil
		}
		return "", errors.New("no card of the maker's signed the partition's key")
	}
	return "", errors.New("its signature is by none of the maker's certificates")
}
