package main

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
)

// accounts reads a node's sa.key and all keys in its sa.pub; ok is false where
// none is installed.
func (m *machine) accounts(y *lifecycle) (private crypto.Signer, public []crypto.PublicKey, ok bool) {
	y.t.Helper()
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(m.Root, "etc/kubernetes/pki", name))
		if !os.IsNotExist(err) {
			must(y.t, err)
		}
		return data
	}
	block, _ := pem.Decode(read("sa.key"))
	if block == nil {
		return nil, nil, false
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	must(y.t, err)
	for rest := read("sa.pub"); ; {
		if block, rest = pem.Decode(rest); block == nil {
			return key.(crypto.Signer), public, true
		}
		pub, err := x509.ParsePKIXPublicKey(block.Bytes)
		must(y.t, err)
		public = append(public, pub)
	}
}

// tokensHold wants the service-account tokens that any node's API server signs
// to be taken by every node's, whatever their bundles are just then.
func (y *lifecycle) tokensHold() {
	y.t.Helper()
	for by, m := range y.nodes {
		key, _, ok := m.accounts(y)
		if !ok {
			continue
		}
		for at, other := range y.nodes {
			if _, public, ok := other.accounts(y); ok && !knows(public, key.Public()) {
				y.t.Errorf("%s does not take the tokens that %s signs", at, by)
			}
		}
	}
}

func knows(public []crypto.PublicKey, key crypto.PublicKey) bool {
	for _, p := range public {
		if p.(interface{ Equal(crypto.PublicKey) bool }).Equal(key) {
			return true
		}
	}
	return false
}
