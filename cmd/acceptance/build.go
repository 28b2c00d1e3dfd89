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
	"time"
)

// etcdVersion is the release of etcd that runs; go.mod pins the same.
const etcdVersion = "v3.7.2"

// program is a command this module's go.mod lists as a tool.
type program struct{ name, pkg, version string }

// programs are what a control plane is made of, in the order that shows
// something soonest when the compiler's cache is cold.
var programs = []program{
	{"etcd", "go.etcd.io/etcd/server/v3", etcdVersion},
	{"etcdctl", "go.etcd.io/etcd/etcdctl/v3", etcdVersion},
	{"kubeadm", "k8s.io/kubernetes/cmd/kubeadm", kubernetesVersion},
	{"kubectl", "k8s.io/kubernetes/cmd/kubectl", kubernetesVersion},
	{"kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver", kubernetesVersion},
	{"kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager", kubernetesVersion},
	{"kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler", kubernetesVersion},
	{"kubelet", "k8s.io/kubernetes/cmd/kubelet", kubernetesVersion},
}

// paths says where each program is, by its name.
type paths map[string]string

// find says where the programs are, built or not: a program of own, the user's
// folder, comes before one built here.
func find(own, bin string) paths {
	all := paths{}
	for _, p := range programs {
		all[p.name] = filepath.Join(bin, p.name+"-"+p.version)
		if path := filepath.Join(own, p.name); own != "" && executable(path) {
			all[p.name] = path
		}
	}
	return all
}

// build builds through this module's go.mod those programs of names that are
// not there yet.
func build(ctx context.Context, module string, at paths, talk io.Writer, names ...string) error {
	for _, p := range programs {
		for _, name := range names {
			if p.name != name || executable(at[name]) {
				continue
			}
			if err := p.build(ctx, module, at[name], talk); err != nil {
				return fmt.Errorf("building %s %s: %w", p.name, p.version, err)
			}
		}
	}
	return nil
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// build puts the program at path, all or nothing, and says meanwhile that it is
// at work: the first build of some takes minutes.
func (p program) build(ctx context.Context, module, path string, talk io.Writer) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	unfinished := path + ".unfinished"
	args := []string{"build", "-trimpath", "-ldflags", stamp(), "-o", unfinished, p.pkg}
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
	fmt.Fprintf(talk, "building %s %s …\n", p.name, p.version)
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	tick := time.NewTicker(15 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			fmt.Fprintf(talk, "building %s %s … %.0f s\n", p.name, p.version, time.Since(begin).Seconds())
		case err := <-done:
			if err != nil {
				return fmt.Errorf("%w\n%s", err, output.String())
			}
			fmt.Fprintf(talk, "built %s %s in %.0f s\n", p.name, p.version, time.Since(begin).Seconds())
			return os.Rename(unfinished, path)
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
