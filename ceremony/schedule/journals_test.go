package schedule

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/ceremony/chain"
	"officiant/ceremony/issue"
	"officiant/ceremony/online/grant"
	"officiant/ceremony/online/journal"
	"officiant/ceremony/online/onlinetest"
	"officiant/ceremony/transcript"
)

// signing is an online signer of the past's cluster.
type signing struct {
	*past
	key     *ecdsa.PrivateKey // the release key
	client  *onlinetest.Key
	journal *onlinetest.Key
	grant   *grant.Grant
	at      time.Time
}

func newSigning(t *testing.T) *signing {
	s := &signing{past: makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"]), key: newKey(t),
		client: onlinetest.NewKey(t, "client"), journal: onlinetest.NewKey(t, "journal"), at: now.Add(-time.Hour)}
	s.release = s.public(t, "release.pub", s.key)
	s.write()
	g := onlinetest.Grant(t, now.AddDate(0, 0, -1), s.client, onlinetest.NewKey(t, "server"), s.journal)
	s.grant = onlinetest.Parse(t, g)
	s.sign("journals/grant.json", g, s.key)
	return s
}

func (s *signing) sign(file string, g *grant.Grant, by *ecdsa.PrivateKey) {
	data, err := g.Marshal()
	if err != nil {
		s.t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	signature, err := ecdsa.SignASN1(rand.Reader, by, sum[:])
	if err != nil {
		s.t.Fatal(err)
	}
	s.files[file], s.files[file+".sig"] = string(data), string(signature)
}

// record writes a journal of n certificates after one intent without a result, and
// returns what a plan says of it.
func (s *signing) record(file string, n int, signed bool, cluster string) string {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "journal.jsonl")
	public, err := x509.MarshalPKIXPublicKey(s.journal.Public())
	if err != nil {
		s.t.Fatal(err)
	}
	j, _, err := journal.Begin(&durable.Disk{}, path, func() time.Time { return s.at },
		journal.Open{Cluster: cluster, PublicKey: public, Program: file})
	if err != nil {
		s.t.Fatal(err)
	}
	add := func(rec chain.Record) int {
		seq, err := j.Append(rec)
		if err != nil {
			s.t.Fatal(err)
		}
		return seq
	}
	add(journal.Grant{Sequence: 1, SHA256: s.grant.Digest()})
	in, _ := s.certificate(90)
	add(journal.Abandoned{Intent: add(in), Reason: "the token was away"})
	for i := range n {
		in, der := s.certificate(int64(i))
		add(journal.Issued{Intent: add(in), Certificate: der})
	}
	seq, head := j.Head()
	if signed {
		signature, err := issue.File(context.Background(), journal.Statement(cluster, seq, head), s.journal)
		if err != nil {
			s.t.Fatal(err)
		}
		add(journal.Head{Seq: seq, Head: head, Signature: signature})
	}
	if err := j.Sync(); err != nil {
		s.t.Fatal(err)
	}
	j.Close()
	data, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	s.files[file] = string(data)
	return fmt.Sprintf("  - file: %s\n    line: %d\n    head: %q\n    grants: [journals/grant.json]\n", file, seq, head)
}

// certificate is worker-1's, as the grant has it.
func (s *signing) certificate(serial int64) (journal.Intent, []byte) {
	key := onlinetest.NewKey(s.t, "kubelet")
	issuer := s.grant.Authorities[0].X509()
	number := new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 100), big.NewInt(serial))
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: number, Subject: onlinetest.NodeSubject("worker-1"),
		NotBefore: s.at, NotAfter: s.at.Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}, issuer, key.Public(), s.client.Signer)
	if err != nil {
		s.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		s.t.Fatal(err)
	}
	return journal.Intent{Authority: "kubelet-client", SignerName: grant.KubeletClient, Subject: "node worker-1",
		Requester: "system:node:worker-1", Content: fingerprint.Of(key.Public().(*ecdsa.PublicKey).X.Bytes()),
		SPKI: fingerprint.Of(cert.RawSubjectPublicKeyInfo), TBS: cert.RawTBSCertificate}, der
}

