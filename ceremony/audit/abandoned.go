package audit

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
)

// abandonedIntents holds what was to be signed, and has no result on record,
// against the schedule too: whoever has the token may hold that signature, so
// it must be one that was planned.
func (a *certificateAudit) abandonedIntents(c *Check) {
	for _, s := range a.ledger.certificates {
		if s.issued != nil || a.kind(s.entry) == "" {
			continue
		}
		e := a.entry(s.entry)
		cert, err := unsigned(s.tbs)
		if err != nil {
			c.problem("line %d: intent of %s, abandoned: %v", s.seq, s.name, err)
			continue
		}
		_, found := a.differences(*e, cert, false)
		for _, p := range found {
			c.problem("line %d: intent of %s, abandoned: %s", s.seq, s.name, p)
		}
	}
}

// abandonedFile wants a file's abandoned signature to be over the same bytes
// as the one that was made then: bundles are a function of what came before.
func (a *signatureAudit) abandonedFile(c *Check, s *signing) {
	if made := a.ledger.signed[s.name]; s.result == 0 && made != nil && made.sum != s.sum {
		c.problem("line %d: intent of %s, abandoned: is over %s, line %d signed %s", s.seq, s.name, s.sum, made.result,
			made.sum)
	}
}

// unsigned reads the to-be-signed part of a certificate as one that has a
// signature of no bits.
func unsigned(tbs []byte) (*x509.Certificate, error) {
	t, err := parseTBS(tbs)
	if err != nil {
		return nil, err
	}
	der, err := unsignedDER(tbs, t.Algorithm)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// unsignedList is unsigned for a revocation list (RFC 5280, 5.1).
func unsignedList(tbs []byte) (*x509.RevocationList, error) {
	var t struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Issuer    asn1.RawValue
	}
	if _, err := asn1.Unmarshal(tbs, &t); err != nil {
		return nil, fmt.Errorf("not the to-be-signed part of a revocation list: %w", err)
	}
	der, err := unsignedDER(tbs, t.Algorithm)
	if err != nil {
		return nil, err
	}
	return x509.ParseRevocationList(der)
}

func unsignedDER(tbs []byte, algorithm pkix.AlgorithmIdentifier) ([]byte, error) {
	return asn1.Marshal(struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}{asn1.RawValue{FullBytes: tbs}, algorithm, asn1.BitString{}})
}
