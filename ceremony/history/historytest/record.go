package historytest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/ceremony/transcript"
)

// Record is a record that is being written.
type Record struct {
	t                  testing.TB
	w                  *transcript.Writer
	file               string
	entry, made, given int // entries of the schedule, certificates, abandoned ones
	closed             bool
}

// Begin writes the first line. What open leaves out is filled in: a name, sequence
// 1, and at as NotBefore. Each line is written a second after the one before.
func Begin(t testing.TB, at time.Time, open transcript.Open) *Record {
	t.Helper()
	if open.Cluster == "" {
		open.Cluster = "demo"
	}
	if open.Name == "" {
		open.Name = open.Cluster
	}
	open.Sequence = max(open.Sequence, 1)
	if open.NotBefore.IsZero() {
		open.NotBefore = at.UTC().Truncate(time.Second)
	}
	r := &Record{t: t, file: filepath.Join(t.TempDir(), "transcript.jsonl")}
	now := func() time.Time {
		at = at.Add(time.Second)
		return at
	}
	var err error
	r.w, err = transcript.Create(&durable.Disk{}, r.file, now, open)
	r.check(err)
	return r
}

func (r *Record) check(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// Add writes records as they are, and returns the number of the first line.
func (r *Record) Add(records ...transcript.Record) int {
	r.t.Helper()
	first, err := r.w.Append(0, records...)
	r.check(err)
	return first
}

// Key writes that a key was opened, or made.
func (r *Record) Key(name string, public crypto.PublicKey, made bool) {
	r.Graded(name, public, made, "")
}

// Graded is Key with the grade of the evidence about it.
func (r *Record) Graded(name string, public crypto.PublicKey, made bool, grade string) {
	r.t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	r.check(err)
	sum := sha256.Sum256(der)
	id := hex.EncodeToString(sum[:16])
	if made {
		r.Add(transcript.KeyIntent{Name: name, Label: "demo/" + name, Algorithm: "ECDSA-P256", ID: id})
	}
	r.Add(
		transcript.Key{
			Name:      name,
			Label:     "demo/" + name,
			Algorithm: "ECDSA-P256",
			ID:        id,
			Made:      made,
			SPKI:      sum,
			PublicKey: der,
			Grade:     grade,
		},
	)
}

// Issue writes intent and certificate of an entry.
func (r *Record) Issue(name, signer string, c *x509.Certificate) {
	r.t.Helper()
	r.Add(transcript.Issued{Intent: r.intend(name, signer, c), Certificate: c.Raw})
	r.made++
}

// Abandon writes the intent of a certificate, and that it was abandoned.
func (r *Record) Abandon(name, signer string, c *x509.Certificate) {
	r.t.Helper()
	r.Add(transcript.Abandoned{Intent: r.intend(name, signer, c), Reason: "the process ended"})
	r.given++
}

func (r *Record) intend(name, signer string, c *x509.Certificate) int {
	r.t.Helper()
	r.entry++
	return r.Add(transcript.Intent{Entry: r.entry, Name: name, Signer: signer, TBS: c.RawTBSCertificate})
}

// List writes a revocation list that was made.
func (r *Record) List(signer, family string, l *x509.RevocationList) {
	r.t.Helper()
	r.entry++
	seq := r.Add(
		transcript.CRLIntent{
			Entry:  r.entry,
			Name:   "crl " + signer,
			Signer: signer,
			Family: family,
			TBS:    l.RawTBSRevocationList,
		},
	)
	r.Add(transcript.CRL{Intent: seq, List: l.Raw})
}

// CloseIssuing writes the line after which no CA key signs.
func (r *Record) CloseIssuing(left []string, standing ...transcript.Standing) {
	r.t.Helper()
	r.Add(transcript.IssuingClosed{Certificates: r.made, Abandoned: r.given, Authorities: standing, Left: left})
	r.closed = true
}

// Close writes the last line and signs. It returns the record and its signature.
func (r *Record) Close(release crypto.Signer, successor *fingerprint.SHA256) (record, signature []byte) {
	r.t.Helper()
	if !r.closed {
		r.CloseIssuing(nil)
	}
	spki, err := fingerprint.SPKI(release.Public())
	r.check(err)
	r.Add(transcript.Closed{Signer: spki, Successor: successor})
	record = r.Unfinished()
	sum := sha256.Sum256(record)
	signature, err = release.Sign(rand.Reader, sum[:], crypto.SHA256)
	r.check(err)
	return record, signature
}

// GiveUp has people abandon the ceremony, which made no keys, and returns its record.
func (r *Record) GiveUp() []byte {
	r.t.Helper()
	r.Add(transcript.Abandonment{Head: r.w.Head(), Reason: "the plan was wrong", Keys: []transcript.AbandonedKey{},
		Approvals: []transcript.Approval{}, By: []string{"kim", "alice"}})
	r.Add(transcript.AbandonmentClosed{})
	return r.Unfinished()
}

// Unfinished returns what is written so far.
func (r *Record) Unfinished() []byte {
	r.t.Helper()
	r.check(r.w.Sync())
	data, err := os.ReadFile(r.file)
	r.check(err)
	return data
}

// Directory puts a record, and its signature unless that is nil, where a ceremony
// has them.
func Directory(t testing.TB, dir string, record, signature []byte) {
	t.Helper()
	files := map[string][]byte{"transcript.jsonl": record}
	if signature != nil {
		files["transcript.sig"] = signature
	}
	err := os.MkdirAll(dir, 0o755)
	for name, data := range files {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), data, 0o644)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Predecessor names a record as the next one's first line does.
func Predecessor(t testing.TB, record []byte) transcript.Predecessor {
	t.Helper()
	read, err := transcript.Read("transcript.jsonl", record)
	if err != nil {
		t.Fatal(err)
	}
	return transcript.Predecessor{Cluster: read.Open().Cluster, Sequence: read.Open().Sequence, Head: read.Head()}
}

// Key makes a key.
func Key(t testing.TB) crypto.Signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// CA is an authority with its key.
type CA struct {
	*x509.Certificate
	Key crypto.Signer
}

// Root makes a self-signed authority.
func Root(t testing.TB, begin time.Time) *CA { return authority(t, "root", begin, nil) }

// Below makes an authority that this one certifies.
func (ca *CA) Below(t testing.TB, name string) *CA { return authority(t, name, ca.NotBefore, ca) }

func authority(t testing.TB, name string, begin time.Time, above *CA) *CA {
	t.Helper()
	ca := &CA{Key: Key(t)}
	template := &x509.Certificate{
		SerialNumber: serial(t),
		Subject:      pkix.Name{CommonName: name, Organization: []string{"demo"}},
		NotBefore:    begin,
		NotAfter: begin.AddDate(
			10,
			0,
			0,
		),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	parent, key := template, ca.Key
	if above != nil {
		parent, key = above.Certificate, above.Key
	}
	ca.Certificate = sign(t, template, parent, ca.Key.Public(), key)
	return ca
}

// Leaf makes a certificate that ends a year after it begins.
func (ca *CA) Leaf(t testing.TB, name string, begin time.Time, public crypto.PublicKey) *x509.Certificate {
	t.Helper()
	return sign(
		t,
		&x509.Certificate{
			SerialNumber: serial(t),
			Subject:      pkix.Name{CommonName: name},
			NotBefore:    begin,
			NotAfter:     begin.AddDate(1, 0, 0),
		},
		ca.Certificate,
		public,
		ca.Key,
	)
}

// Revoke makes a revocation list.
func (ca *CA) Revoke(t testing.TB, number int64, at time.Time, reason int, serials ...*big.Int) *x509.RevocationList {
	t.Helper()
	l := &x509.RevocationList{Number: big.NewInt(number), ThisUpdate: at, NextUpdate: at.AddDate(0, 3, 0)}
	for _, s := range serials {
		l.RevokedCertificateEntries = append(
			l.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: s, RevocationTime: at, ReasonCode: reason},
		)
	}
	der, err := x509.CreateRevocationList(rand.Reader, l, ca.Certificate, ca.Key)
	if err == nil {
		l, err = x509.ParseRevocationList(der)
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func sign(
	t testing.TB,
	template, parent *x509.Certificate,
	public crypto.PublicKey,
	key crypto.Signer,
) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func serial(t testing.TB) *big.Int {
	t.Helper()
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		t.Fatal(err)
	}
	return n.SetBit(n, 126, 1)
}
