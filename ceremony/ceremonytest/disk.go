package ceremonytest

import (
	"os"
	"syscall"
	"testing"
)

// OtherDisk is a folder on another file system than the one of dir.
func OtherDisk(t testing.TB, dir string) string {
	t.Helper()
	device := func(path string) uint64 {
		var s syscall.Stat_t
		if err := syscall.Stat(path, &s); err != nil {
			return 0
		}
		return s.Dev
	}
	for _, place := range []string{"/dev/shm", "/tmp", "/var/tmp", "."} {
		if d := device(place); d == 0 || d == device(dir) {
			continue
		}
		made, err := os.MkdirTemp(place, ".officiant-test-")
		if err != nil {
			continue
		}
		t.Cleanup(func() { os.RemoveAll(made) })
		return made
	}
	t.Skip("there is one file system here")
	return ""
}
