package schedule

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/history/historytest"
	"officiant/ceremony/transcript"
)

// past is what a first ceremony left.
type past struct {
	t           *testing.T
	files       map[string]string
	certs       map[string]*x509.Certificate
	keys        map[string]crypto.Signer // of the certificates
	release, sa fingerprint.SHA256

	// What its record says. write puts it into the files, with its head.
	open     transcript.Open
	at       time.Time           // when it began, a second before
	sealed   []transcript.Record // of service-account pairs
	issued   []issued
	lists    []pastList          // revocation lists
	left     []string            // nodes that are gone
	next     *fingerprint.SHA256 // the release key that it announced
	opened   map[string]bool     // in place of all keys, those it opened
	grades   map[string]string   // of the evidence about its keys
	finished bool
	head     fingerprint.SHA256
}

// write writes the record as a ceremony would have.
func (p *past) write() {
	p.t.Helper()
	r := historytest.Begin(p.t, p.at, p.open)
	for _, name := range slices.Sorted(maps.Keys(p.certs)) {
		if p.opened == nil || p.opened[name] {
			r.Graded(name, p.certs[name].PublicKey, false, p.grades[name])
		}
	}
	release, err := x509.ParsePKIXPublicKey(p.der(p.t, "release.pub"))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Key("release", release, false)
	r.Add(p.sealed...)
	for _, c := range p.issued {
		r.Issue(c.name, "kubernetes", c.certificate)
	}
	for _, l := range p.lists {
		list, err := x509.ParseRevocationList(l.der)
		if err != nil {
			p.t.Fatal(err)
		}
		r.List(l.by, strings.TrimRight(l.by, "-12"), list)
	}
	r.CloseIssuing(p.left)
	if p.finished {
		r.Add(transcript.Closed{Signer: p.release, Successor: p.next})
	} else {
		r.Add(transcript.Paused{Reason: "lunch"})
	}
	record := r.Unfinished()
	p.files["previous/demo-1.jsonl"], p.head = string(record), historytest.Predecessor(p.t, record).Head
}

// makePast makes authorities, release key and transcript.
func makePast(t *testing.T, cas []ca, open transcript.Open, last string, to ...string) *past {
	t.Helper()
	p := &past{
		t: t, files: map[string]string{"kubeadm.yaml": kubeadmFile}, certs: map[string]*x509.Certificate{},
		open: open, finished: last == "closed", at: time.Date(2025, 11, 23, 12, 0, 0, 0, time.UTC),
	}
	keys := map[string]crypto.Signer{}
	p.keys = keys
	for i, c := range cas {
		key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		keys[c.name] = key
		template := &x509.Certificate{
			SerialNumber: big.NewInt(int64(i + 1)), Subject: pkix.Name{CommonName: c.name, Organization: []string{"demo"}},
			NotBefore: now.AddDate(-1, 0, 0), NotAfter: c.end, IsCA: c.isCA, BasicConstraintsValid: true,
			MaxPathLen: c.pathLen, MaxPathLenZero: c.pathLen == 0, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		}
		if !c.isCA {
			template.MaxPathLen, template.MaxPathLenZero = 0, false
		}
		parent, parentKey := template, crypto.Signer(key)
		if c.parent != c.name {
			parent, parentKey = p.certs[c.parent], keys[c.parent]
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
		if err != nil {
			t.Fatal(err)
		}
		if p.certs[c.name], err = x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		}
		p.files["previous/demo-1/"+c.name+".crt"] = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	p.release = p.public(t, "release.pub", newKey(t))
	sa := newKey(t)
	p.sa = p.public(t, "sa.pub", sa)
	p.files["previous/demo-1/sa.key.age"] = sealedFile
	spki, err := x509.MarshalPKIXPublicKey(sa.Public())
	if err != nil {
		t.Fatal(err)
	}
	p.sealed = []transcript.Record{
		transcript.Sealed{
			Secret:     transcript.ServiceAccount,
			File:       "secrets/sa.key.age",
			SHA256:     fingerprint.Of([]byte(sealedFile)),
			Recipients: to,
			PublicKey:  spki,
		},
	}
	p.write()
	return p
}

// leaf is a certificate by an authority of the past, with its key.
func (p *past) leaf(t *testing.T, by string, serial int64, cn string) *held {
	t.Helper()
	return p.leafFor(t, by, serial, cn, newKey(t))
}

func (p *past) leafFor(t *testing.T, by string, serial int64, cn string, key crypto.Signer) *held {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: cn},
		NotBefore: now.AddDate(-1, 0, 1), NotAfter: now.AddDate(0, 0, 20),
	}, p.certs[by], key.Public(), p.keys[by])
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &held{key, c}
}
