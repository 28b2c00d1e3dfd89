package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const kubeletProgram = "kubelet"

// realKubelet is the scenario in which the real kubelet runs, on worker-1 of a small
// cluster, with a container runtime of ours: what it asks the API server with is to be
// what was installed, whatever was installed before.
func realKubelet(ctx context.Context, o options, r *report) error {
	s, err := newSite(o, filepath.Join(o.dir, "kubelet"), "mole", host{"cp-1", "10.0.0.11"}, host{"worker-1", ""})
	if err != nil {
		return err
	}
	defer s.close()
	m := s.machines[0]
	m.adjust = audited
	s.before = []string{"ceremony", "ceremony-2"}
	k := &kubeletNode{site: s, api: m, machine: machine{host: s.hosts[1], tree: s.root("worker-1"), logs: s.path("logs"),
		at: paths{kubeletProgram: s.at[kubeletProgram]}, hostsFile: m.hostsFile}, ports: "healthzPort: 10258\n"}
	defer k.close()
	if !r.must(ctx,
		trial{"kubelet: a ceremony for mole, with cp-1 and worker-1, is made and installed",
			func(ctx context.Context) error { return s.begin(ctx, nil) }},
		trial{"kubelet: kubeadm writes the static pods", s.lay(m)},
		trial{"kubelet: etcd starts and is healthy", func(ctx context.Context) error { return m.start(ctx, etcd) }},
		trial{"kubelet: kube-apiserver is ready", func(ctx context.Context) error {
			if err := os.WriteFile(filepath.Join(m.tree, "tmp/audit.yaml"), []byte(auditPolicy), 0o644); err != nil {
				return err
			}
			return m.start(ctx, apiServer)
		}},
		trial{"kubelet: kubeadm init uploads what kubeadm join asks for", s.upload},
		trial{"kubelet: kubeadm join, with join.yaml of the bundle, has it not rotate its certificate", k.join},
		trial{"kubelet: the real kubelet starts, registers worker-1, and the node is ready", k.starts},
		trial{"kubelet: the API server sees the serial number of the first install", k.seen},
	) {
		return nil
	}
	r.try(ctx, k.renewal()...)
	r.try(ctx, k.rotation()...)
	for i, stage := range stages {
		r.try(
			ctx,
			trial{"kubelet, rollover, " + stage.name + ": planned, run, installed on every node, and restarted",
				func(ctx context.Context) error { return s.stage(ctx, m, i) }},
			trial{
				"kubelet, rollover, " + stage.name + ": the API server sees the serial number that was installed",
				k.restarted,
			},
		)
	}
	r.try(ctx, trial{"kubelet: after kubeadm upgrade node it does not rotate its certificate", k.upgraded})
	return nil
}

// renewal and the way back.
func (k *kubeletNode) renewal() []trial {
	return []trial{
		{"kubelet, renewal: the API server sees the new serial number", func(ctx context.Context) error {
			if err := k.site.reissue(ctx, "ceremony", "ceremony-2"); err != nil {
				return err
			}
			if err := k.site.renewNode(ctx, k.api, "ceremony-2"); err != nil {
				return err
			}
			return k.installs(ctx, "ceremony-2")
		}},
		{"kubelet, rollback: the API server sees the serial number of before", k.rollsBack},
		{"kubelet, forward again: the API server sees the new serial number", func(ctx context.Context) error {
			return k.installs(ctx, "ceremony-2")
		}},
	}
}

// rotation shows what a kubelet does that rotates, and that the checks see it.
func (k *kubeletNode) rotation() []trial {
	var own string
	return []trial{
		{"kubelet, rotating by hand: it uses a copy of what it was given", func(ctx context.Context) error {
			if err := rewrite(k.flags(), k.flags(), " --rotate-certificates=false", ""); err != nil {
				return err
			}
			if err := k.restarted(ctx); err != nil {
				return err
			}
			time.Sleep(1100 * time.Millisecond) // the kubelet names its next copy after the second
			var err error
			own, err = os.Readlink(k.current())
			return err
		}},
		{
			"kubelet, rotating: rollback moves the copy aside, and the API server sees the serial number of before",
			k.rollsBack,
		},
		{"not: with its copy put back by hand the API server sees what is installed", func(ctx context.Context) error {
			k.stop(kubeletProgram)
			if err := os.Remove(k.current()); err != nil {
				return err
			}
			if err := os.Symlink(own, k.current()); err != nil {
				return err
			}
			err := k.site.verify(ctx, k.tree)
			if err == nil || !strings.Contains(err.Error(), "the kubelet does not use it") {
				return fmt.Errorf("officiant-node verify says %v", err)
			}
			return refused(k.restarted(ctx), "the API server sees")
		}},
		{
			"kubelet, rotating: install moves the copy aside, and the API server sees the serial number installed",
			func(ctx context.Context) error {
				return k.installs(ctx, "ceremony-2")
			},
		},
		{"kubelet: with its flag again it uses kubelet.conf", func(ctx context.Context) error {
			if err := rewrite(
				k.flags(),
				k.flags(),
				`KUBELET_KUBEADM_ARGS="`,
				`KUBELET_KUBEADM_ARGS="--rotate-certificates=false `,
			); err != nil {
				return err
			}
			return k.restarted(ctx)
		}},
	}
}

