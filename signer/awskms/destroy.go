package awskms

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"officiant/bundle/fingerprint"
	"officiant/signer"
	"officiant/signer/backoff"
)

// window is how many days AWS keeps a key that is to be deleted, the most it takes:
// for so long it can be had back (aws kms cancel-key-deletion).
const window = 30

// Destroy schedules the deletion of the key that Create made with id, and takes its
// alias away, so that another key can have it.
func (s *store) Destroy(ctx context.Context, ref signer.Ref, id signer.ID, spki [32]byte) (time.Time, error) {
	gone, err := s.destroy(ctx, ref, id, spki)
	if err != nil {
		return gone, fmt.Errorf("key %q with id %x: %w", ref.Label, id, err)
	}
	return gone, nil
}

func (s *store) destroy(ctx context.Context, ref signer.Ref, id signer.ID, spki [32]byte) (gone time.Time, err error) {
	_, place, err := s.address(ref)
	if err != nil {
		return gone, err
	}
	arn, err := s.tagged(ctx, id)
	if err != nil {
		return gone, err
	}
	m, err := s.describe(ctx, arn)
	if err != nil {
		return gone, err
	}
	if m.KeyState == types.KeyStatePendingDeletion {
		gone = aws.ToTime(m.DeletionDate)
	} else if gone, err = s.schedule(ctx, m, id, spki); err != nil {
		return gone, err
	}
	return gone, s.unname(ctx, place, arn)
}

// schedule has a key deleted that is the one that is meant.
func (s *store) schedule(
	ctx context.Context,
	m *types.KeyMetadata,
	id signer.ID,
	spki [32]byte,
) (gone time.Time, err error) {
	k, err := s.keyOf(ctx, m, "")
	if err != nil {
		return gone, err
	}
	if got, err := fingerprint.SPKI(k.public); err != nil || got != fingerprint.SHA256(spki) {
		return gone, fmt.Errorf(
			"%w: the public key of %s is %s, not %s",
			signer.ErrOther,
			k.arn,
			got,
			fingerprint.SHA256(spki),
		)
	}
	if tag := k.info.Attributes["Tag "+tagID]; tag != hex.EncodeToString(id[:]) {
		return gone, fmt.Errorf("%w: the tag %s of %s is %q now", signer.ErrOther, tagID, k.arn, tag)
	}
	out, err := backoff.Do(ctx, s.again(), throttles, func() (*kms.ScheduleKeyDeletionOutput, error) {
		return call(ctx, s, "ScheduleKeyDeletion", k.arn, s.client.ScheduleKeyDeletion,
			&kms.ScheduleKeyDeletionInput{KeyId: &k.arn, PendingWindowInDays: aws.Int32(window)}, once)
	})
	switch {
	case err != nil:
		return gone, err
	case aws.ToString(out.KeyId) != k.arn:
		return gone, fmt.Errorf(
			"%s: ScheduleKeyDeletion %s: the answer is about another key, %q",
			s,
			k.arn,
			aws.ToString(out.KeyId),
		)
	case out.DeletionDate == nil:
		return gone, fmt.Errorf("%s: ScheduleKeyDeletion %s: the answer has no date", s, k.arn)
	}
	return *out.DeletionDate, nil
}

// unname takes an alias away that names a key. One that names another stays.
func (s *store) unname(ctx context.Context, place, arn string) error {
	if !aliasName.MatchString(place) {
		return nil
	}
	s.mu.Lock()
	delete(s.pins, place)
	s.mu.Unlock()
	m, err := s.describe(ctx, place)
	if errors.Is(err, signer.ErrNotFound) || err == nil && *m.Arn != arn {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = backoff.Do(ctx, s.again(), throttles, func() (*kms.DeleteAliasOutput, error) {
		return call(ctx, s, "DeleteAlias", place, s.client.DeleteAlias, &kms.DeleteAliasInput{AliasName: &place}, once)
	})
	s.mu.Lock()
	delete(s.pins, place)
	s.mu.Unlock()
	return err
}
