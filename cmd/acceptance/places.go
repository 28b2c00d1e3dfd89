package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// otherDir is where kubespray's clusters have their certificates.
const otherDir = "/etc/kubernetes/ssl"

// placed has kubeadm look at a node whose certificatesDir is another than
// /etc/kubernetes/pki, with no link from there.
func placed(ctx context.Context, o options, r *report, talk io.Writer) error {
	judge, err := o.judge(ctx, talk)
	if err != nil {
		return err
	}
	c := &conduct{
		officiant:       o.officiant,
		node:            o.node,
		judge:           judge,
		dir:             filepath.Join(o.dir, "run-places"),
		members:         wholeCluster[:1],
		certificatesDir: otherDir,
	}
	if c.carryOut(ctx, r) != nil {
		return nil // the report says what and why
	}
	tree := c.root(firstNode)
	for _, check := range checks {
		if check.name == checks[completeness].name {
			check.run = completeThere
		}
		r.check(c.say(check.name+": "+firstNode), check.run(ctx, judge, tree))
	}
	r.check(c.say("there is no pki, and no link of that name"), absent(filepath.Join(tree, etcKubernetes, "pki")))
	r.check(c.say("kubeadm init phase control-plane all and etcd local name these files"), c.podsThere(ctx, tree))
	for _, f := range []refusal{
		{"without ssl/apiserver.crt the certs phase refuses", without("ssl/apiserver.crt"), certsPhase, "apiserver"},
		{"an ssl/etcd/server.crt from another authority is refused", fromAnother("ssl/etcd/server"), certsPhase,
			"etcd/server"},
		{"with the files in pki the certs phase uses none of them",
			func(f files) error { return os.Rename(f.path("ssl"), f.path("pki")) }, certsPhase, "changed the tree"},
		{"with an ssl/ca.key check-expiration calls the authority not external", strayKey("ssl/ca.key"), expiration,
			"not externally managed"},
		{"a file that nobody planned is found in ssl", strayKey("ssl/stray.key"), completeThere, "stray.key"},
	} {
		r.check(c.say(f.name), f.show(ctx, judge, tree, filepath.Join(c.dir, "spoiled")))
	}
	return nil
}

// completeThere is complete for files below ssl.
func completeThere(_ context.Context, _ kubeadm, tree string) error {
	var want []string
	for _, name := range firstNodeFiles {
		if rest, ok := strings.CutPrefix(name, "pki/"); ok {
			name = "ssl/" + rest
		}
		want = append(want, name)
	}
	return onlyFiles(tree, want...)
}

func absent(path string) error {
	_, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return errors.Join(err, errors.New(path+" is there"))
}

// podsThere has kubeadm write the static pods, on a copy, with what the bundle asks for.
func (c *conduct) podsThere(ctx context.Context, tree string) error {
	return c.onCopy(firstNode, func(ctx context.Context, k kubeadm, tree string) error {
		for _, phase := range []string{"control-plane all", "etcd local"} {
			args := append(append([]string{"init", "phase"}, strings.Fields(phase)...), "--config", completedConfig)
			if _, err := k.run(ctx, tree, args...); err != nil {
				return err
			}
		}
		for _, component := range components {
			text, err := os.ReadFile(filepath.Join(tree, etcKubernetes, "manifests", component+".yaml"))
			if err != nil {
				return err
			}
			if strings.Contains(string(text), "/etc/kubernetes/pki") {
				return fmt.Errorf("the pod of %s names /etc/kubernetes/pki", component)
			}
			for word := range strings.FieldsSeq(string(text)) {
				_, file, ok := strings.Cut(word, "="+otherDir)
				if !ok {
					continue
				}
				if _, err := os.Stat(filepath.Join(tree, otherDir, file)); err != nil {
					return fmt.Errorf("the pod of %s: %w", component, err)
				}
			}
		}
		return nil
	})(ctx, c.judge, tree)
}
