//go:build cgo

package module

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a module's process, seen from the other side.
type process struct {
	command  *exec.Cmd
	socket   *os.File
	progress progress
	said     *said

	exited chan struct{} // closed when the process was waited for
	once   sync.Once
}

// start starts this program again as a module's process: with a session of its
// own, so that a terminal's signals do not reach it, and with no descriptor but
// its socket.
func start(module string, environment []string, o Options) (*process, error) {
	self, err := executable()
	if err != nil {
		return nil, err
	}
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	p := &process{socket: ours, said: newSaid(o.Said), exited: make(chan struct{})}
	shared, file, err := newProgress()
	if err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	defer file.Close()
	p.progress = shared
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	defer writer.Close()
	environment = append(environment[:len(environment):len(environment)], path,
		"GODEBUG=asyncpreemptoff=1", "GOTRACEBACK=none")
	p.command = &exec.Cmd{
		Path: self, Args: arguments(module, Longer*o.Limit), Env: environment,
		Stdout: writer, Stderr: writer, ExtraFiles: []*os.File{theirs, file},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := p.command.Start(); err != nil {
		return nil, errors.Join(err, ours.Close(), reader.Close())
	}
	started(p)
	go p.said.read(reader)
	go p.wait()
	return p, nil
}

// running are the processes that were started and not waited for.
var running struct {
	sync.Mutex
	all map[*process]bool
}

func started(p *process) {
	running.Lock()
	defer running.Unlock()
	if running.all == nil {
		running.all = map[*process]bool{}
	}
	running.all[p] = true
}

func over(p *process) {
	running.Lock()
	defer running.Unlock()
	delete(running.all, p)
}

// EndAll ends every module's process at once, also one in a call that writes to its
// token. It is for a program that is about to end itself, when people insist: what a
// token makes of a key that was half written is found when it is opened again.
func EndAll() {
	running.Lock()
	defer running.Unlock()
	for p := range running.all {
		_ = p.command.Process.Kill() // it may have ended
	}
}

// executable is this program, also when its file was replaced since.
func executable() (string, error) {
	if runtime.GOOS == "linux" {
		return "/proc/self/exe", nil
	}
	return os.Executable()
}

func socketPair() (ours, theirs *os.File, err error) {
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	if err := syscall.SetNonblock(fds[0], true); err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(fds[0]), "module"), os.NewFile(uintptr(fds[1]), "module's side"), nil
}

// wait waits for the process's end, and then ends what is read from it: a
// process of the module's own may hold the other end open.
func (p *process) wait() {
	_ = p.command.Wait() // how it ended stands in its state
	over(p)
	close(p.exited)
	_ = p.socket.SetReadDeadline(time.Now().Add(drain))
}

// drain is how long answers and lines are still read after the process's end,
// and how long its end is waited for after that of its socket.
const drain = 200 * time.Millisecond

// end tells how the process ended; empty when it has not.
func (p *process) end() string {
	select {
	case <-p.exited:
	case <-time.After(5 * drain):
		return ""
	}
	p.said.settle()
	state := p.command.ProcessState
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return fmt.Sprintf("was ended by signal %d (%s)", int(status.Signal()), status.Signal())
	}
	return fmt.Sprintf("ended with exit code %d", state.ExitCode())
}

func (p *process) pid() int { return p.command.Process.Pid }

// kill ends the process at once.
func (p *process) kill() {
	_ = p.command.Process.Kill() // it may have ended
	p.leave()
}

// leave closes the socket: the process ends when no call of it writes any more.
func (p *process) leave() { p.once.Do(func() { _ = p.socket.Close() }) }

// said is what a module writes to stdout and stderr.
type said struct {
	mu    sync.Mutex
	to    func(line string)
	lines []string
	told  int
	over  chan struct{}
}

// A module that writes at each call is not told of without end.
const (
	mostTold = 40
	mostKept = 3
	mostLine = 1024
)

func newSaid(to func(string)) *said { return &said{to: to, over: make(chan struct{})} }

func (s *said) tell(to func(string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to, s.told = to, 0
}

func (s *said) read(from *os.File) {
	defer close(s.over)
	defer from.Close()
	r := bufio.NewReaderSize(from, mostLine)
	for {
		line, more, err := r.ReadLine()
		if len(line) > 0 {
			s.add(string(line))
		}
		for more && err == nil {
			_, more, err = r.ReadLine() // the rest of a line too long to be one
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				s.add(err.Error())
			}
			return
		}
	}
}

func (s *said) add(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lines = append(s.lines, line); len(s.lines) > mostKept {
		s.lines = s.lines[1:]
	}
	s.told++
	switch {
	case s.to == nil || s.told > mostTold+1:
	case s.told > mostTold:
		s.to("… and more, which is not shown")
	default:
		s.to(line)
	}
}

// settle gives what was written last the time to arrive.
func (s *said) settle() {
	select {
	case <-s.over:
	case <-time.After(drain):
	}
}

// tail is the last that the module wrote.
func (s *said) tail() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.lines, "\n")
}
