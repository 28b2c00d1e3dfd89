//go:build cgo

package pkcs11

import (
	"context"
	"errors"
	"fmt"

	"github.com/miekg/pkcs11"

	"officiant/signer"
)

// Supports is that of the zero Options.
func Supports(ref signer.Ref, spec signer.Spec) error { return Options{}.Supports(ref, spec) }

// Supports says whether the token ref names makes and uses keys of spec, by
// its list of mechanisms and without a login: signer.ErrUnsupported if not,
// signer.ErrUnavailable when there is no such token to ask.
func (o Options) Supports(ref signer.Ref, spec signer.Spec) error {
	a, err := parseURI(ref.URI)
	if err != nil {
		return err
	}
	if _, err := signer.ParseAlgorithm(string(spec.Algorithm)); err != nil {
		return err
	}
	path, err := a.module()
	if err != nil {
		return err
	}
	_, err = bounded(context.Background(), o.limits().call, "PKCS#11 module "+path, func() (struct{}, error) {
		lib, err := o.acquire(path)
		if err != nil {
			return struct{}{}, err
		}
		t, err := lib.find(a)
		if err == nil {
			if err = lib.canDo(t, spec); err != nil {
				err = fmt.Errorf("%s: %w", t, err)
			}
		}
		return struct{}{}, errors.Join(err, lib.release())
	})
	return err
}

// See looks at the token ref names, without a login: signer.ErrUnavailable when
// there is no such token.
func (o Options) See(ctx context.Context, ref signer.Ref) (Seen, error) {
	a, err := parseURI(ref.URI)
	if err != nil {
		return Seen{}, err
	}
	path, err := a.module()
	if err != nil {
		return Seen{}, err
	}
	return bounded(ctx, o.limits().call, "PKCS#11 module "+path, func() (seen Seen, err error) {
		lib, err := o.acquire(path)
		if err != nil {
			return Seen{}, err
		}
		defer func() { err = errors.Join(err, lib.release()) }()
		t, err := lib.find(a)
		if err != nil {
			return Seen{}, err
		}
		seen.TokenState = TokenState{t.device(lib), t.unready()}
		for _, algorithm := range signer.Algorithms() {
			if err := lib.canDo(t, signer.Spec{Algorithm: algorithm}); err == nil {
				seen.Algorithms = append(seen.Algorithms, algorithm)
			} else if !errors.Is(err, signer.ErrUnsupported) {
				return Seen{}, fmt.Errorf("%s: %w", t, err)
			}
		}
		seen.Libraries, err = lib.ctx.Libraries()
		return seen, err
	})
}

// Module returns the path of the module ref names and its SHA-256 in lower-case
// hex, without loading it.
func Module(ref signer.Ref) (path, sum string, err error) {
	a, err := parseURI(ref.URI)
	if err != nil {
		return "", "", err
	}
	if path, err = a.module(); err != nil {
		return "", "", err
	}
	if sum, err = fileSHA256(path); err != nil {
		return "", "", fmt.Errorf("%w: PKCS#11 module: %w", signer.ErrUnavailable, err)
	}
	return path, sum, nil
}

// mayCreate says whether the token can create a key of ours. Without an attestation (before
// firmware 4.3), a YubiKey does not say whether it made a key itself.
func (l *library) mayCreate(t token, spec signer.Spec) error {
	if v := t.info.FirmwareVersion; isPIV(t.info) && (v.Major < 4 || v.Major == 4 && v.Minor < 30) {
		return fmt.Errorf("%w: this YubiKey's firmware attests no keys, so nothing tells which keys it made itself; "+
			"use one of firmware 4.3 or newer", signer.ErrUnsupported)
	}
	return l.canDo(t, spec)
}

// canDo asks a token for the mechanisms that make a key and sign with it.
func (l *library) canDo(t token, spec signer.Spec) error {
	needs := []struct {
		mechanism uint
		name      string
		flag      uint
		use       string
	}{
		{pkcs11.CKM_EC_KEY_PAIR_GEN, "CKM_EC_KEY_PAIR_GEN", pkcs11.CKF_GENERATE_KEY_PAIR, "make"},
		{pkcs11.CKM_ECDSA, "CKM_ECDSA", pkcs11.CKF_SIGN, "sign with"},
	}
	if _, ec := curves[spec.Algorithm]; !ec {
		needs[0].mechanism, needs[0].name = pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN, "CKM_RSA_PKCS_KEY_PAIR_GEN"
		needs[1].mechanism, needs[1].name = pkcs11.CKM_RSA_PKCS, "CKM_RSA_PKCS"
	}
	size := uint(bits(spec.Algorithm))
	for _, n := range needs {
		m, err := l.ctx.GetMechanismInfo(t.slot, n.mechanism)
		if err := called("C_GetMechanismInfo", err); isCode(err, pkcs11.CKR_MECHANISM_INVALID) {
			return fmt.Errorf("%w: it cannot %s keys of %s: it has no %s", signer.ErrUnsupported, n.use, spec.Algorithm, n.name)
		} else if err != nil {
			return fmt.Errorf("%w: %w", signer.ErrUnavailable, err)
		}
		if m.Flags&n.flag == 0 {
			return fmt.Errorf("%w: it cannot %s keys of %s: its %s is for other uses", signer.ErrUnsupported, n.use, spec.Algorithm, n.name)
		}
		if size < m.MinKeySize || m.MaxKeySize > 0 && size > m.MaxKeySize {
			return fmt.Errorf("%w: it cannot %s keys of %s: %s is for %d to %d bits", signer.ErrUnsupported, n.use, spec.Algorithm, n.name, m.MinKeySize, m.MaxKeySize)
		}
	}
	return nil
}

// bits is the size of a key as mechanisms count it.
func bits(a signer.Algorithm) int {
	if c, ok := curves[a]; ok {
		return c.curve.Params().BitSize
	}
	return map[signer.Algorithm]int{signer.RSA2048: 2048, signer.RSA3072: 3072, signer.RSA4096: 4096}[a]
}
