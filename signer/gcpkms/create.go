package gcpkms

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc/codes"

	"officiant/signer"
)

// Create makes a crypto key with id among its labels, and with it version 1; first the key
// ring, if there is none. It waits until Google has generated the key and reads everything
// back. An existing name is refused.
func (s *store) Create(ctx context.Context, ref signer.Ref, spec signer.Spec, id signer.ID) (signer.Key, error) {
	p, err := s.place(ref)
	if err != nil {
		return nil, err
	}
	k, err := s.create(ctx, p, spec, id)
	if err != nil {
		return nil, fmt.Errorf("key %q: %w", p.label, err)
	}
	return k, nil
}

func (s *store) create(ctx context.Context, p place, spec signer.Spec, id signer.ID) (*key, error) {
	algorithm, err := googleOf(spec.Algorithm)
	switch {
	case err != nil:
		return nil, err
	case p.version != "":
		return nil, fmt.Errorf("its URI %w", errNoVersion)
	case id == signer.ID{}:
		return nil, errors.New("an id of zeros is none")
	}
	if err := s.makeRing(ctx); err != nil {
		return nil, err
	}
	labels := map[string]string{idLabel: hex.EncodeToString(id[:])}
	if p.derived {
		labels[nameLabel] = labelValue(p.label)
	}
	made, err := asked(ctx, s, "CreateCryptoKey", p.keyName(), s.client.CreateCryptoKey, &kmspb.CreateCryptoKeyRequest{
		Parent: p.ringName(), CryptoKeyId: p.key,
		CryptoKey: &kmspb.CryptoKey{
			Purpose:         kmspb.CryptoKey_ASYMMETRIC_SIGN,
			VersionTemplate: &kmspb.CryptoKeyVersionTemplate{ProtectionLevel: p.protection, Algorithm: algorithm},
			Labels:          labels,
		},
	})
	if err != nil {
		if isCode(err, codes.Unavailable) || isCode(err, codes.DeadlineExceeded) {
			err = fmt.Errorf("%w; it may have been made all the same: then it is found by its id, %x", err, id)
		}
		return nil, err
	}
	if made.GetName() != p.keyName() {
		return nil, fmt.Errorf("CreateCryptoKey %s: the answer is about %.200q", p.keyName(), made.GetName())
	}
	k, err := s.load(ctx, p, &id)
	if err == nil && k.info.Algorithm != spec.Algorithm {
		err = fmt.Errorf("Google made a key of %s, not %s", k.info.Algorithm, spec.Algorithm)
	}
	if err != nil {
		return nil, fmt.Errorf("made, but cannot be used: %w", err)
	}
	return k, nil
}

// makeRing makes the key ring if there is none. Whoever may not look at it
// finds out by making a key in it.
func (s *store) makeRing(ctx context.Context) error {
	there, err := s.hasRing(ctx)
	if there || denied(err) {
		return nil
	}
	if err != nil {
		return err
	}
	name := s.address.ringName()
	ring, err := asked(ctx, s, "CreateKeyRing", name, s.client.CreateKeyRing, &kmspb.CreateKeyRingRequest{
		Parent: s.address.locationName(), KeyRingId: s.address.ring, KeyRing: &kmspb.KeyRing{},
	})
	switch {
	case errors.Is(err, signer.ErrExists): // by somebody else, just now
		return nil
	case errors.Is(err, signer.ErrNotFound):
		return fmt.Errorf("no project %s, or no location %s in it: %w", s.address.project, s.address.location, err)
	case err != nil:
		return err
	case ring.GetName() != name:
		return fmt.Errorf("CreateKeyRing %s: the answer is about %.200q", name, ring.GetName())
	}
	return nil
}

// labelValue writes CLUSTER/NAME so that Google takes it as a label's value.
// Neither half has an underscore, so no two labels become one.
func labelValue(label string) string { return strings.Replace(label, "/", "_", 1) }
