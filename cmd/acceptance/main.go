// Command acceptance lets real Kubernetes judge what Officiant hands out.
//
// It takes the two programs as processes, carries out a ceremony on SoftHSM
// with the documented commands alone, and gives the installed node to the real
// kubeadm, built through Go modules: kubeadm has to accept the tree, to call
// its authorities external, and to leave every byte as it is. Then each of
// these checks is shown failing, on a copy of the tree in which the cause has
// been put by hand. The same happens to a node whose keys and requests
// `kubeadm certs generate-csr` has made. What the bundles tell kubeadm people is
// held against kubeadm, too: preflight errors to ignore, join lines (against a
// stand-in for the API server), the binding, the part of a configuration; and
// every command of docs/kubeadm.md is typed.
//
// It is a module of its own, so that nothing of Kubernetes is linked by the two
// programs. Each check prints one line, "ok" or "FAIL"; the last line is
// "N passed, N failed".
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// kubernetesVersion is the release whose kubeadm judges; go.mod pins the same.
const kubernetesVersion = "v1.37.2"

type options struct {
	officiant string // the two programs
	node      string
	kubeadm   string // a kubeadm to use in place of the built one
	module    string // the folder of this module's go.mod
	page      string // docs/kubeadm.md
	dir       string // where binaries are cached and the run's files go
	own       string // a folder with programs to use in place of built ones
	only      string // which parts to run
	inside    string // the scenario to run, inside its namespaces; how this program calls itself
}

// programs says where the programs of Kubernetes are.
func (o options) programs() paths { return find(o.own, filepath.Join(o.dir, "bin")) }

func main() {
	// On a node of the sync scenario this program is crictl and systemctl, too.
	if name := filepath.Base(os.Args[0]); slices.Contains(standInPrograms, name) {
		os.Exit(askSupervisor(name, os.Args[1:], os.Stdout, os.Stderr))
	}
	var o options
	flag.StringVar(&o.officiant, "officiant", "build/officiant", "the program of the room")
	flag.StringVar(&o.node, "officiant-node", "build/officiant-node", "the program of the nodes")
	flag.StringVar(&o.kubeadm, "kubeadm", "", "a kubeadm "+kubernetesVersion+" to use instead of building one")
	flag.StringVar(&o.module, "module", "cmd/acceptance", "the folder of this module")
	flag.StringVar(&o.page, "page", "docs/kubeadm.md", "the page whose commands are typed")
	flag.StringVar(&o.dir, "dir", "build/acceptance", "where built programs are kept and the run's files go")
	flag.StringVar(
		&o.own,
		"programs",
		"",
		"a folder with programs (kube-apiserver, etcd, …) to use in place of built ones",
	)
	flag.StringVar(&o.only, "only", "kubeadm,places,one,kubelet,sync,signer,three", "which parts to run")
	flag.StringVar(&o.inside, "inside", "", "internal: the scenario to run in these namespaces")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if o.inside != "" {
		os.Exit(runInside(ctx, o, os.Stdout, os.Stderr))
	}
	code, err := run(ctx, o, os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "acceptance:", err)
	}
	os.Exit(code)
}

// run does everything and returns the exit code.
func run(ctx context.Context, o options, out, talk io.Writer) (int, error) {
	for _, path := range []*string{&o.officiant, &o.node, &o.kubeadm, &o.module, &o.page, &o.dir, &o.own} {
		if *path == "" {
			continue
		}
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return 1, err
		}
		*path = absolute
	}
	for _, program := range []string{o.officiant, o.node} {
		if _, err := os.Stat(program); err != nil {
			return 1, fmt.Errorf("%w: run make build first", err)
		}
	}
	r := &report{out: out}
	defer r.close()
	for _, part := range strings.Split(o.only, ",") {
		var err error
		switch part {
		case "kubeadm":
			err = judged(ctx, o, r, talk)
		case "places":
			err = placed(ctx, o, r, talk)
		default:
			err = lived(ctx, o, part, r, talk)
		}
		if ctx.Err() != nil {
			return 130, ctx.Err()
		}
		if err != nil {
			return 1, err
		}
	}
	if r.failed > 0 {
		return 1, nil
	}
	return 0, nil
}

// judge is the kubeadm that judges, built if none was given.
func (o options) judge(ctx context.Context, talk io.Writer) (kubeadm, error) {
	if o.kubeadm != "" {
		return kubeadm{path: o.kubeadm}, nil
	}
	at := o.programs()
	return kubeadm{path: at["kubeadm"]}, build(ctx, o.module, at, talk, "kubeadm")
}

// judged has kubeadm look at nodes.
func judged(ctx context.Context, o options, r *report, talk io.Writer) error {
	judge, err := o.judge(ctx, talk)
	if err != nil {
		return err
	}
	stand, err := newStandIn()
	if err != nil {
		return err
	}
	defer stand.close()
	whole := &conduct{
		officiant: o.officiant,
		node:      o.node,
		judge:     judge,
		dir:       filepath.Join(o.dir, "run"),
		members:   wholeCluster,
		port:      stand.port(),
	}
	csr := &conduct{
		officiant: o.officiant,
		node:      o.node,
		judge:     judge,
		dir:       filepath.Join(o.dir, "run-csr"),
		members:   wholeCluster[:1],
		ownCSRs:   true,
	}
	for _, c := range []*conduct{whole, csr} {
		if c.carryOut(ctx, r) != nil {
			return nil // the report says what and why; without it there is nothing to judge
		}
	}
	judgeFirst(ctx, r, whole, refusals)
	r.check(
		worker+" holds its trust file and its kubelet's identity, nothing else",
		onlyFiles(whole.root(worker), "kubelet.conf", "pki/ca.crt"),
	)
	judgeTexts(ctx, r, whole)
	judgeJoins(ctx, r, whole, stand)
	r.check(csr.say("the keys in place are those kubeadm made"), kubeadmKeys(ctx, judge, csr.root(firstNode)))
	judgeFirst(ctx, r, csr, csrRefusals)
	compare, err := differential(o.officiant, o.node, filepath.Join(o.dir, "run-differential"))
	if err != nil {
		return err
	}
	for _, c := range compare {
		r.check(c.name, c.run(ctx, judge, ""))
	}
	judgePage(ctx, r, whole, o.page)
	return nil
}

// judgeFirst has everything checked of a run's first node, and each of the
// refusals shown on a copy of it.
func judgeFirst(ctx context.Context, r *report, c *conduct, refusals []refusal) {
	tree := c.root(firstNode)
	for _, check := range checks {
		r.check(c.say(check.name+": "+firstNode), check.run(ctx, c.judge, tree))
	}
	r.check(c.say("no key of an authority in what the ceremony leaves"), noAuthorityKey(c.dir, c.room()))
	for _, refusal := range refusals {
		r.check(refusal.name, refusal.show(ctx, c.judge, tree, filepath.Join(c.dir, "spoiled")))
	}
}

// errUnexpected is the failure of a check that was to fail and did not.
var errUnexpected = errors.New("was accepted")
