package audit

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/history"
	"officiant/ceremony/plan"
	"officiant/ceremony/revocation"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

// TestCumulative shows that the audit holds a plan against the previous lists by
// itself; the plan would have refused all of these before.
func TestCumulative(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Second)
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	ca := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "etcd-ca"},
		NotAfter:              now.AddDate(9, 0, 0),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	issuer := must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key))))
	leaf := func(serial int64, end time.Time) *x509.Certificate {
		c := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: end}
		return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, c, issuer, key.Public(), key))))
	}
	list := must(x509.ParseRevocationList(must(x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number:     big.NewInt(4),
		ThisUpdate: now.AddDate(0, -1, 0),
		NextUpdate: now.AddDate(0, 1, 0),
		RevokedCertificateEntries: []x509.RevocationListEntry{
			{SerialNumber: big.NewInt(0xabc), RevocationTime: now.AddDate(0, -2, 0), ReasonCode: 4},
		},
	}, issuer, key))))
	former := map[string]*formerList{
		issuerKey(list): {list, "etcd", map[string]x509.RevocationListEntry{"abc": list.RevokedCertificateEntries[0]}},
	}
	look := func(onRecord map[string]*x509.Certificate, revoked ...plan.Revocation) []string {
		a := &listAudit{view: &view{
			t: newRecord(&transcript.Transcript{
				Lines: []transcript.Line{{Record: transcript.Open{NotBefore: now}}},
			}),
			ledger: &ledger{certificates: []*signing{{seq: 9, name: "cp-1/etcd/server", signer: "etcd"}}},
			plan: &schedule.Ceremony{
				Plan: &plan.Plan{
					Authorities: []plan.Authority{{Name: "etcd", Family: kubepki.EtcdAuthority}},
					CRLs:        []plan.CRL{{Authority: "etcd", NextUpdate: plan.Duration(time.Hour)}}, Revocations: revoked,
				},
				Certificates: map[string]*x509.Certificate{"etcd": issuer},
			},
		}, lists: former}
		told := map[string]*history.Certificate{}
		for serial, cert := range onRecord {
			told[serial] = &history.Certificate{
				Issuer: &history.Issuer{
					Name:  cert.RawIssuer,
					KeyID: cert.AuthorityKeyId,
				},
				NotAfter: cert.NotAfter,
				SPKI:     fingerprint.Of(cert.RawSubjectPublicKeyInfo),
			}
		}
		var c Check
		a.revocations(&c, former, told)
		a.revokedInUse(&c, former, told)
		return c.Problems
	}
	a := &listAudit{view: &view{
		t: newRecord(&transcript.Transcript{
			Lines: []transcript.Line{{Record: transcript.Open{NotBefore: now}}},
		}),
		ledger: &ledger{},
		plan: &schedule.Ceremony{
			Plan: &plan.Plan{Authorities: []plan.Authority{{Name: "etcd",
				Family: kubepki.EtcdAuthority, Use: plan.Issue}}},
			Nodes: []kubepki.Node{
				{Name: "cp-1", Roles: []kubepki.Role{kubepki.Etcd}},
			},
			Certificates: map[string]*x509.Certificate{"etcd": issuer},
		},
	}, lists: former}
	var c Check
	if a.etcdHasList(&c, former); len(c.Problems) > 0 {
		t.Errorf("etcd has a list: %q", c.Problems)
	}
	a.plan.Certificates["etcd"] = leaf(7, now) // another authority
	if a.etcdHasList(
		&c,
		former,
	); len(c.Problems) != 1 ||
		!strings.Contains(c.Problems[0], "etcd had list 4 of CN=etcd-ca, and gets none now") {
		t.Errorf("etcd has none: %q", c.Problems)
	}
	revoke := func(serial int64, authority string, reason plan.Reason) plan.Revocation {
		return plan.Revocation{Serial: plan.Serial{Int: big.NewInt(serial)}, Authority: authority, Reason: reason}
	}
	same := revoke(0xabc, "etcd", revocation.Superseded)
	other := *leaf(0xdef, now)
	other.RawIssuer = []byte("another")
	for name, tt := range map[string]struct {
		onRecord map[string]*x509.Certificate
		revoked  []plan.Revocation
		says     string // empty: no problem
	}{
		"the same again": {nil, []plan.Revocation{same}, ""},
		"left out": {nil, nil, "list 4 of etcd revokes abc, which had not expired; the new list leaves " +
			"it out"},
		"left out, and still valid": {map[string]*x509.Certificate{"abc": leaf(0xabc, now.Add(time.Hour))}, nil,
			"which had not expired"},
		"left out after its end": {map[string]*x509.Certificate{"abc": leaf(0xabc, now.AddDate(0, -1, -1))}, nil, ""},
		"another reason": {nil, []plan.Revocation{revoke(0xabc, "etcd", revocation.KeyCompromise)},
			"revokes abc for keyCompromise, it was revoked for superseded before"},
		"a reason that is none": {nil, []plan.Revocation{revoke(0xabc, "etcd", "certificateHold")},
			"certificateHold can be undone"},
		"never issued": {nil, []plan.Revocation{same, revoke(0xdef, "etcd", revocation.Superseded)},
			"revokes def, which no previous record has"},
		"issued by another": {map[string]*x509.Certificate{"def": &other}, []plan.Revocation{same, revoke(0xdef,
			"etcd", revocation.Superseded)}, "revokes def on the list of etcd, which did not issue it"},
		"of an authority not there": {nil, []plan.Revocation{same, revoke(0xdef, "etcd-2", revocation.Superseded)},
			"revokes def of etcd-2, which has no certificate"},
		"a revoked authority signing": {map[string]*x509.Certificate{"1": issuer}, []plan.Revocation{same, revoke(1, "etcd",
			revocation.CACompromise)}, "line 9: cp-1/etcd/server was to be signed by etcd, which is revoked"},
	} {
		p := look(tt.onRecord, tt.revoked...)
		if tt.says == "" && len(p) > 0 ||
			tt.says != "" && !slices.ContainsFunc(p, func(s string) bool { return strings.Contains(s, tt.says) }) {
			t.Errorf("%s: %q, want %q", name, p, tt.says)
		}
	}
}
