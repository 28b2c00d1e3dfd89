package ceremony_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"officiant/ceremony"
	"officiant/ceremony/ceremonytest"
)

// remembering has a machine remember heads, and nobody to ask for one.
func remembering(cfg ceremony.Config, folder string) ceremony.Config {
	cfg.Heads = ceremony.Heads{Memory: folder}
	return cfg
}

// teller keeps what people are told.
type teller struct {
	ceremony.Observer
	lines []string
}

func (w *teller) Say(line string) { w.lines = append(w.lines, line) }

// TestRemembered: a machine that remembers the head goes on without anybody, wherever
// the directory lies, and refuses a record that was cut at any line boundary, whatever
// head it is given.
func TestRemembered(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	dir, folder := filepath.Join(t.TempDir(), "ceremony"), filepath.Join(t.TempDir(), "state", "heads")
	if _, err := ceremony.Run(t.Context(), remembering(f.Config(t, dir), folder)); err != nil {
		t.Fatal(err)
	}
	record := readRecord(t, dir)
	file := filepath.Join(folder, record.Lines[0].Hash.String())
	if held, err := ceremony.ReadHead(file); err != nil || held != record.Head() {
		t.Fatalf("the machine remembers %s, %v", held, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	for n := 1; n < len(record.Lines); n++ {
		cut := cutTo(t, dir, n)
		_, err := ceremony.Run(t.Context(), remembering(f.Config(t, cut), folder))
		refusedWith(t, err, "this machine remembers it, in "+file)
		cfg := remembering(f.Config(t, cut), folder)
		cfg.Heads.Given = heads(record.Lines[n-1].Hash).Given // as whoever cut it would give it
		_, err = ceremony.Run(t.Context(), cfg)
		refusedWith(t, err, "lines were cut off")
		if n%9 != 0 {
			continue
		}
		cfg = remembering(f.Config(t, cut), t.TempDir())
		_, err = ceremony.Run(t.Context(), cfg)
		refusedWith(t, err, "this machine remembers none, and there is nobody to ask for it")
	}
	whole := filepath.Join(t.TempDir(), "copy")
	if err := errors.Join(os.CopyFS(whole, os.DirFS(dir)), os.Remove(filepath.Join(whole, "transcript.sig"))); err != nil {
		t.Fatal(err)
	}
	if _, err := ceremony.Run(t.Context(), remembering(f.Config(t, whole), folder)); err != nil {
		t.Errorf("a whole copy elsewhere: %v", err)
	}
}

// TestRememberedKilled: wherever a process was killed, the machine's head is enough to
// go on with, since it is kept before anything more is signed.
func TestRememberedKilled(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	events := eventsOf(t, f)
	for at := 1; at <= len(events); at += 7 {
		f.Tokens(t)
		dir, folder := filepath.Join(t.TempDir(), "ceremony"), t.TempDir()
		_, err := ceremony.Run(t.Context(), mortal(remembering(f.Config(t, dir), folder), &killer{at: at}))
		if err == nil {
			t.Fatalf("nothing was killed at %d", at)
		}
		record, err := os.ReadFile(filepath.Join(dir, "transcript.jsonl"))
		if kept, e := os.ReadDir(folder); err == nil && strings.HasSuffix(string(record), "\n") && e == nil &&
			len(kept) == 0 {
			continue // the first line was on disk and not known to be: nothing is signed
		}
		if _, err := ceremony.Run(t.Context(), remembering(f.Config(t, dir), folder)); err != nil {
			t.Fatalf("killed at %d (%s): %v", at, events[at-1], err)
		}
	}
}

// TestTwoDirectories: two directories of one plan have a head each.
func TestTwoDirectories(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	folder := t.TempDir()
	var dirs []string
	for range 2 {
		dir := filepath.Join(t.TempDir(), "ceremony")
		k := &killer{}
		k.on = func(what string) {
			if strings.HasPrefix(what, "before create") {
				k.at = k.n
			}
		}
		if _, err := ceremony.Run(t.Context(), mortal(remembering(f.Config(t, dir), folder), k)); !errors.Is(
			err,
			errKilled,
		) {
			t.Fatal(err)
		}
		dirs = append(dirs, dir)
	}
	if kept, err := os.ReadDir(folder); err != nil || len(kept) != 2 {
		t.Fatalf("%v, %v", kept, err)
	}
	if _, err := ceremony.Run(t.Context(), remembering(f.Config(t, dirs[0]), folder)); err != nil {
		t.Errorf("the first directory: %v", err)
	}
	_, err := ceremony.Run(t.Context(), remembering(f.Config(t, dirs[1]), folder))
	refusedWith(t, err, "is already in its token")
}

// TestNotRemembered: a machine that cannot write conducts ceremonies, says so, and has
// people bring the head; a file that a power cut left empty, or that is damaged, too.
func TestNotRemembered(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	folder := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(folder, nil, 0o600); err != nil { // a file, in which root cannot write either
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "ceremony")
	said := &teller{Observer: f.Config(t, dir).Observer}
	cfg := remembering(f.Config(t, dir), folder)
	cfg.Observer = said
	if _, err := ceremony.Run(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(strings.Join(said.lines, "\n"), "so write it down"); n != 1 {
		t.Errorf("said %d times", n)
	}
	record := readRecord(t, dir)
	cut := cutTo(t, dir, len(record.Lines))
	_, err := ceremony.Run(t.Context(), remembering(f.Config(t, cut), folder))
	refusedWith(t, err, "this machine remembers none")
	for _, text := range []string{"", "no head\n"} {
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, record.Lines[0].Hash.String()), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = ceremony.Run(t.Context(), remembering(f.Config(t, cut), folder))
		refusedWith(t, err, "this machine remembers none")
	}
}

// TestMemoryIsBounded: a machine forgets the record that went on longest ago when there
// are a thousand, and never the one it is at.
func TestMemoryIsBounded(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	folder := t.TempDir()
	const records = 1003
	for i := range records {
		file := filepath.Join(folder, fmt.Sprintf("%064x", i))
		at := time.Now().Add(time.Duration(i-records) * time.Hour)
		if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Chtimes(file, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(t.TempDir(), "ceremony")
	if _, err := ceremony.Run(t.Context(), remembering(f.Config(t, dir), folder)); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(folder)
	if err != nil || len(left) != 1000 {
		t.Errorf("%d heads, %v", len(left), err)
	}
	record := readRecord(t, dir)
	if held, err := ceremony.ReadHead(filepath.Join(folder, record.Lines[0].Hash.String())); err != nil ||
		held != record.Head() {
		t.Errorf("the machine remembers %s, %v", held, err)
	}
	for i, there := range map[int]bool{0: false, 3: false, 4: true, records - 1: true} {
		if _, err := os.Stat(filepath.Join(folder, fmt.Sprintf("%064x", i))); (err == nil) != there {
			t.Errorf("file %d: %v", i, err)
		}
	}
}
