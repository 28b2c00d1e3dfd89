package audit

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"os"
	"sync/atomic"

	"officiant/bundle/fingerprint"
)

// issued is a certificate that was signed. Its bytes stay in the record: there is one
// for each leaf, and an authority's alone is needed all the time.
type issued struct {
	text     *recordText
	offset   int64 // of its line
	size     int
	sum      fingerprint.SHA256 // of its DER
	serial   [20]byte           // from RFC 5280's 20 octets, with zeros before
	key      [8]byte            // what its SubjectPublicKeyInfo's digest begins with
	notAfter int64              // in Unix seconds, as certificates have it
	intended bool               // its to-be-signed part is the intent's
	parsed   *x509.Certificate  // of an authority
	verified bool               // its signature is its authority's, as the check of its bundle found
}

func keyPrefix(spki fingerprint.SHA256) [8]byte { return [8]byte(spki[:8]) }

// certificate parses it; of an authority it is the same each time.
func (i *issued) certificate() *x509.Certificate {
	if i.parsed != nil {
		return i.parsed
	}
	cert, err := i.read()
	if err != nil {
		i.text.failed.CompareAndSwap(nil, &err)
		return &x509.Certificate{SerialNumber: new(big.Int)} // look returns the error, and no report
	}
	return cert
}

// read takes the certificate from its line, which was read and decoded before: that it is the
// same certificate, its digest says.
func (i *issued) read() (*x509.Certificate, error) {
	line := make([]byte, i.size)
	if _, err := i.text.file.ReadAt(line, i.offset); err != nil {
		return nil, fmt.Errorf("%s: %w", transcriptFile, err)
	}
	const before = `"certificate":"`
	_, text, _ := bytes.Cut(line, []byte(before))
	text, _, _ = bytes.Cut(text, []byte(`"`))
	der := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(der, text)
	if err != nil || fingerprint.Of(der[:n]) != i.sum {
		return nil, fmt.Errorf("%s: it was changed while it was verified", transcriptFile)
	}
	return x509.ParseCertificate(der[:n])
}

// recordText is the record's file, of which parts are read again.
type recordText struct {
	file   *os.File
	failed atomic.Pointer[error] // why a part could not be had again
}

// whole is nil when every part could be read again.
func (t *recordText) whole() error {
	if t == nil {
		return nil
	}
	if err := t.failed.Load(); err != nil {
		return *err
	}
	return nil
}
