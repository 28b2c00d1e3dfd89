package main

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// The nodes of the cluster; testdata holds each one's kubeadm configuration.
const (
	firstNode  = "cp-1"
	secondNode = "cp-2"
	worker     = "worker-1"
)

// member is a node of a run's cluster.
type member struct{ name, roles string }

// wholeCluster is a stacked control plane that a second node joins, and a worker.
var wholeCluster = []member{{firstNode, "control-plane,etcd"}, {secondNode, "control-plane,etcd"}, {worker, "worker"}}

//go:embed testdata
var testdata embed.FS

// conduct carries out one ceremony below dir with the two programs.
type conduct struct {
	officiant, node string // the programs
	judge           kubeadm
	dir             string
	members         []member
	port            int  // of the API servers, in place of 6443 when not 0
	ownCSRs         bool // requests are made by kubeadm certs generate-csr
	// certificatesDir of the kubeadm configurations; empty: they name none.
	certificatesDir string
}

func (c *conduct) path(elem ...string) string {
	return filepath.Join(append([]string{c.dir}, elem...)...)
}

// paths are those of several names.
func (c *conduct) paths(names []string) []string {
	var out []string
	for _, name := range names {
		out = append(out, c.path(name))
	}
	return out
}

// root is what a node has for /.
func (c *conduct) root(node string) string { return c.path("nodes", node) }

// room is where SoftHSM keeps its tokens.
func (c *conduct) room() string { return c.path("room") }

// carryOut does what an administrator does, from the tokens to the installed
// nodes. It stops at the first command that fails.
func (c *conduct) carryOut(ctx context.Context, r *report) error {
	var digest string
	plan, station, ceremony := c.path("plan", "plan.yaml"), c.path("station.yaml"), c.path("ceremony")
	release := filepath.Join(ceremony, "release.pub")
	steps := []check{{name: "officiant softhsm init", run: c.step(c.officiant, "softhsm", "init", "--dir", c.room(), "--station", station)}}
	for _, m := range c.members {
		steps = append(steps, c.requests(m)...)
	}
	steps = append(steps, []check{
		{name: "officiant ceremony new", run: c.step(c.officiant, "ceremony", "new", "--kubeadm", filepath.Join(c.root(firstNode), config),
			"--requests", c.path("requests"), "--station-grade", "software", "--out", plan)},
		{name: "officiant ceremony check", run: func(ctx context.Context, _ kubeadm, _ string) (err error) {
			digest, err = c.digest(ctx, plan, station)
			return err
		}},
		{name: "officiant ceremony run", run: func(ctx context.Context, _ kubeadm, _ string) error {
			_, err := c.command(ctx, c.officiant, "ceremony", "run", plan, "--station", station, "--dir", ceremony, "--confirm", digest)
			return err
		}},
		{name: "officiant ceremony verify", run: c.step(c.officiant, "ceremony", "verify", ceremony, "--release-key", release)},
	}...)
	for _, m := range c.members {
		node := m.name
		bundle := filepath.Join(ceremony, "bundles", node+".tar")
		steps = append(steps,
			check{name: "officiant-node verify: " + node, run: c.step(c.node, "verify", bundle, "--release-key", release)},
			check{name: "officiant-node install: " + node, run: c.step(c.node, "install", bundle, "--release-key", release, "--root", c.root(node))},
			check{name: "officiant-node verify --root: " + node, run: c.step(c.node, "verify", "--root", c.root(node), "--release-key", release)})
	}
	steps = append(steps, check{name: "no private key in the clear in the ceremony directory", run: func(context.Context, kubeadm, string) error {
		return withoutPrivateKey(ceremony)
	}})

	if err := c.prepare(); err != nil {
		return err
	}
	for _, step := range steps {
		err := step.run(ctx, kubeadm{}, "")
		r.check(c.say(step.name), err)
		if err != nil {
			return err
		}
	}
	return nil
}

// prepare lays out an empty run, with each node's kubeadm configuration in its root.
func (c *conduct) prepare() error {
	if err := os.RemoveAll(c.dir); err != nil {
		return err
	}
	for _, folder := range []string{"plan", "requests"} {
		if err := os.MkdirAll(c.path(folder), 0o755); err != nil {
			return err
		}
	}
	for _, m := range c.members {
		data, err := c.configuration(m.name)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(c.root(m.name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(c.root(m.name), config), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// configuration is the kubeadm configuration of a node, as its operator has it.
func (c *conduct) configuration(node string) ([]byte, error) {
	data, err := testdata.ReadFile("testdata/" + node + ".yaml")
	if err == nil && c.certificatesDir != "" {
		const kind = "kind: ClusterConfiguration\n"
		data = bytes.Replace(data, []byte(kind), []byte(kind+"certificatesDir: "+c.certificatesDir+"\n"), 1)
	}
	if err != nil || c.port == 0 {
		return data, err
	}
	return bytes.ReplaceAll(data, []byte("6443"), []byte(strconv.Itoa(c.port))), nil
}

// say marks the lines of a run whose requests kubeadm makes.
func (c *conduct) say(name string) string {
	switch {
	case c.ownCSRs:
		return name + ", of generate-csr's requests"
	case c.certificatesDir != "":
		return name + ", with certificates in " + c.certificatesDir
	}
	return name
}

// command runs one of the programs and returns what it has on standard output.
// Nobody is there to be asked anything.
func (c *conduct) command(ctx context.Context, program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s%s", filepath.Base(program), strings.Join(args, " "), err, stderr.String(), stdout.String())
	}
	return stdout.Bytes(), nil
}

// step is a command whose output does not matter.
func (c *conduct) step(program string, args ...string) func(context.Context, kubeadm, string) error {
	return func(ctx context.Context, _ kubeadm, _ string) error {
		_, err := c.command(ctx, program, args...)
		return err
	}
}

// requests are a node's steps up to its request.
func (c *conduct) requests(m member) []check {
	args := []string{"request", "--kubeadm", filepath.Join(c.root(m.name), config), "--roles", m.roles,
		"--root", c.root(m.name), "--out", c.path("requests", m.name+".req")}
	request := check{name: "officiant-node request: " + m.name, run: c.step(c.node, args...)}
	if !c.ownCSRs {
		return []check{request}
	}
	request.run = c.step(c.node, append(args, "--csr-dir", c.csrs(m.name))...)
	return append(c.generateCSRs(m, args), request)
}

// digest checks the plan and returns what identifies the ceremony.
func (c *conduct) digest(ctx context.Context, plan, station string) (string, error) {
	stdout, err := c.command(ctx, c.officiant, "ceremony", "check", plan, "--station", station, "-o", "json")
	if err != nil {
		return "", err
	}
	var checked struct {
		Digest string `json:"digest"`
	}
	if err := json.Unmarshal(stdout, &checked); err != nil {
		return "", fmt.Errorf("ceremony check -o json: %w\n%s", err, stdout)
	}
	if checked.Digest == "" {
		return "", fmt.Errorf("ceremony check -o json has no digest\n%s", stdout)
	}
	return checked.Digest, nil
}

// withoutPrivateKey fails when a file below dir says that it holds a private key.
func withoutPrivateKey(dir string) error {
	looked := 0
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		looked++
		if bytes.Contains(data, []byte("PRIVATE KEY")) {
			return fmt.Errorf("%s holds a private key", path)
		}
		return nil
	})
	if err == nil && looked == 0 {
		return errors.New("it is empty")
	}
	return err
}
