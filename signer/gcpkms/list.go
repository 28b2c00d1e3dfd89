package gcpkms

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"github.com/googleapis/gax-go/v2"
	"google.golang.org/api/iterator"
	"google.golang.org/grpc/codes"

	"officiant/signer"
)

const (
	pageSize = 100   // of a list
	maxKeys  = 10000 // of a list, which must end
)

// List describes each version of the key ring's keys for signing, by label. What
// Find would refuse by the store's own URI has an empty Algorithm: versions that
// are disabled or gone, of another algorithm or level, or not to be read. Keys
// for other purposes are left out, and so is a ring that is not there.
func (s *store) List(ctx context.Context) ([]signer.Info, error) {
	ring := s.address.ringName()
	parents, err := pages(ctx, s, "ListCryptoKeys", ring, func(ctx context.Context) iterator.Pageable {
		return s.client.ListCryptoKeys(ctx, &kmspb.ListCryptoKeysRequest{Parent: ring})
	}, (*kmspb.CryptoKey).GetName)
	if errors.Is(err, signer.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []signer.Info
	for _, parent := range parents {
		if parent.GetPurpose() != kmspb.CryptoKey_ASYMMETRIC_SIGN {
			continue
		}
		infos, err := s.listVersions(ctx, parent)
		if err != nil {
			return nil, err
		}
		out = append(out, infos...)
	}
	slices.SortStableFunc(out, func(a, b signer.Info) int { return strings.Compare(a.Label, b.Label) })
	return out, nil
}

// listVersions describes the versions of one key.
func (s *store) listVersions(ctx context.Context, parent *kmspb.CryptoKey) ([]signer.Info, error) {
	p := place{address: s.address}
	p.key = strings.TrimPrefix(parent.GetName(), p.ringName()+"/cryptoKeys/")
	p.label = labelOf(parent, p.key)
	versions, err := pages(ctx, s, "ListCryptoKeyVersions", p.keyName(), func(ctx context.Context) iterator.Pageable {
		return s.client.ListCryptoKeyVersions(ctx, &kmspb.ListCryptoKeyVersionsRequest{
			Parent: p.keyName(), View: kmspb.CryptoKeyVersion_FULL, // with the attestation
		})
	}, (*kmspb.CryptoKeyVersion).GetName)
	if err != nil && !denied(err) {
		return nil, err
	}
	if len(versions) == 0 {
		reason := "it has no version"
		if err != nil {
			reason = err.Error()
		}
		return []signer.Info{s.unusable(p, parent, &kmspb.CryptoKeyVersion{}, reason)}, nil
	}
	var out []signer.Info
	for _, v := range versions {
		p.version = strings.TrimPrefix(v.GetName(), p.keyName()+"/cryptoKeyVersions/")
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("%s: %w", p.versionName(), err)
		}
		k, err := s.listed(ctx, p, parent, v)
		switch {
		case err == nil:
			out = append(out, k.info)
		case !isAboutKey(err):
			return nil, err
		default:
			out = append(out, s.unusable(p, parent, v, err.Error()))
		}
	}
	return out, nil
}

// listed is load without what was asked already, and it does not wait.
func (s *store) listed(ctx context.Context, p place, parent *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) (*key, error) {
	if v.GetState() == kmspb.CryptoKeyVersion_PENDING_GENERATION {
		return nil, fmt.Errorf("%w: %s is still being generated", signer.ErrUnavailable, p.versionName())
	}
	if err := stateOf(v); err != nil {
		return nil, err
	}
	return s.keyOf(ctx, p, parent, v)
}

// isAboutKey: Google answered, and what it said concerns this one key.
func isAboutKey(err error) bool {
	var call *callError
	if !errors.As(err, &call) {
		return true
	}
	return slices.Contains([]codes.Code{codes.PermissionDenied, codes.NotFound, codes.FailedPrecondition, codes.InvalidArgument}, call.code)
}

// unusable describes a version that cannot be used, and why.
func (s *store) unusable(p place, parent *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion, reason string) signer.Info {
	attributes := attributesOf(parent, v)
	if v.GetName() == "" {
		attributes["name"] = parent.GetName()
	}
	return signer.Info{Device: s.device, Label: p.label, ID: idOf(p, parent), Grade: signer.Unproven, Reason: reason, Attributes: attributes}
}

// idOf is the id that Create made a key with, which is that of its version 1.
func idOf(p place, parent *kmspb.CryptoKey) []byte {
	made := parent.GetLabels()[idLabel]
	if p.version != "1" || !hexID.MatchString(made) {
		return nil
	}
	id, err := hex.DecodeString(made)
	if err != nil {
		return nil
	}
	return id
}

// labelOf is the label that a key's name was made of, or the name.
func labelOf(parent *kmspb.CryptoKey, name string) string {
	label := strings.Replace(parent.GetLabels()[nameLabel], "_", "/", 1)
	if labelForm.MatchString(label) && strings.Replace(label, "/", "-", 1) == name {
		return label
	}
	return name
}

// pages reads a list to its end. Each page is a call of its own; what is in it
// must be below parent.
func pages[T any](ctx context.Context, s *store, call, parent string, list func(context.Context) iterator.Pageable, name func(T) string) ([]T, error) {
	var out []T
	for token := ""; ; {
		type page struct {
			items []T
			next  string
		}
		got, err := asked(ctx, s, call, parent, func(ctx context.Context, token string, _ ...gax.CallOption) (page, error) {
			var p page
			var err error
			p.next, err = iterator.NewPager(list(ctx), pageSize, token).NextPage(&p.items)
			return p, err
		}, token)
		if err != nil {
			return nil, err
		}
		for _, item := range got.items {
			if !strings.HasPrefix(name(item), parent+"/") {
				return nil, fmt.Errorf("%s %s: the answer is about %.200q", call, parent, name(item))
			}
		}
		out = append(out, got.items...)
		if len(out) > maxKeys {
			return nil, fmt.Errorf("%s %s: no end after %d", call, parent, maxKeys)
		}
		if token = got.next; token == "" {
			return out, nil
		}
	}
}
