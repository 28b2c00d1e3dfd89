package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// traces is what a kubelet that runs on this machine, and not in namespaces of its
// own, would change: the kernel's tunables, mounts, its folders.
type traces map[string]string

// lookAround notes them.
func lookAround() (traces, error) {
	seen := traces{}
	for _, name := range tunables {
		value, err := os.ReadFile(filepath.Join("/proc/sys", name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		seen[name] = strings.TrimSpace(string(value))
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 4 && ofKubelet(fields[4]) {
			seen["mount "+fields[4]] = fields[3]
		}
	}
	for _, folder := range []string{
		"/var/lib/kubelet", "/etc/kubernetes", "/var/log/pods", "/sys/fs/cgroup/kubepods", "/sys/fs/cgroup/cpu/kubepods",
	} {
		info, err := os.Stat(folder)
		if err == nil {
			seen[folder] = info.ModTime().String()
		}
	}
	return seen, nil
}

// ofKubelet says whether a mount is one that a scenario makes, or a kubelet.
func ofKubelet(at string) bool {
	return strings.HasPrefix(at, "/var/lib/kubelet") || strings.Contains(at, "/acceptance/") ||
		strings.HasPrefix(at, "/proc/sys/")
}

// left says what is not as it was.
func (t traces) left(now traces) error {
	var list []string
	for name, was := range t {
		if now[name] != was {
			list = append(list, fmt.Sprintf("%s was %q and is %q", name, was, now[name]))
		}
	}
	for name, is := range now {
		if _, ok := t[name]; !ok {
			list = append(list, fmt.Sprintf("%s is new (%s)", name, is))
		}
	}
	if list == nil {
		return nil
	}
	slices.Sort(list)
	return errors.New(strings.Join(list, ", "))
}
