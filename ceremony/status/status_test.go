package status

import (
	"archive/zip"
	"bytes"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/history/historytest"
	"officiant/ceremony/transcript"
)

const external = `# officiant-schedule: v1
0001 csr signer=kubernetes name="csr kubernetes" subject="CN=kubernetes" sig=ECDSA-SHA256
0002 external name=kubernetes subject="CN=kubernetes" least=8760h
0003 leaf signer=kubernetes name=cp-1/apiserver subject="CN=kube-apiserver" duration=8760h sig=ECDSA-SHA256
`

func directory(record, schedule string) fstest.MapFS {
	dir := fstest.MapFS{recordFile: {Data: []byte(record)}}
	if schedule != "" {
		dir[scheduleFile] = &fstest.MapFile{Data: []byte(schedule)}
	}
	return dir
}

// TestRead: what a record that breaks off says, with and without a last line that has
// no end; the head is that of the last whole line.
func TestRead(t *testing.T) {
	at := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	r := historytest.Begin(t, at, transcript.Open{Name: "demo-1", Steps: 9})
	r.Add(transcript.Step{Title: "Look at the room"})
	r.Add(transcript.Paused{Reason: "interrupted at the terminal"})
	text := string(r.Unfinished())
	last := text[strings.LastIndex(text[:len(text)-1], "\n")+1:]
	for cut, tail := range map[int64]string{0: "", 5: `{"seq`} {
		s, err := Read("dir", directory(text+tail, external))
		if err != nil {
			t.Fatal(err)
		}
		if s.State != Unfinished || s.Steps != 9 || s.Title != "Look at the room" || s.Cut != cut ||
			s.Reason != "interrupted at the terminal" || len(s.Lacks) != 3 || len(s.Words) != 32 {
			t.Errorf("%+v", s)
		}
		if want := fingerprint.Of([]byte(last)); s.Head != want {
			t.Errorf("head %s, want %s", s.Head, want)
		}
	}
	if _, err := Read("dir", directory(text[:40], "")); !errors.As(err, new(*transcript.Broken)) {
		t.Error("half a first line: ", err)
	}
	if _, err := Read("dir", directory(text+"{}\n", "")); !errors.As(err, new(*transcript.Broken)) {
		t.Error("a line that is none: ", err)
	}
	if _, err := Read("dir", fstest.MapFS{}); !errors.Is(err, fs.ErrNotExist) {
		t.Error("no record: ", err)
	}
	if _, err := Read("dir", directory(text, "no schedule\n")); err == nil {
		t.Error("no schedule is read")
	}
	if s, err := Read("dir", directory(text, "")); err != nil || len(s.Entries) != 0 {
		t.Error("a directory that has no schedule yet: ", s, err)
	}
}

// TestAwaiting: with all requests signed and nothing back, a ceremony waits.
func TestAwaiting(t *testing.T) {
	r := &reader{done: map[string]bool{"csr kubernetes": true}, intents: map[int]string{}, asked: true}
	r.State = Unfinished
	if err := r.schedule("dir", directory("", external)); err != nil || r.State != Awaiting ||
		r.Awaits[0] != "kubernetes" {
		t.Error(r.State, r.Awaits, err)
	}
	r.received, r.done["kubernetes"], r.State = true, true, Unfinished
	if err := r.schedule("dir", directory("", external)); err != nil || r.State != Unfinished || len(r.Awaits) != 0 {
		t.Error(r.State, r.Awaits, err)
	}
}

// TestIntents: what was announced and has no result is counted, and not done.
func TestIntents(t *testing.T) {
	r := &reader{done: map[string]bool{}, intents: map[int]string{}}
	for i, record := range []transcript.Record{
		transcript.SignatureIntent{Name: "bundle a"}, transcript.Signature{Intent: 1},
		transcript.Intent{Name: "b"}, transcript.Abandoned{Intent: 3}, transcript.Intent{Name: "c"},
	} {
		r.take(transcript.Line{Seq: i + 1, Record: record, Hash: fingerprint.Of([]byte{byte(i)})})
	}
	if len(r.intents) != 1 || !r.done["bundle a"] || r.done["b"] || r.done["c"] {
		t.Error(r.intents, r.done)
	}
}

// TestAbandoned: a ceremony that people gave up is not one that goes on.
func TestAbandoned(t *testing.T) {
	r := historytest.Begin(t, time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC), transcript.Open{Name: "demo-1", Steps: 9})
	text := string(r.Unfinished())
	r.Add(transcript.Abandonment{Head: fingerprint.Of([]byte(text)), Reason: "the wrong tokens",
		By: []string{"kim", "alice"}, Keys: []transcript.AbandonedKey{}})
	for _, want := range []State{Abandoning, Abandoned} {
		s, err := Read("dir", directory(string(r.Unfinished()), external))
		if err != nil {
			t.Fatal(err)
		}
		if s.State != want || s.Reason != "the wrong tokens" {
			t.Errorf("%s, %q; want %s", s.State, s.Reason, want)
		}
		if want == Abandoning {
			r.Add(transcript.AbandonmentClosed{})
		}
	}
}

// TestNotSeekable: a directory whose files are read from their beginning alone, as those of
// a zip archive, is refused; the same one unpacked is read.
func TestNotSeekable(t *testing.T) {
	r := historytest.Begin(t, time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC), transcript.Open{Name: "demo-1", Steps: 9})
	dir := directory(string(r.Unfinished()), "")
	if _, err := Read("dir", dir); err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	w := zip.NewWriter(&packed)
	if err := errors.Join(w.AddFS(dir), w.Close()); err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(packed.Bytes()), int64(packed.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Read("dir", z); err == nil || !strings.Contains(err.Error(), "cannot be read from its end") {
		t.Error(err)
	}
}
