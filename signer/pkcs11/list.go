//go:build cgo

package pkcs11

import (
	"bytes"
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/miekg/pkcs11"

	"officiant/signer"
)

// listed is an object that List describes.
type listed struct {
	handle pkcs11.ObjectHandle
	secret bool
}

// List describes every private key of the token, whoever made it, and every
// secret key, by label and then id. Each key is given the time of a call.
func (s *store) List(ctx context.Context) ([]signer.Info, error) {
	objects, err := within(ctx, s, s.limits.call, s.allKeys)
	if err != nil {
		return nil, err
	}
	var all []signer.Info
	for _, o := range objects {
		info, err := within(ctx, s, s.limits.call, func(h pkcs11.SessionHandle) (signer.Info, error) { return s.entry(h, o) })
		if err != nil {
			return nil, err
		}
		all = append(all, info)
	}
	slices.SortStableFunc(all, func(a, b signer.Info) int {
		return cmp.Or(cmp.Compare(a.Label, b.Label), bytes.Compare(a.ID, b.ID))
	})
	return all, nil
}

func (s *store) allKeys(h pkcs11.SessionHandle) ([]listed, error) {
	var all []listed
	for _, class := range []uint{pkcs11.CKO_PRIVATE_KEY, pkcs11.CKO_SECRET_KEY} {
		found, err := s.objects.search(h, math.MaxInt, pkcs11.NewAttribute(pkcs11.CKA_CLASS, class))
		if err != nil {
			return nil, err
		}
		for _, o := range found {
			own, err := s.objects.attests(h, o, s.token)
			if err != nil {
				return nil, err
			}
			if own {
				continue
			}
			all = append(all, listed{o, class == pkcs11.CKO_SECRET_KEY})
		}
	}
	return all, nil
}

// entry describes one key. What is wrong with it is its Reason, so that it
// hides no other; only a token that is gone is an error.
func (s *store) entry(h pkcs11.SessionHandle, o listed) (signer.Info, error) {
	k, err := s.read(h, o.handle)
	if away(err) {
		return k.info, err
	}
	if err != nil {
		k.info.Reason = err.Error()
	}
	half := false
	if !o.secret {
		if half, err = s.objects.shell(h, o.handle); away(err) {
			return k.info, err
		}
	}
	if !o.secret && !half {
		return k.info, nil
	}
	k.info.Algorithm, k.info.Grade, k.info.Reason = "", signer.Unproven, "a secret key, which signs no certificates"
	if half {
		k.info.Reason = "half made: its making was cut off, and there is no key in it"
	}
	return k.info, nil
}
