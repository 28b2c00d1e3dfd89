package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"sigs.k8s.io/yaml"
)

// The components a control-plane node runs, in the order they are started.
const (
	etcd              = "etcd"
	apiServer         = "kube-apiserver"
	controllerManager = "kube-controller-manager"
	scheduler         = "kube-scheduler"
)

var components = []string{etcd, apiServer, controllerManager, scheduler}

// patience is how long a component may take on a busy machine.
const patience = 3 * time.Minute

// machine is a control-plane node: its root directory is where officiant-node
// installed, and its components run in it with the very command lines of
// kubeadm's static pods.
type machine struct {
	host
	tree      string
	logs      string
	at        paths
	hostsFile string                                         // its /etc/hosts
	shift     int                                            // added to every port
	adjust    func(component string, args []string) []string // what the site changes; nil for nothing
	running   map[string]*process
}

// furnish makes the folders, the names and the programs.
func (m *machine) furnish() error {
	for folder, mode := range map[string]os.FileMode{"etc": 0o755, "tmp": 0o777, "usr/local/bin": 0o755, "var/lib/etcd": 0o700} {
		if err := os.MkdirAll(filepath.Join(m.tree, folder), mode); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(m.logs, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(m.tree, "etc/hosts"), []byte(m.hostsFile), 0o644); err != nil {
		return err
	}
	for name, path := range m.at {
		place := filepath.Join(m.tree, "usr/local/bin", name)
		if err := os.WriteFile(place, nil, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(path, place, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mounting %s at %s: %w", path, place, err)
		}
	}
	return nil
}

// unfurnish takes away what furnish mounted.
func (m *machine) unfurnish() {
	for name := range m.at {
		_ = unix.Unmount(filepath.Join(m.tree, "usr/local/bin", name), unix.MNT_DETACH)
	}
}

// arguments is a component's command line, as kubeadm wrote it.
func (m *machine) arguments(component string) ([]string, error) {
	path := filepath.Join(m.tree, etcKubernetes, "manifests", component+".yaml")
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var pod struct {
		Spec struct {
			Containers []struct {
				Command []string `json:"command"`
			} `json:"containers"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(data, &pod); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(pod.Spec.Containers) != 1 || len(pod.Spec.Containers[0].Command) < 2 || pod.Spec.Containers[0].Command[0] != component {
		return nil, fmt.Errorf("%s does not run %s", path, component)
	}
	args := pod.Spec.Containers[0].Command[1:]
	if m.adjust != nil {
		args = m.adjust(component, args)
	}
	return args, nil
}

// start starts a component and waits until it is well.
func (m *machine) start(ctx context.Context, component string, more ...string) error {
	p, err := m.launch(component, more...)
	if err != nil {
		return err
	}
	if err := until(ctx, patience, p, func() error { return m.well(ctx, component) }); err != nil {
		return fmt.Errorf("%s on %s: %w", component, m.name, err)
	}
	return nil
}

// launch starts a component; more takes the place of flags of the same name.
func (m *machine) launch(component string, more ...string) (*process, error) {
	args, err := m.arguments(component)
	if err != nil {
		return nil, err
	}
	for _, flag := range more {
		args = setFlag(args, flag)
	}
	log := filepath.Join(m.logs, m.name+"-"+component+".log")
	p, err := begin(component+" on "+m.name, log, m.tree, "/usr/local/bin/"+component, args...)
	if err != nil {
		return nil, err
	}
	if m.running == nil {
		m.running = map[string]*process{}
	}
	m.running[component] = p
	return p, nil
}

// setFlag gives a flag, written "--name=value", another value.
func setFlag(args []string, flag string) []string {
	name, _, _ := strings.Cut(flag, "=")
	args = slices.DeleteFunc(slices.Clone(args), func(a string) bool { return strings.HasPrefix(a, name+"=") })
	return append(args, flag)
}

func (m *machine) stop(component string) {
	if p := m.running[component]; p != nil {
		p.stop()
		delete(m.running, component)
	}
}

// shutdown stops everything, the last started first.
func (m *machine) shutdown() {
	for _, component := range slices.Backward(components) {
		m.stop(component)
	}
}

// well asks a component for its health, as far as it can be asked from here.
func (m *machine) well(ctx context.Context, component string) error {
	switch component {
	case etcd:
		return m.etcdHealth(ctx, "healthcheck-client")
	case apiServer:
		return m.ready(ctx, m.path("pki/ca.crt"))
	case controllerManager, scheduler:
		return m.running[component].ended()
	}
	return errors.New("nobody knows " + component)
}

func (m *machine) path(name string) string { return filepath.Join(m.tree, etcKubernetes, name) }

// url is a place at the node's API server.
func (m *machine) url(path string) string { return m.place(6443) + path }

// place is a server of the node.
func (m *machine) place(port int) string {
	return fmt.Sprintf("https://%s:%d", m.address, port+m.shift)
}

// ready asks the API server whether it is, trusting the certificates of a file.
func (m *machine) ready(ctx context.Context, trust string) error {
	a, err := caller{trust: trust}.ask(ctx, "GET", m.url("/readyz"))
	if err != nil {
		return err
	}
	return a.is(200, "ok")
}

// etcdctl runs etcdctl on the node, as the client whose certificate lies in
// /etc/kubernetes/pki under that name.
func (m *machine) etcdctl(ctx context.Context, client string, args ...string) (string, error) {
	base := []string{"--endpoints=" + m.place(2379), "--dial-timeout=3s", "--command-timeout=5s", "--cacert=/etc/kubernetes/pki/etcd/ca.crt"}
	if client != "" {
		base = append(base, "--cert=/etc/kubernetes/pki/"+client+".crt", "--key=/etc/kubernetes/pki/"+client+".key")
	}
	return m.run(ctx, "etcdctl", append(base, args...)...)
}

func (m *machine) etcdHealth(ctx context.Context, client string) error {
	_, err := m.etcdctl(ctx, "etcd/"+client, "endpoint", "health")
	return err
}

// kubectl runs kubectl on the node with one of its kubeconfigs.
func (m *machine) kubectl(ctx context.Context, kubeconfig string, args ...string) (string, error) {
	return m.run(ctx, "kubectl", append([]string{"--kubeconfig=/etc/kubernetes/" + kubeconfig, "--request-timeout=15s"}, args...)...)
}

// run runs a program on the node and returns what it says.
func (m *machine) run(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	said, err := inside(ctx, m.tree, "/usr/local/bin/"+name, args...).CombinedOutput()
	if err != nil {
		return string(said), fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, said)
	}
	return string(said), nil
}
