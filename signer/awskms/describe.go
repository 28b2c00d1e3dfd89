package awskms

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"officiant/signer"
)

// specs says what AWS calls the algorithms.
var specs = map[signer.Algorithm]types.KeySpec{
	signer.ECDSAP256: types.KeySpecEccNistP256,
	signer.ECDSAP384: types.KeySpecEccNistP384,
	signer.ECDSAP521: types.KeySpecEccNistP521,
	signer.RSA2048:   types.KeySpecRsa2048,
	signer.RSA3072:   types.KeySpecRsa3072,
	signer.RSA4096:   types.KeySpecRsa4096,
}

func algorithmOf(spec types.KeySpec) (signer.Algorithm, bool) {
	for a, s := range specs {
		if s == spec {
			return a, true
		}
	}
	return "", false
}

// ownARN is how AWS names the resource that it did not find.
var ownARN = regexp.MustCompile(`arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:`)

// describe asks for the key at place, and pins place to its ARN.
func (s *store) describe(ctx context.Context, place string) (*types.KeyMetadata, error) {
	asked := s.pinned(place)
	out, err := call(ctx, s, "DescribeKey", asked, s.client.DescribeKey, &kms.DescribeKeyInput{KeyId: &asked})
	if errors.Is(err, signer.ErrNotFound) {
		if found := ownARN.FindString(err.Error()); strings.Contains(found, ":"+s.region+":") {
			s.mu.Lock()
			s.meet(found)
			s.mu.Unlock()
		}
	}
	if err != nil {
		return nil, err
	}
	if err := s.checkAnswer(out.KeyMetadata, asked); err != nil {
		return nil, fmt.Errorf("%s: DescribeKey %s: %w", s, asked, err)
	}
	s.pin(place, *out.KeyMetadata.Arn)
	return out.KeyMetadata, nil
}

// checkAnswer refuses what is not about the key that was asked for. An alias can
// name any key of the Region.
func (s *store) checkAnswer(m *types.KeyMetadata, asked string) error {
	if m == nil || m.Arn == nil || m.KeyId == nil {
		return errors.New("the answer names no key")
	}
	got, ok := parseARN(*m.Arn)
	if !ok || !keyID.MatchString(got.name) || got.name != *m.KeyId {
		return fmt.Errorf("the answer is about %q, which is no key", *m.Arn)
	}
	if got.region != s.region {
		return fmt.Errorf("the answer is about %s, a key of another Region", *m.Arn)
	}
	want, isARN := parseARN(asked)
	if !isARN {
		want.name = asked
	}
	if isARN && want.account != got.account || keyID.MatchString(want.name) && want.name != got.name {
		return fmt.Errorf("the answer is about another key, %s", *m.Arn)
	}
	return nil
}

// usable refuses a key that cannot sign, or must not.
func usable(m *types.KeyMetadata) error {
	if _, ok := algorithmOf(m.KeySpec); !ok || m.KeyUsage != types.KeyUsageTypeSignVerify {
		return fmt.Errorf("%w: it is a key of %s for %s, not one of the plan's algorithms for SIGN_VERIFY", signer.ErrUnsupported, m.KeySpec, m.KeyUsage)
	}
	if m.KeyManager != types.KeyManagerTypeCustomer {
		return fmt.Errorf("%w: it is managed by %s, not by the customer", signer.ErrUnsupported, m.KeyManager)
	}
	if m.Origin != types.OriginTypeAwsKms && m.Origin != types.OriginTypeExternal {
		return fmt.Errorf("%w: its origin is %s; asymmetric keys of KMS are AWS_KMS or EXTERNAL", signer.ErrUnsupported, m.Origin)
	}
	arn := *m.Arn
	switch m.KeyState {
	case types.KeyStateEnabled:
		return nil
	case types.KeyStateDisabled:
		return fmt.Errorf("%w: it is disabled; aws kms enable-key --key-id %s", signer.ErrUnavailable, arn)
	case types.KeyStatePendingDeletion, types.KeyStatePendingReplicaDeletion:
		return fmt.Errorf("%w: it is scheduled for deletion (%s, on %s); aws kms cancel-key-deletion --key-id %s, then aws kms enable-key", signer.ErrUnavailable, m.KeyState, date(m.DeletionDate), arn)
	case types.KeyStatePendingImport:
		return fmt.Errorf("%w: it has no key material (PendingImport)", signer.ErrUnavailable)
	}
	return fmt.Errorf("%w: its state is %s; run the same command again", signer.ErrUnavailable, m.KeyState)
}

// noAttestation is why no key of AWS KMS is better than consistent.
const noAttestation = "AWS KMS does not attest keys: their origin is AWS's word"

// grade judges what AWS says of a key.
func grade(m *types.KeyMetadata) (signer.Grade, string) {
	switch {
	case m.Origin != types.OriginTypeAwsKms: // usable takes no third one
		return signer.Unproven, "imported (Origin EXTERNAL): a copy exists outside of AWS KMS"
	case m.ValidTo != nil:
		return signer.Unproven, "its key material ends on " + date(m.ValidTo)
	case m.MultiRegion == nil:
		return signer.Unproven, "MultiRegion is absent"
	case *m.MultiRegion:
		return signer.Unproven, "multi-Region: its key material can be replicated to other Regions"
	case m.CustomKeyStoreId != nil, m.CloudHsmClusterId != nil:
		return signer.Unproven, "in a custom key store"
	}
	return signer.Consistent, noAttestation
}

// attributes are what AWS says of a key, raw.
func attributes(m *types.KeyMetadata) map[string]string {
	out := map[string]string{
		"Arn":          aws.ToString(m.Arn),
		"KeySpec":      string(m.KeySpec),
		"KeyUsage":     string(m.KeyUsage),
		"KeyState":     string(m.KeyState),
		"Enabled":      strconv.FormatBool(m.Enabled),
		"Origin":       string(m.Origin),
		"KeyManager":   string(m.KeyManager),
		"MultiRegion":  absent,
		"CreationDate": date(m.CreationDate),
		"DeletionDate": date(m.DeletionDate),
		"ValidTo":      date(m.ValidTo),
	}
	if m.MultiRegion != nil {
		out["MultiRegion"] = strconv.FormatBool(*m.MultiRegion)
	}
	for name, value := range map[string]*string{
		"CustomKeyStoreId": m.CustomKeyStoreId, "CloudHsmClusterId": m.CloudHsmClusterId, "CurrentKeyMaterialId": m.CurrentKeyMaterialId,
	} {
		out[name] = absent
		if value != nil {
			out[name] = *value
		}
	}
	var algorithms []string
	for _, a := range m.SigningAlgorithms {
		algorithms = append(algorithms, string(a))
	}
	out["SigningAlgorithms"] = strings.Join(algorithms, " ")
	return out
}

const absent = "absent"

func date(t *time.Time) string {
	if t == nil {
		return absent
	}
	return t.UTC().Format(time.RFC3339)
}
