package kubeconfig

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"officiant/bundle/certfile"
	"officiant/bundle/privatekey"
)

// certificates reads PEM that holds certificates and nothing else.
func certificates(data []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for rest := bytes.TrimSpace(data); len(rest) > 0; rest = bytes.TrimSpace(rest) {
		// Decode skips text that is no PEM; here there must be none.
		if !bytes.HasPrefix(rest, []byte("-----BEGIN CERTIFICATE-----")) {
			return nil, fmt.Errorf("certificate %d: no PEM block CERTIFICATE", len(certs)+1)
		}
		block, after := pem.Decode(rest)
		if block == nil || block.Type != "CERTIFICATE" || len(block.Headers) != 0 {
			return nil, fmt.Errorf("certificate %d: broken PEM", len(certs)+1)
		}
		cert, err := certfile.Parse(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(certs)+1, err)
		}
		certs, rest = append(certs, cert), after
	}
	if certs == nil {
		return nil, errors.New("no certificate in it")
	}
	return certs, nil
}

// matches holds a private key against the first certificate.
func matches(certificate, key []byte) error {
	certs, err := certificates(certificate)
	if err != nil {
		return fmt.Errorf("client-certificate-data: %w", err)
	}
	signer, err := privatekey.Parse(key)
	if err != nil {
		return fmt.Errorf("client-key-data: %w", err)
	}
	pub, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !pub.Equal(certs[0].PublicKey) {
		return fmt.Errorf("client-key-data: the private key does not belong to the certificate of %s", certs[0].Subject)
	}
	return nil
}

// onlyCertificates takes the certificates out of PEM with whatever stands around them.
func onlyCertificates(data []byte) ([]byte, error) {
	list, err := certfile.PEM(data)
	if err != nil {
		return nil, err
	}
	var out []byte
	for _, c := range list {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out, nil
}
