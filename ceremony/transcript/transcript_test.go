package transcript_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"officiant/bundle/fingerprint"
	"officiant/bundle/limittest"
	"officiant/ceremony/transcript"
)

var update = flag.Bool("update", false, "write the golden files anew")

const golden = "testdata/whole.jsonl"

// The format is a promise: what was written once is read, and written, for ever.
func TestGolden(t *testing.T) {
	got := contents(t, write(t, whole(t)))
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(contents(t, golden)), string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestReadWhole(t *testing.T) {
	data := contents(t, golden)
	tr, err := transcript.Read(golden, data)
	if err != nil {
		t.Fatal(err)
	}
	if o := tr.Open(); o.Format != transcript.Format || o.Cluster != "demo" || !o.NotBefore.Equal(start) {
		t.Errorf("open: %+v", o)
	}
	last := data[bytes.LastIndexByte(data[:len(data)-1], '\n')+1:]
	if tr.Head() != fingerprint.Of(last) { // what `tail -n 1 | sha256sum` shows
		t.Error("head is not the last line's hash")
	}
	closing, ok := tr.IssuingClosed()
	if !tr.Closed() || !ok || closing.Seq != 25 || closing.Step != 5 {
		t.Errorf("closed %v, issuing closed in line %d (%v)", tr.Closed(), closing.Seq, ok)
	}
	certs := tr.Certificates()
	if len(certs) != 2 || certs[0].Name != "root" || certs[1].Entry != 2 || certs[1].Signer != "root" ||
		certs[1].Seq != 17 || certs[1].Certificate.SerialNumber.Int64() != 103 {
		t.Errorf("certificates: %+v", certs)
	}
	if s := fmt.Sprint(tr.Serials()); s != "[101 102 103]" { // the abandoned one too
		t.Errorf("serials: %s", s)
	}
	lists := tr.RevocationLists()
	if len(lists) != 2 || lists[0].Signer != "etcd" || lists[0].Family != "etcd" || lists[0].Name != "" || lists[0].List.Number.Int64() != 4 ||
		lists[1].Name != "crl root" || lists[1].Seq != 24 || lists[1].List.RevokedCertificateEntries[0].ReasonCode != 1 {
		t.Errorf("revocation lists: %+v", lists)
	}
	if p := tr.Pending(); len(p) > 0 {
		t.Errorf("pending: %v", p)
	}
	short, err := transcript.Read(golden, lines(data)[:11].join())
	if err != nil {
		t.Fatal(err)
	}
	if p := short.Pending(); len(p) != 2 || p[0].Seq != 10 || short.Closed() {
		t.Errorf("pending: %v", p)
	}
}

type lineList [][]byte

func lines(data []byte) lineList { return bytes.SplitAfter(data, []byte("\n")) }
func (l lineList) join() []byte  { return bytes.Join(l, nil) }

// broken reads data and returns the number of the line that is refused, or 0.
func broken(t *testing.T, data []byte) int {
	t.Helper()
	_, err := transcript.Read("t.jsonl", data)
	if err == nil {
		return 0
	}
	b := (*transcript.Broken)(nil)
	if !errors.As(err, &b) || b.File != "t.jsonl" || b.Reason == "" {
		t.Fatalf("error is no *Broken: %v", err)
	}
	return b.Line
}

// Whichever byte changes, that line or the next is named; in the last line,
// where no later line holds its hash, at least the head is another.
func TestEveryByte(t *testing.T) {
	data := contents(t, write(t, whole(t)[:9]))
	tr, err := transcript.Read("t.jsonl", data)
	if err != nil {
		t.Fatal(err)
	}
	line, last := 1, len(tr.Lines)
	for i, b := range data {
		for _, flip := range []byte{0x01, 0x20, 0x80} {
			changed := bytes.Clone(data)
			changed[i] ^= flip
			got := broken(t, changed)
			if got == line || got == line+1 && line < last {
				continue
			}
			if other, err := transcript.Read("t.jsonl", changed); got == 0 && line == last && err == nil && other.Head() != tr.Head() {
				continue
			}
			t.Fatalf("byte %d of line %d changed from %q to %q: line %d refused", i, line, b, b^flip, got)
		}
		if b == '\n' {
			line++
		}
	}
}

func TestEveryLine(t *testing.T) {
	all := lines(contents(t, golden))
	all = all[:len(all)-1] // the empty rest
	for i := range all {
		dropped := append(append(lineList{}, all[:i]...), all[i+1:]...)
		want := i + 1
		if i == len(all)-1 {
			want = 0 // a transcript without its last line is one that is not finished
		}
		if got := broken(t, dropped.join()); got != want {
			t.Errorf("line %d dropped: line %d refused", i+1, got)
		}
		doubled := append(append(lineList{}, all[:i+1]...), all[i:]...)
		if got := broken(t, doubled.join()); got != i+2 {
			t.Errorf("line %d doubled: line %d refused", i+1, got)
		}
		if i+1 < len(all) {
			swapped := append(lineList{}, all...)
			swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
			if got := broken(t, swapped.join()); got != i+1 {
				t.Errorf("lines %d and %d swapped: line %d refused", i+1, i+2, got)
			}
		}
		cut := all[:i+1].join()
		if got := broken(t, cut[:len(cut)-1]); got != i+1 {
			t.Errorf("line %d without its newline: line %d refused", i+1, got)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	first := string(lines(contents(t, golden))[0])
	replace := func(old, new string) string {
		if !strings.Contains(first, old) {
			t.Fatalf("no %s in %s", old, first)
		}
		return strings.Replace(first, old, new, 1)
	}
	lost := func(said string) string {
		return strings.Replace(replace(`"sequence":1`, `"sequence":2`), `"notBefore"`, `"lost":`+said+`,"notBefore"`, 1)
	}
	for name, data := range map[string]string{
		"nothing":                 "",
		"an empty line":           "\n",
		"an empty object":         "{}\n",
		"a byte-order mark":       "\ufeff" + first,
		"carriage return":         strings.TrimSuffix(first, "\n") + "\r\n",
		"white space":             replace(`"seq":1,`, `"seq": 1,`),
		"trailing space":          strings.TrimSuffix(first, "\n") + " \n",
		"two objects":             strings.TrimSuffix(first, "\n") + "{}\n",
		"an unknown field":        replace(`"seq":1,`, `"seq":1,"x":1,`),
		"an unknown inner field":  replace(`"cluster":`, `"x":1,"cluster":`),
		"a field twice":           replace(`"seq":1,`, `"seq":2,"seq":1,`),
		"another case":            replace(`"seq":1,`, `"Seq":1,`),
		"another order":           replace(`"cluster":"demo","sequence":1`, `"sequence":1,"cluster":"demo"`),
		"an unknown type":         replace(`"type":"open"`, `"type":"opened"`),
		"no data":                 replace(`"data":{`, `"daten":{`),
		"data null":               first[:strings.Index(first, `"data":`)] + `"data":null}` + "\n",
		"a list null":             replace(`"predecessors":[]`, `"predecessors":null`),
		"an optional field false": replace(`"approvals"`, `"rehearsal":false,"approvals"`),
		"an escape":               replace(`"name":"demo"`, `"name":"\u0064emo"`),
		"invalid UTF-8":           replace(`"name":"demo"`, "\"name\":\"d\xffmo\""),
		"a capital digest":        replace(`"digest":"`, `"digest":"A`),
		"a short digest":          replace(`"digest":"0`, `"digest":"`),
		"a time without millis":   replace(`12:00:00.250Z`, `12:00:00Z`),
		"a time with micros":      replace(`12:00:00.250Z`, `12:00:00.250000Z`),
		"a time with an offset":   replace(`12:00:00.250Z`, `12:00:00.250+00:00`),
		"a time with a comma":     replace(`12:00:00.250Z`, `12:00:00,250Z`),
		"a number as float":       replace(`"seq":1,`, `"seq":1.0,`),
		"a wrong seq":             replace(`"seq":1,`, `"seq":2,`),
		"a wrong prev":            replace(`"prev":"0`, `"prev":"1`),
		"a step out of range":     replace(`"step":0`, `"step":10`),
		"a negative step":         replace(`"step":0`, `"step":-1`),
		"another format":          replace(`transcript/v1`, `transcript/v2`),
		"notBefore not in UTC":    replace(`"notBefore":"2026-11-23T12:00:00Z"`, `"notBefore":"2026-11-23T12:00:00+09:00"`),
		"notBefore with millis":   replace(`"notBefore":"2026-11-23T12:00:00Z"`, `"notBefore":"2026-11-23T12:00:00.5Z"`),
		"sequence zero":           replace(`"sequence":1`, `"sequence":0`),
		"lost at the first":       replace(`"notBefore"`, `"lost":{"sequence":0,"reason":"fire"},"notBefore"`),
		"lost at another":         replace(`"notBefore"`, `"lost":{"sequence":1,"reason":"fire"},"notBefore"`),
		"lost without a reason":   lost(`{"sequence":1,"reason":""}`),
		"lost and a predecessor": strings.Replace(lost(`{"sequence":1,"reason":"fire"}`), `"predecessors":[]`,
			`"predecessors":[{"cluster":"other","sequence":1,"head":"`+strings.Repeat("0", 64)+`"}]`, 1),
	} {
		if got := broken(t, []byte(data)); got != 1 {
			t.Errorf("%s: line %d refused", name, got)
		}
	}
	if got := broken(t, []byte(first)); got != 0 {
		t.Errorf("the first line itself: line %d refused", got)
	}
	if got := broken(t, []byte(lost(`{"sequence":1,"reason":"fire"}`))); got != 0 {
		t.Errorf("a chain that begins anew: line %d refused", got)
	}
}

// Scan ends at the first line that cannot be, after those that could; what the
// disk says is not the transcript's fault.
func TestScan(t *testing.T) {
	all := lines(contents(t, golden))
	scan := func(r io.Reader) (n int, err error) {
		for _, err = range transcript.Scan("t.jsonl", r) {
			if err == nil {
				n++
			}
		}
		return n, err
	}
	if n, err := scan(bytes.NewReader(all.join())); n != len(all)-1 || err != nil {
		t.Errorf("%d lines, %v", n, err)
	}
	b := (*transcript.Broken)(nil)
	if n, err := scan(bytes.NewReader(append(append(lineList{}, all[:4]...), all[5:]...).join())); n != 4 || !errors.As(err, &b) || b.Line != 5 {
		t.Errorf("a line left out: %d lines, %v", n, err)
	}
	died := errors.New("the disk died")
	r := io.MultiReader(bytes.NewReader(all[:4].join()), iotest.ErrReader(died))
	if n, err := scan(r); n != 4 || !errors.Is(err, died) || errors.As(err, &b) {
		t.Errorf("a disk that died: %d lines, %v", n, err)
	}
	for range transcript.Scan("t.jsonl", bytes.NewReader(all.join())) {
		break // nothing more is asked for
	}
}

func FuzzRead(f *testing.F) {
	data, err := os.ReadFile(golden)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	for _, l := range lines(data) {
		f.Add([]byte(l))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		defer limittest.Budget(t)()
		tr, err := transcript.Read("fuzz", data)
		if err != nil {
			if b := (*transcript.Broken)(nil); !errors.As(err, &b) {
				t.Fatalf("error is no *Broken: %v", err)
			}
			return
		}
		// What is read is all there is: no byte outside the chain.
		tr.Certificates()
		tr.Pending()
		if n := bytes.Count(data, []byte("\n")); n != len(tr.Lines) || tr.Serials() == nil && len(tr.Certificates()) > 0 {
			t.Fatalf("%d lines of %d", len(tr.Lines), n)
		}
		prev := fingerprint.SHA256{}
		for i, raw := range lines(data)[:len(tr.Lines)] {
			if tr.Lines[i].Prev != prev || tr.Lines[i].Hash != fingerprint.Of(raw) {
				t.Fatalf("line %d is not chained", i+1)
			}
			prev = tr.Lines[i].Hash
		}
	})
}
