// Package privatekey reads and writes a node's private key files.
//
// A file is one PEM block, in the forms Kubernetes, kubeadm and openssl write:
// PKCS #8 ("PRIVATE KEY"), SEC 1 ("EC PRIVATE KEY", with the "EC PARAMETERS"
// that openssl ecparam puts before it), PKCS #1 ("RSA PRIVATE KEY"). Officiant
// writes PKCS #8. Errors say what kind of thing a file holds in place of a key, and
// nothing of its content.
package privatekey

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
)

var errDamaged = errors.New("damaged private key")

// Parse reads a file that holds one private key.
func Parse(data []byte) (crypto.Signer, error) {
	block, rest := pem.Decode(data)
	if block != nil && block.Type == "EC PARAMETERS" {
		block, rest = pem.Decode(rest)
	}
	if block == nil || !isKey(block) {
		return nil, instead(data)
	}
	defer clear(block.Bytes)
	if len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("not one PEM private key: something stands behind the key")
	}
	return parse(block)
}

// Read reads the private key of a file that another program wrote, as Kubernetes does:
// it skips other blocks, such as the certificate, and text around them. It refuses two
// keys in one file, since nothing says which is meant.
func Read(data []byte) (crypto.Signer, error) {
	var found crypto.Signer
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if !isKey(block) {
			clear(block.Bytes)
			continue
		}
		key, err := parse(block)
		clear(block.Bytes)
		switch {
		case err != nil:
			return nil, err
		case found != nil:
			return nil, errors.New("holds several private keys, and nothing says which is meant: leave one in the file")
		}
		found = key
	}
	if found == nil {
		return nil, instead(data)
	}
	return found, nil
}

// isKey says whether a block is a private key that is not encrypted.
func isKey(block *pem.Block) bool {
	switch block.Type {
	case "PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY":
		return block.Headers["DEK-Info"] == "" && block.Headers["Proc-Type"] == ""
	}
	return false
}

func parse(block *pem.Block) (crypto.Signer, error) {
	var key any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	signer, ok := key.(crypto.Signer)
	switch {
	case err == nil && ok:
		return signer, nil
	case otherForm(block):
		return nil, errors.New("damaged private key: its PEM block has another name than the form it is in")
	case err == nil, keyShape(block.Bytes):
		return nil, errors.New("private key of a kind that Kubernetes does not load: it takes RSA, and ECDSA on " +
			"P-256, P-384 and P-521 (`openssl pkey -in FILE -noout -text` names this one)")
	}
	return nil, errDamaged
}

// otherForm says whether a block holds a key in another form than its name says.
func otherForm(block *pem.Block) bool {
	_, sec1 := x509.ParseECPrivateKey(block.Bytes)
	_, pkcs1 := x509.ParsePKCS1PrivateKey(block.Bytes)
	_, pkcs8 := x509.ParsePKCS8PrivateKey(block.Bytes)
	return sec1 == nil && block.Type != "EC PRIVATE KEY" || pkcs1 == nil && block.Type != "RSA PRIVATE KEY" ||
		pkcs8 == nil && block.Type != "PRIVATE KEY"
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
