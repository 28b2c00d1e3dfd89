package transcript_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/ceremony/transcript"
)

// appended is what the last record is refused with, after the others and the first line.
// A Head or Former that is not set, where one belongs, is that of the lines before.
func appended(t *testing.T, records ...transcript.Record) error {
	t.Helper()
	w, _, _, err := transcript.Resume(&durable.Disk{}, write(t, nil), clock())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for i, r := range records {
		if a, ok := r.(transcript.Abandonment); ok && a.Head.IsZero() {
			a.Head = w.Head()
			r = a
		}
		if _, err = w.Append(1, r); err != nil && i+1 < len(records) {
			t.Fatalf("%s: %v", r.Type(), err)
		}
	}
	return err
}

// refuses fails unless err says want; with an empty one, unless there is no error.
func refuses(t *testing.T, what string, err error, want string) {
	t.Helper()
	if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v, want %q", what, err, want)
	}
}

// TestAbandonmentRefusals: what cannot give a ceremony up, nor follow when it was.
func TestAbandonmentRefusals(t *testing.T) {
	sum, other := fingerprint.Of([]byte("root")), fingerprint.Of([]byte("other"))
	root := transcript.AbandonedKey{Name: "root", ID: keyID, SPKI: &sum}
	kept := transcript.AbandonedKey{Name: "kept", ID: keyID, Kept: "it is in use"}
	given := func(change func(a *transcript.Abandonment)) transcript.Abandonment {
		a := transcript.Abandonment{Reason: "the plan was wrong", By: []string{"kim"},
			Keys: []transcript.AbandonedKey{root, kept}}
		change(&a)
		return a
	}
	whole := given(func(*transcript.Abandonment) {})
	intent := transcript.DestroyIntent{Name: "root", ID: keyID, SPKI: &sum}
	until := start.Add(time.Hour)
	gone := transcript.Destroyed{Intent: 3, Outcome: transcript.KeyDestroyed}
	type records = []transcript.Record
	for _, row := range []struct {
		of   string
		then records
		says string // "" where it is taken
	}{
		{"whole", records{whole}, ""},
		{"twice", records{whole, whole}, "abandoned a second time"},
		{"of another head", records{given(func(a *transcript.Abandonment) { a.Head = other })},
			"abandonment: head is not the hash of the line before"},
		{"without a reason", records{given(func(a *transcript.Abandonment) { a.Reason = "" })}, "without a reason"},
		{"by nobody", records{given(func(a *transcript.Abandonment) { a.By = nil })}, "abandonment: by nobody"},
		{"by approvals", records{given(func(a *transcript.Abandonment) {
			a.By, a.Approvals = nil, []transcript.Approval{{Person: "kim"}}
		})}, ""},
		{"an id that is short", records{given(func(a *transcript.Abandonment) { a.Keys[0].ID = "00" })},
			"abandonment: key root: id is not 16 bytes in lower-case hex"},
		{"a key twice", records{given(func(a *transcript.Abandonment) { a.Keys[1] = a.Keys[0] })},
			"abandonment: key root twice"},
		{"a certificate after it", records{whole, transcript.IssuingClosed{}},
			"issuing-closed after the ceremony was abandoned"},
		{"a note after it", records{whole, transcript.Note{Text: "done"}}, ""},
		{"a key destroyed in a ceremony that goes on", records{intent},
			"destroy-intent in a ceremony that was not abandoned"},
		{"a key destroyed", records{whole, intent}, ""},
		{"one that stays", records{whole, transcript.DestroyIntent{Name: "kept", ID: keyID}},
			"destroy-intent kept: not one of the keys to be destroyed"},
		{"one that was not named", records{whole, transcript.DestroyIntent{Name: "etcd", ID: keyID}},
			"destroy-intent etcd: not one of the keys to be destroyed"},
		{"once more", records{whole, intent, intent}, "destroy-intent root: a second time"},
		{"another key of its name", records{whole, transcript.DestroyIntent{Name: "root", ID: keyID, SPKI: &other}},
			"destroy-intent root: another key than the one that was made"},
		{"its end", records{whole, intent, gone}, ""},
		{"the end of nothing", records{whole, intent,
			transcript.Destroyed{Intent: 2, Outcome: transcript.KeyDestroyed}},
			"destroyed: line 2 is not an open destroy-intent"},
		{"found, and absent", records{whole, intent, transcript.Destroyed{Intent: 3, Outcome: transcript.KeyAbsent}},
			`destroyed: outcome is "absent", and line 3 found a key`},
		{"not found, and destroyed", records{whole, transcript.DestroyIntent{Name: "root", ID: keyID}, gone},
			`destroyed: outcome is "destroyed", and line 3 found no key`},
		{"an end that there is not", records{whole, intent, transcript.Destroyed{Intent: 3, Outcome: "lost"}},
			`destroyed: outcome is "lost"`},
		{"scheduled without a date", records{whole, intent,
			transcript.Destroyed{Intent: 3, Outcome: transcript.KeyScheduled}},
			`destroyed: until goes with "scheduled", and with nothing else; outcome is "scheduled"`},
		{"scheduled", records{whole, intent,
			transcript.Destroyed{Intent: 3, Outcome: transcript.KeyScheduled, Until: &until}}, ""},
		{"destroyed at a date", records{whole, intent,
			transcript.Destroyed{Intent: 3, Outcome: transcript.KeyDestroyed, Until: &until}}, "until goes with"},
		{"closed", records{whole, intent, gone, transcript.AbandonmentClosed{Destroyed: 1, Kept: 1}}, ""},
		{"closed too early", records{whole, transcript.AbandonmentClosed{Kept: 1}},
			"abandonment-closed while keys are to be destroyed"},
		{"closed with other counts", records{whole, intent, gone, transcript.AbandonmentClosed{Absent: 1, Kept: 1}},
			"abandonment-closed counts other keys than the lines"},
	} {
		whole.Keys[0], whole.Keys[1] = root, kept
		refuses(t, row.of, appended(t, row.then...), row.says)
	}
}

