//go:build unix

package install_test

import (
	"os"
	"syscall"
	"testing"
)

// userOf is whom a file belongs to.
func userOf(t *testing.T, path string) int {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err)
	return int(info.Sys().(*syscall.Stat_t).Uid)
}
