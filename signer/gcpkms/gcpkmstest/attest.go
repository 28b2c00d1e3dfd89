package gcpkmstest

import (
	"bytes"
	"compress/gzip"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"io"
	"maps"
	"math/big"
	"slices"
	"sync"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
)

// Object is one half of a key pair in an attestation: attributes by type.
type Object map[uint32][]byte

// factory makes the HSM's identity: a maker, an owner, a card, a partition on
// it. Its card has no CA bit, as the real ones have none.
type factory struct {
	partition *rsa.PrivateKey
	chains    *kmspb.KeyOperationAttestation_CertificateChains
	roots     []byte
}

var theFactory = sync.OnceValue(func() *factory {
	makerKey, ownerKey, cardKey, partitionKey := newRSA(), newRSA(), newRSA(), newRSA()
	maker := certify("fake maker", &makerKey.PublicKey, nil, makerKey)
	owner := certify("fake Google", &ownerKey.PublicKey, nil, ownerKey)
	card := certify("HSM:fake", &cardKey.PublicKey, maker, makerKey)
	return &factory{
		partition: partitionKey,
		chains: &kmspb.KeyOperationAttestation_CertificateChains{
			CaviumCerts:          []string{toPEM(certify("HSM:fake:PARTN:1", &partitionKey.PublicKey, card, cardKey)), toPEM(card)},
			GoogleCardCerts:      []string{toPEM(certify("HSM:fake", &cardKey.PublicKey, owner, ownerKey))},
			GooglePartitionCerts: []string{toPEM(certify("HSM:fake:PARTN:1", &partitionKey.PublicKey, owner, ownerKey))},
		},
		roots: []byte(toPEM(maker) + toPEM(owner)),
	}
})

// Roots are the two roots, in PEM, that the service's attestations lead to.
func Roots() []byte { return bytes.Clone(theFactory().roots) }

func newRSA() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
}

func certify(name string, pub *rsa.PublicKey, by *x509.Certificate, key *rsa.PrivateKey) *x509.Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Unix(1_500_000_000, 0), NotAfter: time.Unix(1_600_000_000, 0), // it ended, as the real maker's root has
	}
	if by == nil {
		template.IsCA, template.BasicConstraintsValid = true, true
		by = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by, pub, key)
	if err != nil {
		panic(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return c
}

func toPEM(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

// Attest is the HSM's statement about a key pair made in it, after edit unless
// that is nil, in the layout of the real ones.
func Attest(pub crypto.PublicKey, format kmspb.KeyOperationAttestation_AttestationFormat, edit func(public, private Object)) *kmspb.KeyOperationAttestation {
	public := Object{0x000: {2}, 0x002: {1}, 0x103: {0}, 0x108: {0}, 0x162: {1}, 0x163: {1}, 0x164: {0}, 0x165: {0}}
	private := Object{0x000: {3}, 0x002: {1}, 0x103: {1}, 0x108: {1}, 0x162: {0}, 0x163: {1}, 0x164: {1}, 0x165: {1}}
	for _, o := range []Object{public, private} {
		o.describe(pub)
	}
	if edit != nil {
		edit(public, private)
	}
	return Sign(Encode(format, public, private), format)
}

// describe adds what is of the public key.
func (o Object) describe(pub crypto.PublicKey) {
	switch pub := pub.(type) {
	case *rsa.PublicKey:
		o[0x100], o[0x120], o[0x122] = []byte{0}, pub.N.Bytes(), big.NewInt(int64(pub.E)).Bytes()
	case *ecdsa.PublicKey:
		point, err := pub.Bytes()
		if err != nil {
			panic(err)
		}
		o[0x100], o[0x120] = []byte{3}, point
	}
}

// Encode is what an HSM signs.
func Encode(format kmspb.KeyOperationAttestation_AttestationFormat, public, private Object) []byte {
	first, second := public.encode(0xa1c), private.encode(0xa1d)
	if format == kmspb.KeyOperationAttestation_CAVIUM_V1_COMPRESSED {
		return append(append(make([]byte, 984), first...), second...)
	}
	buffer := binary.BigEndian.AppendUint16(nil, 1)
	for _, n := range []int{3, 8, 8 + len(first)} {
		buffer = binary.BigEndian.AppendUint16(buffer, uint16(n))
	}
	buffer = append(append(buffer, first...), second...)
	var out []byte
	for _, n := range []int{0, 3, 32 + len(buffer) + 256, len(buffer), 0, 0xa1c, 0, 0xa1d} {
		out = binary.BigEndian.AppendUint32(out, uint32(n))
	}
	return append(out, buffer...)
}

func (o Object) encode(handle uint32) []byte {
	var attributes []byte
	for _, kind := range slices.Sorted(maps.Keys(o)) {
		attributes = binary.BigEndian.AppendUint32(attributes, kind)
		attributes = binary.BigEndian.AppendUint32(attributes, uint32(len(o[kind])))
		attributes = append(attributes, o[kind]...)
	}
	out := binary.BigEndian.AppendUint32(nil, handle)
	out = binary.BigEndian.AppendUint32(out, uint32(len(o)))
	out = binary.BigEndian.AppendUint32(out, uint32(len(attributes)))
	return append(out, attributes...)
}

// Sign has the partition sign a statement, and packs it.
func Sign(statement []byte, format kmspb.KeyOperationAttestation_AttestationFormat) *kmspb.KeyOperationAttestation {
	digest := sha256.Sum256(statement)
	sig, err := rsa.SignPKCS1v15(rand.Reader, theFactory().partition, crypto.SHA256, digest[:])
	if err != nil {
		panic(err)
	}
	return Pack(append(bytes.Clone(statement), sig...), format)
}

// Pack compresses a statement with its signature, and adds the certificates.
func Pack(signed []byte, format kmspb.KeyOperationAttestation_AttestationFormat) *kmspb.KeyOperationAttestation {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(signed); err != nil {
		panic(err)
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return &kmspb.KeyOperationAttestation{Format: format, Content: out.Bytes(), CertChains: theFactory().chains}
}

// attestation is what the service answers for a version, faults included.
func (v *version) attestation(fault Fault) *kmspb.KeyOperationAttestation {
	a := v.proto.GetAttestation()
	if a == nil {
		return nil
	}
	set := func(kind uint32, value byte) *kmspb.KeyOperationAttestation {
		return Attest(v.private.Public(), a.Format, func(_, private Object) { private[kind] = []byte{value} })
	}
	switch fault {
	case AttestMissing:
		return nil
	case AttestExtractable:
		return set(0x162, 1)
	case AttestImported:
		return set(0x163, 0)
	case AttestOther:
		other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		return Attest(other.Public(), a.Format, nil)
	case AttestTruncated:
		return &kmspb.KeyOperationAttestation{Format: a.Format, Content: a.Content[:len(a.Content)/2], CertChains: a.CertChains}
	case AttestBadSignature:
		z, err := gzip.NewReader(bytes.NewReader(a.Content))
		if err != nil {
			panic(err)
		}
		signed, err := io.ReadAll(z)
		if err != nil {
			panic(err)
		}
		signed[len(signed)-1] ^= 1
		return Pack(signed, a.Format)
	case AttestNoChains:
		return &kmspb.KeyOperationAttestation{Format: a.Format, Content: a.Content}
	}
	return a
}