// TestOrderRefusals: lines that cannot follow, each beside one that can.
func TestOrderRefusals(t *testing.T) {
	station := open().Station
	other := fingerprint.Of([]byte("another station"))
	changed := func(change func(s *transcript.StationChanged)) transcript.StationChanged {
		s := transcript.StationChanged{Former: station, Station: other, Reason: "a new reader",
			By: []string{"kim", "lee"}}
		change(&s)
		return s
	}
	shares := func(set string, numbers ...int) transcript.PINShares {
		s := transcript.PINShares{Label: "demo", Serial: "1", Set: set}
		for _, n := range numbers {
			s.Proofs = append(s.Proofs, transcript.PINProof{Index: n})
		}
		return s
	}
	adopted := transcript.Adopted{Name: "etcd", Certificate: certificate(t, 7, "etcd").Raw}
	type records = []transcript.Record
	for _, row := range []struct {
		of   string
		then records
		says string
	}{
		{"another station", records{changed(func(*transcript.StationChanged) {})}, ""},
		{"of another before", records{changed(func(s *transcript.StationChanged) { s.Former = other })},
			"station-changed: former is not the station of the lines before"},
		{"the same", records{changed(func(s *transcript.StationChanged) { s.Station = station })},
			"station-changed: it is the same station"},
		{"without a reason", records{changed(func(s *transcript.StationChanged) { s.Reason = "" })},
			"station-changed: without a reason"},
		{"by nobody", records{changed(func(s *transcript.StationChanged) { s.By = []string{""} })},
			"station-changed: by nobody"},
		{"by one, twice", records{changed(func(s *transcript.StationChanged) { s.By = []string{"kim", "kim"} })},
			"station-changed: somebody agrees twice"},
		{"shares", records{shares("set", 1, 3)}, ""},
		{"shares in another order", records{shares("set", 3, 1)},
			"shares are not in the order of their numbers, each once"},
		{"one share twice", records{shares("set", 1, 1)}, "shares are not in the order of their numbers, each once"},
		{"shares of no set", records{shares("", 1, 2)}, "pin-shares: without a set"},
		{"one share", records{shares("set", 1)}, "pin-shares: by fewer than two people"},
		{"adopted", records{adopted}, ""},
		{"adopted twice", records{adopted, adopted}, "adopted etcd: a second time"},
		{"adopted too late", records{transcript.IssuingClosed{}, adopted}, "adopted etcd after issuing was closed"},
		{"no certificate adopted", records{transcript.Adopted{Name: "etcd", Certificate: []byte("x")}},
			"adopted etcd: x509: "},
		{"received", records{received(t, big.NewInt(7))}, ""},
		{"received with a serial of 22 octets", records{received(t, new(big.Int).Lsh(big.NewInt(1), 168))},
			"received: kubernetes: serial is not a positive number of at most 20 octets"},
		{"a list", records{transcript.CRLIntent{Entry: 3, TBS: list(t, 1).RawTBSRevocationList}}, ""},
		{"a list of number 0", records{transcript.CRLIntent{Entry: 3, TBS: list(t, 0).RawTBSRevocationList}},
			"the CRL number is no positive number"},
		{"a list without a number", records{transcript.CRLIntent{Entry: 3, TBS: bytes.Replace(
			list(t, 1).RawTBSRevocationList, []byte{0x55, 29, 20}, []byte{0x55, 29, 99}, 1)}},
			"there is no CRL number"},
		{"a list without extensions", records{transcript.CRLIntent{Entry: 3, TBS: unnumbered(t).RawTBSRevocationList}},
			"not a DER TBSCertList with extensions"},
		{"one carried", records{transcript.CRLCarried{Signer: "root", List: list(t, 1).Raw}}, ""},
		{"one carried without a number", records{transcript.CRLCarried{Signer: "root", List: unnumbered(t).Raw}},
			"crl-carried of root: not one list with a number"},
		{"an id without salt", records{transcript.KeyIntent{Name: "root", ID: keyID}}, ""},
		{"an id of another salt", records{transcript.KeyIntent{Name: "root", ID: keyID, Salt: make([]byte, 16)}},
			"key-intent root: id does not follow from the first line and the salt"},
	} {
		refuses(t, row.of, appended(t, row.then...), row.says)
	}
}

