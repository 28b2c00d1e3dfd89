package awskms

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"officiant/signer"
)

// List describes the customer's keys for signing in the store's Region and
// account, by label: the tag officiant:label, or the key id. What Find would
// refuse has an empty Algorithm: keys that are disabled or to be deleted, of
// another kind, or not to be read. AWS's own keys, and those that are not for
// SIGN_VERIFY, are left out.
func (s *store) List(ctx context.Context) ([]signer.Info, error) {
	var out []signer.Info
	err := s.eachKey(ctx, func(arn string) error {
		info, err := s.listed(ctx, arn)
		if err == nil && info != nil {
			out = append(out, *info)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(out, func(a, b signer.Info) int { return strings.Compare(a.Label, b.Label) })
	return out, nil
}

// listed describes one key; nil when it is left out, or was deleted meanwhile.
func (s *store) listed(ctx context.Context, arn string) (*signer.Info, error) {
	m, err := s.describe(ctx, arn)
	switch {
	case errors.Is(err, signer.ErrNotFound):
		return nil, nil
	case isDenied(err):
		return &signer.Info{
			Device: s.device(ownerOf(arn)), Label: arn[strings.LastIndex(arn, "/")+1:], Grade: signer.Unproven, Reason: err.Error(),
			Attributes: map[string]string{"Arn": arn},
		}, nil
	case err != nil:
		return nil, err
	case m.KeyManager == types.KeyManagerTypeAws, m.KeyUsage != types.KeyUsageTypeSignVerify:
		return nil, nil
	}
	reason := usable(m)
	if reason == nil {
		k, err := s.keyOf(ctx, m, "")
		if err == nil {
			return &k.info, nil
		}
		if !isAboutKey(err) {
			return nil, err
		}
		reason = err
	}
	info := &signer.Info{Device: s.device(ownerOf(arn)), Grade: signer.Unproven, Reason: reason.Error(), Attributes: attributes(m)}
	if err := s.identify(ctx, m, info); err != nil && !isAboutKey(err) {
		return nil, err
	}
	if info.Label == "" {
		info.Label = *m.KeyId
	}
	return info, nil
}

// isAboutKey: AWS answered, and what it said concerns this one key.
func isAboutKey(err error) bool {
	var call *callError
	if !errors.As(err, &call) {
		return !errors.Is(err, signer.ErrUnavailable) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
	}
	v := call.verdict()
	return isDenied(err) || errors.Is(v.is, signer.ErrNotFound) || errors.Is(v.is, signer.ErrUnsupported) ||
		v == verdicts["DisabledException"] || v == verdicts["KMSInvalidStateException"]
}

// eachKey goes through all keys of the Region, AWS's own included.
func (s *store) eachKey(ctx context.Context, do func(arn string) error) error {
	var marker *string
	for range maxPages {
		page, err := call(ctx, s, "ListKeys", "*", s.client.ListKeys, &kms.ListKeysInput{Limit: aws.Int32(1000), Marker: marker})
		if err != nil {
			return err
		}
		for _, entry := range page.Keys {
			if arn, ok := parseARN(aws.ToString(entry.KeyArn)); !ok || !keyID.MatchString(arn.name) {
				return fmt.Errorf("%s: ListKeys: the answer names %.100q, which is no key", s, aws.ToString(entry.KeyArn))
			}
			if err := do(*entry.KeyArn); err != nil {
				return err
			}
		}
		if marker = page.NextMarker; !page.Truncated || marker == nil {
			return nil
		}
	}
	return fmt.Errorf("%s: ListKeys: no end after %d pages", s, maxPages)
}
