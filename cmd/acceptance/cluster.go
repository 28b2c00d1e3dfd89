package main

import (
	"context"
	"fmt"
	"io"
)

// scenarios are the clusters that can be brought to life, by their names.
var scenarios = map[string]func(context.Context, options, *report) error{
	"one":     oneNode,
	"three":   threeNodes,
	"kubelet": realKubelet,
	"signer":  onlineSigner,
	"sync":    syncingNode,
}

// lived builds what a cluster is made of and runs a scenario in namespaces of
// its own.
func lived(ctx context.Context, o options, scenario string, r *report, talk io.Writer) error {
	if scenarios[scenario] == nil {
		return fmt.Errorf("-only: there is no %q", scenario)
	}
	at := o.programs()
	var names []string
	for _, p := range programs {
		names = append(names, p.name)
	}
	if err := build(ctx, o.module, at, talk, names...); err != nil {
		return err
	}
	before, err := lookAround()
	if err != nil {
		return err
	}
	args := []string{"-inside", scenario, "-officiant", o.officiant, "-officiant-node", o.node, "-dir", o.dir, "-programs", o.own}
	if err := isolated(ctx, args, r, talk); err != nil {
		return err
	}
	after, err := lookAround()
	if err == nil {
		err = before.left(after)
	}
	r.check(scenario+": the machine's tunables, mounts and folders are as they were", err)
	return nil
}

// runInside runs one scenario in the namespaces this process was started in, and
// returns the exit code.
func runInside(ctx context.Context, o options, out, talk io.Writer) int {
	r := &report{out: out}
	if err := scenarios[o.inside](ctx, o, r); err != nil {
		r.check("scenario "+o.inside, err)
	}
	if ctx.Err() != nil || r.failed > 0 {
		return 1
	}
	return 0
}
