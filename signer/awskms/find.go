package awskms

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"

	"officiant/signer"
)

// The tags of a key that Create made.
const (
	tagID    = "officiant:id"    // hexadecimal
	tagLabel = "officiant:label" // CLUSTER/NAME
)

// Find returns the key that ref's URI names, or the one with the alias of its label. A
// name resolves to the same key as long as the store is open.
func (s *store) Find(ctx context.Context, ref signer.Ref) (signer.Key, error) {
	_, place, err := s.address(ref)
	if err != nil {
		return nil, err
	}
	k, err := s.open(ctx, place, ref.Label)
	if err != nil {
		return nil, fmt.Errorf("key %q: %w", ref.Label, err)
	}
	return k, nil
}

// open reads all there is to know of the key at place.
func (s *store) open(ctx context.Context, place, label string) (*key, error) {
	m, err := s.describe(ctx, place)
	if err != nil {
		return nil, err
	}
	return s.keyOf(ctx, m, label)
}

func (s *store) keyOf(ctx context.Context, m *types.KeyMetadata, label string) (*key, error) {
	if err := usable(m); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", s, *m.Arn, err)
	}
	pub, err := s.publicOf(ctx, m)
	if err != nil {
		return nil, err
	}
	algorithm, _ := algorithmOf(m.KeySpec)
	info := signer.Info{Device: s.device(ownerOf(*m.Arn)), Label: label, Algorithm: algorithm, Attributes: attributes(m)}
	if info.Grade, info.Reason = grade(m); info.Grade == signer.Consistent && s.foreign != "" {
		info.Grade, info.Reason = signer.Software, s.foreign
	}
	if err := s.identify(ctx, m, &info); err != nil {
		return nil, err
	}
	return &key{store: s, arn: *m.Arn, public: pub, info: info}, nil
}

// publicOf asks for the public key, which must be of the key's own kind.
func (s *store) publicOf(ctx context.Context, m *types.KeyMetadata) (crypto.PublicKey, error) {
	out, err := call(ctx, s, "GetPublicKey", *m.Arn, s.client.GetPublicKey, &kms.GetPublicKeyInput{KeyId: m.Arn})
	if err != nil {
		return nil, err
	}
	refuse := func(format string, args ...any) (crypto.PublicKey, error) {
		return nil, fmt.Errorf("%s: GetPublicKey %s: %w", s, *m.Arn, fmt.Errorf(format, args...))
	}
	if got := aws.ToString(out.KeyId); got != *m.Arn {
		return refuse("the answer is about another key, %q", got)
	}
	if out.KeySpec != m.KeySpec || out.KeyUsage != m.KeyUsage {
		return refuse("it says %s for %s, DescribeKey says %s for %s", out.KeySpec, out.KeyUsage, m.KeySpec, m.KeyUsage)
	}
	pub, err := x509.ParsePKIXPublicKey(out.PublicKey)
	if err != nil {
		return refuse("%w", err)
	}
	algorithm, err := signer.AlgorithmOf(pub)
	if err != nil {
		return refuse("%w", err)
	}
	if specs[algorithm] != m.KeySpec {
		return refuse("the public key is %s, not %s", algorithm, m.KeySpec)
	}
	if r, ok := pub.(*rsa.PublicKey); ok && r.E != 65537 {
		return refuse("the public exponent is %d, not 65537", r.E)
	}
	return pub, nil
}

// identify fills in the id and, when the caller gave none, the label. A key that
// Create did not make, or whose tags may not be read, has the key id for an id.
func (s *store) identify(ctx context.Context, m *types.KeyMetadata, info *signer.Info) error {
	info.ID = []byte(*m.KeyId)
	tags, err := s.tags(ctx, *m.Arn)
	switch {
	case isDenied(err):
		info.Attributes["Tag "+tagID] = "denied"
	case err != nil:
		return err
	default:
		info.Attributes["Tag "+tagID] = absent
		if text, ok := tags[tagID]; ok {
			id, err := hex.DecodeString(text)
			if err != nil || len(id) != len(signer.ID{}) {
				return fmt.Errorf("%s: %s: its tag %s is not an id", s, *m.Arn, tagID)
			}
			info.ID = id
			info.Attributes["Tag "+tagID] = text
		}
	}
	if info.Label == "" {
		info.Label = tags[tagLabel]
	}
	if info.Label == "" {
		info.Label = *m.KeyId
	}
	return nil
}

