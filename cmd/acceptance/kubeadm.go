package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
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

// buildKubeadm builds kubeadm through this module's go.mod, unless bin holds it
// already, and says meanwhile that it is at work: the first build takes minutes.
func buildKubeadm(ctx context.Context, module, bin string, talk io.Writer) (kubeadm, error) {
	path := filepath.Join(bin, "kubeadm-"+kubernetesVersion)
	if version, err := exec.CommandContext(ctx, path, "version", "-o", "short").Output(); err == nil && strings.TrimSpace(string(version)) == kubernetesVersion {
		return kubeadm{path: path}, nil
	}
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return kubeadm{}, err
	}
	unfinished := path + ".unfinished"
	args := []string{"build", "-trimpath", "-ldflags", stamp(), "-o", unfinished, "k8s.io/kubernetes/cmd/kubeadm"}
	name := "go"
	if _, err := exec.LookPath("nice"); err == nil {
		name, args = "nice", append([]string{"go"}, args...)
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	begin := time.Now()
	fmt.Fprintf(talk, "building kubeadm %s …\n", kubernetesVersion)
	if err := cmd.Start(); err != nil {
		return kubeadm{}, err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	tick := time.NewTicker(15 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			fmt.Fprintf(talk, "building kubeadm %s … %.0f s\n", kubernetesVersion, time.Since(begin).Seconds())
		case err := <-done:
			if err != nil {
				return kubeadm{}, fmt.Errorf("building kubeadm %s: %w\n%s", kubernetesVersion, err, output.String())
			}
			fmt.Fprintf(talk, "built kubeadm %s in %.0f s\n", kubernetesVersion, time.Since(begin).Seconds())
			return kubeadm{path: path}, os.Rename(unfinished, path)
		}
	}
}

// stamp gives the linker the version, as Kubernetes' own build does: an
// unstamped kubeadm calls itself v0.0.0-master and refuses configurations.
func stamp() string {
	major, rest, _ := strings.Cut(strings.TrimPrefix(kubernetesVersion, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	flags := []string{"-s", "-w"}
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		for _, set := range []string{"gitVersion=" + kubernetesVersion, "gitMajor=" + major, "gitMinor=" + minor, "gitTreeState=clean"} {
			flags = append(flags, "-X", pkg+"."+set)
		}
	}
	return strings.Join(flags, " ")
}
