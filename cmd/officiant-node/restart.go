package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"officiant/bundle/install"
	"officiant/bundle/kubepki"
)

// staticPods are what kubeadm runs from manifests; the kubelet watches those. services
// are everything that may run as a systemd unit. Both in the order of restarts.
var staticPods, services = serviceNames()

func serviceNames() (pods, all []string) {
	for _, s := range kubepki.Services() {
		if s.StaticPod {
			pods = append(pods, s.Name)
		}
		all = append(all, s.Name)
	}
	return pods, all
}

// printRestarts gives the commands for what has to be restarted, in the layout
// the node has; in both, where it cannot be told.
func printRestarts(w io.Writer, notices []install.Notice, root string) error {
	restart := map[string]bool{}
	for _, n := range notices {
		restart[n.Component] = len(n.Restart) > 0
	}
	var pods, units []string
	for _, name := range services {
		if restart[name] {
			units = append(units, name)
		}
	}
	for _, name := range staticPods {
		if restart[name] {
			pods = append(pods, name)
		}
	}
	if len(units) == 0 {
		return nil
	}
	static, systemd := layout(root, pods)
	fmt.Fprintln(w, "\nhow to restart what is already running, one node at a time")
	switch {
	case len(pods) == 0:
		fmt.Fprintf(w, "  systemctl restart %s\n", strings.Join(units, " "))
		return nil
	case static || !systemd:
		if !static {
			fmt.Fprintln(w, "  where kubeadm's static pods run")
		}
		printStatic(w, pods, restart["kubelet"])
	}
	if systemd || !static {
		if !systemd {
			fmt.Fprintln(w, "  where systemd runs them")
		}
		fmt.Fprintf(w, "    systemctl restart %s\n", strings.Join(units, " "))
	}
	return nil
}

func printStatic(w io.Writer, pods []string, kubelet bool) {
	fmt.Fprintf(w, "    for p in %s; do\n", strings.Join(pods, " "))
	fmt.Fprintln(w, "      mv /etc/kubernetes/manifests/$p.yaml /etc/kubernetes/ && sleep 30")
	fmt.Fprintln(w, "      mv /etc/kubernetes/$p.yaml /etc/kubernetes/manifests/ && sleep 30")
	fmt.Fprintln(w, "    done")
	fmt.Fprintln(w, "  or, where crictl is available")
	fmt.Fprintf(w, "    crictl ps -q --name '^(%s)$' | xargs -r crictl stop\n", strings.Join(pods, "|"))
	if kubelet {
		fmt.Fprintln(w, "  and the kubelet")
		fmt.Fprintln(w, "    systemctl restart kubelet")
	}
}

// layout says how the control plane runs, by what lies where.
func layout(root string, pods []string) (static, systemd bool) {
	there := func(path string) bool {
		_, err := os.Stat(filepath.Join(root, path))
		return err == nil
	}
	for _, name := range pods {
		static = static || there("etc/kubernetes/manifests/"+name+".yaml")
		for _, folder := range []string{"etc/systemd/system/", "usr/lib/systemd/system/", "lib/systemd/system/"} {
			systemd = systemd || there(folder+name+".service")
		}
	}
	return static, systemd
}