// TestJournal: what a plan takes in of an online signer is in its schedule, and a later
// plan's journal has the lines that are on record.
func TestJournal(t *testing.T) {
	s := newSigning(t)
	section := s.record("journals/1.jsonl", 2, true, "demo")
	plan := s.continued(t, cp1)
	c, err := opens(plan+"journals:\n"+section, s.files)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := c.WriteSchedule(&text); err != nil {
		t.Fatal(err)
	}
	if len(c.Journals) != 1 || c.Journals[0].Certificates != 2 || c.Journals[0].Abandoned != 1 ||
		!strings.Contains(text.String(), "\n# journal: journals/1.jsonl line=9 head=sha256:") ||
		!strings.Contains(text.String(), " since=0 certificates=2 abandoned=1\n") {
		t.Fatalf("%+v\n%s", c.Journals, text.String())
	}
	for _, file := range []string{"journals/1.jsonl", "journals/grant.json", "journals/grant.json.sig"} {
		if _, ok := c.Sums[file]; !ok {
			t.Errorf("%s is not in the digest", file)
		}
	}
	was := c.Journals[0]
	s.open.Journals = []transcript.Journal{{First: was.First, Line: 5, Head: lineHash(s.files["journals/1.jsonl"], 5)}}
	s.write()
	plan = s.continued(t, cp1)
	c, err = opens(plan+"journals:\n"+section, s.files)
	if err != nil {
		t.Fatal(err)
	}
	if j := c.Journals; len(j) != 1 || j[0].Since != 5 || j[0].Certificates != 2 || j[0].Abandoned != 0 {
		t.Errorf("%+v", j)
	}
	// Without it, how far it came stays on record.
	if c, err = opens(plan, s.files); err != nil || len(c.Journals) != 1 || c.Journals[0].File != "" ||
		c.Journals[0].Line != 5 {
		t.Errorf("%+v, %v", c.Journals, err)
	}
	other := s.record("journals/2.jsonl", 1, true, "demo")
	says(t, plan+"journals:\n"+other, s.files, "say new: true")
	if c, err = opens(plan+"journals:\n"+other+"    new: true\n", s.files); err != nil || len(c.Journals) != 2 ||
		len(c.Warnings) == 0 {
		t.Errorf("%+v, %v", c.Journals, err)
	}
	says(t, plan+"journals:\n"+section+"    new: true\n", s.files, "continues the journal that an earlier ceremony")
	s.open.Journals[0].Head[0]++
	s.write()
	says(t, s.continued(t, cp1)+"journals:\n"+section, s.files,
		"line 5: it is another line than the head that was kept")
}

// TestJournalRefused: a journal that does not prove, or that nothing vouches for, is refused.
func TestJournalRefused(t *testing.T) {
	s := newSigning(t)
	section := s.record("journals/1.jsonl", 2, true, "demo")
	plan := s.continued(t, cp1) + "journals:\n"
	good := s.files["journals/1.jsonl"]
	says(t, plan+"  - file: journals/1.jsonl\n", s.files, "a journal needs file, line and head")
	says(t, plan+section+section, s.files, "is the same journal as another one here")
	says(t, plan+s.record("journals/3.jsonl", 1, true, "prod"), s.files, "is the journal of cluster prod, not of demo")
	says(t, plan+s.record("journals/4.jsonl", 1, false, "demo"), s.files, "stop the signer, which signs one")
	says(t, plan+strings.Replace(section, "line: 8", "line: 11", 1), s.files, "the lines after this one were cut")
	says(t, plan+strings.Replace(section, "1.jsonl", "gone.jsonl", 1), s.files,
		"journals/gone.jsonl: file does not exist")

	s.files["journals/1.jsonl"] = strings.Replace(good, `"step":0`, `"step":1`, 1)
	says(t, plan+section, s.files, "journals/1.jsonl: line 1: its step is not 0")
	s.files["journals/1.jsonl"] = good[:len(good)-1]
	says(t, plan+section, s.files, "line is not ended by a newline")
	s.files["journals/1.jsonl"] = good

	s.at = now.Add(time.Hour)
	says(t, plan+s.record("journals/5.jsonl", 1, true, "demo"), s.files, "and the clock says")
	s.at = now.Add(-time.Hour)

	fewer := *s.grant
	fewer.Nodes = fewer.Nodes[1:]
	s.sign("journals/grant.json", &fewer, s.key)
	says(t, plan+section, s.files, "line 2: no signed grant has the SHA-256")
	s.sign("journals/grant.json", s.grant, newKey(t))
	says(t, plan+section, s.files, "no release key of this cluster's ceremonies signed journals/grant.json")
	fewer.Sequence = 0
	s.sign("journals/grant.json", &fewer, s.key)
	says(t, plan+section, s.files, "journals/grant.json: sequence is below 1")
	delete(s.files, "journals/grant.json.sig")
	says(t, plan+section, s.files, "journals/grant.json.sig: file does not exist")
}

func lineHash(text string, n int) fingerprint.SHA256 {
	return fingerprint.Of([]byte(strings.SplitAfter(text, "\n")[n-1]))
}
