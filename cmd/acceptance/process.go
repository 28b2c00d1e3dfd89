package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// process is a running component.
type process struct {
	name string
	log  string // the file it writes to
	cmd  *exec.Cmd
	done chan struct{}
}

// begin starts a component with root as its root directory.
func begin(name, log, root, path string, args ...string) (*process, error) {
	file, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	p := &process{name: name, log: log, cmd: inside(context.Background(), root, path, args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = file, file
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	go func() {
		_ = p.cmd.Wait() // whoever cares finds done closed
		close(p.done)
	}()
	return p, nil
}

// inside is a command with root as its root directory and nothing of this
// process's environment.
func inside(ctx context.Context, root, path string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/local/bin", "HOME=/tmp"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Setpgid: true}
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// stop ends it as a kubelet ends a static pod: it asks, and kills after the grace
// period of 30 seconds.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.done:
	case <-time.After(30 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// kill ends it as a machine that loses its power does.
func (p *process) kill() error {
	if err := p.cmd.Process.Kill(); err != nil {
		return err
	}
	<-p.done
	return nil
}

// ended fails when it no longer runs, with the end of its log.
func (p *process) ended() error {
	select {
	case <-p.done:
		return fmt.Errorf("%s has ended: %s\n%s", p.name, p.cmd.ProcessState, tail(p.log, 12))
	default:
		return nil
	}
}

// tail is the last lines of a file.
func tail(path string, lines int) []byte {
	data, err := os.ReadFile(path)
	if err != nil {
		return []byte(err.Error())
	}
	all := bytes.SplitAfter(data, []byte("\n"))
	return bytes.Join(all[max(0, len(all)-lines-1):], nil)
}

// until asks again and again until it holds, for at most limit, and then says
// what it said last. A component that ends meanwhile ends the waiting.
func until(ctx context.Context, limit time.Duration, p *process, holds func() error) error {
	end := time.Now().Add(limit)
	for {
		err := holds()
		if err == nil {
			return nil
		}
		if p != nil {
			if gone := p.ended(); gone != nil {
				return gone
			}
		}
		switch {
		case time.Now().After(end) && p != nil:
			return fmt.Errorf("not within %s: %w\n%s", limit, err, tail(p.log, 12))
		case time.Now().After(end):
			return fmt.Errorf("not within %s: %w", limit, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(250 * time.Millisecond):
		}
	}
}
