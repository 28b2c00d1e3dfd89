//go:build linux

package stories

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// person sits at a terminal of 80 columns, reads and types.
type person struct {
	t      *testing.T
	cmd    *exec.Cmd
	pty    *os.File
	mu     sync.Mutex
	screen bytes.Buffer // all that appeared
	read   int          // how far the person has read
	ended  chan error
}

// sit starts a program of ours at a new terminal, in a folder.
func sit(t *testing.T, dir string, args ...string) *person {
	t.Helper()
	return sitWith(t, dir, []string{"NO_COLOR=1", "TERM=linux"}, filepath.Join(programs, args[0]), args[1:]...)
}

// sitWith starts any program there, with more in its environment.
func sitWith(t *testing.T, dir string, environment []string, program string, args ...string) *person {
	t.Helper()
	pty, tty, err := openTerminal()
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	c := exec.Command(program, args...)
	c.Dir, c.Stdin, c.Stdout, c.Stderr = dir, tty, tty, tty
	c.Env = append(os.Environ(), environment...)
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	p := &person{t: t, cmd: c, pty: pty, ended: make(chan error, 1)}
	go p.watch()
	t.Cleanup(func() { pty.Close() })
	return p
}

// openTerminal is a new terminal of 80 columns and 25 lines: its far and its near end.
func openTerminal() (pty, tty *os.File, err error) {
	pty, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	fd := int(pty.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return nil, nil, err
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return nil, nil, err
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 25, Col: 80}); err != nil {
		return nil, nil, err
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	return pty, tty, err
}

// watch takes what appears until the program has ended.
func (p *person) watch() {
	buffer := make([]byte, 4096)
	for {
		n, err := p.pty.Read(buffer)
		p.mu.Lock()
		p.screen.Write(buffer[:n])
		p.mu.Unlock()
		if err != nil {
			p.ended <- p.cmd.Wait()
			return
		}
	}
}

func (p *person) seen() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.screen.String()
}

// sees waits until a text appears below what was read so far.
func (p *person) sees(text string) {
	p.t.Helper()
	for range 6000 {
		if at := strings.Index(p.seen()[p.read:], text); at >= 0 {
			p.read += at + len(text)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	p.cmd.Process.Kill()
	p.t.Fatalf("%q did not appear; there is\n%s", text, p.seen())
}

// types types a line.
func (p *person) types(line string) {
	p.t.Helper()
	if _, err := p.pty.WriteString(line + "\n"); err != nil {
		p.t.Fatal(err)
	}
}

// hides waits until the terminal does not show what is typed.
func (p *person) hides() {
	p.t.Helper()
	for range 6000 {
		state, err := unix.IoctlGetTermios(int(p.pty.Fd()), unix.TCGETS)
		if err != nil {
			p.t.Fatal(err)
		}
		if state.Lflag&unix.ECHO == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	p.t.Fatal("the terminal shows what is typed")
}

// interrupts presses Ctrl-C.
func (p *person) interrupts() {
	p.t.Helper()
	if _, err := p.pty.Write([]byte{3}); err != nil {
		p.t.Fatal(err)
	}
}

// leaves waits for the program to end with an exit code.
func (p *person) leaves(code int) {
	p.t.Helper()
	<-p.ended
	if got := p.cmd.ProcessState.ExitCode(); got != code {
		p.t.Fatalf("exit code %d, want %d\n%s", got, code, p.seen())
	}
}

// whole are lines that stay one, so that they can be copied or searched: commands
// and errors. The terminal folds them.
var whole = regexp.MustCompile(`officiant ceremony (run|verify|note|approve|sign) |^officiant: |^warning: `)

// fits wants every other line to fit the terminal, and no escape sequence in any.
func (p *person) fits() {
	p.t.Helper()
	for line := range strings.Lines(strings.ReplaceAll(p.seen(), "\r\n", "\n")) {
		line = strings.TrimRight(line, "\n")
		if n := utf8.RuneCountInString(line); n > 80 && !whole.MatchString(line) {
			p.t.Errorf("a line of %d columns: %s", n, line)
		}
		if strings.Contains(line, "\x1b") {
			p.t.Errorf("an escape sequence in %q", line)
		}
	}
}
