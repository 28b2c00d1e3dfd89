//go:build cgo

package pkcs11

import (
	"bytes"
	"context"
	"fmt"

	"github.com/miekg/pkcs11"

	"officiant/signer"
	"officiant/signer/attestation"
)

// Find returns the key with the label of ref's object attribute or, without
// one, of ref itself, and with its id attribute. There must be exactly one
// private key of that name.
func (s *store) Find(ctx context.Context, ref signer.Ref) (signer.Key, error) {
	a, err := s.address(ref)
	if err != nil {
		return nil, err
	}
	label, id, err := a.key(ref)
	if err != nil {
		return nil, err
	}
	return s.findKey(ctx, label, id)
}

// FindID returns the key with the CKA_ID that Create gave it; ref names only
// the token.
func (s *store) FindID(ctx context.Context, ref signer.Ref, id signer.ID) (signer.Key, error) {
	if _, err := s.address(ref); err != nil {
		return nil, err
	}
	return s.findKey(ctx, "", id[:])
}

// address takes ref's URI apart and makes sure that it names this token.
func (s *store) address(ref signer.Ref) (address, error) {
	a, err := parseURI(ref.URI)
	if err != nil {
		return a, err
	}
	if !a.matches(s.token.info) {
		return a, fmt.Errorf("key %q: its URI names the token with %s, not %s", ref.Label, a, s.token)
	}
	return a, nil
}

func (s *store) findKey(ctx context.Context, label string, id []byte) (signer.Key, error) {
	k, err := within(ctx, s, s.limits.call, func(h pkcs11.SessionHandle) (*key, error) { return s.findOn(h, label, id) })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name(label, id), err)
	}
	return k, nil
}

// findOn finds a private key by label, id or both, and its public half.
func (s *store) findOn(h pkcs11.SessionHandle, label string, id []byte) (*key, error) {
	private, err := s.objects.privateKeys(h, label, id)
	if err != nil {
		return nil, err
	}
	switch len(private) {
	case 0:
		return nil, s.objects.absent(h, label, id)
	case 1:
		return s.keyOf(h, private[0], label, id)
	}
	return nil, s.ambiguous(h, private)
}

// keyOf reads all there is to know of a private key, which must be the one of
// the label and the id.
func (s *store) keyOf(h pkcs11.SessionHandle, private pkcs11.ObjectHandle, label string, id []byte) (*key, error) {
	k, err := s.read(h, private)
	if err != nil {
		return nil, err
	}
	if label != "" && k.label != label || len(id) > 0 && !bytes.Equal(k.id, id) {
		return nil, fmt.Errorf("the token answers with another key: %s", name(k.label, k.id))
	}
	return k, nil
}

// read reads all there is to know of a private key. With an error comes as much
// as could be read.
func (s *store) read(h pkcs11.SessionHandle, private pkcs11.ObjectHandle) (*key, error) {
	k := &key{store: s, handle: private, info: signer.Info{Device: s.device, Grade: signer.Unproven}}
	label, err := s.objects.attribute(h, private, pkcs11.CKA_LABEL)
	if err != nil {
		return k, err
	}
	k.info.Label = unpadded(label)
	if k.info.ID, err = s.objects.attribute(h, private, pkcs11.CKA_ID); err != nil {
		return k, err
	}
	k.label, k.id = k.info.Label, k.info.ID
	if k.info.Attributes, err = s.objects.evidenceOf(h, private); err != nil {
		return k, err
	}
	if k.public, err = s.objects.publicOf(h, private, k.info.ID, string(label)); err != nil {
		return k, err
	}
	algorithm, err := signer.AlgorithmOf(k.public)
	if err != nil {
		return k, fmt.Errorf("%w: %w", signer.ErrUnsupported, err)
	}
	k.info.Algorithm = algorithm
	k.info.Grade, k.info.Reason = grade(k.info.Attributes, algorithm, s.device.Software)
	trusted, err := attestation.BuiltIn()
	if err != nil {
		return k, err
	}
	trusted.Certificates = append(trusted.Certificates, s.options.Roots...)
	if err := k.attest(h, trusted); err != nil {
		return k, err
	}
	return k, k.tag(h)
}

// name is how a key is called in messages.
func name(label string, id []byte) string {
	switch {
	case label == "":
		return fmt.Sprintf("key with id %x", id)
	case len(id) == 0:
		return fmt.Sprintf("key %q", label)
	}
	return fmt.Sprintf("key %q with id %x", label, id)
}
