package ceremony

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"
	"io"

	"officiant/signer"
)

// newKey makes a private key in memory: one that stands in for another, that is
// sealed to nodes, or that belongs to a node that cannot make its own. A CA key
// never is.
func newKey(a signer.Algorithm, random io.Reader) (crypto.Signer, error) {
	switch a {
	case signer.ECDSAP256:
		return ecdsa.GenerateKey(elliptic.P256(), random)
	case signer.ECDSAP384:
		return ecdsa.GenerateKey(elliptic.P384(), random)
	case signer.ECDSAP521:
		return ecdsa.GenerateKey(elliptic.P521(), random)
	case signer.RSA2048:
		return rsa.GenerateKey(random, 2048)
	case signer.RSA3072:
		return rsa.GenerateKey(random, 3072)
	case signer.RSA4096:
		return rsa.GenerateKey(random, 4096)
	}
	return nil, fmt.Errorf("unknown algorithm %q", a)
}
