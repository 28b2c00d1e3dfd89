package proof_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/chain"
	"officiant/ceremony/issue"
	"officiant/ceremony/online/grant"
	"officiant/ceremony/online/journal"
	"officiant/ceremony/online/onlinetest"
	"officiant/ceremony/online/proof"
)

// clerk writes journals by hand.
type clerk struct {
	*testing.T
	w      *onlinetest.World
	parsed *grant.Grant
	issuer *x509.Certificate
	at     time.Time
}

func newClerk(t *testing.T) *clerk {
	w := onlinetest.New(t)
	c := &clerk{T: t, w: w, parsed: onlinetest.Parse(t, w.Grant), at: onlinetest.Start.Add(time.Hour)}
	a, _ := c.parsed.Authority(grant.KubeletClient)
	c.issuer = a.X509()
	return c
}

func (c *clerk) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

func (c *clerk) open() journal.Open {
	public, err := x509.MarshalPKIXPublicKey(c.w.Journal.Public())
	c.must(err)
	return journal.Open{Format: journal.Format, Cluster: "demo", PublicKey: public, Program: "test"}
}

func (c *clerk) grant() journal.Grant {
	return journal.Grant{Sequence: 1, SHA256: c.parsed.Digest()}
}

// written are records as lines that follow one another; change is made to the one at n.
func (c *clerk) written(n int, change func(l *chain.Line), records ...chain.Record) []byte {
	c.Helper()
	var out []byte
	var before fingerprint.SHA256
	for i, r := range records {
		l := chain.Line{Seq: i + 1, Time: c.at, Prev: before, Record: r}
		if i+1 == n {
			change(&l)
		}
		raw, err := chain.Encode(l)
		c.must(err)
		out, before = append(out, raw...), fingerprint.Of(raw)
	}
	return out
}

func (c *clerk) check(data []byte) (*proof.Verdict, error) {
	return proof.Check("journal.jsonl", bytes.NewReader(data), proof.Against{
		Grants: map[fingerprint.SHA256]*grant.Grant{c.parsed.Digest(): c.parsed}})
}

// intent is one of a to-be-signed certificate that has a serial number, and no more.
func (c *clerk) intent(serial *big.Int, content string) journal.Intent {
	tbs, err := asn1.Marshal(struct {
		Version int `asn1:"explicit,tag:0"`
		Serial  *big.Int
	}{2, serial})
	c.must(err)
	return journal.Intent{Authority: "kubelet-client", SignerName: grant.KubeletClient, Subject: "node worker-1",
		Requester: "system:bootstrap:07401b", Content: fingerprint.Of([]byte(content)),
		SPKI: fingerprint.Of([]byte("key " + content)), TBS: tbs}
}

