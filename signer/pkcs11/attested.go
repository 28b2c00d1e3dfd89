//go:build cgo

package pkcs11

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/miekg/pkcs11"

	"officiant/signer"
	"officiant/signer/attestation"
)

// The bounds of what is read as attestations.
const (
	maxCertificates = 64       // of a token
	maxAttestation  = 64 << 10 // bytes of a file
)

// attest adds to a key's evidence what its maker vouches for: the attestation is
// among the certificates in the token, as Yubico's module shows them, or in the file
// that the URI names. Where there is none, nothing changes.
func (k *key) attest(h pkcs11.SessionHandle, trusted attestation.Roots) error {
	s := k.store
	among := s.attestations
	if strings.Contains(s.token.info.ManufacturerID, "Yubico") {
		in, err := s.objects.certificates(h)
		if err != nil {
			return err
		}
		among = append(in, among...)
	}
	if len(among) == 0 {
		return nil
	}
	spki, err := x509.MarshalPKIXPublicKey(k.public)
	if err != nil {
		return err
	}
	said, err := attestation.Verify(spki, among, trusted)
	vouch(&k.info, said, err)
	return nil
}

// vouch grades a key by its attestation. The maker's word stands beside the token's:
// it makes more of a key whose attributes agree, and of no other.
func vouch(i *signer.Info, said *attestation.Statement, err error) {
	if errors.Is(err, attestation.ErrNone) {
		return
	}
	if err != nil {
		i.Attributes["attestation.result"] = err.Error()
	}
	switch {
	case err == nil:
		for name, value := range said.Attributes() {
			i.Attributes[name] = value
		}
		if i.Grade == signer.Consistent {
			i.Grade, i.Reason = signer.Attested, ""
		}
	case i.Grade == signer.Consistent && errors.Is(err, attestation.ErrNoRoot):
		i.Reason = fmt.Sprintf("there is an attestation of this key, but %v; a newer root of its vendor's has to "+
			"be given by name", err)
	case i.Grade == signer.Consistent:
		i.Grade, i.Reason = signer.Unproven, fmt.Sprintf("the token's attestation of this key proves nothing: %v", err)
	}
}

// certificates are those in the token; what is none is passed over.
func (in objects) certificates(h pkcs11.SessionHandle) ([]*x509.Certificate, error) {
	// Yubico's module shows attestations as session objects (CKA_TOKEN false).
	found, function, err := in.ctx.Find(h, maxCertificates,
		[]*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_CERTIFICATE)})
	if err := called(function, err); err != nil {
		return nil, err
	}
	var out []*x509.Certificate
	for _, o := range found[:min(len(found), maxCertificates)] {
		der, err := in.attribute(h, o, pkcs11.CKA_VALUE)
		if err != nil {
			return nil, err
		}
		if c, err := x509.ParseCertificate(der); err == nil {
			out = append(out, c)
		}
	}
	return out, nil
}

// attestationsOf reads the file that a URI names.
func (a address) attestationsOf() ([]*x509.Certificate, error) {
	if a.attestation == "" {
		return nil, nil
	}
	f, err := os.Open(a.attestation)
	if err != nil {
		return nil, signer.BadURI(fmt.Errorf("pkcs11 URI: attestation: %w", err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxAttestation+1))
	if err == nil && len(text) > maxAttestation {
		err = fmt.Errorf("more than %d bytes", maxAttestation)
	}
	var certs []*x509.Certificate
	if err == nil {
		certs, err = attestation.Parse(text)
	}
	if err != nil {
		return nil, signer.BadURI(fmt.Errorf("pkcs11 URI: attestation: %s: %w", a.attestation, err))
	}
	return certs, nil
}
