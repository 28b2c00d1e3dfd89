package privatekey

import (
	"bytes"
	"encoding/pem"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"officiant/bundle/charset"
)

// others says what a PEM block is that is no key which can be used, by its type.
var others = map[string]string{
	"CERTIFICATE":             "holds a certificate and no private key",
	"TRUSTED CERTIFICATE":     "holds a certificate and no private key",
	"CERTIFICATE REQUEST":     "holds a certificate request and no private key",
	"NEW CERTIFICATE REQUEST": "holds a certificate request and no private key",
	"PUBLIC KEY":              "holds a public key and no private one",
	"RSA PUBLIC KEY":          "holds a public key and no private one",
	"EC PARAMETERS":           "holds the parameters of a key and no private key",
	"DSA PRIVATE KEY":         "holds a DSA key, which Kubernetes does not load",
	"ENCRYPTED PRIVATE KEY":   encrypted,
	"OPENSSH PRIVATE KEY": "is in OpenSSH's own form, which Kubernetes does not read; " +
		"`ssh-keygen -p -N '' -m PKCS8 -f COPY` rewrites a copy",
}

const encrypted = "is encrypted with a passphrase, and Kubernetes opens no such key; " +
	"`openssl pkey -in FILE -out OTHER` writes it without"

// instead says what data is in which no private key was found.
func instead(data []byte) error {
	if len(bytes.TrimSpace(data)) == 0 {
		return errors.New("is empty")
	}
	first := ""
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		clear(block.Bytes)
		is := others[block.Type]
		switch {
		case block.Headers["DEK-Info"] != "" || block.Headers["Proc-Type"] != "":
			is = encrypted
		case is == "":
			is = "not one PEM private key: another kind of PEM block"
		}
		if first == "" || first == others["EC PARAMETERS"] || is == encrypted {
			first = is
		}
	}
	if first != "" {
		return errors.New(first)
	}
	switch name := charset.Name(data); {
	case keyShape(data):
		return errors.New("is DER and not PEM; `openssl pkey -inform der -in FILE -out OTHER` makes PEM of it")
	case encryptedShape(data):
		return errors.New("is encrypted with a passphrase, in DER; `openssl pkey -inform der -in FILE -out OTHER` " +
			"writes it without, in PEM")
	case pkcs12(data):
		return errors.New(
			"is PKCS #12 (.p12, .pfx); `openssl pkcs12 -nocerts -nodes -in FILE -out OTHER` writes its key out",
		)
	case name != "UTF-8" && name != "":
		return errors.New("is text in " + name + ", and programs find no PEM in that; save it as ASCII or UTF-8 without " +
			"a byte order mark")
	case bytes.Contains(data, []byte("PRIVATE KEY-----")):
		return errors.New("not one PEM private key: its PEM is damaged (a line lost, cut short, or indented)")
	}
	return errors.New("not one PEM private key")
}

// pkcs12 tells a PFX, whose version is 3, from a private key (RFC 7292 section 4).
func pkcs12(data []byte) bool {
	s := cryptobyte.String(data)
	var inner cryptobyte.String
	var version int64
	return s.ReadASN1(&inner, asn1.SEQUENCE) && inner.ReadASN1Integer(&version) && version == 3
}

// encryptedShape tells an EncryptedPrivateKeyInfo (RFC 5958 section 3).
func encryptedShape(data []byte) bool {
	s := cryptobyte.String(data)
	var inner, part cryptobyte.String
	return s.ReadASN1(&inner, asn1.SEQUENCE) && s.Empty() && inner.ReadASN1(&part, asn1.SEQUENCE) &&
		inner.ReadASN1(&part, asn1.OCTET_STRING) && inner.Empty()
}