// TestLineRefusals: what breaks a journal, beside the journal that is whole.
func TestLineRefusals(t *testing.T) {
	c := newClerk(t)
	random := func() *big.Int { return onlinetest.Serial(t) }
	none := func(*chain.Line) {}
	plain := c.written(0, none, c.open(), c.grant())
	changed := func(change func(l *chain.Line)) []byte { return c.written(2, change, c.open(), c.grant()) }
	keyless := c.open()
	keyless.PublicKey = []byte("x")
	first := c.intent(random(), "a")
	first.Bootstrap = true
	second := c.intent(random(), "b")
	second.Bootstrap = true
	many := []chain.Record{c.open(), c.grant()}
	for i := range 20_001 {
		many = append(many, c.intent(random(), fmt.Sprint("of many ", i)))
	}
	for _, row := range []struct {
		of, says string
		data     []byte
	}{
		{"whole", "", plain},
		{"cut off", "line is not ended by a newline: start the signer, which settles it, and stop it",
			plain[:len(plain)-1]},
		{"one long line", "line is longer than ", bytes.Repeat([]byte{'x'}, 2<<20)},
		{"another number", "its seq is 7, and it is line 2", changed(func(l *chain.Line) { l.Seq = 7 })},
		{"another line before", "its prev is not the hash of the line before",
			changed(func(l *chain.Line) { l.Prev[0] ^= 1 })},
		{"an earlier time", "its time is before that of the line before",
			changed(func(l *chain.Line) { l.Time = l.Time.Add(-time.Second) })},
		{"a step", "its step is not 0", changed(func(l *chain.Line) { l.Step = 1 })},
		{"no key", "open: journal key: ", c.written(0, none, keyless)},
		{"a short serial number", "intent: serial number 7 is not of up to 20 random octets",
			c.written(0, none, c.open(), c.grant(), c.intent(big.NewInt(7), "a"))},
		{"a random serial number", "", c.written(0, none, c.open(), c.grant(), c.intent(random(), "a"))},
		{"an earlier grant", "grant: sequence 1 after 2",
			c.written(0, none, c.open(), journal.Grant{Sequence: 2}, c.grant())},
		{"another grant", "grant: another file of sequence 1 than before",
			c.written(0, none, c.open(), c.grant(), journal.Grant{Sequence: 1})},
		{"given up twice", "abandoned: line 9 is no intent that waits for a result",
			c.written(0, none, c.open(), c.grant(), journal.Abandoned{Intent: 9, Reason: "again"})},
		{"no grant", "intent: no grant comes before it", c.written(0, none, c.open(), c.intent(random(), "a"))},
		{"a second first certificate",
			"intent: system:bootstrap:07401b had its one certificate for node worker-1",
			c.written(0, none, c.open(), c.grant(), first, second)},
		{"many without a result", "", c.written(0, none, many[:20_002]...)},
		{"one more", "intent: 20000 others have no result", c.written(0, none, many...)},
		{"what was given up is none", "abandoned: line 3: ", c.written(0, none, c.open(), c.grant(),
			c.intent(random(), "a"),
			journal.Abandoned{Intent: 3, Reason: "the process ended"})},
	} {
		_, err := c.check(row.data)
		if (err == nil) != (row.says == "") || err != nil && !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s: %v, want %q", row.of, err, row.says)
		}
	}
	var head proof.Head
	v, err := c.check(plain)
	c.must(err)
	head = v.Head
	read := func(upTo proof.Head) error {
		return proof.Read("journal.jsonl", bytes.NewReader(plain), upTo, func(*proof.Certificate) {})
	}
	other := head
	other.Hash[0] ^= 1
	later := head
	later.Seq++
	for want, upTo := range map[string]proof.Head{
		"": head, "it is another line than the one on record": other,
		"the lines after this one are missing, up to line 3": later,
	} {
		if err := read(upTo); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

// TestCertificateFindings: what a certificate is that its authority signed against the grant.
func TestCertificateFindings(t *testing.T) {
	c := newClerk(t)
	ends := c.issuer.NotAfter
	for want, change := range map[string]func(cert *x509.Certificate, in *journal.Intent, key **onlinetest.Key){
		"": func(*x509.Certificate, *journal.Intent, **onlinetest.Key) {},
		"its key is one that the grant refuses": func(_ *x509.Certificate, _ *journal.Intent, key **onlinetest.Key) {
			*key = c.w.Client
		},
		"it may sign": func(cert *x509.Certificate, _ *journal.Intent, _ **onlinetest.Key) {
			cert.KeyUsage |= x509.KeyUsageCertSign
		},
		"its extended key usage is not its authority's": func(cert *x509.Certificate, _ *journal.Intent,
			_ **onlinetest.Key) {
			cert.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		},
		"it outlives its authority": func(cert *x509.Certificate, _ *journal.Intent, _ **onlinetest.Key) {
			cert.NotBefore, cert.NotAfter = ends.Add(-time.Hour), ends.Add(time.Hour)
		},
		"it has names that are neither DNS names nor addresses": func(cert *x509.Certificate, _ *journal.Intent,
			_ **onlinetest.Key) {
			cert.EmailAddresses = []string{"a@b.test"}
		},
		"kubernetes-admin asked for it": func(_ *x509.Certificate, in *journal.Intent, _ **onlinetest.Key) {
			in.Requester = "kubernetes-admin"
		},
		"somebody asked for it": func(cert *x509.Certificate, in *journal.Intent, _ **onlinetest.Key) {
			in.Subject, in.Requester, in.SignerName = "user ann", "somebody", grant.Client
		},
		"its subject is CN=system:node:worker-2": func(cert *x509.Certificate, _ *journal.Intent, _ **onlinetest.Key) {
			cert.Subject = onlinetest.NodeSubject("worker-2")
		},
	} {
		key := onlinetest.NewKey(t, "kubelet")
		in := journal.Intent{Authority: "kubelet-client", SignerName: grant.KubeletClient, Subject: "node worker-1",
			Requester: "system:node:worker-1", Content: fingerprint.Of([]byte(want))}
		template := &x509.Certificate{SerialNumber: onlinetest.Serial(t), Subject: nodeSubject("worker-1"),
			NotBefore: c.at, NotAfter: c.at.Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
		change(template, &in, &key)
		der, err := x509.CreateCertificate(rand.Reader, template, c.issuer, key.Public(), c.w.Client.Signer)
		c.must(err)
		cert, err := x509.ParseCertificate(der)
		c.must(err)
		in.TBS, in.SPKI = cert.RawTBSCertificate, fingerprint.Of(cert.RawSubjectPublicKeyInfo)
		data := c.written(0, nil, c.open(), c.grant(), in, journal.Issued{Intent: 3, Certificate: der})
		h := fingerprint.Of(data[bytes.LastIndexByte(data[:len(data)-1], '\n')+1:])
		signature, err := issue.File(context.Background(), journal.Statement("demo", 4, h), c.w.Journal)
		c.must(err)
		v, err := c.check(c.written(0, nil, c.open(), c.grant(), in, journal.Issued{Intent: 3, Certificate: der},
			journal.Head{Seq: 4, Head: h, Signature: signature}))
		c.must(err)
		found := fmt.Sprint(v.Findings)
		if want == "" && len(v.Findings) > 0 || !strings.Contains(found, want) {
			t.Errorf("%q: %s", want, found)
		}
	}
}

func nodeSubject(node string) pkix.Name { return onlinetest.NodeSubject(node) }
