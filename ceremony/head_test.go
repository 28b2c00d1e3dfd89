package ceremony_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"officiant/bundle/fingerprint"
	"officiant/ceremony"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/transcript"
)

// cutTo copies a ceremony directory whose record ends after some lines, without what
// follows from it.
func cutTo(t *testing.T, dir string, lines int) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "rolled")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(to, "transcript.jsonl")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, bytes.Join(bytes.SplitAfter(data, []byte("\n"))[:lines], nil), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"transcript.sig", "bundles", "authorities", "crls", "release.pub", "secrets"} {
		if err := os.RemoveAll(filepath.Join(to, name)); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

func refusedWith(t *testing.T, err error, want string) {
	t.Helper()
	var refused *ceremony.Refused
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), want) {
		t.Fatalf("%v, want %q", err, want)
	}
}

// typed is a head that people type.
func typed(head fingerprint.SHA256) func(context.Context, func(fingerprint.SHA256) bool) (fingerprint.SHA256, error) {
	return func(context.Context, func(fingerprint.SHA256) bool) (fingerprint.SHA256, error) { return head, nil }
}

func heads(given ...fingerprint.SHA256) ceremony.Heads { return ceremony.Heads{Given: given} }

// TestRollback: with a head on another file system, a record that is cut at any line
// boundary is not gone on with; without one, none that lacks the head people have.
func TestRollback(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	dir := filepath.Join(t.TempDir(), "ceremony")
	file := filepath.Join(ceremonytest.OtherDisk(t, t.TempDir()), "head")
	cfg := f.Config(t, dir)
	cfg.Heads = ceremony.Heads{File: file}
	if _, err := ceremony.Run(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	record := readRecord(t, dir)
	if held, err := ceremony.ReadHead(file); err != nil || held != record.Head() {
		t.Fatalf("the file holds %s, %v", held, err)
	}
	for n := 1; n < len(record.Lines); n++ {
		cfg := f.Config(t, cutTo(t, dir, n))
		cfg.Heads = ceremony.Heads{File: file}
		_, err := ceremony.Run(t.Context(), cfg)
		refusedWith(t, err, "lines were cut off")
		cfg.Heads = heads(record.Lines[n].Hash) // the first line that is gone
		_, err = ceremony.Run(t.Context(), cfg)
		refusedWith(t, err, "lines were cut off")
		if n > 1 && n%9 != 0 {
			continue
		}
		cfg.Heads = ceremony.Heads{} // nobody to ask
		_, err = ceremony.Run(t.Context(), cfg)
		refusedWith(t, err, "there is nobody to ask for it")
		cfg.Heads.Ask = typed(record.Head())
		_, err = ceremony.Run(t.Context(), cfg)
		refusedWith(t, err, "lines were cut off")
	}
}

// TestGoneOn: after a power cut the head that people have may be an older one. What
// was signed since is listed, and goes on record when they agree.
func TestGoneOn(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	events := eventsOf(t, f)
	at := 0
	for i, e := range events {
		if strings.HasPrefix(e, "before sign demo/front-proxy") {
			at = i + 1 // its leaf: everything else is signed
		}
	}
	dir := filepath.Join(t.TempDir(), "ceremony")
	_, err := ceremony.Run(t.Context(), mortal(f.Config(t, dir), &killer{at: at}))
	var stopped *ceremony.Stopped
	if !errors.As(err, &stopped) {
		t.Fatalf("%v", err)
	}
	record := readRecord(t, dir)
	if stopped.Head != record.Head() {
		t.Errorf("it says that the head is %s, and it is %s", stopped.Head, record.Head())
	}
	cfg := f.Config(t, dir)
	first := record.Lines[0].Hash
	cfg.Heads = heads(first)
	_, err = ceremony.Run(t.Context(), cfg)
	refusedWith(t, err, "signed: root")
	var missing *ceremony.Missing
	if !errors.As(err, &missing) || missing.What != ceremony.BothHeads ||
		!slices.Equal(missing.Of, []string{first.String(), record.Head().String()}) {
		t.Errorf("asks for %+v (%v)", missing, err)
	}
	cfg.Heads = heads(first, record.Lines[3].Hash)
	_, err = ceremony.Run(t.Context(), cfg)
	refusedWith(t, err, "signed: root")
	var listed []string
	no := errors.New("no")
	cfg.Heads = ceremony.Heads{
		Ask:   typed(first),
		Agree: func(_ context.Context, since []string) error { listed = since; return no },
	}
	if _, err = ceremony.Run(t.Context(), cfg); !errors.Is(err, no) || !strings.Contains(strings.Join(listed, "\n"),
		"signed: etcd") {
		t.Fatalf("%v, listed %q", err, listed)
	}
	if now := readRecord(t, dir).Head(); now != record.Head() {
		t.Error("a refused resume wrote into the record")
	}
	cfg.Heads = heads(first, record.Head())
	if _, err := ceremony.Run(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
}

// TestHeadFile: it lies on another file system, is no other ceremony's, and what the
// process that wrote it had on disk a moment later needs nobody's agreement.
func TestHeadFile(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	dir := filepath.Join(t.TempDir(), "ceremony")
	cfg := f.Config(t, dir)
	cfg.Heads = ceremony.Heads{File: filepath.Join(t.TempDir(), "head")}
	_, err := ceremony.Run(t.Context(), cfg)
	refusedWith(t, err, "on the file system of the ceremony directory")
	file := filepath.Join(ceremonytest.OtherDisk(t, t.TempDir()), "head")
	if err := os.WriteFile(file, []byte(strings.Repeat("ab", 32)+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cfg.Heads.File = file
	_, err = ceremony.Run(t.Context(), cfg)
	refusedWith(t, err, "another ceremony")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := ceremony.Run(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	// The head from before the last results were on disk: they were announced before.
	record := readRecord(t, dir)
	for i := 1; i < len(record.Lines); i++ {
		if _, issued := record.Lines[i].Record.(transcript.Issued); !issued {
			continue
		}
		if _, intent := record.Lines[i-1].Record.(transcript.Intent); intent {
			cut := cutTo(t, dir, i+1)
			if err := os.WriteFile(file, []byte(record.Lines[i-1].Hash.String()+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			cfg := f.Config(t, cut)
			cfg.Heads = ceremony.Heads{File: file}
			if _, err := ceremony.Run(t.Context(), cfg); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatal("no certificate right after its intent")
}
