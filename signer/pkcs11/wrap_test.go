//go:build cgo

package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// wrapper is the room's module with testdata/wrap.c in front of it. Both are
// copies in a folder of their own, so that a module a test leaves hanging is
// in no other test's way.
type wrapper struct {
	folder string
	mu     sync.Mutex
}

// wrap puts a wrapper before the room's module.
func (r *room) wrap(t testing.TB) *wrapper {
	t.Helper()
	w := &wrapper{folder: t.TempDir()}
	copyFile(t, r.module, filepath.Join(w.folder, "real.so"))
	r.module = filepath.Join(w.folder, "wrap.so")
	built, err := buildWrapper()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.module, built, 0o700); err != nil {
		t.Fatal(err)
	}
	w.order(t)
	t.Cleanup(func() { w.settle(t) })
	return w
}

// buildWrapper compiles testdata/wrap.c, once.
var buildWrapper = sync.OnceValues(func() ([]byte, error) {
	cc := "cc"
	if os.Getenv("CC") != "" {
		cc = os.Getenv("CC")
	}
	dir, err := os.MkdirTemp("", "wrap")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	to := filepath.Join(dir, "wrap.so")
	if out, err := exec.Command(cc, "-shared", "-fPIC", "-O1", "-o", to, "testdata/wrap.c", "-ldl", "-lpthread").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", cc, err, out)
	}
	return os.ReadFile(to)
})

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

// order makes the wrapper follow these orders and no others.
func (w *wrapper) order(t testing.TB, orders ...string) {
	t.Helper()
	next := filepath.Join(w.folder, "next")
	if err := os.WriteFile(next, []byte(strings.Join(orders, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(w.folder, "control")); err != nil {
		t.Fatal(err)
	}
}

// settle lets all calls go, and waits until no process writes into the folder or the
// tokens any more: each has ended, or is kept for who comes next.
func (w *wrapper) settle(t testing.TB) {
	t.Helper()
	w.order(t)
	for range 2000 {
		if !w.busy(t) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Log("a process of the module still has something to do")
}

// busy reports whether a process is in a call, or has begun and not finalized.
func (w *wrapper) busy(t testing.TB) bool {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(w.folder, "trace"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	last := map[string]string{} // by process
	for _, line := range strings.Fields(string(data)) {
		call, pid, _ := strings.Cut(line, "@")
		last[pid] = call
	}
	for pid, call := range last {
		n, err := strconv.Atoi(pid)
		if err != nil || call == "-C_Finalize" || call == "-C_Initialize" {
			continue
		}
		if !errors.Is(unix.Kill(n, 0), unix.ESRCH) {
			return true
		}
	}
	return false
}

// trace tells how many calls are open and how many were at once. Without a
// name all calls count.
func (w *wrapper) trace(t testing.TB, name string) (n struct{ open, peak int }) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(w.folder, "trace"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, line := range strings.Fields(string(data)) {
		call, _, _ := strings.Cut(line[1:], "@")
		switch {
		case name != "" && call != name:
		case line[0] == '+':
			n.open++
			n.peak = max(n.peak, n.open)
		default:
			n.open--
		}
	}
	return n
}

// await waits until a call of this name has come, and leaves the count alone:
// calls could throw away what the module writes between its two steps.
func (w *wrapper) await(t testing.TB, name string) {
	t.Helper()
	for range 30_000 {
		data, err := os.ReadFile(filepath.Join(w.folder, "calls"))
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(strings.Fields(string(data)), name) {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("no %s came", name)
}

// cancelled runs f until a call of this name has come, and ends f's context then.
func (w *wrapper) cancelled(t testing.TB, name string, f func(ctx context.Context) error) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w.calls(t)
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	w.await(t, name)
	cancel()
	return <-done
}

// calls returns the calls since the last time it was asked, by function.
func (w *wrapper) calls(t testing.TB) map[string]int {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	data, err := os.ReadFile(filepath.Join(w.folder, "calls"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(w.folder, "calls"), 0); err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, name := range strings.Fields(string(data)) {
		count[name]++
		count["all"]++
	}
	return count
}