// kubeletNode is a node with a kubelet that runs.
type kubeletNode struct {
	machine
	site    *site
	api     *machine
	runtime *containerRuntime
	mounts  []string
	ports   string // further lines of its configuration
	from    int64  // where the API server's log was when the kubelet was started
	since   time.Time
}

func (k *kubeletNode) flags() string {
	return filepath.Join(k.tree, "var/lib/kubelet/kubeadm-flags.env")
}
func (k *kubeletNode) current() string {
	return filepath.Join(k.tree, "var/lib/kubelet/pki/kubelet-client-current.pem")
}

// join has kubeadm write what the kubelet is started with: it keeps to kubelet.conf.
func (k *kubeletNode) join(ctx context.Context) error {
	if err := k.joins(ctx); err != nil {
		return err
	}
	return rotationIs(k.tree, true)
}

func (k *kubeletNode) joins(ctx context.Context) error {
	if err := errors.Join(k.furnish(), k.site.joinFile(k.name, k.tree)); err != nil {
		return err
	}
	if err := (&machine{tree: k.tree, at: k.site.at}).kubeadm(ctx, "join", "phase", "kubelet-start",
		"--config", k.name+"/officiant/join.yaml"); err != nil {
		return err
	}
	// What the kubelet would be started with until kubelet.conf is there, which it is.
	if err := os.Remove(k.path("bootstrap-kubelet.conf")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// upgraded has kubeadm upgrade node write the configuration anew.
func (k *kubeletNode) upgraded(ctx context.Context) error {
	if err := (&machine{tree: k.tree, at: k.site.at}).kubeadm(ctx, "upgrade", "node", "phase", "kubelet-config",
		"--kubeconfig", "/etc/kubernetes/kubelet.conf"); err != nil {
		return err
	}
	return errors.Join(rotationIs(k.tree, true), k.site.verify(ctx, k.tree))
}

// starts starts the kubelet and waits until its node is ready.
func (k *kubeletNode) starts(ctx context.Context) error {
	if k.runtime == nil {
		if err := k.surround(); err != nil {
			return err
		}
		var err error
		if k.runtime, err = runContainers(k.tree); err != nil {
			return err
		}
	}
	if err := k.launchKubelet(); err != nil {
		return err
	}
	return until(ctx, patience, k.running[kubeletProgram], func() error {
		return k.site.put(ctx, k.api, k.name, "GET", allNodes+"/"+k.name, "", 200, `"reason":"KubeletReady"`)
	})
}

// launchKubelet starts it as kubeadm's systemd unit does, with what this place lacks
// added: cgroups of its own, and swap that is off.
func (k *kubeletNode) launchKubelet() error {
	env, err := os.ReadFile(k.flags())
	if err != nil {
		return err
	}
	_, value, _ := strings.Cut(strings.TrimSpace(string(env)), "=")
	args := []string{"--kubeconfig=/etc/kubernetes/kubelet.conf", "--config=/var/lib/kubelet/config.yaml"}
	args = append(args, strings.Fields(strings.Trim(value, `"`))...)
	args = append(
		args,
		"--config-dir=/etc/kubelet-acceptance",
		"--hostname-override="+k.name,
		"--node-ip="+endpointAddress,
	)
	if err := k.configure(); err != nil {
		return err
	}
	log, err := os.Stat(k.audit())
	if err != nil {
		return err
	}
	k.from, k.since = log.Size(), time.Now()
	p, err := begin(
		"kubelet on "+k.name,
		filepath.Join(k.logs, k.name+"-kubelet.log"),
		k.tree,
		"/usr/local/bin/kubelet",
		args...)
	if err != nil {
		return err
	}
	k.running = map[string]*process{kubeletProgram: p}
	return nil
}

// configure writes what this place lacks. Where the kernel's log cannot be read, as in
// most containers, the kubelet is told that it is in a user namespace.
func (k *kubeletNode) configure() error {
	text := `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix:///` + runtimeSocket + `
cgroupDriver: cgroupfs
cgroupsPerQOS: false
enforceNodeAllocatable: []
failSwapOn: false
failCgroupV1: false
port: 10260
` + k.ports + `makeIPTablesUtilChains: false
localStorageCapacityIsolation: false
nodeStatusReportFrequency: 10s
resolvConf: ""
`
	if log, err := os.Open("/dev/kmsg"); err != nil || os.Getuid() != 0 {
		text += "featureGates: {KubeletInUserNamespace: true}\n"
	} else {
		log.Close()
	}
	folder := filepath.Join(k.tree, "etc/kubelet-acceptance")
	return errors.Join(
		os.MkdirAll(folder, 0o755),
		os.WriteFile(filepath.Join(folder, "10-acceptance.conf"), []byte(text), 0o644),
	)
}

// tunables are those of the machine that a kubelet sets; it gets copies.
var tunables = []string{
	"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
	"kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes",
}

// surround gives the node /proc, /sys and /dev, none of which it can change.
func (k *kubeletNode) surround() error {
	mount := func(from, to, kind string, flags uintptr) error {
		at := filepath.Join(k.tree, to)
		if err := unix.Mount(from, at, kind, flags, ""); err != nil {
			return fmt.Errorf("mounting %s at %s: %w", from, at, err)
		}
		k.mounts = append(k.mounts, at)
		return nil
	}
	for _, folder := range []string{"proc", "sys", "dev", "var/lib/kubelet", "var/log/pods", "run"} {
		if err := os.MkdirAll(filepath.Join(k.tree, folder), 0o755); err != nil {
			return err
		}
	}
	// The kubelet looks for the file system its folder is on.
	if err := mount(filepath.Join(k.tree, "var/lib/kubelet"), "var/lib/kubelet", "", unix.MS_BIND); err != nil {
		return err
	}
	for name, text := range map[string]string{
		"etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\n",
	} {
		if err := os.WriteFile(filepath.Join(k.tree, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := mount("proc", "proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC); err != nil {
		return err
	}
	for _, name := range tunables {
		value, err := os.ReadFile(filepath.Join("/proc/sys", name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		copied := filepath.Join(k.tree, "tmp", strings.ReplaceAll(name, "/", "-"))
		if err := errors.Join(err, os.WriteFile(copied, value, 0o644)); err != nil {
			return err
		}
		if err := mount(copied, filepath.Join("proc/sys", name), "", unix.MS_BIND); err != nil {
			return err
		}
	}
	if err := mount("/sys", "sys", "", unix.MS_BIND|unix.MS_REC); err != nil {
		return err
	}
	for _, device := range []string{"null", "zero", "random", "urandom", "kmsg"} {
		from, to := filepath.Join("/dev", device), filepath.Join("dev", device)
		if _, err := os.Stat(from); err != nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(k.tree, to), nil, 0o644); err != nil {
			return err
		}
		if err := mount(from, to, "", unix.MS_BIND); err != nil {
			return err
		}
	}
	return nil
}

func (k *kubeletNode) close() {
	k.stop(kubeletProgram)
	if k.runtime != nil {
		k.runtime.close()
	}
	for i := len(k.mounts) - 1; i >= 0; i-- {
		_ = unix.Unmount(k.mounts[i], unix.MNT_DETACH)
	}
}

// restarted starts the kubelet anew and holds what the API server sees against what
// is installed.
func (k *kubeletNode) restarted(ctx context.Context) error {
	k.stop(kubeletProgram)
	if err := k.launchKubelet(); err != nil {
		return err
	}
	return k.seen(ctx)
}

func (k *kubeletNode) installs(ctx context.Context, ceremony string) error {
	said, err := k.site.install(ctx, k.host, ceremony)
	if err != nil {
		return err
	}
	if told := restarts(said); len(told) != 1 || told[0] != kubeletProgram {
		return fmt.Errorf("install says to restart %q, not the kubelet\n%s", told, said)
	}
	return k.restarted(ctx)
}

func (k *kubeletNode) rollsBack(ctx context.Context) error {
	if _, err := k.site.command(ctx, k.site.node, "rollback", "--root", k.tree); err != nil {
		return err
	}
	return k.restarted(ctx)
}
