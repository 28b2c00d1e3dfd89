package infile

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	if err := os.WriteFile(file, make([]byte, 10), 0o600); err != nil {
		t.Fatal(err)
	}
	if data, err := ReadFile(t.Context(), file, 10); err != nil || len(data) != 10 {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	if _, err := ReadFile(t.Context(), file, 9); !errors.Is(err, ErrLarge) {
		t.Error(err)
	}
	if _, err := ReadFile(t.Context(), "/dev/zero", 1000); !errors.Is(err, ErrLarge) {
		t.Error(err)
	}
	if _, err := ReadFile(t.Context(), filepath.Join(dir, "none"), 9); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	// A terabyte that takes no room is not read.
	if err := os.Truncate(file, 1<<40); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(t.Context(), file, 1<<20); !errors.Is(err, ErrLarge) {
		t.Error(err)
	}
}

// TestEnds: a pipe without a writer, and a command that is ended.
func TestEnds(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "p")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ReadFile(ctx, pipe, 10); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
