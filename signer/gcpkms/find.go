package gcpkms

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"officiant/signer"
)

// Labels of the crypto keys that Create makes. Google takes no slash in one.
const (
	idLabel   = "officiant-id"    // 32 hex digits
	nameLabel = "officiant-label" // CLUSTER_NAME, where the key's name comes of the label
)

var hexID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// Find opens the version that ref names. A URI that ends at the key or the key
// ring means version 1 of a key that Create made; for any other key the URI must have
// the version.
func (s *store) Find(ctx context.Context, ref signer.Ref) (signer.Key, error) {
	p, err := s.place(ref)
	if err != nil {
		return nil, err
	}
	return s.find(ctx, p, nil)
}

// FindID opens the key of the name that Create gives ref's key, if it was made
// with id.
func (s *store) FindID(ctx context.Context, ref signer.Ref, id signer.ID) (signer.Key, error) {
	p, err := s.place(ref)
	if err != nil {
		return nil, err
	}
	return s.find(ctx, p, &id)
}

func (s *store) find(ctx context.Context, p place, id *signer.ID) (signer.Key, error) {
	k, err := s.load(ctx, p, id)
	if err != nil {
		return nil, fmt.Errorf("key %q: %w", p.label, err)
	}
	return k, nil
}

// load reads the crypto key, its version and the public key, and holds each
// answer against what was asked.
func (s *store) load(ctx context.Context, p place, id *signer.ID) (*key, error) {
	parent, err := asked(ctx, s, "GetCryptoKey", p.keyName(), s.client.GetCryptoKey, &kmspb.GetCryptoKeyRequest{Name: p.keyName()})
	if err != nil {
		return nil, err
	}
	if parent.GetName() != p.keyName() {
		return nil, fmt.Errorf("GetCryptoKey %s: the answer is about %.200q", p.keyName(), parent.GetName())
	}
	if parent.GetPurpose() != kmspb.CryptoKey_ASYMMETRIC_SIGN {
		return nil, fmt.Errorf("%w: %s is for %s, not ASYMMETRIC_SIGN; next: name a key that is for signing", signer.ErrUnsupported, p.keyName(), parent.GetPurpose())
	}
	madeWith := parent.GetLabels()[idLabel]
	switch {
	case id != nil && madeWith != hex.EncodeToString(id[:]):
		return nil, fmt.Errorf("%w with id %x: %s has another", signer.ErrNotFound, *id, p.keyName())
	case p.version == "" && !hexID.MatchString(madeWith):
		return nil, fmt.Errorf("%s was not made by Officiant, so its version must be said; next: /cryptoKeyVersions/N in the URI", p.keyName())
	case p.derived && parent.GetLabels()[nameLabel] != labelValue(p.label):
		return nil, fmt.Errorf("%w: %s is another key's, whose label is %.100q; next: name the key in the URI: /cryptoKeys/NAME", signer.ErrNotFound, p.keyName(), parent.GetLabels()[nameLabel])
	}
	if p.version == "" {
		p.version = "1"
	}
	version, err := s.generated(ctx, p)
	if err != nil {
		return nil, err
	}
	return s.keyOf(ctx, p, parent, version)
}

// generated reads a version, and waits while Google makes it.
func (s *store) generated(ctx context.Context, p place) (*kmspb.CryptoKeyVersion, error) {
	limited, cancel := context.WithTimeout(ctx, s.limits.generate)
	defer cancel()
	for first := true; ; first = false {
		v, err := s.version(limited, p)
		if err != nil && (first || limited.Err() == nil) {
			return nil, err
		}
		if err == nil && v.GetState() != kmspb.CryptoKeyVersion_PENDING_GENERATION {
			return v, stateOf(v)
		}
		timer := time.NewTimer(s.limits.poll)
		select {
		case <-timer.C:
		case <-limited.Done():
			timer.Stop()
			return nil, fmt.Errorf("%w: %s is still being generated: %w; next: run the same command again later", signer.ErrUnavailable, p.versionName(), limited.Err())
		}
	}
}

