package gcpkmstest

import (
	"context"
	"maps"
	"path"
	"slices"
	"strconv"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// pageSize is small, so that lists have several pages.
const pageSize = 2

// pageOf cuts a page out of names, and says how the next one is asked for.
func pageOf(names []string, token string) (page []string, next string, err error) {
	from := 0
	if token != "" {
		if from, err = strconv.Atoi(token); err != nil || from < 0 || from > len(names) {
			return nil, "", status.Error(codes.InvalidArgument, "page_token")
		}
	}
	to := min(from+pageSize, len(names))
	if to < len(names) {
		next = strconv.Itoa(to)
	}
	return names[from:to], next, nil
}

// ListCryptoKeys is as Google's, without filters.
func (f *Fake) ListCryptoKeys(_ context.Context, r *kmspb.ListCryptoKeysRequest) (*kmspb.ListCryptoKeysResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.rings[r.GetParent()] {
		return nil, status.Errorf(codes.NotFound, "KeyRing %s not found.", r.GetParent())
	}
	var names []string
	for name := range f.keys {
		if path.Dir(path.Dir(name)) == r.GetParent() {
			names = append(names, name)
		}
	}
	if f.now(Endless) {
		return &kmspb.ListCryptoKeysResponse{CryptoKeys: slices.Repeat([]*kmspb.CryptoKey{f.keys[names[0]].proto}, int(r.GetPageSize())), NextPageToken: "0"}, nil
	}
	slices.Sort(names)
	page, next, err := pageOf(names, r.GetPageToken())
	if err != nil {
		return nil, err
	}
	out := &kmspb.ListCryptoKeysResponse{NextPageToken: next}
	for _, name := range page {
		out.CryptoKeys = append(out.CryptoKeys, proto.Clone(f.keys[name].proto).(*kmspb.CryptoKey))
	}
	return out, nil
}

// ListCryptoKeyVersions is as Google's: attestations come with the full view.
func (f *Fake) ListCryptoKeyVersions(_ context.Context, r *kmspb.ListCryptoKeyVersionsRequest) (*kmspb.ListCryptoKeyVersionsResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := f.keys[r.GetParent()]
	if k == nil {
		return nil, status.Errorf(codes.NotFound, "CryptoKey %s not found.", r.GetParent())
	}
	page, next, err := pageOf(slices.Sorted(maps.Keys(k.versions)), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	out := &kmspb.ListCryptoKeyVersionsResponse{NextPageToken: next}
	for _, name := range page {
		v := f.said(k.versions[name])
		if r.GetView() != kmspb.CryptoKeyVersion_FULL {
			v.Attestation = nil
		}
		out.CryptoKeyVersions = append(out.CryptoKeyVersions, v)
	}
	return out, nil
}
