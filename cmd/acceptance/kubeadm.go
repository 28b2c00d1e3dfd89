package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// kubeadm is the real program.
type kubeadm struct {
	path string
	env  []string // besides what this process has
}

// answer is what a run of kubeadm said.
type answer struct{ stdout, stderr string }

// run runs kubeadm with tree as its root directory (kubeadm's own --rootfs), so
// that the node's files are where they belong, in /etc/kubernetes, and none of
// this machine's can be touched.
func (k kubeadm) run(ctx context.Context, tree string, args ...string) (answer, error) {
	cmd := exec.CommandContext(ctx, k.path, append([]string{"--rootfs", tree}, args...)...)
	cmd.Dir, cmd.Env = "/", append(os.Environ(), k.env...)
	if os.Getuid() != 0 {
		// Changing the root takes a capability, which everybody has in a user
		// namespace of his own.
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		}
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	a := answer{stdout.String(), stderr.String()}
	if err != nil {
		return a, fmt.Errorf("kubeadm %s: %w\n%s%s", strings.Join(args, " "), err, a.stderr, a.stdout)
	}
	return a, nil
}
