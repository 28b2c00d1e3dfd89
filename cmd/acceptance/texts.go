package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// bundleFile reads a file of a node's bundle.
func (c *conduct) bundleFile(node, file string) (string, error) {
	data, err := os.ReadFile(c.path("ceremony", "bundles", node, file))
	return string(data), err
}

// readmeLine is the arguments of the kubeadm command a node's README.txt gives.
func (c *conduct) readmeLine(node string) ([]string, error) {
	text, err := c.bundleFile(node, "README.txt")
	if err != nil {
		return nil, err
	}
	_, line, ok := strings.Cut(text, "\n    kubeadm ")
	if !ok {
		return nil, fmt.Errorf("README.txt of %s gives no kubeadm command", node)
	}
	line, _, _ = strings.Cut(strings.ReplaceAll(line, "\\\n", " "), "\n")
	return strings.Fields(line), nil
}

const ignoring = "--ignore-preflight-errors="

// splitIgnored parts the preflight errors to ignore from the other arguments.
func splitIgnored(args []string) (rest, ignored []string) {
	for _, a := range args {
		if list, ok := strings.CutPrefix(a, ignoring); ok {
			ignored = append(ignored, strings.Split(list, ",")...)
		} else {
			rest = append(rest, a)
		}
	}
	return rest, ignored
}

var preflightError = regexp.MustCompile(`\[ERROR (FileAvailable--[^\]]+)\]`)

// available is which files preflight would rather not find. What else it finds
// wanting is this machine's.
func available(a answer) []string {
	var names []string
	for _, m := range preflightError.FindAllStringSubmatch(a.stdout+a.stderr, -1) {
		names = append(names, m[1])
	}
	slices.Sort(names)
	return names
}

// preflight holds the preflight errors kubeadm finds on the installed node
// against those that its README.txt says to ignore.
func (c *conduct) preflight(node string) func(context.Context, kubeadm, string) error {
	return func(ctx context.Context, k kubeadm, tree string) error {
		line, err := c.readmeLine(node)
		if err != nil {
			return err
		}
		phase := append([]string{line[0], "phase", "preflight"}, line[1:]...)
		if line[0] == "init" {
			phase = []string{"init", "phase", "preflight", "--config", config}
		} else if err := c.joinFile(node, tree); err != nil {
			return err
		}
		bare, ignored := splitIgnored(phase)
		slices.Sort(ignored)
		a, err := k.run(ctx, tree, bare...)
		if err == nil || !strings.Contains(a.stdout+a.stderr, "[preflight] Some fatal errors occurred") {
			return fmt.Errorf("preflight did not get as far as its errors: %v\n%s%s", err, a.stdout, a.stderr)
		}
		if found := available(a); !slices.Equal(found, ignored) {
			return fmt.Errorf("preflight minds %q, README.txt says to ignore %q", found, ignored)
		}
		if len(ignored) == 0 {
			return nil
		}
		if a, _ = k.run(ctx, tree, phase...); len(available(a)) > 0 {
			return fmt.Errorf("with README.txt's line, preflight still minds %q", available(a))
		}
		return nil
	}
}

// completed is the first node's kubeadm configuration with what its bundle's
// officiant/kubeadm.yaml adds to the ClusterConfiguration.
func (c *conduct) completed() ([]byte, error) {
	data, err := c.configuration(firstNode)
	if err != nil {
		return nil, err
	}
	part, err := c.bundleFile(firstNode, "officiant/kubeadm.yaml")
	if err != nil {
		return nil, err
	}
	return merged(data, part)
}