func (s *store) tags(ctx context.Context, arn string) (map[string]string, error) {
	out := map[string]string{}
	var marker *string
	for range maxPages {
		page, err := call(ctx, s, "ListResourceTags", arn, s.client.ListResourceTags, &kms.ListResourceTagsInput{KeyId: &arn, Marker: marker})
		if err != nil {
			return nil, err
		}
		for _, t := range page.Tags {
			out[aws.ToString(t.TagKey)] = aws.ToString(t.TagValue)
		}
		if marker = page.NextMarker; !page.Truncated || marker == nil {
			return out, nil
		}
	}
	return nil, fmt.Errorf("%s: ListResourceTags %s: no end after %d pages", s, arn, maxPages)
}

// maxPages bounds a list that never ends; an account has 100,000 keys at most.
const maxPages = 1000

func isDenied(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && verdicts[api.ErrorCode()] == denied
}

// FindID returns the key that Create made with id, even when it was interrupted
// before the alias: then the key gets it now.
func (s *store) FindID(ctx context.Context, ref signer.Ref, id signer.ID) (signer.Key, error) {
	k, err := s.findID(ctx, ref, id)
	if err != nil {
		return nil, fmt.Errorf("key %q with id %x: %w", ref.Label, id, err)
	}
	return k, nil
}

func (s *store) findID(ctx context.Context, ref signer.Ref, id signer.ID) (*key, error) {
	_, place, err := s.address(ref)
	if err != nil {
		return nil, err
	}
	named, err := s.open(ctx, place, ref.Label)
	if err != nil && !errors.Is(err, signer.ErrNotFound) {
		return nil, err
	}
	if err == nil && string(named.info.ID) == string(id[:]) {
		return named, nil
	}
	arn, err := s.tagged(ctx, id)
	if err != nil {
		return nil, err
	}
	if named != nil {
		return nil, fmt.Errorf("%w: %s names %s, but the key of this id is %s", signer.ErrExists, place, named.arn, arn)
	}
	k, err := s.open(ctx, arn, ref.Label)
	if err == nil && aliasName.MatchString(place) {
		err = s.alias(ctx, place, arn)
	}
	if err != nil {
		return nil, err
	}
	return k, nil
}

// tagged looks through all keys of the Region for the one with an id. A key whose
// tags may not be read could be the one, so it is no use to say "not found".
func (s *store) tagged(ctx context.Context, id signer.ID) (string, error) {
	var found []string
	unread := 0
	err := s.eachKey(ctx, func(arn string) error {
		tags, err := s.tags(ctx, arn)
		switch {
		case errors.Is(err, signer.ErrNotFound): // deleted meanwhile
		case isDenied(err):
			unread++
		case err != nil:
			return err
		case tags[tagID] == hex.EncodeToString(id[:]):
			found = append(found, arn)
		}
		return nil
	})
	switch {
	case err != nil:
		return "", err
	case len(found) > 1:
		return "", fmt.Errorf("%w: %s and %s have this id as a tag", signer.ErrAmbiguous, found[0], found[1])
	case len(found) == 1:
		return found[0], nil
	case unread > 0:
		return "", fmt.Errorf("%w: %s: the tags of %d keys may not be read (denied), and one of them could be it; allow kms:ListResourceTags on all keys of the account", signer.ErrUnavailable, s, unread)
	}
	return "", fmt.Errorf("%w: %s", signer.ErrNotFound, s)
}
