package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// isolated runs this program again, with args, in namespaces of its own for
// network, mounts and processes, and counts the lines it prints. None of its
// ports shows outside, no mount outlives it, and every process in there ends
// with it, however it ends. Root makes the namespaces as it is, everybody else
// inside a user namespace.
func isolated(ctx context.Context, args []string, r *report, talk io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd, lines, err := startIsolated(ctx, self, args, talk, os.Getuid() != 0)
	if errors.Is(err, os.ErrPermission) && os.Getuid() == 0 {
		// A root with fewer rights than root has, as in a container.
		cmd, lines, err = startIsolated(ctx, self, args, talk, true)
	}
	if err != nil {
		return fmt.Errorf("namespaces for network, mounts and processes: %w; "+
			"it takes root, or a machine that lets everybody make user namespaces (user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns)", err)
	}
	failed := r.failed
	scanner := bufio.NewScanner(lines)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		r.line(scanner.Text())
	}
	err = cmd.Wait()
	if err != nil && r.failed > failed && ctx.Err() == nil {
		return nil // its lines say what failed
	}
	return err
}

func startIsolated(ctx context.Context, self string, args []string, talk io.Writer, asUser bool) (*exec.Cmd, io.Reader, error) {
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Stderr = talk
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC,
		Setpgid:    true,
		Pdeathsig:  syscall.SIGKILL,
	}
	if asUser {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	lines, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	// The kernel sends the death signal when the thread that started it ends.
	runtime.LockOSThread()
	return cmd, lines, cmd.Start()
}

// settle makes the new namespaces usable: mounts that stay inside, and a
// loopback device with these addresses.
func settle(addresses ...netip.Addr) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	// Where /proc is partly hidden this is refused; nothing here relies on it.
	_ = unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	if err := raise(socket); err != nil {
		return fmt.Errorf("raising lo: %w", err)
	}
	for i, address := range addresses {
		if err := assign(socket, fmt.Sprintf("lo:%d", i+1), address); err != nil {
			return fmt.Errorf("giving lo the address %s: %w", address, err)
		}
	}
	return nil
}

// alias gives the loopback device one more address.
func alias(label string, address netip.Addr) error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	return assign(socket, label, address)
}

func raise(socket int) error {
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(socket, unix.SIOCGIFFLAGS, request); err != nil {
		return err
	}
	request.SetUint16(request.Uint16() | unix.IFF_UP)
	return unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request)
}

// assign adds one address; without the narrow mask loopback would answer for
// all of the address's class.
func assign(socket int, label string, address netip.Addr) error {
	request, err := unix.NewIfreq(label)
	if err != nil {
		return err
	}
	if err := request.SetInet4Addr(address.AsSlice()); err != nil {
		return err
	}
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFADDR, request); err != nil {
		return err
	}
	if err := request.SetInet4Addr([]byte{255, 255, 255, 255}); err != nil {
		return err
	}
	return unix.IoctlIfreq(socket, unix.SIOCSIFNETMASK, request)
}

// line takes a line another process's report has printed.
func (r *report) line(text string) {
	switch {
	case strings.HasPrefix(text, "ok   "):
		r.passed++
	case strings.HasPrefix(text, "FAIL "):
		r.failed++
	}
	fmt.Fprintln(r.out, text)
}
