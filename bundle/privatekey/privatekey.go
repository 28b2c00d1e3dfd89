// Package privatekey reads and writes a node's private key files.
//
// A file is one PEM block, in the forms Kubernetes, kubeadm and openssl write:
// PKCS #8 ("PRIVATE KEY"), SEC 1 ("EC PRIVATE KEY", with the "EC PARAMETERS"
// that openssl ecparam puts before it), PKCS #1 ("RSA PRIVATE KEY"). Officiant
// writes PKCS #8. Errors say nothing of what a file holds.
package privatekey

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
)

var (
	errForm    = errors.New("not one PEM private key")
	errDamaged = errors.New("damaged private key")
)

// Parse reads one private key.
func Parse(data []byte) (crypto.Signer, error) {
	block, rest := pem.Decode(data)
	if block != nil && block.Type == "EC PARAMETERS" {
		block, rest = pem.Decode(rest)
	}
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errForm
	}
	defer clear(block.Bytes)
	var key any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		return nil, errForm
	}
	signer, ok := key.(crypto.Signer)
	if err != nil || !ok {
		return nil, errDamaged
	}
	return signer, nil
}

// PEM writes a private key. The caller clears it after use.
func PEM(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	defer clear(der)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
