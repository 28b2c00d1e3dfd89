package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// supervisor stands in for what starts a control-plane node's programs: for the kubelet
// as far as static pods go, for crictl, and for systemd, which has the kubelet. The
// programs themselves are the real ones. A component runs while its manifest is in the
// folder, is started anew when the manifest says something else, and again when it has
// ended. On the node, crictl and systemctl are this program, which asks here.
type supervisor struct {
	mu      sync.Mutex
	machine machine // a copy of its own: nobody else looks at what runs
	kubelet *kubeletNode
	texts   map[string]string // the manifest each component was started with
	failed  map[string]time.Time
	starts  map[string]int // how often each was started
	server  *http.Server
	done    chan struct{}
}

// supervisorSocket is where the stand-ins ask, below a node's root.
const supervisorSocket = "run/acceptance-supervisor.sock"

// standInPrograms are names under which this program is on the node's PATH.
var standInPrograms = []string{"crictl", "systemctl"}

// supervise begins to start what the manifests of a machine say. From the first moment
// of its own goroutine on it alone starts and stops what runs there.
func supervise(m *machine, k *kubeletNode) (*supervisor, error) {
	v := &supervisor{machine: *m, kubelet: k, texts: map[string]string{}, failed: map[string]time.Time{},
		starts: map[string]int{}, done: make(chan struct{})}
	v.machine.running = map[string]*process{}
	socket := filepath.Join(m.tree, supervisorSocket)
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
		return nil, err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	v.server = &http.Server{Handler: v, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = v.server.Serve(listener) }()
	go v.loop()
	return v, nil
}

// place puts the stand-ins on the node's PATH.
func (v *supervisor) place() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for _, name := range standInPrograms {
		at := filepath.Join(v.machine.tree, "usr/local/bin", name)
		if err := os.WriteFile(at, nil, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(self, at, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mounting %s: %w", at, err)
		}
		v.kubelet.mounts = append(v.kubelet.mounts, at)
	}
	return nil
}

// remove takes one away again.
func (v *supervisor) remove(name string) error {
	at := filepath.Join(v.machine.tree, "usr/local/bin", name)
	v.kubelet.mounts = slices.DeleteFunc(v.kubelet.mounts, func(m string) bool { return m == at })
	return errors.Join(unix.Unmount(at, unix.MNT_DETACH), os.Remove(at))
}

func (v *supervisor) close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	close(v.done)
	_ = v.server.Close()
	v.machine.shutdown()
}

// loop does what a kubelet does with manifests.
func (v *supervisor) loop() {
	for {
		select {
		case <-v.done:
			return
		case <-time.After(250 * time.Millisecond):
			v.mu.Lock()
			for _, component := range components {
				v.follow(component)
			}
			v.mu.Unlock()
		}
	}
}

// again is how long a component that has ended is left alone.
const again = 3 * time.Second

func (v *supervisor) follow(component string) {
	select {
	case <-v.done:
		return
	default:
	}
	text, err := os.ReadFile(v.machine.path("manifests/" + component + ".yaml"))
	p := v.machine.running[component]
	switch {
	case errors.Is(err, fs.ErrNotExist):
		v.machine.stop(component)
		return
	case err != nil:
		return
	case p != nil && p.ended() == nil && v.texts[component] == string(text):
		return
	case p != nil && p.ended() == nil:
		v.machine.stop(component)
	case p != nil:
		delete(v.machine.running, component)
		v.failed[component] = time.Now()
	}
	if time.Since(v.failed[component]) < again {
		return
	}
	if _, err := v.machine.launch(component); err != nil {
		v.failed[component] = time.Now()
		return
	}
	v.texts[component] = string(text)
	v.starts[component]++
}

// count is how often each program was started.
func (v *supervisor) count() map[string]int {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := map[string]int{}
	for name, n := range v.starts {
		now[name] = n
	}
	return now
}

// ServeHTTP answers the stand-ins: /PROGRAM with its arguments, one a line.
func (v *supervisor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<16))
	if err == nil {
		var said string
		said, err = v.run(strings.TrimPrefix(r.URL.Path, "/"), strings.Split(string(body), "\n"))
		if err == nil {
			_, _ = io.WriteString(w, said)
			return
		}
	}
	http.Error(w, err.Error(), http.StatusBadRequest)
}

// run is what crictl and systemctl do when sync asks them, and nothing besides.
func (v *supervisor) run(program string, args []string) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	call := program + " " + strings.Join(args, " ")
	switch {
	case call == "systemctl is-active --quiet kubelet.service":
		if v.kubelet.running[kubeletProgram] == nil {
			return "", errors.New("inactive")
		}
		return "", v.kubelet.running[kubeletProgram].ended()
	case call == "systemctl try-restart kubelet.service":
		v.kubelet.stop(kubeletProgram)
		v.starts[kubeletProgram]++
		return "", v.kubelet.launchKubelet()
	case strings.HasPrefix(call, "crictl ps -q --name ^") && strings.HasSuffix(call, "$"):
		component := strings.TrimSuffix(strings.TrimPrefix(args[len(args)-1], "^"), "$")
		if p := v.machine.running[component]; p != nil && p.ended() == nil {
			return strconv.Itoa(p.cmd.Process.Pid) + "\n", nil
		}
		return "", nil
	case program == "crictl" && len(args) == 2 && args[0] == "stop":
		for component, p := range v.machine.running {
			if strconv.Itoa(p.cmd.Process.Pid) == args[1] {
				v.machine.stop(component)
				return args[1] + "\n", nil
			}
		}
		return "", fmt.Errorf("container %s is not known", args[1])
	}
	return "", fmt.Errorf("the stand-in does not know %q", call)
}

// askSupervisor is this program as crictl or systemctl on the node; the exit code.
func askSupervisor(program string, args []string, out, talk io.Writer) int {
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", "/"+supervisorSocket)
		}}}
	answer, err := client.Post("http://supervisor/"+program, "text/plain", strings.NewReader(strings.Join(args, "\n")))
	if err != nil {
		fmt.Fprintln(talk, err)
		return 1
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		fmt.Fprintln(talk, errors.Join(err, errors.New(strings.TrimSpace(string(said)))))
		return 3
	}
	_, _ = out.Write(said)
	return 0
}
