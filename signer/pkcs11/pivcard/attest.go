package pivcard

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"time"
)

// device is the card's own key (slot f9), and who certified it.
type device struct {
	key               *ecdsa.PrivateKey
	certificate, root *x509.Certificate
}

// Root is the root under which this card's attestation key is certified.
func (c *Card) Root() *x509.Certificate { return c.device.root }

func newDevice() (*device, error) {
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	root, err := certify("Test PIV Root", rootKey.Public(), nil, rootKey)
	if err != nil {
		return nil, err
	}
	own, err := certify("Yubico PIV Attestation", key.Public(), root, rootKey)
	if err != nil {
		return nil, err
	}
	return &device{key, own, root}, nil
}

func certify(name string, of crypto.PublicKey, by *x509.Certificate, key crypto.Signer, ext ...pkix.Extension) (
	*x509.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Unix(1<<30, 0), NotAfter: time.Unix(1<<32, 0), ExtraExtensions: ext,
		BasicConstraintsValid: len(ext) == 0, IsCA: len(ext) == 0,
	}
	if by == nil {
		by = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by, of, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// attest is what the card says of a key that it has made; it says nothing of an imported one.
func (c *Card) attest(slot byte) ([]byte, uint16) {
	k := c.keys[slot]
	if k == nil {
		return nil, statusNoKey
	}
	if k.imported {
		return nil, statusData
	}
	serial, err := asn1.Marshal(int64(c.Serial))
	if err != nil {
		return nil, statusConditions
	}
	arc := func(n int, value []byte) pkix.Extension {
		return pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 3, n}, Value: value}
	}
	cert, err := certify(fmt.Sprintf("YubiKey PIV Attestation %x", slot), k.private.Public(), c.device.certificate,
		c.device.key, arc(3, c.Firmware[:]), arc(7, serial), arc(8, []byte{k.pin, k.touch}), arc(9, []byte{1}))
	if err != nil {
		return nil, statusConditions
	}
	return cert.Raw, ok
}
