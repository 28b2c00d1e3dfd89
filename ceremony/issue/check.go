package issue

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"sync"

	"officiant/ceremony/lint"
)

// Checker checks what is about to be signed. It is safe for concurrent use.
type Checker struct {
	rand  io.Reader
	ecdsa func() (crypto.Signer, error)
	rsa   func() (crypto.Signer, error)
}

// NewChecker returns a Checker whose throw-away keys are made when first needed.
func NewChecker(rand io.Reader) *Checker {
	return &Checker{
		rand:  rand,
		ecdsa: sync.OnceValues(func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand) }),
		rsa:   sync.OnceValues(func() (crypto.Signer, error) { return rsa.GenerateKey(rand, 2048) }),
	}
}

// Checked is a certificate that may be signed. Only Check makes one; the zero
// Checked is refused.
type Checked struct {
	checked
	// The certificate with the throw-away key's signature, nil in a zero Checked. Parsed it
	// takes seven times as much, and hundreds wait for a token at once.
	der    []byte
	tbs    []byte // of der
	serial *big.Int
}

// Name is the schedule's name of the certificate, for messages.
func (c *Checked) Name() string { return c.name }

// TBS is the DER TBSCertificate. The caller must not change it.
func (c *Checked) TBS() []byte { return c.tbs }

// Serial is the certificate's serial number.
func (c *Checked) Serial() *big.Int { return c.serial }

// Throwaway is the certificate with the throw-away key's signature. It is for uses where
// signatures do not count, and must never be written.
func (c *Checked) Throwaway() *x509.Certificate {
	cert, err := x509.ParseCertificate(c.der)
	if err != nil {
		panic(fmt.Sprintf("issue: what Check has parsed does not parse: %v", err))
	}
	return cert
}

// Refused says why a certificate may not be signed.
type Refused struct {
	Name     string
	Findings []lint.Finding
}

func (e *Refused) Error() string {
	reasons := make([]string, len(e.Findings))
	for i, f := range e.Findings {
		reasons[i] = f.String()
	}
	return strings.Join(reasons, "\n")
}

// hashes lists the signature algorithms a token is asked for.
var hashes = map[x509.SignatureAlgorithm]crypto.Hash{
	x509.ECDSAWithSHA256: crypto.SHA256,
	x509.ECDSAWithSHA384: crypto.SHA384,
	x509.ECDSAWithSHA512: crypto.SHA512,
	x509.SHA256WithRSA:   crypto.SHA256,
	x509.SHA384WithRSA:   crypto.SHA384,
	x509.SHA512WithRSA:   crypto.SHA512,
}

// Check makes the to-be-signed bytes of template for the public key subject, and
// lints them. issuer is nil for a self-signed certificate; issuerKey is the key
// that will sign, as the caller expects it. Findings come back as *Refused.
// in.Issuer is set to issuer.
func (c *Checker) Check(template, issuer *x509.Certificate, issuerKey, subject crypto.PublicKey, in lint.Context) (*Checked, error) {
	in.Issuer = issuer
	certificate, throwaway, err := c.prepare(template, issuer, issuerKey, subject)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", in.Name, err)
	}
	if findings := lint.Certificate(throwaway, in); len(findings) > 0 {
		return nil, &Refused{in.Name, findings}
	}
	certificate.name = in.Name
	return certificate, nil
}

func (c *Checker) prepare(template, issuer *x509.Certificate, issuerKey, subject crypto.PublicKey) (*Checked,
	*x509.Certificate, error) {
	hash, ok := hashes[template.SignatureAlgorithm]
	if !ok {
		return nil, nil, fmt.Errorf("signature algorithm %s is not supported", template.SignatureAlgorithm)
	}
	var certified crypto.PublicKey = subject // who signs a root
	parent := *template
	if issuer != nil {
		certified, parent = issuer.PublicKey, *issuer
	}
	if !samePublicKey(issuerKey, certified) {
		return nil, nil, errors.New("the issuer's key is not the one its certificate holds")
	}
	key, err := c.throwaway(issuerKey)
	if err != nil {
		return nil, nil, err
	}
	parent.PublicKey = nil // x509 would ask for the issuer's own private key
	tbs, err := toBeSigned(template, &parent, subject, key)
	if err != nil {
		return nil, nil, err
	}
	outer, err := c.signedAway(tbs, hash, key)
	if err != nil {
		return nil, nil, err
	}
	der, err := asn1.Marshal(*outer)
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, err
	}
	if cert.SignatureAlgorithm != template.SignatureAlgorithm || !samePublicKey(cert.PublicKey, subject) {
		return nil, nil, errors.New("the certificate is not what was asked for")
	}
	common := checked{hash: hash, algorithm: bytes.Clone(outer.Algorithm.FullBytes), signer: issuerKey}
	return &Checked{common, der, cert.RawTBSCertificate, cert.SerialNumber}, cert, nil
}

// toBeSigned is what x509 would have key sign. It is taken out where x509 asks for the
// signature: x509 verifies each one, which takes longer than making it, and of a throw-away
// key's nothing is learned.
func toBeSigned(template, parent *x509.Certificate, subject crypto.PublicKey, key crypto.Signer) ([]byte, error) {
	t := &taker{Signer: key}
	_, err := x509.CreateCertificate(nil, template, parent, subject, t)
	if !errors.Is(err, errTaken) {
		return nil, err
	}
	return t.message, nil
}

// taker keeps what it is to sign, and signs nothing. It is a crypto.MessageSigner.
type taker struct {
	crypto.Signer // for its public key
	message       []byte
}

var errTaken = errors.New("not signed")

func (t *taker) SignMessage(_ io.Reader, message []byte, _ crypto.SignerOpts) ([]byte, error) {
	t.message = message
	return nil, errTaken
}

// signedAway is a certificate with the throw-away key's signature.
func (c *Checker) signedAway(tbs []byte, hash crypto.Hash, key crypto.Signer) (*certificate, error) {
	var begin struct { // RFC 5280, 4.1
		Version   int `asn1:"explicit,tag:0"`
		Serial    asn1.RawValue
		Algorithm asn1.RawValue
	}
	if _, err := asn1.Unmarshal(tbs, &begin); err != nil {
		return nil, err
	}
	h := hash.New()
	h.Write(tbs)
	signature, err := key.Sign(c.rand, h.Sum(nil), hash)
	if err != nil {
		return nil, err
	}
	return &certificate{asn1.RawValue{FullBytes: tbs}, begin.Algorithm,
		asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}}, nil
}

// throwaway is a key of the kind of pub.
func (c *Checker) throwaway(pub crypto.PublicKey) (crypto.Signer, error) {
	switch pub.(type) {
	case *ecdsa.PublicKey:
		return c.ecdsa()
	case *rsa.PublicKey:
		return c.rsa()
	}
	return nil, fmt.Errorf("issuer key of type %T is neither ECDSA nor RSA", pub)
}

// certificate is RFC 5280's, its first two parts as they stand.
type certificate struct {
	TBS       asn1.RawValue
	Algorithm asn1.RawValue
	Signature asn1.BitString
}

func samePublicKey(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}
