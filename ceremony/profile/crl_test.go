package profile_test

import (
	"crypto/x509"
	"math/big"
	"strings"
	"testing"
	"time"

	"officiant/ceremony/profile"
	"officiant/ceremony/revocation"
	"officiant/ceremony/schedule"
)

func listEntry() schedule.Entry {
	return schedule.Entry{
		Kind: schedule.CRLSignature, Name: "crl etcd", Signer: "etcd", Number: big.NewInt(3), Duration: 90 * 24 * time.Hour,
		SignatureAlgorithm: x509.ECDSAWithSHA256,
		Revoked: []schedule.Revoked{
			{Serial: big.NewInt(7), Reason: revocation.Superseded, Date: start.AddDate(0, -1, 0)},
			{Serial: big.NewInt(9), Reason: revocation.KeyCompromise},
		},
	}
}

func TestRevocationList(t *testing.T) {
	issuer := &x509.Certificate{SubjectKeyId: []byte("id")}
	l, err := profile.RevocationList(listEntry(), big.NewInt(4), start.Add(time.Millisecond), issuer)
	if err != nil {
		t.Fatal(err)
	}
	if l.Number.Int64() != 4 || !l.ThisUpdate.Equal(start) || !l.NextUpdate.Equal(start.AddDate(0, 0, 90)) || l.SignatureAlgorithm != x509.ECDSAWithSHA256 {
		t.Errorf("%+v", l)
	}
	was, is := l.RevokedCertificateEntries[0], l.RevokedCertificateEntries[1]
	if was.SerialNumber.Int64() != 7 || was.ReasonCode != 4 || !was.RevocationTime.Equal(start.AddDate(0, -1, 0)) {
		t.Errorf("former: %+v", was)
	}
	if is.SerialNumber.Int64() != 9 || is.ReasonCode != 1 || !is.RevocationTime.Equal(start) {
		t.Errorf("new: %+v", is)
	}
	for want, change := range map[string]func(e *schedule.Entry, n **big.Int, c **x509.Certificate){
		"kind leaf is no revocation list": func(e *schedule.Entry, _ **big.Int,
			_ **x509.Certificate) {
			e.Kind = schedule.LeafCertificate
		},
		"is not known": func(_ *schedule.Entry, _ **big.Int, c **x509.Certificate) { *c = nil },
		"names no signature algorithm": func(e *schedule.Entry, _ **big.Int,
			_ **x509.Certificate) {
			e.SignatureAlgorithm = 0
		},
		"number 2 is below the schedule's 3": func(_ *schedule.Entry, n **big.Int, _ **x509.Certificate) {
			*n = big.NewInt(2)
		},
		"no time until the next update": func(e *schedule.Entry, _ **big.Int, _ **x509.Certificate) { e.Duration = 0 },
	} {
		e, n, c := listEntry(), big.NewInt(3), issuer
		change(&e, &n, &c)
		if _, err := profile.RevocationList(e, n, start, c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
