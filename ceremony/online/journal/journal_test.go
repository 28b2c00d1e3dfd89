package journal_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/bundle/limittest"
	"officiant/ceremony/chain"
	"officiant/ceremony/issue"
	"officiant/ceremony/online/grant"
	"officiant/ceremony/online/journal"
	"officiant/ceremony/online/onlinetest"
)

// desk writes journals.
type desk struct {
	t      testing.TB
	key    *onlinetest.Key
	ca     *onlinetest.Key
	issuer *x509.Certificate
	at     time.Time
	serial int64
}

func newDesk(t testing.TB) *desk {
	d := &desk{t: t, key: onlinetest.NewKey(t, "journal"), ca: onlinetest.NewKey(t, "ca"), at: onlinetest.Start}
	d.issuer = onlinetest.Certify(t, d.ca, "kubelet-client", x509.ExtKeyUsageClientAuth, onlinetest.Start,
		onlinetest.Start.AddDate(1, 0, 0))
	return d
}

func (d *desk) first() journal.Open {
	public, err := x509.MarshalPKIXPublicKey(d.key.Public())
	if err != nil {
		d.t.Fatal(err)
	}
	return journal.Open{Cluster: "demo", PublicKey: public, Program: "test"}
}

func (d *desk) begin(disk *durable.Disk, path string) (*journal.Journal, *journal.Recovered, error) {
	return journal.Begin(disk, path, func() time.Time { return d.at }, d.first())
}

// leaf is a certificate for a subject, and its intent.
func (d *desk) leaf(subject, content string) (journal.Intent, []byte) {
	d.serial++
	key := onlinetest.NewKey(d.t, "kubelet")
	template := &x509.Certificate{SerialNumber: big.NewInt(d.serial), NotBefore: d.at, NotAfter: d.at.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, d.issuer, key.Public(), d.ca.Signer)
	if err != nil {
		d.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		d.t.Fatal(err)
	}
	return journal.Intent{Authority: "kubelet-client", SignerName: grant.KubeletClient, Subject: subject,
		Requester: "r",
		Content:   fingerprint.Of([]byte(content)), SPKI: fingerprint.Of(cert.RawSubjectPublicKeyInfo),
		TBS: cert.RawTBSCertificate}, der
}

func (d *desk) head(j *journal.Journal) journal.Head {
	seq, head := j.Head()
	signature, err := issue.File(context.Background(), journal.Statement("demo", seq, head), d.key)
	if err != nil {
		d.t.Fatal(err)
	}
	return journal.Head{Seq: seq, Head: head, Signature: signature}
}

// write issues n certificates and signs a head, with a sync where one belongs. It stops
// at the first failure, as a process that is killed does, and returns how many
// certificates it had on disk.
func (d *desk) write(j *journal.Journal, n int) (issued int, err error) {
	if _, err := j.Append(journal.Grant{Sequence: 1, SHA256: fingerprint.Of([]byte("grant"))}); err != nil {
		return 0, err
	}
	for i := range n {
		in, der := d.leaf(fmt.Sprintf("node worker-%d", i), fmt.Sprint(d.serial, i))
		seq, err := j.Append(in)
		if err == nil {
			err = j.Sync()
		}
		if err == nil {
			_, err = j.Append(journal.Issued{Intent: seq, Certificate: der})
		}
		if err == nil {
			err = j.Sync()
		}
		if err != nil {
			return issued, err
		}
		issued++
	}
	if _, err = j.Append(d.head(j)); err == nil {
		err = j.Sync()
	}
	return issued, err
}

func read(t testing.TB, path string) (lines []chain.Line) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := journal.Read(path, f, func(l chain.Line) error { lines = append(lines, l); return nil }); err != nil {
		t.Fatal(err)
	}
	return lines
}

func count[T chain.Record](lines []chain.Line) (n int) {
	for _, l := range lines {
		if _, ok := l.Record.(T); ok {
			n++
		}
	}
	return n
}

