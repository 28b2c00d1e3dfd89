//go:build cgo

package pkcs11

import (
	"context"
	"crypto"
	"testing"

	"github.com/miekg/pkcs11"

	"officiant/signer"
)

func BenchmarkSign(b *testing.B) {
	for _, a := range []signer.Algorithm{signer.ECDSAP256, signer.ECDSAP384, signer.RSA2048} {
		b.Run(string(a), func(b *testing.B) {
			r := newRoom(b, "officiant-root")
			s := r.open(b, 0)
			k := create(b, s, r.ref(0, "demo/root"), a)
			digest := make([]byte, signer.HashFor(k.public).Size())
			op := newOperation(k.public, digest, signer.HashFor(k.public))
			op.Key = k.handle
			b.Run("one", func(b *testing.B) { // a crossing each
				on(b, s, func(h pkcs11.SessionHandle) error {
					for b.Loop() {
						if _, err := s.signOne(h, op); err != nil {
							return err
						}
					}
					return nil
				})
			})
			for _, bench := range []struct {
				name string
				ctx  context.Context
			}{{"Sign", context.Background()}, {"SignContext", b.Context()}} {
				b.Run(bench.name, func(b *testing.B) {
					for b.Loop() {
						if _, err := k.SignContext(bench.ctx, digest, crypto.Hash(signer.HashFor(k.public))); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		})
	}
}

// BenchmarkParallel shows what a deadline costs when all cores are at work.
func BenchmarkParallel(b *testing.B) {
	r := newRoom(b, "officiant-root")
	s := r.open(b, 0)
	k := create(b, s, r.ref(0, "demo/root"), signer.ECDSAP256)
	digest := make([]byte, 32)
	for _, bench := range []struct {
		name string
		ctx  context.Context
	}{{"Sign", context.Background()}, {"SignContext", b.Context()}} {
		b.Run(bench.name, func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := k.SignContext(bench.ctx, digest, crypto.SHA256); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkOpen is a whole visit to a token: load, login, five keys, logout.
func BenchmarkOpen(b *testing.B) {
	r := newRoom(b, "officiant-root")
	b.Run("login", func(b *testing.B) {
		for b.Loop() {
			s, err := Open(b.Context(), r.ref(0, ""), r.ask)
			if err != nil {
				b.Fatal(err)
			}
			s.Close()
		}
	})
	s := r.open(b, 0)
	b.Run("create P-256", func(b *testing.B) {
		n := 0
		for b.Loop() {
			n++
			id := newID(b)
			create(b, s, r.ref(0, "demo/"+string(escape(id[:]))), signer.ECDSAP256)
		}
	})
}
