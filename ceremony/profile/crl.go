package profile

import (
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"time"

	"officiant/ceremony/schedule"
)

// RevocationList returns the template of e's revocation list: its number, from
// thisUpdate until the entry's duration later, and the certificates revoked. Those
// that were not on a list before are revoked as of thisUpdate. Extensions are the
// number, the issuer's key identifier, and each entry's reason, none critical.
func RevocationList(e schedule.Entry, number *big.Int, thisUpdate time.Time,
	issuer *x509.Certificate) (*x509.RevocationList, error) {
	switch {
	case e.Kind != schedule.CRLSignature:
		return nil, fmt.Errorf("kind %s is no revocation list", e.Kind)
	case issuer == nil || len(issuer.SubjectKeyId) == 0:
		return nil, errors.New("the issuer's certificate, or its subject key identifier, is not known")
	case e.SignatureAlgorithm == x509.UnknownSignatureAlgorithm:
		return nil, errors.New("the entry names no signature algorithm")
	case number == nil || e.Number == nil || number.Cmp(e.Number) < 0:
		return nil, fmt.Errorf("number %d is below the schedule's %d", number, e.Number)
	case e.Duration < time.Second:
		return nil, fmt.Errorf("duration %s is no time until the next update", e.Duration)
	}
	begin := thisUpdate.UTC().Truncate(time.Second)
	list := &x509.RevocationList{
		SignatureAlgorithm: e.SignatureAlgorithm, Number: number,
		ThisUpdate: begin, NextUpdate: begin.Add(e.Duration).Truncate(time.Second),
	}
	for _, r := range e.Revoked {
		date := r.Date
		if date.IsZero() {
			date = begin
		}
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{
			SerialNumber: r.Serial, RevocationTime: date.UTC(), ReasonCode: r.Reason.Code(),
		})
	}
	return list, nil
}
