//go:build cgo

package pkcs11

import (
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"math"
	"strings"

	"github.com/miekg/pkcs11"

	"officiant/bundle/nearest"
	"officiant/signer"
)

var errNoCertificate = errors.New("no certificate has its id")

// certified is the public key of the certificates that have a private key's id, as
// programs leave them that import both and no public key object. Several have to agree.
func (in objects) certified(h pkcs11.SessionHandle, id []byte) (crypto.PublicKey, error) {
	found, err := in.named(h, pkcs11.CKO_CERTIFICATE, "", id)
	if err != nil {
		return nil, err
	}
	var public crypto.PublicKey
	for _, o := range found {
		der, err := in.attribute(h, o, pkcs11.CKA_VALUE)
		if err != nil {
			return nil, err
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("the certificate that has its id is none that is read: %w", err)
		}
		if same, ok := public.(interface{ Equal(crypto.PublicKey) bool }); ok && !same.Equal(cert.PublicKey) {
			return nil, fmt.Errorf("%w: %d certificates have its id, of several keys", signer.ErrAmbiguous, len(found))
		}
		public = cert.PublicKey
	}
	if public == nil {
		return nil, errNoCertificate
	}
	return public, nil
}

// absent says that there is no private key of a name, and what has the name instead.
func (in objects) absent(h pkcs11.SessionHandle, label string, id []byte) error {
	for _, other := range []struct {
		class uint
		what  string
	}{
		{pkcs11.CKO_SECRET_KEY, "a secret key has the name, which signs no certificate"},
		{pkcs11.CKO_PUBLIC_KEY, "a public key has the name, and its private half is not in the token"},
		{pkcs11.CKO_CERTIFICATE, "a certificate has the name, and its private key is not in the token"},
	} {
		found, err := in.named(h, other.class, label, id)
		if err == nil && len(found) > 0 {
			return fmt.Errorf("%w: %s", signer.ErrNotFound, other.what)
		}
	}
	if decoded, err := hex.DecodeString(strings.TrimPrefix(string(id), "0x")); err == nil && len(decoded) > 0 {
		if found, err := in.named(h, pkcs11.CKO_PRIVATE_KEY, label, decoded); err == nil && len(found) > 0 {
			return fmt.Errorf("%w; a key has the id %x, which a URI writes id=%s",
				signer.ErrNotFound, decoded, escaped(decoded))
		}
	}
	if meant, ok := nearest.Name(label, in.labels(h)); ok && len(id) == 0 {
		return fmt.Errorf("%w; did you mean %q?", signer.ErrNotFound, meant)
	}
	return signer.ErrNotFound
}

// labels are those of all private keys, as far as the token tells them.
func (in objects) labels(h pkcs11.SessionHandle) iter.Seq[string] {
	return func(yield func(string) bool) {
		found, err := in.search(h, math.MaxInt, pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY))
		for _, o := range found {
			label, bad := in.attribute(h, o, pkcs11.CKA_LABEL)
			if err != nil || bad != nil || !yield(unpadded(label)) {
				return
			}
		}
	}
}
