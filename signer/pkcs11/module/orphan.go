//go:build cgo

package module

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"officiant/signer"
)

// awaitOrphans waits for processes of the same module and user whose own parent
// has died: they finish a call that writes to the token, such as the making of a
// key, and what they write has to be there before anybody looks.
func awaitOrphans(module string, limit time.Duration) error {
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		pid := orphan(module)
		if pid == 0 {
			return nil
		}
		if time.Since(start) > limit {
			return fmt.Errorf("%w: PKCS#11 module %s: process %d of an earlier run is still in a call that "+
				"writes to the token; wait until it has ended, or end it (kill -9 %[3]d) at the risk of what is in the token",
				signer.ErrUnavailable, module, pid)
		}
	}
}

// orphan finds one by /proc, and none where there is no such thing.
func orphan(module string) int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	mark := []byte(argument0 + "\x00" + module + "\x00")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		line, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err != nil || !bytes.HasPrefix(line, mark) {
			continue
		}
		first, _, _ := bytes.Cut(line[len(mark):], []byte{0})
		parent, err := strconv.Atoi(string(first))
		if err == nil && ours(e) && parentOf(pid) != parent {
			return pid
		}
	}
	return 0
}

func ours(e os.DirEntry) bool {
	info, err := e.Info()
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Getuid()
}

// parentOf is the fourth field of /proc/PID/stat; the second may hold anything
// in brackets. A process that is gone has itself for one, which is nobody's.
func parentOf(pid int) int {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return pid
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 2 {
		return pid
	}
	parent, _ := strconv.Atoi(fields[1])
	return parent
}
