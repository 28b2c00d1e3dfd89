package seal

import (
	"crypto/ecdh"
	"math/big"
	"strings"
	"testing"

	"filippo.io/age"
)

// A recipient that is not in the table is one that something can be sealed to, and each that
// is in it is refused by age itself.
func TestLowOrder(t *testing.T) {
	points := map[string]bool{}
	for s := range lowOrder {
		r, err := age.ParseX25519Recipient(s)
		if err != nil || r.String() != s {
			t.Errorf("%s: is no recipient as age writes them: %v", s, err)
			continue
		}
		if _, err := r.Wrap(make([]byte, 16)); err == nil {
			t.Errorf("%s: age seals to it", s)
		}
		const refusal = "nothing can be sealed to recipient "
		if err := ValidRecipient(s); err == nil || !strings.HasPrefix(err.Error(), refusal) {
			t.Errorf("%s: %v", s, err)
		}
		points[string(bech32Data(s))] = true
	}
	prime := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	key, err := ecdh.X25519().NewPrivateKey([]byte(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	// All coordinates that are no more than 300 from 0, p and 2^255: those of low order among
	// them, and no others, are in the table. The two of order 8 are far from there.
	found := map[string]bool{}
	top := new(big.Int).Lsh(big.NewInt(1), 255)
	for _, near := range []*big.Int{new(big.Int), prime, top, new(big.Int).Add(top, prime), new(big.Int).Lsh(top, 1)} {
		for d := int64(-300); d <= 300; d++ {
			u := new(big.Int).Add(near, big.NewInt(d))
			if u.Sign() < 0 || u.BitLen() > 256 {
				continue
			}
			point := make([]byte, 32)
			for i, b := range u.FillBytes(make([]byte, 32)) {
				point[31-i] = b
			}
			public, err := ecdh.X25519().NewPublicKey(point)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := key.ECDH(public); (err != nil) != points[string(point)] {
				t.Errorf("u = %x: in the table: %t, X25519 says %v", u, points[string(point)], err)
			} else if err != nil {
				found[string(point)] = true
			}
		}
	}
	if len(found) != 10 || len(points) != 14 {
		t.Errorf("%d points, %d of them near 0 and p, instead of 14, 4 of them of order 8", len(points), len(found))
	}
}

// bech32Data is what a recipient that is well formed encodes.
func bech32Data(s string) (out []byte) {
	const letters = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
	value, bits := 0, 0
	for _, c := range s[len("age1") : len(s)-6] {
		value, bits = value<<5|strings.IndexRune(letters, c), bits+5
		if bits >= 8 {
			bits -= 8
			out = append(out, byte(value>>bits))
			value &= 1<<bits - 1
		}
	}
	return out
}
