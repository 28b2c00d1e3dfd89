package awskms

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"officiant/signer"
	"officiant/signer/backoff"
)

// Create makes the key of ref with id as a tag, reads back what AWS made, and
// gives it its alias last. An alias that exists is refused. It does not judge the
// evidence: the key exists, and its Info says how good it is.
func (s *store) Create(ctx context.Context, ref signer.Ref, spec signer.Spec, id signer.ID) (signer.Key, error) {
	k, err := s.create(ctx, ref, spec, id)
	if err != nil {
		return nil, fmt.Errorf("key %q with id %x: %w", ref.Label, id, err)
	}
	return k, nil
}

func (s *store) create(ctx context.Context, ref signer.Ref, spec signer.Spec, id signer.ID) (*key, error) {
	a, _, err := s.address(ref)
	if err != nil {
		return nil, err
	}
	alias, err := a.newAlias(ref)
	if err != nil {
		return nil, err
	}
	if id == (signer.ID{}) {
		return nil, errors.New("an id of zeros is none")
	}
	if _, err := signer.ParseAlgorithm(string(spec.Algorithm)); err != nil {
		return nil, err
	}
	policy, err := a.readPolicy()
	if err != nil {
		return nil, err
	}
	if m, err := s.describe(ctx, alias); err == nil {
		return nil, fmt.Errorf("%w: %s is %s", signer.ErrExists, alias, *m.Arn)
	} else if !errors.Is(err, signer.ErrNotFound) {
		return nil, err
	}
	m, err := s.make(ctx, ref.Label, spec, id, policy)
	if err != nil {
		return nil, err
	}
	k, err := s.readBack(ctx, m, ref.Label, spec, id)
	if err == nil {
		err = s.alias(ctx, alias, *m.Arn)
	}
	if err != nil {
		return nil, fmt.Errorf("%s was made, but cannot be used yet: %w", *m.Arn, err)
	}
	if policy != nil {
		sum := sha256.Sum256([]byte(*policy))
		k.info.Attributes["Policy SHA-256"] = hex.EncodeToString(sum[:])
	}
	return k, nil
}

// make sends the one request that makes a key.
func (s *store) make(ctx context.Context, label string, spec signer.Spec, id signer.ID, policy *string) (*types.KeyMetadata, error) {
	in := &kms.CreateKeyInput{
		Description: aws.String("Officiant: " + label),
		KeySpec:     specs[spec.Algorithm],
		KeyUsage:    types.KeyUsageTypeSignVerify,
		Origin:      types.OriginTypeAwsKms,
		MultiRegion: aws.Bool(false),
		Policy:      policy,
		Tags: []types.Tag{
			{TagKey: aws.String(tagID), TagValue: aws.String(hex.EncodeToString(id[:]))},
			{TagKey: aws.String(tagLabel), TagValue: aws.String(label)},
		},
	}
	out, err := backoff.Do(ctx, s.again(), throttles, func() (*kms.CreateKeyOutput, error) {
		return call(ctx, s, "CreateKey", label, s.client.CreateKey, in, once)
	})
	if err != nil {
		return nil, err
	}
	if err := s.checkAnswer(out.KeyMetadata, ""); err != nil {
		return nil, fmt.Errorf("%s: CreateKey: %w", s, err)
	}
	s.pin(*out.KeyMetadata.Arn, *out.KeyMetadata.Arn)
	return out.KeyMetadata, nil
}

// settling is how long a key that was just made may be unknown to KMS: its
// answers are consistent only after a while.
const settling = 20 * time.Second

// readBack reads the key that was just made, until KMS knows it.
func (s *store) readBack(ctx context.Context, m *types.KeyMetadata, label string, spec signer.Spec, id signer.ID) (*key, error) {
	deadline := time.Now().Add(min(settling, s.limits.request))
	for pause := 250 * time.Millisecond; ; pause *= 2 {
		k, err := s.open(ctx, *m.Arn, label)
		switch {
		case err == nil && k.info.Algorithm != spec.Algorithm:
			return nil, fmt.Errorf("it is %s, not %s", k.info.Algorithm, spec.Algorithm)
		case err == nil && k.info.Attributes["Tag "+tagID] == absent:
			err = fmt.Errorf("%w: its tag %s is not there", signer.ErrNotFound, tagID)
		case err == nil && k.info.Attributes["Tag "+tagID] == "denied":
			k.info.ID = id[:] // it was made with it
			return k, nil
		case err == nil && string(k.info.ID) != string(id[:]):
			return nil, fmt.Errorf("its id is %x", k.info.ID)
		case err == nil:
			return k, nil
		}
		if !errors.Is(err, signer.ErrNotFound) || time.Now().Add(pause).After(deadline) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.done.Done():
			return nil, fmt.Errorf("%w: %s: closed meanwhile", signer.ErrUnavailable, s)
		case <-time.After(pause):
		}
	}
}

// alias gives a key its name, and remembers it: KMS itself may take a while.
func (s *store) alias(ctx context.Context, alias, arn string) error {
	_, err := backoff.Do(ctx, s.again(), throttles, func() (*kms.CreateAliasOutput, error) {
		return call(ctx, s, "CreateAlias", alias, s.client.CreateAlias,
			&kms.CreateAliasInput{AliasName: &alias, TargetKeyId: &arn}, once)
	})
	if err != nil {
		return err
	}
	s.pin(alias, arn)
	return nil
}

// maxPolicy is what AWS takes, in bytes.
const maxPolicy = 32 << 10

// readPolicy reads the file that a URI names; nil without one.
func (a address) readPolicy() (*string, error) {
	if a.policy == "" {
		return nil, nil
	}
	f, err := os.Open(a.policy)
	if err != nil {
		return nil, fmt.Errorf("key policy: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPolicy+1))
	if err != nil {
		return nil, fmt.Errorf("key policy: %w", err)
	}
	var object map[string]json.RawMessage
	switch err := json.Unmarshal(text, &object); {
	case len(text) > maxPolicy:
		return nil, fmt.Errorf("key policy %s: more than %d bytes", a.policy, maxPolicy)
	case err != nil:
		return nil, fmt.Errorf("key policy %s: %w", a.policy, err)
	case object["Statement"] == nil:
		return nil, fmt.Errorf("key policy %s: has no Statement", a.policy)
	}
	policy := string(text)
	return &policy, nil
}
