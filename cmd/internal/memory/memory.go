// Package memory has a program take no more than its work needs.
//
// What a ceremony keeps of a node is small, and the garbage it makes for one is not: by
// its own rule (GOGC) Go's collector lets as much of it pile up as is alive, and late on a
// busy machine. A limit that grows with the plan has it begin in time, and gives back
// what is free. It is no hard one: what has to live does, and the collector takes half of
// the processors at most.
package memory

import (
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/metrics"
	"strings"
)

// headroom is the least that garbage may take: some hundred nodes' bundles at work.
const headroom = 10 << 20

// Bound sets the limit for the plan in a folder, whose earlier records are below previous.
// A limit that GOMEMLIMIT has set is left alone.
func Bound(folder, plan string) {
	if debug.SetMemoryLimit(-1) != math.MaxInt64 {
		return
	}
	// A node is 600 bytes of the plan, and 2 KB that stay alive.
	alive := taken() + size(filepath.Join(folder, plan))*7/2 + records(filepath.Join(folder, "previous"))
	debug.SetMemoryLimit(alive + max(headroom, alive/2))
}

// taken is what the runtime has from the system at present.
func taken() int64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64() - s[1].Value.Uint64())
}

// size is a file's; 0 of what is none, which whoever reads it will say.
func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return 0
	}
	return info.Size()
}

// records is the size of all records in a folder.
func records(folder string) (sum int64) {
	_ = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".jsonl") {
			sum += size(path)
		}
		return nil
	})
	return sum
}
