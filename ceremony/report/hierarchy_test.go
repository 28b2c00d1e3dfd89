package report

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/audit"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

// authority is a CA certificate by another one, or by itself.
func authority(t *testing.T, name string, by *x509.Certificate, key *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name + strings.Repeat(" long", 10)}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now(), NotAfter: time.Now().AddDate(10, 0, 0)}
	if by == nil {
		by, key = template, own
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by, &own.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, own
}

// many is a cluster in the midst of a rollover: two roots, each with authorities
// below it.
func many(t *testing.T, below ...int) *Minutes {
	c := &schedule.Ceremony{Plan: &plan.Plan{}, Certificates: map[string]*x509.Certificate{}}
	add := func(name, family string, cert *x509.Certificate) {
		c.Plan.Authorities = append(c.Plan.Authorities, plan.Authority{Name: name, Family: kubepki.Authority(family), Use: plan.Trust})
		c.Certificates[name] = cert
	}
	for i, n := range below {
		root, key := authority(t, fmt.Sprint("root-", i), nil, nil)
		add(fmt.Sprint("root-", i), "root", root)
		for k := range n {
			cert, _ := authority(t, "below", root, key)
			add(fmt.Sprintf("kubernetes-%d-%d", i, k), "kubernetes", cert)
		}
	}
	release := fingerprint.Of([]byte("release"))
	line := transcript.Line{Seq: 1, Record: transcript.Open{NotBefore: time.Now()}}
	return &Minutes{Plan: c, Record: &transcript.Transcript{Lines: []transcript.Line{line}}, Audit: &audit.Report{Release: &release}}
}

// TestHierarchy: however many authorities there are, each has a box below its
// root, in the picture and over no other.
func TestHierarchy(t *testing.T) {
	for _, below := range [][]int{{0}, {1}, {3}, {4}, {5}, {9}, {3, 3}, {6, 5}, {1, 1, 1}} {
		p := many(t, below...).Hierarchy()
		want := 1 // the release key
		for _, n := range below {
			want += 1 + n
		}
		if len(p.Boxes) != want {
			t.Errorf("%v: %d boxes, want %d", below, len(p.Boxes), want)
		}
		for i, b := range p.Boxes {
			if b.X < 0 || b.Y < 0 || b.X+b.W > p.Width || b.Y+b.H > p.Height {
				t.Errorf("%v: box %s is outside of %d by %d: %+v", below, b.Title, p.Width, p.Height, b)
			}
			for _, other := range p.Boxes[:i] {
				if b.X < other.X+other.W && other.X < b.X+b.W && b.Y < other.Y+other.H && other.Y < b.Y+b.H {
					t.Errorf("%v: %s lies over %s", below, b.Title, other.Title)
				}
			}
		}
		for _, l := range p.Lines {
			if min(l.X1, l.X2) < 0 || max(l.X1, l.X2) > p.Width || max(l.Y1, l.Y2) > p.Height {
				t.Errorf("%v: a line is outside of the picture: %+v", below, l)
			}
		}
	}
}

// TestOrigin: where a certificate is from, and what its authority is for.
func TestOrigin(t *testing.T) {
	for want, a := range map[string]Authority{
		"":                                {Made: true},
		"as it was":                       {},
		"signed externally":               {Made: true, External: true},
		"only trusted":                    {Made: true, Trusted: true},
		"as it was, only trusted":         {Trusted: true},
		"signed externally, only trusted": {Made: true, External: true, Trusted: true},
	} {
		if got := a.Origin(); got != want {
			t.Errorf("%+v: %q, want %q", a, got, want)
		}
	}
}
