package bundle

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"regexp"
)

// privateKeys looks into every file for something that opens a door.
func (c *checker) privateKeys() {
	for path, data := range c.b.Files {
		if holdsPrivateKey(data) {
			c.add(path, "holds a private key; none belongs into a bundle")
		}
	}
	if holdsPrivateKey(c.b.Signature) {
		c.add(SignatureFile, "holds a private key; none belongs into a bundle")
	}
}

var base64Run = regexp.MustCompile(`[A-Za-z0-9+/]{32,}={0,2}`)

// holdsPrivateKey finds private keys by their PEM or age label, by what a PEM
// block of another label holds, and inside base64, as kubeconfigs have it.
func holdsPrivateKey(data []byte) bool {
	if labelled(data) || derPrivateKey(data) {
		return true
	}
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if derPrivateKey(block.Bytes) {
			return true
		}
	}
	for _, run := range base64Run.FindAll(data, -1) {
		inner, err := base64.StdEncoding.DecodeString(string(run))
		if err != nil {
			inner, err = base64.RawStdEncoding.DecodeString(string(bytes.TrimRight(run, "=")))
		}
		if err == nil && (labelled(inner) || derPrivateKey(inner)) {
			return true
		}
	}
	return false
}

func labelled(data []byte) bool {
	return bytes.Contains(data, []byte("PRIVATE KEY-----")) || bytes.Contains(bytes.ToUpper(data), []byte("AGE-SECRET-KEY-"))
}

func derPrivateKey(der []byte) bool {
	if len(der) < 32 || der[0] != 0x30 {
		return false
	}
	if _, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return true
	}
	if _, err := x509.ParseECPrivateKey(der); err == nil {
		return true
	}
	_, err := x509.ParsePKCS1PrivateKey(der)
	return err == nil
}
