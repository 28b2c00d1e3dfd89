package tree

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFixed: what keeps a file from being replaced, and that the command which the reason
// names takes it away.
func TestFixed(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can fix a file")
	}
	for _, row := range []struct {
		says, program string
		fix           func(at string) error
		args          []string
	}{
		{"it is immutable (lsattr shows i); chattr -i lets it be replaced", "chattr", chattr("+i"), []string{"-i"}},
		{"it is append-only (lsattr shows a); chattr -a lets it be replaced", "chattr", chattr("+a"), []string{"-a"}},
		{"something is mounted on it; umount lets it be replaced", "umount",
			func(at string) error { return syscall.Mount(at, at, "", syscall.MS_BIND, "") }, nil},
	} {
		if !strings.Contains(row.says, strings.Join(append([]string{row.program}, row.args...), " ")) {
			t.Fatalf("%q does not name what is run", row.says)
		}
		dir := t.TempDir()
		at, beside := filepath.Join(dir, "file"), filepath.Join(dir, "beside")
		must(t, os.WriteFile(at, nil, 0o600))
		must(t, os.WriteFile(beside, nil, 0o600))
		if err := row.fix(at); err != nil {
			t.Logf("%s: not possible here: %v", row.says, err)
			continue
		}
		loosen := func() error { return exec.Command(row.program, append(row.args, at)...).Run() }
		t.Cleanup(func() { _ = loosen() })
		if reason, err := At(dir).Fixed(at); err != nil || reason != row.says {
			t.Errorf("%q, %v, want %q", reason, err, row.says)
		}
		if os.Rename(beside, at) == nil {
			t.Errorf("%s: it was replaced", row.says)
		}
		must(t, loosen())
		if reason, err := At(dir).Fixed(at); err != nil || reason != "" {
			t.Errorf("%s: then %q, %v", row.says, reason, err)
		}
		must(t, os.Rename(beside, at))
	}
	if reason, err := (*Root)(nil).Fixed(filepath.Join(t.TempDir(), "none")); err != nil || reason != "" {
		t.Errorf("no file: %q, %v", reason, err)
	}
}

func chattr(flag string) func(at string) error {
	return func(at string) error { return exec.Command("chattr", flag, at).Run() }
}

// TestLockIsAnotherMatter: a lock that cannot be taken for a reason of its own is no lack
// of the file system.
func TestLockIsAnotherMatter(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	must(t, os.Mkdir(a, 0o700))
	must(t, os.Mkdir(filepath.Join(dir, lockName), 0o700))
	if err := At(dir).linkNoReplace(a, b); err == nil ||
		err.Error() != "locking the folder: open "+filepath.Join(dir, lockName)+": is a directory" {
		t.Error(err)
	}
	must(t, os.Remove(filepath.Join(dir, lockName)))
	must(t, At(dir).linkNoReplace(a, b))
}
