package main

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io/fs"

	"officiant/bundle"
	"officiant/ceremony/online/grant"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/infile"
)

// maxKey is above what a public key has, in bytes.
const maxKey = 64 << 10

// releaseKey reads the key that has to have signed every grant.
func releaseKey(ctx context.Context, path string) (crypto.PublicKey, error) {
	data, err := infile.ReadFile(ctx, path, maxKey)
	if err != nil {
		return nil, err
	}
	key, err := bundle.ParseReleaseKey(path, data)
	if err != nil {
		return nil, &exit.Error{Code: exit.Refused, Err: err}
	}
	return key, nil
}

// signedGrant reads a grant and the signature beside it.
func signedGrant(ctx context.Context, path string, release crypto.PublicKey) (*grant.Grant, error) {
	data, err := infile.ReadFile(ctx, path, grant.MaxBytes)
	if err != nil {
		return nil, err
	}
	signature, err := infile.ReadFile(ctx, path+".sig", maxKey)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &exit.Error{Code: exit.Unverified,
			Err:   fmt.Errorf("%s: nobody has signed it: %[1]s.sig is not there", path),
			Hints: []string{"the release key signs it: officiant-signer sign-grant " + path + " --station STATION"}}
	}
	if err != nil {
		return nil, err
	}
	if err := grant.Verify(release, data, signature); err != nil {
		return nil, &exit.Error{Code: exit.Unverified,
			Err: fmt.Errorf("%s.sig: %w: it is not the release key's, or of another file",
				path, err)}
	}
	return grant.Parse(path, data)
}
