//go:build cgo

package pkcs11test

import (
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is a server of a test, in a process group of its own.
type Process struct {
	command *exec.Cmd
	output  log
	ended   chan struct{}
}

// log is written by the server and read by the test.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// start starts a server for as long as the test lasts.
func start(tb testing.TB, env []string, name string, args ...string) *Process {
	tb.Helper()
	p := &Process{command: exec.Command(name, args...), ended: make(chan struct{})}
	p.command.Env = append(os.Environ(), env...)
	p.command.Stdout, p.command.Stderr = &p.output, &p.output
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.command.WaitDelay = time.Second // a child of its own may hold the output open
	if err := p.command.Start(); err != nil {
		tb.Fatal(err)
	}
	go func() {
		_ = p.command.Wait() // ended by us; what it had to say is in its output
		close(p.ended)
	}()
	tb.Cleanup(func() { p.Kill(); <-p.ended })
	return p
}

// Stop holds the server and its children; Continue lets them go on.
func (p *Process) Stop() { p.signal(syscall.SIGSTOP) }

// Continue lets a stopped server go on.
func (p *Process) Continue() { p.signal(syscall.SIGCONT) }

// Kill ends the server and its children at once.
func (p *Process) Kill() { p.signal(syscall.SIGKILL) }

// Idle tells whether the server has no child that works for a client.
func (p *Process) Idle() bool {
	pid := strconv.Itoa(p.command.Process.Pid)
	children, err := os.ReadFile("/proc/" + pid + "/task/" + pid + "/children")
	return err == nil && len(bytes.TrimSpace(children)) == 0
}

// signal reaches the whole group; there is none any more when it has ended.
func (p *Process) signal(s syscall.Signal) { _ = syscall.Kill(-p.command.Process.Pid, s) }

// await waits until the server is ready.
func (p *Process) await(tb testing.TB, ready func() bool) {
	tb.Helper()
	for range 1000 {
		if ready() {
			return
		}
		select {
		case <-p.ended:
			tb.Fatalf("%s ended: %s", p.command.Path, p.output.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
	tb.Fatalf("%s is not ready: %s", p.command.Path, p.output.String())
}
