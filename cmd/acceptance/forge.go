package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// authority is a certification authority of somebody else: its certificates
// take the place of real ones where a check has to be shown refusing.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// newAuthority makes an authority, self-signed when parent is nil.
func newAuthority(parent *authority, commonName string) (*authority, error) {
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: commonName},
		NotAfter:              time.Now().Add(10 * 365 * 24 * time.Hour),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	issuer, issuerKey := template, key
	if parent != nil {
		issuer, issuerKey = parent.certificate, parent.key
	}
	certificate, err := sign(template, issuer, key.Public(), issuerKey)
	if err != nil {
		return nil, err
	}
	return &authority{certificate, key}, nil
}

// forgery is a file's certificate as an authority nobody trusts would issue it,
// with that authority's own, and its key.
func forgery(file string, data []byte) ([]byte, *ecdsa.PrivateKey, error) {
	other, err := newAuthority(nil, "kubernetes")
	if err != nil {
		return nil, nil, err
	}
	like := certificates(data)
	if len(like) == 0 {
		return nil, nil, fmt.Errorf("%s holds no certificate", file)
	}
	certificate, key, err := other.copyOf(like[0])
	if err != nil {
		return nil, nil, err
	}
	return certificatePEM(certificate, other.certificate), key, nil
}

// copyOf issues a certificate that says the same as like, for a key of its own.
func (a *authority) copyOf(like *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	certificate, err := sign(&x509.Certificate{
		Subject:     like.Subject,
		DNSNames:    like.DNSNames,
		IPAddresses: like.IPAddresses,
		KeyUsage:    like.KeyUsage,
		ExtKeyUsage: like.ExtKeyUsage,
		NotAfter:    like.NotAfter,
	}, a.certificate, key.Public(), a.key)
	return certificate, key, err
}

// leaf issues a certificate for both ends of TLS.
func (a *authority) leaf(commonName string, organization, names []string, addresses ...net.IP) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	return a.copyOf(&x509.Certificate{
		Subject:     pkix.Name{CommonName: commonName, Organization: organization},
		DNSNames:    names,
		IPAddresses: addresses,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		NotAfter:    time.Now().Add(365 * 24 * time.Hour),
	})
}

// sign fills in serial and begin and signs template.
func sign(template, issuer *x509.Certificate, public crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	template.NotBefore = time.Now().Add(-5 * time.Minute)
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, public, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// certificatePEM encodes a chain.
func certificatePEM(chain ...*x509.Certificate) []byte {
	var out []byte
	for _, c := range chain {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}

// keyPEM encodes a private key as PKCS#8.
func keyPEM(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