// received is one certificate of a serial number that came back from an external root.
func received(t *testing.T, serial *big.Int) transcript.Received {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: serial, NotBefore: start, NotAfter: start.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return transcript.Received{NotBefore: start.Truncate(time.Second), Certificates: []transcript.ReceivedCertificate{
		{Entry: 1, Name: "kubernetes", Certificate: der}}}
}

// unnumbered is a revocation list as they were before RFC 5280 asked for a number.
func unnumbered(t *testing.T) *x509.RevocationList {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := certificate(t, 7, "root").CreateCRL(rand.Reader, key, nil, start, start.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	l, err := x509.ParseRevocationList(der)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestFirstLineRefusals: what a record cannot begin with.
func TestFirstLineRefusals(t *testing.T) {
	sum := fingerprint.Of([]byte("journal"))
	for want, change := range map[string]func(o *transcript.Open){
		"":                                       func(*transcript.Open) {},
		"threshold is 2, and 1 people are named": func(o *transcript.Open) { o.Threshold = 2 },
		"threshold is 0, and 1 people are named": func(o *transcript.Open) { o.Threshold = 0 },
		"a journal is there twice": func(o *transcript.Open) {
			o.Journals = []transcript.Journal{{First: sum, Line: 1}, {First: sum, Line: 1}}
		},
		"said to have 3 lines from 4 on, with 0 certificates and 0 abandoned": func(o *transcript.Open) {
			o.Journals = []transcript.Journal{{First: sum, Line: 3, Since: 4, File: "journal.jsonl"}}
		},
		"a journal has lines that are counted, and no file": func(o *transcript.Open) {
			o.Journals = []transcript.Journal{{First: sum, Line: 3, Certificates: 1}}
		},
	} {
		o := open()
		change(&o)
		w, err := transcript.Create(&durable.Disk{}, filepath.Join(t.TempDir(), "transcript.jsonl"), clock(), o)
		if err == nil {
			err = w.Close()
		}
		refuses(t, want, err, want)
	}
}

// TestFileRefusals: what is no file of a record is told before it is opened.
func TestFileRefusals(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "transcript.jsonl")
	info := func(path string) fs.FileInfo {
		i, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	sized := func(size int64) error {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, size); err != nil { // a sparse file
			t.Fatal(err)
		}
		return transcript.CheckFile(path, info(path))
	}
	refuses(t, "a folder", transcript.CheckFile(dir, info(dir)), "is not a plain file")
	refuses(t, "the largest", sized(transcript.MaxFile), "")
	refuses(t, "a larger one", sized(transcript.MaxFile+1), "more than a record ever has")
	line := lines(contents(t, golden))[0]
	_, err := transcript.Decode(line)
	refuses(t, "a line", err, "")
	_, err = transcript.Decode(line[:len(line)-1])
	refuses(t, "a line without its end", err, "line is not ended by a newline")
}

// TestLineRefusals: a line is read again where it was written, and not what came in its place.
func TestLineRefusals(t *testing.T) {
	path := write(t, nil)
	w, _, _, err := transcript.Resume(&durable.Disk{}, path, clock())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	size := len(contents(t, path))
	_, err = w.Line(0, size)
	refuses(t, "its first line", err, "")
	if err := os.WriteFile(path, bytes.Repeat([]byte{'x'}, size), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = w.Line(0, size)
	refuses(t, "another", err, ": the line at byte 0 is not what was recorded: ")
}