// merged is a kubeadm configuration with what a bundle's officiant/kubeadm.yaml
// adds to its ClusterConfiguration, and to its InitConfiguration. With an online signer
// there is a KubeletConfiguration in the place of the latter, which comes beside them.
func merged(data []byte, part string) ([]byte, error) {
	cluster, kubelet, _ := strings.Cut(part, "---\n")
	parts := []struct{ text, after string }{{cluster, "kind: ClusterConfiguration\n"}}
	if strings.Contains(kubelet, "\nkind: KubeletConfiguration\n") {
		data = slices.Concat(data, []byte("---\n"+kubelet))
	} else {
		parts = append(parts, struct{ text, after string }{kubelet, "kind: InitConfiguration\nnodeRegistration:\n"})
	}
	for _, p := range parts {
		head, body, ok := strings.Cut(p.text, p.after)
		if !ok || !strings.Contains(head, "apiVersion: kubeadm.k8s.io/v1beta4\n") || !bytes.Contains(data, []byte(p.after)) {
			return nil, fmt.Errorf("officiant/kubeadm.yaml or the node's own file has no %q of v1beta4:\n%s", p.after, part)
		}
		data = bytes.Replace(data, []byte(p.after), []byte(p.after+body), 1)
	}
	return data, nil
}

// joinFile is what a node's README.txt gives kubeadm join, below the folder that is
// above the bundle's.
func (c *conduct) joinFile(node, tree string) error {
	text, err := c.bundleFile(node, "officiant/join.yaml")
	if err != nil {
		return err
	}
	at := filepath.Join(tree, node, "officiant")
	return errors.Join(os.MkdirAll(at, 0o755), os.WriteFile(filepath.Join(at, "join.yaml"), []byte(text), 0o644))
}

// keepsToKubeletConf has kubeadm write what a kubelet is started with, and reads
// whether it rotates its certificate: the flag comes before the file, into which
// kubeadm writes true in any case.
func keepsToKubeletConf(config string, want bool) func(context.Context, kubeadm, string) error {
	return func(ctx context.Context, k kubeadm, tree string) error {
		if _, err := k.run(ctx, tree, "init", "phase", "kubelet-start", "--config", config); err != nil {
			return err
		}
		return rotationIs(tree, want)
	}
}

func rotationIs(tree string, kept bool) error {
	file, err := os.ReadFile(filepath.Join(tree, "var/lib/kubelet/config.yaml"))
	flags, ferr := os.ReadFile(filepath.Join(tree, "var/lib/kubelet/kubeadm-flags.env"))
	if err := errors.Join(err, ferr); err != nil {
		return err
	}
	if !strings.Contains(string(file), "\nrotateCertificates: true\n") {
		return fmt.Errorf("kubeadm does not write rotateCertificates: true any more:\n%s", file)
	}
	if got := strings.Contains(string(flags), "--rotate-certificates=false"); got != kept {
		return fmt.Errorf("the kubelet is started with --rotate-certificates=false: %t; %s", got, flags)
	}
	return nil
}

const completedConfig = "/completed.yaml"

// onCopy runs a check on a copy of a node, with the completed configuration in it.
func (c *conduct) onCopy(node string, run func(ctx context.Context, k kubeadm, tree string) error) func(context.Context, kubeadm, string) error {
	return func(ctx context.Context, k kubeadm, _ string) error {
		data, err := c.completed()
		if err != nil {
			return err
		}
		tree := c.path("copy")
		if err := errors.Join(os.RemoveAll(tree), os.CopyFS(tree, os.DirFS(c.root(node))), os.WriteFile(filepath.Join(tree, completedConfig), data, 0o644)); err != nil {
			return err
		}
		return run(ctx, k, tree)
	}
}

func validated(ctx context.Context, k kubeadm, tree string) error {
	a, err := k.run(ctx, tree, "config", "validate", "--config", completedConfig)
	if err == nil && a.stderr != "" {
		return fmt.Errorf("kubeadm warns\n%s", a.stderr)
	}
	return err
}

