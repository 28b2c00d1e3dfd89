package audit

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"officiant/ceremony/history/historytest"
	"officiant/ceremony/transcript"
)

// leavesOnRecord is a record of some leaves, and what was read of it.
func leavesOnRecord(t *testing.T, n int) (dir string, read *record, files *tree) {
	t.Helper()
	ca, key := historytest.Root(t, time.Now()), historytest.Key(t).Public()
	r := historytest.Begin(t, time.Now(), transcript.Open{})
	for i := range n {
		r.Issue(fmt.Sprintf("worker-%d/kubelet.conf", i), "root", ca.Leaf(t, "w", time.Now(), key))
	}
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, transcriptFile), r.Unfinished(), 0o644); err != nil {
		t.Fatal(err)
	}
	files = must(openTree(dir))
	t.Cleanup(files.close)
	var c Check
	if read, _, _ = (&recordAudit{&view{tree: files, report: &Report{}}}).read(&c); read == nil {
		t.Fatal(c.Problems)
	}
	return dir, read, files
}

// TestCertificateFromItsLine: a leaf's certificate is read from its line again, and not
// from one that was changed since.
func TestCertificateFromItsLine(t *testing.T) {
	dir, read, files := leavesOnRecord(t, 2)
	whole := must(transcript.Read(transcriptFile, must(os.ReadFile(filepath.Join(dir, transcriptFile)))))
	for i, want := range whole.Certificates() {
		if got := read.Ledger.certificates[i].issued.certificate(); !got.Equal(want.Certificate) {
			t.Errorf("certificate %d is another one", i)
		}
	}
	if err := files.record.whole(); err != nil {
		t.Fatal(err)
	}
	text := must(os.ReadFile(filepath.Join(dir, transcriptFile)))
	at := bytes.LastIndex(text, []byte(`"certificate":"`)) + 200
	text[at] ^= 1
	if err := os.WriteFile(filepath.Join(dir, transcriptFile), text, 0o644); err != nil {
		t.Fatal(err)
	}
	if read.Ledger.certificates[0].issued.certificate(); files.record.whole() != nil {
		t.Error("the line before was not changed")
	}
	read.Ledger.certificates[1].issued.certificate()
	err := files.record.whole()
	if err == nil || !strings.Contains(err.Error(), "it was changed while it was verified") {
		t.Errorf("a line that was changed: %v", err)
	}
}

// TestActs: lines that are not kept are in their place, and an intent without a result is
// pending.
func TestActs(t *testing.T) {
	dir, read, _ := leavesOnRecord(t, 3)
	whole := must(transcript.Read(transcriptFile, must(os.ReadFile(filepath.Join(dir, transcriptFile)))))
	next := func(seq int, r transcript.Record) {
		whole.Lines = append(whole.Lines, transcript.Line{Seq: seq, Record: r})
	}
	n := len(whole.Lines)
	next(n+1, transcript.SignatureIntent{Entry: 8, Name: "bundle w"})
	next(n+2, transcript.Step{Title: "between"})
	next(n+3, transcript.Intent{Entry: 9, Name: "w/kubelet.conf", Signer: "root", TBS: []byte{1}})
	next(n+4, transcript.Signature{Intent: n + 1})
	next(n+5, transcript.SignatureIntent{Entry: 10, Name: "bundle x"})
	again := newRecord(whole)
	var got, want []transcript.Line
	for l := range again.Acts() {
		got = append(got, transcript.Line{Seq: l.Seq, Record: l.Record})
	}
	for _, l := range whole.Lines {
		switch r := l.Record.(type) {
		case transcript.Issued, transcript.Signature:
			continue
		case transcript.Intent:
			if r.TBS = nil; l.Seq == n+3 {
				r.TBS = []byte{1}
			}
			l.Record = r
		}
		want = append(want, transcript.Line{Seq: l.Seq, Record: l.Record})
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("acts are %d, %+v\nnot %d, %+v", len(got), got, len(want), want)
	}
	var pending, open []int
	for _, l := range again.Pending() {
		pending = append(pending, l.Seq)
	}
	for _, l := range whole.Pending() {
		open = append(open, l.Seq)
	}
	if !reflect.DeepEqual(pending, open) || len(open) != 2 {
		t.Errorf("pending are %d, not %d", pending, open)
	}
	if read.Count != n || again.Count != n+5 || again.Last.Seq != n+5 || again.Closed() {
		t.Errorf("%d lines, then %d, the last is %d", read.Count, again.Count, again.Last.Seq)
	}
	in, ok := again.Intent(n + 5).(transcript.SignatureIntent)
	if !ok || in.Name != "bundle x" || again.Intent(n+6) != nil {
		t.Errorf("the last intent is %+v", in)
	}
}
