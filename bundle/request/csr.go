package request

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"

	"officiant/bundle/certfile"
)

const csrPEM = "CERTIFICATE REQUEST"

// parseCSR reads a CSR in exactly the PEM that pem.Encode writes, and refuses
// what can never be certified.
func parseCSR(data []byte) (*x509.CertificateRequest, error) {
	return parsedCSR(data, (*x509.CertificateRequest).CheckSignature)
}

// unprovenCSR is parseCSR, but for the CSR's signature.
func unprovenCSR(data []byte) (*x509.CertificateRequest, error) {
	return parsedCSR(data, func(*x509.CertificateRequest) error { return nil })
}

func parsedCSR(data []byte, signed func(*x509.CertificateRequest) error) (*x509.CertificateRequest, error) {
	block, rest := pem.Decode(data)
	if block == nil || block.Type != csrPEM || len(block.Headers) != 0 || len(rest) != 0 ||
		!bytes.Equal(pem.EncodeToMemory(block), data) {
		return nil, errors.New("is not one PEM block " + csrPEM)
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		if why := certfile.Reason(err); why != err {
			return nil, why
		}
		return nil, fmt.Errorf("is not a certificate request: %w", err)
	}
	if csr.PublicKeyAlgorithm == x509.UnknownPublicKeyAlgorithm {
		return nil, errors.New("its key is neither ECDSA nor RSA; one for RSA-PSS alone counts as neither, " +
			"and Kubernetes reads none")
	}
	if csr.SignatureAlgorithm == x509.UnknownSignatureAlgorithm {
		return nil, errors.New("is signed in a way that is not verified here, such as RSA-PSS with a salt of " +
			"another length than its hash; make it anew with openssl req -new -sha256 and no -sigopt")
	}
	if err := checkStrength(csr.PublicKey); err != nil {
		return nil, err
	}
	if err := signed(csr); err != nil {
		return nil, fmt.Errorf("its own signature does not verify, so nothing shows that the requester has the key: %w",
			err)
	}
	for _, e := range csr.Extensions {
		if err := checkExtension(e); err != nil {
			return nil, err
		}
	}
	return csr, nil
}

var (
	oidKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
)

// checkExtension refuses a CSR that asks to be a CA. The answer would be no
// anyway, as nothing but the key is taken; but who asks is not a node.
func checkExtension(e pkix.Extension) error {
	switch {
	case e.Id.Equal(oidBasicConstraints):
		var c struct {
			IsCA       bool `asn1:"optional"`
			MaxPathLen int  `asn1:"optional,default:-1"`
		}
		if rest, err := asn1.Unmarshal(e.Value, &c); err != nil || len(rest) != 0 {
			return errors.New("asks for basicConstraints that cannot be read")
		}
		if c.IsCA {
			return errors.New("asks to be a certificate authority (basicConstraints CA:TRUE)")
		}
	case e.Id.Equal(oidKeyUsage):
		var usage asn1.BitString
		if rest, err := asn1.Unmarshal(e.Value, &usage); err != nil || len(rest) != 0 {
			return errors.New("asks for a keyUsage that cannot be read")
		}
		// RFC 5280 section 4.2.1.3
		if usage.At(5) != 0 || usage.At(6) != 0 {
			return errors.New("asks for the key usages of a certificate authority (keyCertSign, cRLSign)")
		}
	}
	return nil
}

// checkStrength refuses keys too weak to be certified, and kinds Kubernetes
// does not load.
func checkStrength(pub crypto.PublicKey) error {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		switch bits := k.N.BitLen(); {
		case bits < 2048:
			return fmt.Errorf("its RSA key has %d bits, fewer than 2048", bits)
		case bits > 8192:
			return fmt.Errorf("its RSA key has %d bits, more than 8192", bits)
		case k.N.Bit(0) == 0 || k.E < 65537 || k.E%2 == 0:
			return errors.New("its RSA key has an even modulus, or an exponent that is even or less than 65537")
		}
		return nil
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256(), elliptic.P384(), elliptic.P521():
			return nil
		}
		return fmt.Errorf("its ECDSA key is on the curve %s, not P-256, P-384 or P-521", k.Curve.Params().Name)
	}
	return errors.New("its key is neither ECDSA nor RSA")
}

// sign signs the bytes of request.json, as sig/NAME.sig has it.
func sign(rand io.Reader, key crypto.Signer, message []byte) ([]byte, error) {
	digest := sha256.Sum256(message)
	sig, err := key.Sign(rand, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	return append(base64.StdEncoding.AppendEncode(nil, sig), '\n'), nil
}

// verify checks the content of sig/NAME.sig, or of previous.sig.
func verify(pub crypto.PublicKey, message, text []byte) error {
	encoded, ok := bytes.CutSuffix(text, []byte("\n"))
	sig, err := base64.StdEncoding.Strict().DecodeString(string(encoded))
	if !ok || err != nil || bytes.ContainsAny(encoded, "\r\n") {
		return errors.New("is not one line of base64, the signature")
	}
	digest := sha256.Sum256(message)
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		ok = ecdsa.VerifyASN1(k, digest[:], sig)
	case *rsa.PublicKey:
		ok = rsa.VerifyPKCS1v15(k, crypto.SHA256, digest[:], sig) == nil
	default:
		ok = false
	}
	if !ok {
		return errors.New("is not the signature of request.json")
	}
	return nil
}
