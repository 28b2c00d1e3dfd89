//go:build cgo

package module

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// Libraries are the files that the loader has mapped into the module's process,
// except this program's own: what the module needs, and what a configuration
// makes it load. Only Linux reports them; other systems have none.
func (m *Module) Libraries() ([]Library, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/maps", m.PID()))
	if err != nil {
		return nil, nil
	}
	defer f.Close()
	self, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", m.PID()))
	paths, err := mapped(f)
	if err != nil {
		return nil, err
	}
	var all []Library
	for _, path := range paths {
		if path == self {
			continue
		}
		sum, _ := fileSHA256(path) // a file that is gone has none
		all = append(all, Library{path, sum})
	}
	return all, nil
}

// mapped are the files with code in a table of /proc/PID/maps.
func mapped(r io.Reader) ([]string, error) {
	var paths []string
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		// 7f21-7f22 r-xp 00001000 fe:01 123456    /usr/lib/libc.so.6
		fields := strings.Fields(lines.Text())
		if len(fields) < 6 || len(fields[1]) != 4 || fields[1][2] != 'x' || !strings.HasPrefix(fields[5], "/") {
			continue
		}
		_, path, _ := strings.Cut(lines.Text(), fields[5])
		paths = append(paths, fields[5]+path)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("what the module loaded: %w", err)
	}
	slices.Sort(paths)
	return slices.Compact(paths), nil
}

func fileSHA256(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
