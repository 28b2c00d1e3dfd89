package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// speed is how fast signatures are made: in a second, and processor seconds for each, of
// this process and the modules' processes.
type speed struct{ rate, cpu float64 }

// pair is the bare token, and the same key through the module's process, right after
// each other: what else the machine does is in both.
type pair struct{ raw, child speed }

func (p pair) byRate() float64 { return p.raw.rate / p.child.rate }
func (p pair) byCPU() float64  { return p.child.cpu / p.raw.cpu }

// meter measures from when it was made.
type meter struct {
	start time.Time
	cpu   time.Duration
}

func measure() meter { return meter{time.Now(), spent()} }

func (m meter) speed(made int64) speed {
	return speed{float64(made) / time.Since(m.start).Seconds(), (spent() - m.cpu).Seconds() / float64(made)}
}

// tick is a hundredth of a second on every Linux that this runs on.
const tick = 10 * time.Millisecond

// spent is the processor time of this process and of its children that live.
func spent() time.Duration {
	var own syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &own)
	sum := time.Duration(own.Utime.Nano() + own.Stime.Nano())
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		data, _ := os.ReadFile(file)
		_, rest, _ := strings.Cut(string(data), ") ") // its name may hold spaces
		f := strings.Fields(rest)
		if len(f) < 13 || f[1] != strconv.Itoa(os.Getpid()) {
			continue
		}
		user, _ := strconv.Atoi(f[11])
		system, _ := strconv.Atoi(f[12])
		sum += time.Duration(user+system) * tick
	}
	return sum
}
