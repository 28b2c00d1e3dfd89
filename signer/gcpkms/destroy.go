package gcpkms

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"

	"officiant/bundle/fingerprint"
	"officiant/signer"
)

// Destroy schedules the destruction of the version that Create made with id: until
// then it can be restored. The crypto key stays, and its name is never free again.
func (s *store) Destroy(ctx context.Context, ref signer.Ref, id signer.ID, spki [32]byte) (time.Time, error) {
	p, err := s.place(ref)
	if err != nil {
		return time.Time{}, err
	}
	gone, err := s.destroy(ctx, p, id, spki)
	if err != nil {
		return gone, fmt.Errorf("key %q: %w", p.label, err)
	}
	return gone, nil
}

func (s *store) destroy(ctx context.Context, p place, id signer.ID, spki [32]byte) (gone time.Time, err error) {
	if at, err := s.scheduled(ctx, p, id); err != nil || !at.IsZero() {
		return at, err
	}
	k, err := s.load(ctx, p, &id)
	if err != nil {
		return gone, err
	}
	name := k.place.versionName()
	if got, err := fingerprint.SPKI(k.public); err != nil || got != fingerprint.SHA256(spki) {
		return gone, fmt.Errorf(
			"%w: the public key of %s is %s, not %s",
			signer.ErrOther,
			name,
			got,
			fingerprint.SHA256(spki),
		)
	}
	v, err := asked(ctx, s, "DestroyCryptoKeyVersion", name, s.client.DestroyCryptoKeyVersion,
		&kmspb.DestroyCryptoKeyVersionRequest{Name: name})
	switch {
	case err != nil:
		return gone, err
	case v.GetName() != name:
		return gone, fmt.Errorf("DestroyCryptoKeyVersion %s: the answer is about %.200q", name, v.GetName())
	case v.GetState() == kmspb.CryptoKeyVersion_DESTROYED:
		return gone, nil
	case v.GetState() != kmspb.CryptoKeyVersion_DESTROY_SCHEDULED || v.GetDestroyTime() == nil:
		return gone, fmt.Errorf("DestroyCryptoKeyVersion %s: answers that it is %s", name, v.GetState())
	}
	return v.GetDestroyTime().AsTime(), nil
}

// scheduled is when a version of this id will be gone whose destruction was asked for
// before; zero when it was not.
func (s *store) scheduled(ctx context.Context, p place, id signer.ID) (at time.Time, err error) {
	parent, err := asked(
		ctx,
		s,
		"GetCryptoKey",
		p.keyName(),
		s.client.GetCryptoKey,
		&kmspb.GetCryptoKeyRequest{Name: p.keyName()},
	)
	if err != nil {
		return at, err
	}
	if parent.GetName() != p.keyName() || parent.GetLabels()[idLabel] != hex.EncodeToString(id[:]) {
		return at, fmt.Errorf("%w with id %x: %s has another", signer.ErrNotFound, id, p.keyName())
	}
	if p.version == "" {
		p.version = "1"
	}
	v, err := s.version(ctx, p)
	if err != nil && !errors.Is(err, signer.ErrNotFound) || v.GetState() != kmspb.CryptoKeyVersion_DESTROY_SCHEDULED {
		return at, err
	}
	return v.GetDestroyTime().AsTime(), nil
}
