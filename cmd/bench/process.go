package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// program is a process that is measured.
type program struct {
	name   string
	args   []string
	env    []string
	folder string
	line   func(pid int, text string) // is told each line of stderr as it comes
}

// usage is what a process took.
type usage struct {
	wall, cpu time.Duration
	memory    int // KiB, at most
	stdout    []byte
}

// run runs a program to its end.
func (p program) run() (usage, error) {
	var u usage
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(p.name, p.args...)
	cmd.Env, cmd.Dir, cmd.Stdout = p.env, p.folder, &stdout
	pipe, err := cmd.StderrPipe()
	if err != nil {
		return u, err
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return u, err
	}
	stop, peak := make(chan struct{}), make(chan int)
	go watchMemory(cmd.Process.Pid, stop, peak)
	for lines := bufio.NewScanner(io.TeeReader(pipe, &stderr)); lines.Scan(); {
		if p.line != nil {
			p.line(cmd.Process.Pid, lines.Text())
		}
	}
	err = cmd.Wait()
	u.wall = time.Since(start)
	close(stop)
	u.memory = <-peak
	u.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	u.stdout = stdout.Bytes()
	if err != nil {
		return u, fmt.Errorf("%s %s: %w\n%s", p.name, strings.Join(p.args[:min(2, len(p.args))], " "), err, tail(stderr.Bytes(), 2000))
	}
	return u, nil
}

// watchMemory reads a process's peak until it ends. Wait would tell a peak,
// too, but one that this program's own memory counts in.
func watchMemory(pid int, stop <-chan struct{}, peak chan<- int) {
	most := 0
	for {
		most = max(most, peakOf(pid))
		select {
		case <-stop:
			peak <- most
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// peakOf is a process's greatest resident size so far, in KiB.
func peakOf(pid int) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(status), "\nVmHWM:")
	fields := strings.Fields(after)
	if len(fields) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(fields[0])
	return n
}

// ticks is the kernel's unit of processor time (USER_HZ).
const ticks = 100

// cpuOf is the processor time a process has taken so far, all threads.
func cpuOf(pid int) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The second field is the name, in parentheses; utime and stime are the 14th and 15th.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * time.Second / ticks
}

// load is how many processes wanted a processor over the last minute.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if f := strings.Fields(string(text)); err == nil && len(f) > 0 {
		return f[0]
	}
	return "unknown"
}

func tail(data []byte, n int) []byte { return data[max(0, len(data)-n):] }
