package preflight

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"
)

// mayDiffer is how far the clock may be from a witness's watch: certificates are
// dated back as far.
const mayDiffer = 5 * time.Minute

// clock is shown in both times and held against a witness's watch. It cannot
// stand before what has happened already.
func clock(r *Room) (seen, wrong string) {
	now := r.Now()
	seen = fmt.Sprintf("%s UTC, %s here", now.UTC().Format("2006-01-02 15:04:05"), now.Format("2006-01-02 15:04:05 -0700"))
	if r.Watch == (Watch{}) {
		seen += "; not held against a watch"
	} else {
		shows := r.Watch.Shows.UTC().Format("2006-01-02 15:04:05 UTC")
		seen += "; a watch said " + shows
		if off := r.Watch.Clock.Sub(r.Watch.Shows); off.Abs() > mayDiffer {
			return seen, fmt.Sprintf("it is %s off a witness's watch, which said %s", off.Abs().Round(time.Second), shows)
		}
	}
	for _, past := range []struct {
		at   time.Time
		what string
	}{{r.Previous, "the previous ceremony ended"}, {r.Program.Built, "this program was built"}} {
		if now.Before(past.at) {
			return seen, fmt.Sprintf("it is before %s, when %s", past.at.UTC().Format("2006-01-02 15:04:05 UTC"), past.what)
		}
	}
	return seen, ""
}

// swap could write what is in memory to a disk, unless it is memory itself or
// encrypted.
func swap(r *Room) (seen, wrong string) {
	text, err := r.text("proc/swaps")
	if err != nil {
		return unreadable(err)
	}
	var all, bare []string
	for i, line := range lines(text) {
		f := strings.Fields(line)
		if i == 0 || len(f) == 0 { // a heading
			continue
		}
		area := f[0]
		encrypted, err := r.swapEncrypted(area, len(f) > 1 && f[1] == "file")
		switch {
		case err != nil:
			return unreadable(err)
		case strings.HasPrefix(area, "/dev/zram"):
			area += " (compressed memory)"
			if backed, _ := r.text(path.Join("sys/class/block", path.Base(f[0]), "backing_dev")); backed != "" && backed != "none" {
				bare = append(bare, f[0]+", which writes to "+backed)
			}
		case encrypted:
			area += " (encrypted)"
		default:
			bare = append(bare, area)
		}
		all = append(all, area)
	}
	if len(bare) > 0 {
		wrong = "memory may be written in the clear to " + listed(bare)
	}
	return listed(all), wrong
}

func (r *Room) swapEncrypted(area string, file bool) (bool, error) {
	if file {
		l, err := r.lies(area)
		return l.encrypted, err
	}
	return r.encrypted(area), nil
}

// noHandlers are core_patterns by which nothing is kept.
var noHandlers = []string{"|/bin/false", "|/usr/bin/false", "|/bin/true", "|/usr/bin/true", "/dev/null"}

// coreDumps hold the memory of a program that crashed. A handler in
// core_pattern gets it whatever the limit says.
func coreDumps(r *Room) (seen, wrong string) {
	limit, err := r.CoreLimit()
	if err != nil {
		return unreadable(err)
	}
	pattern, err := r.text("proc/sys/kernel/core_pattern")
	if err != nil {
		return unreadable(err)
	}
	size := "unlimited"
	if limit < 1<<62 {
		size = strconv.FormatUint(limit, 10) + " bytes"
	}
	seen = fmt.Sprintf("limit %s, core_pattern %q", size, pattern)
	for _, p := range noHandlers {
		if pattern == p {
			return seen, ""
		}
	}
	switch {
	case strings.HasPrefix(pattern, "|"):
		return seen, "a crash hands the program's memory to " + strings.TrimSpace(pattern[1:])
	case limit > 0:
		return seen, "a crash writes the program's memory to a file"
	}
	return seen, ""
}

// ptrace lets another program of the same user read a program's memory.
func ptrace(r *Room) (seen, wrong string) {
	scope, err := r.text("proc/sys/kernel/yama/ptrace_scope")
	if errors.Is(err, fs.ErrNotExist) {
		return "no ptrace_scope", "this kernel has no Yama: programs of one user can read each other's memory"
	}
	if err != nil {
		return unreadable(err)
	}
	if scope == "0" {
		wrong = "programs of one user can read each other's memory"
	}
	return "ptrace_scope " + scope, wrong
}

// user says who conducts; no step needs root.
func user(r *Room) (seen, wrong string) {
	id := r.User()
	if id == 0 {
		return "root", "no step needs root; a PKCS#11 module then runs as root, too"
	}
	return fmt.Sprintf("user id %d", id), ""
}

// kernel is shown; nothing about it can be wrong but that it cannot be read.
func kernel(r *Room) (seen, wrong string) {
	release, err := r.text("proc/sys/kernel/osrelease")
	if err != nil {
		return unreadable(err)
	}
	return "Linux " + release, ""
}

// enoughEntropy is what kernels from 5.18 on report once they are seeded.
const enoughEntropy = 256

// entropy is what the kernel says of its own random numbers: those that sa.key,
// serials and nonces are made of. Keys in a token are not.
func entropy(r *Room) (seen, wrong string) {
	text, err := r.text("proc/sys/kernel/random/entropy_avail")
	if err != nil {
		return unreadable(err)
	}
	bits, err := strconv.Atoi(text)
	if err != nil {
		return unreadable(fmt.Errorf("entropy_avail: %w", err))
	}
	if bits < enoughEntropy {
		wrong = fmt.Sprintf("fewer than %d bits", enoughEntropy)
	}
	return text + " bits", wrong
}