// rootCA is the --root-ca-file kubeadm gives kube-controller-manager.
func rootCA(config, want string) func(context.Context, kubeadm, string) error {
	return func(ctx context.Context, k kubeadm, tree string) error {
		if _, err := k.run(ctx, tree, "init", "phase", "control-plane", "controller-manager", "--config", config); err != nil {
			return err
		}
		manifest, err := os.ReadFile(filepath.Join(tree, etcKubernetes, "manifests", "kube-controller-manager.yaml"))
		if err != nil {
			return err
		}
		flags := regexp.MustCompile(`--root-ca-file=\S+`).FindAllString(string(manifest), -1)
		if !slices.Equal(flags, []string{"--root-ca-file=" + want}) {
			return fmt.Errorf("the manifest has %q", flags)
		}
		for _, flag := range []string{"--cluster-signing-cert-file=\n", "--cluster-signing-key-file=\n"} {
			if !strings.Contains(string(manifest), flag) {
				return fmt.Errorf("the manifest has no %q: it is to sign with a CA key", strings.TrimSpace(flag))
			}
		}
		return nil
	}
}

// binding holds the binding for the kubelet's client in officiant/rbac.yaml
// against the one kubeadm init would make.
func (c *conduct) binding(ctx context.Context, k kubeadm, tree string) error {
	k.env = []string{"KUBEADM_INIT_DRYRUN_DIR=/" + etcKubernetes}
	a, err := k.run(ctx, tree, "init", "phase", "bootstrap-token", "--dry-run", "--config", completedConfig)
	if err != nil {
		return err
	}
	ours, err := c.bundleFile(firstNode, "officiant/rbac.yaml")
	if err != nil {
		return err
	}
	const name = "name: kubeadm:apiserver-kubelet-client\n"
	theirs, mine := grants(a.stdout, name), grants(ours, name)
	if theirs == "" || theirs != mine {
		return fmt.Errorf("kubeadm makes %q, officiant/rbac.yaml %q", theirs, mine)
	}
	return nil
}

var granted = regexp.MustCompile(`(?m)^(?:roleRef:| *(?:- )?(?:kind|name): .*)$`)

// grants is what the binding with that name says, whatever its layout.
func grants(text, name string) string {
	_, after, ok := strings.Cut(text, name)
	if !ok {
		return ""
	}
	after, _, _ = strings.Cut(after, "\n\n")
	after, _, _ = strings.Cut(after, "\n---")
	var lines []string
	for _, l := range granted.FindAllString(after, -1) {
		lines = append(lines, strings.TrimLeft(l, " -"))
	}
	return strings.Join(lines, "; ")
}

// judgeTexts holds what the bundles tell kubeadm people against the real one.
func judgeTexts(ctx context.Context, r *report, c *conduct) {
	run := func(name string, check func(context.Context, kubeadm, string) error, tree string) {
		r.check(name, check(ctx, c.judge, tree))
	}
	for _, m := range c.members {
		run("README.txt names the preflight errors to ignore, and no other: "+m.name, c.preflight(m.name), c.root(m.name))
	}
	const server, plain = "/etc/kubernetes/pki/server-ca.crt", "/etc/kubernetes/pki/ca.crt"
	run("kubeadm config validate takes officiant/kubeadm.yaml", c.onCopy(firstNode, validated), "")
	run("with officiant/kubeadm.yaml pods are given the root's certificate", c.onCopy(firstNode, rootCA(completedConfig, server)), "")
	run("without officiant/kubeadm.yaml they are not", c.onCopy(firstNode, rootCA(config, plain)), "")
	run("with officiant/kubeadm.yaml the kubelet keeps to kubelet.conf",
		c.onCopy(firstNode, keepsToKubeletConf(completedConfig, true)), "")
	run("without officiant/kubeadm.yaml it rotates its certificate",
		c.onCopy(firstNode, keepsToKubeletConf(config, false)), "")
	run("officiant/rbac.yaml binds the kubelet's client as kubeadm init does", c.onCopy(firstNode, c.binding), "")
	run("a field kubeadm does not know is not validated", c.onCopy(firstNode, func(ctx context.Context, k kubeadm, tree string) error {
		if err := replaceIn(filepath.Join(tree, completedConfig), "extraArgs:", "extraFlags:"); err != nil {
			return err
		}
		if validated(ctx, k, tree) == nil {
			return errUnexpected
		}
		return nil
	}), "")
}
