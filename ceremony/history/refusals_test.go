package history_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/history"
	"officiant/ceremony/history/historytest"
	"officiant/ceremony/transcript"
)

// refuses fails unless err says want; with an empty one, unless there is no error.
func refuses(t *testing.T, what string, err error, want string) {
	t.Helper()
	if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v, want %q", what, err, want)
	}
}

// TestFindRefusals: what is no folder of ceremonies, and no record in it.
func TestFindRefusals(t *testing.T) {
	c := newCluster(t)
	one, signature := c.first(t)
	dir := filepath.Join(t.TempDir(), "one")
	historytest.Directory(t, dir, one, signature)
	_, err := history.Find(dir)
	refuses(t, "a ceremony's folder", err, "")
	_, err = history.Find(dir + "0")
	refuses(t, "no folder", err, dir+"0: no such folder; give a ceremony directory, or a folder that holds some")
	lines := bytes.SplitAfter(one, []byte("\n"))
	historytest.Directory(t, dir, bytes.Join(lines[1:], nil), signature)
	_, err = history.Find(dir)
	refuses(t, "a record without its first line", err, "the first line, and no other, is of type open")
}

// TestFollowsRefusals: records that do not follow one another.
func TestFollowsRefusals(t *testing.T) {
	c := newCluster(t)
	one, _ := c.first(t)
	two, _ := c.next(t, one)
	closed := func(open transcript.Open) []byte {
		r := historytest.Begin(t, begin.AddDate(0, 6, 0), open)
		r.Key("release", c.release.Public(), false)
		record, _ := r.Close(c.release, nil)
		return record
	}
	a := read(t, "one", one)
	refuses(t, "the next", read(t, "two", two).Follows(a), "")
	refuses(t, "the first of a chain", read(t, "other", closed(transcript.Open{Sequence: 2})).Follows(a),
		"other (ceremony 2 of cluster demo) is the first of its chain, and does not continue one (ceremony 1 of ")
	refuses(t, "one with another number", read(t, "third", closed(transcript.Open{Sequence: 3,
		Predecessors: []transcript.Predecessor{historytest.Predecessor(t, one)}})).Follows(a),
		"third (ceremony 3 of cluster demo) continues one (ceremony 1 of cluster demo), but its number does not follow")
}

// TestSerialRefusals: serial numbers that no certificate of Kubernetes has.
func TestSerialRefusals(t *testing.T) {
	c := newCluster(t)
	long := new(big.Int).Lsh(big.NewInt(1), 168) // 22 octets
	for serial, want := range map[*big.Int]string{
		big.NewInt(7): "", long: "a revoked serial number has more than 20 octets",
	} {
		r := historytest.Begin(t, begin, transcript.Open{})
		r.List("kubernetes", "kubernetes", c.kubernetes.Revoke(t, 1, begin, 1, serial))
		_, err := history.Read(history.Text("one", r.Unfinished()))
		refuses(t, "a list", err, want)
	}
	for serial, want := range map[*big.Int]string{
		big.NewInt(7): "", long: "adopted kubernetes: its serial number has more than 20 octets",
	} {
		key := historytest.Key(t)
		template := &x509.Certificate{SerialNumber: serial, NotBefore: begin, NotAfter: begin.Add(time.Hour)}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		r := historytest.Begin(t, begin, transcript.Open{})
		r.Add(transcript.Adopted{Name: "kubernetes", Certificate: der})
		_, err = history.Read(history.Text("one", r.Unfinished()))
		refuses(t, "an adopted certificate", err, want)
	}
}

// TestSignerRefusals: a record that is closed by a key that it does not have.
func TestSignerRefusals(t *testing.T) {
	c := newCluster(t)
	record, signature := c.first(t)
	dir := filepath.Join(t.TempDir(), "ceremony")
	historytest.Directory(t, dir, record, signature)
	_, err := history.Read(history.Directory(dir))
	refuses(t, "closed by its release key", err, "")
	r := historytest.Begin(t, begin, transcript.Open{})
	other := historytest.Key(t)
	record, signature = r.Close(other, nil)
	historytest.Directory(t, dir, record, signature)
	_, err = history.Read(history.Directory(dir))
	sum, _ := fingerprint.SPKI(other.Public())
	refuses(t, "closed by another", err, "transcript.sig: by the release key "+sum.String()+", which is not on record")

	r = historytest.Begin(t, begin, transcript.Open{})
	odd := fingerprint.Of([]byte("no key"))
	r.Add(transcript.Key{Name: "release", Label: "demo/release", Algorithm: "ECDSA-P256", SPKI: odd,
		PublicKey: []byte("no key")})
	r.CloseIssuing(nil)
	r.Add(transcript.Closed{Signer: odd})
	historytest.Directory(t, dir, r.Unfinished(), signature)
	_, err = history.Read(history.Directory(dir))
	refuses(t, "closed by what is no key", err, "transcript.sig: release key release: asn1: ")
}

// TestChangedSinceItWasRead: a certificate is read out of its line again, and not out of
// what came in its place.
func TestChangedSinceItWasRead(t *testing.T) {
	c := newCluster(t)
	record, signature := c.first(t)
	dir := filepath.Join(t.TempDir(), "ceremony")
	historytest.Directory(t, dir, record, signature)
	r, err := history.Read(history.Directory(dir))
	if err != nil {
		t.Fatal(err)
	}
	parse := func() error {
		var all []error
		for one := range r.Certificates() {
			if one.State == history.Abandoned {
				continue
			}
			_, err := one.Parse()
			all = append(all, err)
		}
		return errors.Join(all...)
	}
	refuses(t, "as it was", parse(), "")
	if err := os.WriteFile(filepath.Join(dir, "transcript.jsonl"), bytes.ReplaceAll(record, []byte("{"), []byte("[")),
		0o600); err != nil {
		t.Fatal(err)
	}
	refuses(t, "changed", parse(), "changed since it was read")
}