// version reads a version once.
func (s *store) version(ctx context.Context, p place) (*kmspb.CryptoKeyVersion, error) {
	v, err := asked(ctx, s, "GetCryptoKeyVersion", p.versionName(), s.client.GetCryptoKeyVersion, &kmspb.GetCryptoKeyVersionRequest{Name: p.versionName()})
	if err != nil {
		return nil, err
	}
	if v.GetName() != p.versionName() {
		return nil, fmt.Errorf("GetCryptoKeyVersion %s: the answer is about %.200q", p.versionName(), v.GetName())
	}
	return v, nil
}

// stateOf refuses a version that cannot sign.
func stateOf(v *kmspb.CryptoKeyVersion) error {
	name := v.GetName()
	switch v.GetState() {
	case kmspb.CryptoKeyVersion_ENABLED:
		return nil
	case kmspb.CryptoKeyVersion_DISABLED:
		return fmt.Errorf("%w: %s is disabled; next: gcloud kms keys versions enable %s", signer.ErrUnavailable, name, name)
	case kmspb.CryptoKeyVersion_DESTROY_SCHEDULED:
		return fmt.Errorf("%w: %s is scheduled for destruction at %s; next, before that: gcloud kms keys versions restore %s, then enable it", signer.ErrUnavailable, name, timeOf(v.GetDestroyTime()), name)
	case kmspb.CryptoKeyVersion_DESTROYED:
		return fmt.Errorf("%w: %s was destroyed at %s and cannot come back; next: name another key", signer.ErrNotFound, name, timeOf(v.GetDestroyEventTime()))
	case kmspb.CryptoKeyVersion_GENERATION_FAILED:
		return fmt.Errorf("%w: %s could not be generated: %.300q; next: make a key of another name", signer.ErrUnavailable, name, v.GetGenerationFailureReason())
	case kmspb.CryptoKeyVersion_PENDING_IMPORT, kmspb.CryptoKeyVersion_IMPORT_FAILED:
		return fmt.Errorf("%w: %s waits for an import (%s); next: name a key that Google generated", signer.ErrUnsupported, name, v.GetState())
	}
	return fmt.Errorf("%w: %s is in state %s; next: look at it in the console", signer.ErrUnavailable, name, v.GetState())
}

// keyOf judges a version and fetches its public key.
func (s *store) keyOf(ctx context.Context, p place, parent *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) (*key, error) {
	if err := levelOf(p, v.GetProtectionLevel()); err != nil {
		return nil, err
	}
	algorithm, err := algorithmOf(v.GetAlgorithm())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.versionName(), err)
	}
	k := &key{store: s, place: p, level: v.GetProtectionLevel()}
	if k.public, err = s.publicKey(ctx, p, v, algorithm); err != nil {
		return nil, err
	}
	k.info = signer.Info{Device: s.device, Label: p.label, ID: idOf(p, parent), Algorithm: algorithm, Attributes: attributesOf(parent, v)}
	roots, err := p.anchorsOf()
	if err != nil {
		return nil, err
	}
	attested := attest(v, k.public, slices.Concat(roots, s.roots), k.info.Attributes)
	k.info.Grade, k.info.Reason = grade(parent, v, attested, s.address.plaintext)
	return k, nil
}

// levelOf refuses a level that is not the one the URI asks for.
func levelOf(p place, have kmspb.ProtectionLevel) error {
	switch want := p.protection; {
	case have == want, have == kmspb.ProtectionLevel_HSM_SINGLE_TENANT && want == kmspb.ProtectionLevel_HSM:
		return nil
	case have == kmspb.ProtectionLevel_SOFTWARE:
		return fmt.Errorf("%s has the protection level SOFTWARE, its URI asks for %s; next: if that is meant, protection=SOFTWARE in the URI", p.versionName(), want)
	case have == kmspb.ProtectionLevel_EXTERNAL, have == kmspb.ProtectionLevel_EXTERNAL_VPC:
		return fmt.Errorf("%w: %s has the protection level %s: it lives outside of Google; next: name a key with level HSM", signer.ErrUnsupported, p.versionName(), have)
	default:
		return fmt.Errorf("%s has the protection level %s, its URI asks for %s; next: correct protection in the URI", p.versionName(), have, want)
	}
}

func timeOf(t *timestamppb.Timestamp) string {
	if t == nil {
		return "absent"
	}
	return t.AsTime().UTC().Format(time.RFC3339Nano)
}

var errNoVersion = errors.New("names a version, which exists or cannot be made; next: end the URI at the key or the key ring")