// TestKilled stops the process before each operation on the disk, and in the middle of
// each write. Whoever goes on finds what had left, abandons what had not, and writes.
func TestKilled(t *testing.T) {
	for _, torn := range []bool{false, true} {
		for stop := 0; ; stop++ {
			d := newDesk(t)
			path := filepath.Join(t.TempDir(), "journal.jsonl")
			n := 0
			killed := errors.New("killed")
			disk := &durable.Disk{Gate: func(op durable.Op, _ string) error {
				n++
				switch {
				case n <= stop:
					return nil
				case n == stop+1 && torn && op == durable.OpWrite:
					return durable.ErrTorn
				}
				return killed
			}}
			j, _, err := d.begin(disk, path)
			issued := 0
			if err == nil {
				issued, err = d.write(j, 3)
				j.Close()
			}
			whole := err == nil
			j, rec, err := d.begin(&durable.Disk{}, path)
			if err != nil {
				t.Fatalf("after %d operations: %v", stop, err)
			}
			if _, err := d.write(j, 2); err != nil {
				t.Fatalf("after %d operations: %v", stop, err)
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			lines := read(t, path)
			// A result that was written and not synced may be there.
			if got := count[journal.Issued](lines); got < issued+2 || got > issued+3 {
				t.Errorf("after %d operations: %d certificates, %d had left", stop, got, issued)
			}
			if count[journal.Abandoned](lines) != rec.Abandoned ||
				count[journal.Intent](lines) != count[journal.Issued](lines)+rec.Abandoned {
				t.Errorf("after %d operations: intents without a result", stop)
			}
			if whole {
				break
			}
		}
	}
}

// TestTampered: each line that is changed, dropped, doubled, moved or forged is named.
func TestTampered(t *testing.T) {
	d := newDesk(t)
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	j, _, err := d.begin(&durable.Disk{}, path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.write(j, 3); err != nil {
		t.Fatal(err)
	}
	j.Close()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	lines = lines[:len(lines)-1]
	named := func(what string, at int, parts ...[][]byte) {
		t.Helper()
		var all []byte
		for _, p := range parts {
			all = append(all, bytes.Join(p, nil)...)
		}
		_, err := journal.Read(path, bytes.NewReader(all), nil)
		if broken := (*journal.Broken)(nil); !errors.As(err, &broken) || broken.Line != at {
			t.Errorf("%s: %v, want line %d", what, err, at)
		}
	}
	for i := range lines {
		if i < len(lines)-1 {
			named("dropped", i+1, lines[:i], lines[i+1:])
		}
		named("doubled", i+2, lines[:i+1], lines[i:])
		changed := bytes.Replace(bytes.Clone(lines[i]), []byte(`"step":0`), []byte(`"step":1`), 1)
		named("changed", i+1, lines[:i], [][]byte{changed}, lines[i+1:])
		named("torn", i+1, lines[:i], [][]byte{lines[i][:len(lines[i])-1]})
	}
	named("nothing", 1)
}

// TestRefused: what cannot follow is not written.
func TestRefused(t *testing.T) {
	d := newDesk(t)
	j, _, err := d.begin(&durable.Disk{}, filepath.Join(t.TempDir(), "journal.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	refused := func(want string, rec chain.Record) {
		t.Helper()
		if _, err := j.Append(rec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	append := func(rec chain.Record) int {
		t.Helper()
		seq, err := j.Append(rec)
		if err != nil {
			t.Fatal(err)
		}
		return seq
	}
	in, der := d.leaf("node worker-1", "a")
	refused("before any grant", in)
	refused("the first line", d.first())
	refused("sequence 0 after 0", journal.Grant{})
	append(journal.Grant{Sequence: 2, SHA256: fingerprint.Of([]byte("2"))})
	refused("sequence 1 after 2", journal.Grant{Sequence: 1})
	refused("another file of sequence 2 than before", journal.Grant{Sequence: 2})
	refused("is not an open intent", journal.Issued{Intent: 2, Certificate: der})
	in.Bootstrap = true
	seq := append(in)
	other, otherDER := d.leaf("node worker-1", "b")
	same := other
	same.TBS = in.TBS
	refused("was used before", same)
	same = other
	same.SPKI, same.Subject = in.SPKI, "node worker-2"
	refused("the key is that of a certificate of node worker-1", same)
	same = other
	same.Content = in.Content
	refused("the same content", same)
	same = other
	same.Bootstrap = true
	refused("had its one certificate", same)
	same = other
	same.TBS = []byte{0x30, 0x00}
	refused("no TBSCertificate", same)
	refused("is not the one of line", journal.Issued{Intent: seq, Certificate: otherDER})
	refused("x509", journal.Issued{Intent: seq, Certificate: []byte("x")})
	refused("there is no reason", journal.Abandoned{Intent: seq})
	refused("line 2 is not an open intent", journal.Abandoned{Intent: 2, Reason: "r"})
	append(journal.Issued{Intent: seq, Certificate: der})
	refused("is not an open intent", journal.Issued{Intent: seq, Certificate: der})
	refused("the same content", journal.Intent{Content: in.Content, SPKI: other.SPKI, TBS: other.TBS})
	refused("head is not the hash", journal.Resumed{})
	h := d.head(j)
	h.Seq--
	refused("not about the line before", h)
	h = d.head(j)
	h.Signature[9] ^= 1
	refused("not the journal key's", h)
	append(d.head(j))
	if j.Unsigned() != 0 {
		t.Errorf("%d lines are not signed", j.Unsigned())
	}
	d.at = d.at.Add(-2 * journal.Slack)
	if _, err := j.Append(other); !errors.Is(err, journal.ErrClock) {
		t.Errorf("a clock that is behind: %v", err)
	}
	d.at = d.at.Add(2*journal.Slack - time.Second) // a little: lines have the last one's time
	append(other)
	if n := j.Today("node worker-1", d.at); n != 2 {
		t.Errorf("%d signatures today", n)
	}
	if n := j.Today("node worker-1", d.at.Add(25*time.Hour)); n != 0 {
		t.Errorf("%d signatures a day later", n)
	}
}

// TestFirstLine: what a journal begins with is told by what is wrong with it.
func TestFirstLine(t *testing.T) {
	d := newDesk(t)
	for want, change := range map[string]func(o *journal.Open){
		"":                          func(*journal.Open) {},
		"open: it names no cluster": func(o *journal.Open) { o.Cluster = "" },
		"open: public key: ":        func(o *journal.Open) { o.PublicKey = []byte("x") },
	} {
		first := d.first()
		change(&first)
		j, _, err := journal.Begin(&durable.Disk{}, filepath.Join(t.TempDir(), "journal.jsonl"),
			func() time.Time { return d.at }, first)
		if err == nil {
			j.Close()
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

// relinked is a journal whose line seq was changed, with the hashes after it made anew.
func relinked(t *testing.T, path string, seq int, change func(l *chain.Line)) {
	t.Helper()
	var text []byte
	var prev fingerprint.SHA256
	for i, l := range read(t, path) {
		if l.Prev = prev; i+1 == seq {
			change(&l)
		}
		raw, err := chain.Encode(l)
		if err != nil {
			t.Fatal(err)
		}
		text, prev = append(text, raw...), fingerprint.Of(raw)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// issued is a journal of four lines, with the intent and the certificate of a node.
func (d *desk) issued(t *testing.T) (j *journal.Journal, path string, in journal.Intent) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "journal.jsonl")
	j, _, err := d.begin(&durable.Disk{}, path)
	if err != nil {
		t.Fatal(err)
	}
	in, der := d.leaf("node worker-1", "a")
	if _, err = j.Append(journal.Grant{Sequence: 1}, in); err == nil {
		_, err = j.Append(journal.Issued{Intent: 3, Certificate: der})
	}
	if err == nil {
		err = j.Sync()
	}
	if err != nil {
		t.Fatal(err)
	}
	return j, path, in
}

// TestLineReasons: a line that was changed is told by what is wrong with it, although the
// lines after it fit.
func TestLineReasons(t *testing.T) {
	for want, change := range map[string]func(l *chain.Line){
		"":                                 func(*chain.Line) {},
		"prev is not the hash of the line": func(l *chain.Line) { l.Prev[0] ^= 1 },
		"time is earlier than the line":    func(l *chain.Line) { l.Time = l.Time.Add(-time.Hour) },
		"a journal has no steps":           func(l *chain.Line) { l.Step = 1 },
		"seq is 7, expected 3":             func(l *chain.Line) { l.Seq = 7 },
		"the key is not the one of line 3": func(l *chain.Line) {
			in := l.Record.(journal.Intent)
			in.SPKI = fingerprint.Of([]byte("another"))
			l.Record = in
		},
	} {
		d := newDesk(t)
		j, path, _ := d.issued(t)
		j.Close()
		var err error
		relinked(t, path, 3, change)
		if j, _, err = d.begin(&durable.Disk{}, path); err == nil {
			j.Close()
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

// TestAnotherFormat: a journal of a format to come is refused by it.
func TestAnotherFormat(t *testing.T) {
	for _, to := range []string{journal.Format, journal.Format + "0"} {
		d := newDesk(t)
		path := filepath.Join(t.TempDir(), "journal.jsonl")
		j, _, err := d.begin(&durable.Disk{}, path)
		if err != nil {
			t.Fatal(err)
		}
		j.Close()
		relinked(t, path, 1, func(l *chain.Line) {
			open := l.Record.(journal.Open)
			open.Format = to
			l.Record = open
		})
		if j, _, err = d.begin(&durable.Disk{}, path); err == nil {
			j.Close()
		}
		want := fmt.Sprintf("format is %q, expected %s", to, journal.Format)
		if (err == nil) != (to == journal.Format) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", to, err)
		}
	}
}

// TestChangedUnderIt: a certificate is not read out of a line that became another.
func TestChangedUnderIt(t *testing.T) {
	d := newDesk(t)
	j, path, in := d.issued(t)
	defer j.Close()
	if _, err := j.Certificate(in.Content, d.at); err != nil {
		t.Error(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	size := len(lines[3]) // the certificate's; a line of that length in its place
	short, err := chain.Encode(chain.Line{Seq: 4, Time: d.at, Record: journal.Abandoned{Intent: 3}})
	if err != nil {
		t.Fatal(err)
	}
	long, err := chain.Encode(chain.Line{Seq: 4, Time: d.at,
		Record: journal.Abandoned{Intent: 3, Reason: strings.Repeat("x", size-len(short))}})
	if err != nil || len(long) != size {
		t.Fatal(len(long), size, err)
	}
	lines[3] = long
	if err := os.WriteFile(path, bytes.Join(lines, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Certificate(in.Content, d.at); err == nil ||
		err.Error() != path+": it was changed under this process" {
		t.Error(err)
	}
}

// TestOneWriter: a second process has no say, nor has one of another cluster or key.
func TestOneWriter(t *testing.T) {
	d := newDesk(t)
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	j, _, err := d.begin(&durable.Disk{}, path)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.begin(&durable.Disk{}, path); !errors.Is(err, journal.ErrLocked) {
		t.Errorf("a second writer: %v", err)
	}
	for what, link := range map[string]func(string, string) error{"symbolic": os.Symlink, "hard": os.Link} {
		other := filepath.Join(t.TempDir(), "other.jsonl") // beside which no lock is held
		if err := link(path, other); err != nil {
			t.Fatal(err)
		}
		if _, _, err := d.begin(&durable.Disk{}, other); !errors.Is(err, journal.ErrLocked) {
			t.Errorf("a second writer by a %s link: %v", what, err)
		}
	}
	j.Close()
	d.key = onlinetest.NewKey(t, "another")
	if _, _, err := d.begin(&durable.Disk{}, path); err == nil || !strings.Contains(err.Error(),
		"it is the journal of demo") {
		t.Errorf("another journal key: %v", err)
	}
}

// TestOnDisk: a line that others are told of is one that a crash leaves, and the next
// process has.
func TestOnDisk(t *testing.T) {
	d := newDesk(t)
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	full := false
	disk := &durable.Disk{Gate: func(op durable.Op, _ string) error {
		if full && op == durable.OpWrite {
			return syscall.ENOSPC
		}
		return nil
	}}
	j, _, err := d.begin(disk, path)
	if err != nil {
		t.Fatal(err)
	}
	told := func(want int) {
		t.Helper()
		seq, hash := j.OnDisk()
		lines := read(t, path)
		if seq != want || len(lines) < seq || lines[seq-1].Hash != hash {
			t.Errorf("line %d is told of, want %d, and the file has %d", seq, want, len(lines))
		}
	}
	told(1)
	in, _ := d.leaf("node worker-1", "content")
	if _, err := j.Append(journal.Grant{Sequence: 1, SHA256: fingerprint.Of([]byte("grant"))}, in); err != nil {
		t.Fatal(err)
	}
	told(1)
	full = true
	if err := j.Sync(); err == nil {
		t.Error("a full disk has room")
	}
	told(1)
	j.Close()
	full = false
	if j, _, err = d.begin(disk, path); err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	told(2) // it was resumed
}

// TestCertificate: what a content got is found again while it is valid, also by the next
// process.
func TestCertificate(t *testing.T) {
	d := newDesk(t)
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	j, _, err := d.begin(&durable.Disk{}, path)
	if err != nil {
		t.Fatal(err)
	}
	in, der := d.leaf("node worker-1", "a")
	seq, err := j.Append(journal.Grant{Sequence: 1}, in)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(journal.Issued{Intent: seq + 1, Certificate: der}); err != nil {
		t.Fatal(err)
	}
	if err := j.Sync(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got, err := j.Certificate(in.Content, d.at.Add(59*time.Minute))
		if err != nil || !bytes.Equal(got, der) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		if got, _ := j.Certificate(in.Content, d.at.Add(time.Hour)); got != nil {
			t.Error("after its end")
		}
		if subject, signer := j.Key(in.SPKI); subject != "node worker-1" || signer != grant.KubeletClient {
			t.Errorf("the key is %s's, by %s", subject, signer)
		}
		j.Close()
		if j, _, err = d.begin(&durable.Disk{}, path); err != nil {
			t.Fatal(err)
		}
	}
	j.Close()
}

func FuzzRead(f *testing.F) {
	d := newDesk(f)
	path := filepath.Join(f.TempDir(), "journal.jsonl")
	j, _, err := d.begin(&durable.Disk{}, path)
	if err != nil {
		f.Fatal(err)
	}
	if _, err := d.write(j, 1); err != nil {
		f.Fatal(err)
	}
	j.Close()
	data, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		defer limittest.Budget(t)()
		var again []byte
		_, err := journal.Read("journal.jsonl", bytes.NewReader(data), func(l chain.Line) error {
			raw, err := chain.Encode(l)
			again = append(again, raw...)
			return err
		})
		if err == nil && !bytes.Equal(again, data) {
			t.Error("a journal that was read has another spelling")
		}
	})
}
