package kubepki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"strings"
)

// SelfSigned says why a certificate is not one that its own key signed; nil when it
// is. What a root signs itself with shows nothing about what it certifies (RFC 5280
// section 6.1 takes a root's key and name alone), so SHA-1 and RSASSA-PSS with a
// salt of any length are verified here, which crypto/x509 does not.
func SelfSigned(c *x509.Certificate) error {
	if !bytes.Equal(c.RawSubject, c.RawIssuer) {
		if SameName(c.RawSubject, c.RawIssuer) {
			return fmt.Errorf("writes its own name %q in two encodings, as subject and as issuer, "+
				"and Kubernetes compares names byte by byte", c.Subject)
		}
		return fmt.Errorf("was issued by %q, and not by itself (%q)", c.Issuer, c.Subject)
	}
	hash, pss, err := signatureOf(c)
	if err != nil {
		return err
	}
	h := hash.New()
	h.Write(c.RawTBSCertificate)
	digest := h.Sum(nil)
	var ok bool
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if pss {
			ok = rsa.VerifyPSS(k, hash, digest, c.Signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto,
				Hash: hash}) == nil
		} else {
			ok = rsa.VerifyPKCS1v15(k, hash, digest, c.Signature) == nil
		}
	case *ecdsa.PublicKey:
		ok = ecdsa.VerifyASN1(k, digest, c.Signature)
	default:
		return fmt.Errorf("has a key of %T, neither RSA nor ECDSA", c.PublicKey)
	}
	if !ok {
		return fmt.Errorf("names itself as its issuer, and is not signed by its own key")
	}
	return nil
}

var (
	oidPSS    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}
	oidSHA1   = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
	oidSHA256 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidSHA384 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}
	oidSHA512 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}
)

// signatureOf is the hash a certificate is signed with, and whether by RSASSA-PSS.
func signatureOf(c *x509.Certificate) (hash crypto.Hash, pss bool, err error) {
	switch c.SignatureAlgorithm {
	case x509.SHA1WithRSA, x509.ECDSAWithSHA1:
		return crypto.SHA1, false, nil
	case x509.SHA256WithRSA, x509.ECDSAWithSHA256:
		return crypto.SHA256, false, nil
	case x509.SHA384WithRSA, x509.ECDSAWithSHA384:
		return crypto.SHA384, false, nil
	case x509.SHA512WithRSA, x509.ECDSAWithSHA512:
		return crypto.SHA512, false, nil
	case x509.SHA256WithRSAPSS:
		return crypto.SHA256, true, nil
	case x509.SHA384WithRSAPSS:
		return crypto.SHA384, true, nil
	case x509.SHA512WithRSAPSS:
		return crypto.SHA512, true, nil
	case x509.UnknownSignatureAlgorithm:
		return pssHash(c.Raw)
	}
	return 0, false, fmt.Errorf("signs itself with %s, which nothing verifies any more", c.SignatureAlgorithm)
}

// pssHash reads the parameters of RSASSA-PSS that crypto/x509 knows no name for, such
// as the salt of 20 octets of Microsoft's AD CS (RFC 4055 section 3.1).
func pssHash(raw []byte) (crypto.Hash, bool, error) {
	var outer struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(raw, &outer); err != nil {
		return 0, false, fmt.Errorf("has a signature algorithm that cannot be read: %w", err)
	}
	if !outer.Algorithm.Algorithm.Equal(oidPSS) {
		return 0, false, fmt.Errorf("signs itself with the algorithm %s, which is not known here", outer.Algorithm.Algorithm)
	}
	var parameters struct {
		Hash pkix.AlgorithmIdentifier `asn1:"optional,explicit,tag:0"`
		MGF  pkix.AlgorithmIdentifier `asn1:"optional,explicit,tag:1"`
		Salt int                      `asn1:"optional,explicit,tag:2,default:20"`
	}
	if _, err := asn1.Unmarshal(outer.Algorithm.Parameters.FullBytes, &parameters); err != nil {
		return 0, false, fmt.Errorf("has an RSASSA-PSS signature whose parameters cannot be read: %w", err)
	}
	for _, known := range []struct {
		oid  asn1.ObjectIdentifier
		hash crypto.Hash
	}{
		{oidSHA1, crypto.SHA1}, {nil, crypto.SHA1}, {oidSHA256, crypto.SHA256},
		{oidSHA384, crypto.SHA384}, {oidSHA512, crypto.SHA512},
	} {
		if known.oid.Equal(parameters.Hash.Algorithm) {
			return known.hash, true, nil
		}
	}
	return 0, false, fmt.Errorf("signs itself by RSASSA-PSS with the hash %s, which is not known here",
		parameters.Hash.Algorithm)
}

// SameName says whether two names are the same to RFC 5280 section 7.1, whatever
// string types they are written in, however many spaces, in whatever case.
func SameName(a, b []byte) bool {
	x, y := folded(a), folded(b)
	return x != "" && x == y
}

func folded(raw []byte) string {
	var name pkix.RDNSequence
	if rest, err := asn1.Unmarshal(raw, &name); err != nil || len(rest) > 0 {
		return ""
	}
	var b strings.Builder
	for _, set := range name {
		for _, a := range set {
			fmt.Fprintf(&b, "/%s=%q", a.Type, strings.ToLower(strings.Join(strings.Fields(fmt.Sprint(a.Value)), " ")))
		}
		b.WriteString(";")
	}
	return b.String()
}
