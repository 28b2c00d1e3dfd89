//go:build cgo

package pkcs11

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"strings"

	"github.com/miekg/pkcs11"

	"officiant/signer"
)

// ambiguous lists private keys that have one name, and says how each is named.
func (s *store) ambiguous(h pkcs11.SessionHandle, private []pkcs11.ObjectHandle) error {
	var names []string
	ids := map[string]bool{}
	for _, o := range private {
		k, err := s.read(h, o)
		if away(err) {
			return err
		}
		what := string(k.info.Algorithm)
		if err != nil {
			what = "cannot be used: " + err.Error()
		}
		if len(k.info.ID) > 0 {
			ids[string(k.info.ID)] = true
			names = append(names, fmt.Sprintf("%q with id=%s (%s)", k.info.Label, escaped(k.info.ID), what))
		} else {
			names = append(names, fmt.Sprintf("%q without an id (%s)", k.info.Label, what))
		}
	}
	way := "name one by its id, as it stands here, in its URI"
	if len(ids) < len(private) {
		way = "ids do not tell all of them apart: name one by an id that no other has, or, in a plan, by its public key"
	}
	return fmt.Errorf("%w: at least %d: %s; %s", signer.ErrAmbiguous, len(private), strings.Join(names, ", "), way)
}

// escaped is an id as a URI has it (RFC 7512 section 2.3).
func escaped(id []byte) string {
	var b strings.Builder
	for _, c := range id {
		fmt.Fprintf(&b, "%%%02x", c)
	}
	return b.String()
}

// unpadded is a label without the NULs that some tools end it with.
func unpadded(label []byte) string { return string(bytes.TrimRight(label, "\x00")) }

// FindPublic returns the key whose public half has this SHA-256 of its DER
// SubjectPublicKeyInfo, whatever its label and id; ref names only the token.
func (s *store) FindPublic(ctx context.Context, ref signer.Ref, spki [sha256.Size]byte) (signer.Key, error) {
	if _, err := s.address(ref); err != nil {
		return nil, err
	}
	k, err := within(ctx, s, s.limits.call, func(h pkcs11.SessionHandle) (*key, error) {
		all, err := s.allKeys(h)
		if err != nil {
			return nil, err
		}
		var found []*key
		for _, o := range all {
			if o.secret {
				continue
			}
			k, err := s.read(h, o.handle)
			if away(err) {
				return nil, err
			}
			if der, bad := x509.MarshalPKIXPublicKey(k.public); err == nil && bad == nil && sha256.Sum256(der) == spki {
				found = append(found, k)
			}
		}
		switch len(found) {
		case 0:
			return nil, signer.ErrNotFound
		case 1:
			return found[0], nil
		}
		return nil, fmt.Errorf("%w: %d private keys have this public key", signer.ErrAmbiguous, len(found))
	})
	if err != nil {
		return nil, fmt.Errorf("key with public key %x: %w", spki, err)
	}
	return k, nil
}

var _ signer.PublicFinder = (*store)(nil)
