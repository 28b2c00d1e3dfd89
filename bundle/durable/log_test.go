package durable

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestLogGrows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	d := &Disk{}
	for _, line := range []string{"one\n", "two\n", "three\n"} {
		l, err := d.OpenLog(path, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(l.Sync(), l.Close()); err != nil {
			t.Fatal(err)
		}
	}
	l, err := d.OpenLog(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if l.Size() != 14 {
		t.Errorf("size %d", l.Size())
	}
	for _, size := range []int64{-1, 15} {
		if err := l.Truncate(size); err == nil {
			t.Errorf("cut to %d bytes", size)
		}
	}
	if err := l.Truncate(8); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Write([]byte("four\n")); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, path); got != "one\ntwo\nfour\n" {
		t.Errorf("the log holds %q", got)
	}
}

// After a failure nothing may follow: it would stand behind half a record, or
// behind bytes of which nobody knows whether they reached the disk.
func TestLogStopsAtTheFirstFailure(t *testing.T) {
	for _, op := range []Op{OpWrite, OpSync, OpTruncate} {
		path := filepath.Join(t.TempDir(), "log")
		fail := false
		d := &Disk{Gate: func(o Op, _ string) error {
			if fail && (o == op || o == OpTruncate) {
				return ErrTorn
			}
			return nil
		}}
		l, err := d.OpenLog(path, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Write([]byte("whole\n")); err != nil {
			t.Fatal(err)
		}
		fail = true
		switch op {
		case OpWrite:
			_, err = l.Write([]byte("half----\n"))
		case OpSync:
			err = l.Sync()
		case OpTruncate:
			err = l.Truncate(0)
		}
		if !errors.Is(err, ErrTorn) {
			t.Errorf("%s: got %v", op, err)
		}
		fail = false
		if _, err := l.Write([]byte("next\n")); !errors.Is(err, ErrTorn) {
			t.Errorf("%s: a write after the failure: %v", op, err)
		}
		if err := l.Sync(); !errors.Is(err, ErrTorn) {
			t.Errorf("%s: a sync after the failure: %v", op, err)
		}
		want := "whole\n"
		if op == OpWrite {
			want += "half"
		}
		if got := read(t, path); got != want {
			t.Errorf("%s: the log holds %q, want %q", op, got, want)
		}
		l.Close()
	}
}

// TestLogTakesBack: where a write or a sync failed and the process lives, the file ends
// where the last sync did.
func TestLogTakesBack(t *testing.T) {
	for _, op := range []Op{OpWrite, OpSync} {
		path := filepath.Join(t.TempDir(), "log")
		fail := false
		l, err := (&Disk{Gate: func(o Op, _ string) error {
			if fail && o == op {
				return ErrTorn // as on a disk that fills up
			}
			return nil
		}}).OpenLog(path, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Write([]byte("synced\n")); err != nil {
			t.Fatal(err)
		}
		if err := l.Sync(); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Write([]byte("written\n")); err != nil {
			t.Fatal(err)
		}
		fail = true
		if _, err = l.Write([]byte("a\nb\n")); err == nil {
			err = l.Sync()
		}
		if !errors.Is(err, ErrTorn) {
			t.Errorf("%s: got %v", op, err)
		}
		if got := read(t, path); got != "synced\n" {
			t.Errorf("%s: the log holds %q", op, got)
		}
		l.Close()
	}
}

// TestLogIsAFile: a log is opened where a plain file is, and nowhere else.
func TestLogIsAFile(t *testing.T) {
	if _, err := new(Disk).OpenLog(os.DevNull, 0o600); err == nil ||
		err.Error() != os.DevNull+" is not a regular file" {
		t.Error(err)
	}
	path := filepath.Join(t.TempDir(), "log")
	for range 2 { // made, and there
		l, err := new(Disk).OpenLog(path, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
