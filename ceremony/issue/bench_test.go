package issue_test

import (
	"context"
	"testing"

	"officiant/ceremony/issue"
	"officiant/signer"
)

func BenchmarkCheckP256(b *testing.B) { benchmarkCheck(b, signer.ECDSAP256) }
func BenchmarkCheckP384(b *testing.B) { benchmarkCheck(b, signer.ECDSAP384) }
func BenchmarkCheckRSA(b *testing.B)  { benchmarkCheck(b, signer.RSA3072) }

func benchmarkCheck(b *testing.B, a signer.Algorithm) {
	w := newWorld(b, signer.ECDSAP384, a)
	w.check() // the throw-away key is made
	b.ReportAllocs()
	for b.Loop() {
		w.check()
	}
}

// BenchmarkSign is with a key in memory: what is ours is the rest.
func BenchmarkSign(b *testing.B) {
	w := newWorld(b, signer.ECDSAP384, signer.ECDSAP256)
	c := w.check()
	for b.Loop() {
		if _, err := issue.Sign(context.Background(), c, w.key); err != nil {
			b.Fatal(err)
		}
	}
}
