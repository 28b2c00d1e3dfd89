package privatekey_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"officiant/bundle/privatekey"
)

func TestParse(t *testing.T) {
	ec, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	rsaKey, _ := rsa.GenerateKey(rand.Reader, 2048)
	sec1, _ := x509.MarshalECPrivateKey(ec)
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	written, err := privatekey.PEM(ec)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text string
		want crypto.Signer
		err  string
	}{
		"PKCS #8":          {string(written), ec, ""},
		"SEC 1":            {block("EC PRIVATE KEY", sec1), ec, ""},
		"after parameters": {block("EC PARAMETERS", []byte{5, 0}) + block("EC PRIVATE KEY", sec1), ec, ""},
		"PKCS #1":          {block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)), rsaKey, ""},
		"empty":            {"", nil, "is empty"},
		"a certificate":    {block("CERTIFICATE", sec1), nil, "holds a certificate and no private key"},
		"two keys": {string(written) + string(written), nil,
			"not one PEM private key: something stands behind the key"},
		"of the wrong form": {block("PRIVATE KEY", sec1), nil,
			"damaged private key: its PEM block has another name than the form it is in"},
		"cut off": {block("EC PRIVATE KEY", sec1[:20]), nil, "damaged private key"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := privatekey.Parse([]byte(c.text))
			switch {
			case c.want == nil && (err == nil || err.Error() != c.err):
				t.Errorf("error %v, want %s", err, c.err)
			case c.want != nil && err != nil:
				t.Error(err)
			case c.want != nil && !c.want.(interface{ Equal(crypto.PrivateKey) bool }).Equal(got):
				t.Error("another key")
			}
			if err != nil && strings.Contains(err.Error(), c.text) && c.text != "" {
				t.Error("the error tells what is in the file")
			}
		})
	}
}
