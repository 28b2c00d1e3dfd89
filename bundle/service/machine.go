package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"officiant/bundle/durable"
	"officiant/bundle/kubepki"
)

const (
	manifestsDir = "etc/kubernetes/manifests"
	// A manifest that is out of its folder lies above it, under this suffix.
	outSuffix = ".officiant-sync"
	// How long a static pod may take to end once its manifest is gone. The kubelet looks
	// into the folder every 20 seconds, and gives a pod 30 to end.
	endTime = 2 * time.Minute
	pause   = 2 * time.Second
)

// Machine is the one that this program runs on, or a folder in its place.
type Machine struct {
	Root string
	Disk *durable.Disk
	Node kubepki.Node // whose API server it is
	// Says where the node's files lie.
	Cluster kubepki.Cluster
	// Run runs a program and returns what it printed; fs.ErrNotExist, or exec.ErrNotFound,
	// when there is none of that name.
	Run  func(ctx context.Context, name string, args ...string) ([]byte, error)
	Now  func() time.Time // by which servers' certificates are judged; nil: the clock
	Wait func(ctx context.Context, d time.Duration) error
	Say  func(format string, args ...any)
}

func (m *Machine) at(path string) string { return filepath.Join(m.Root, filepath.FromSlash(path)) }

func (m *Machine) manifest(name string) string { return m.at(manifestsDir + "/" + name + ".yaml") }

func (m *Machine) out(name string) string {
	return m.at("etc/kubernetes/" + name + ".yaml" + outSuffix)
}

func there(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// Settle puts manifests back that an earlier process had taken out.
func (m *Machine) Settle() error {
	for _, s := range kubepki.Services() {
		out := m.out(s.Name)
		if !s.StaticPod || !there(out) {
			continue
		}
		if there(m.manifest(s.Name)) {
			return fmt.Errorf("%s is left from a restart that was interrupted, and %s is there again: compare them, remove one",
				out, m.manifest(s.Name))
		}
		m.Say("%s was left outside by a restart that was interrupted; it is put back", m.manifest(s.Name))
		if err := m.putBack(s.Name); err != nil {
			return err
		}
	}
	return nil
}

func (m *Machine) putBack(name string) error {
	if err := m.Disk.Rename(m.out(name), m.manifest(name)); err != nil {
		return fmt.Errorf("putting %s back: %w", m.manifest(name), err)
	}
	return errors.Join(m.Disk.SyncDir(m.at(manifestsDir)), m.Disk.SyncDir(m.at("etc/kubernetes")))
}

// Runs says whether a service runs on this machine. Below another root than "/" no unit
// does.
func (m *Machine) Runs(ctx context.Context, s kubepki.Service) bool {
	if s.StaticPod && there(m.manifest(s.Name)) {
		return true
	}
	if filepath.Clean(m.Root) != "/" {
		return false
	}
	_, err := m.Run(ctx, "systemctl", "is-active", "--quiet", s.Name+".service")
	return err == nil
}

// Restart restarts a service that runs.
func (m *Machine) Restart(ctx context.Context, s kubepki.Service) error {
	if s.StaticPod && there(m.manifest(s.Name)) {
		return m.restartPod(ctx, s)
	}
	if out, err := m.Run(ctx, "systemctl", "try-restart", s.Name+".service"); err != nil {
		return fmt.Errorf("systemctl try-restart %s: %w: %s", s.Name, err, firstLine(out))
	}
	return nil
}

func (m *Machine) restartPod(ctx context.Context, s kubepki.Service) error {
	ids, err := m.Run(ctx, "crictl", "ps", "-q", "--name", "^"+s.Name+"$")
	if err != nil || len(strings.Fields(string(ids))) == 0 {
		m.Say("no crictl that shows its container; the manifest is taken out of %s and put back", m.at(manifestsDir))
		return m.cycle(ctx, s)
	}
	if out, err := m.Run(ctx, "crictl", append([]string{"stop"}, strings.Fields(string(ids))...)...); err != nil {
		return fmt.Errorf("crictl stop (%s): %w: %s", s.Name, err, firstLine(out))
	}
	return nil
}

// cycle takes a manifest out of the kubelet's folder until the service is gone.
func (m *Machine) cycle(ctx context.Context, s kubepki.Service) error {
	if err := m.Disk.RenameNoReplace(m.manifest(s.Name), m.out(s.Name)); err != nil {
		return fmt.Errorf("taking %s out: %w", m.manifest(s.Name), err)
	}
	gone := m.gone(ctx, s)
	// Whatever happened, it must not stay outside.
	return errors.Join(m.putBack(s.Name), gone)
}

func (m *Machine) gone(ctx context.Context, s kubepki.Service) error {
	for waited := time.Duration(0); waited < endTime; waited += pause {
		if err := m.Wait(ctx, pause); err != nil {
			return err
		}
		if err := m.Well(ctx, s); err != nil {
			return nil
		}
	}
	return fmt.Errorf("%s still answers %s after its manifest was taken out: does a kubelet run?", s.Name, endTime)
}

func firstLine(out []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return fmt.Sprintf("%.200s", line)
}
