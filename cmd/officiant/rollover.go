package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"officiant/ceremony/next"
	"officiant/ceremony/plan"
	"officiant/cmd/internal/exit"
)

type rolloverOptions struct {
	continuing
	authority string
	account   bool
	release   bool
	lost      bool
	tokenLife string
	stage     string
	status    string
	lagging   []string
	sameKey   bool
}

func newRolloverCommand(o *options) *cobra.Command {
	r := &rolloverOptions{continuing: continuing{options: o}}
	c := &cobra.Command{
		Use:   "rollover [DIR...] --authority NAME|all|root --stage trust|issue|drop --status DIR --out plan.yaml",
		Short: "Write the plan of the next stage in which authorities, or other keys, are replaced",
		Long: `Write the plan of one stage in which an authority is replaced, after Kubernetes' own
procedure. Each stage is a ceremony, and an install on every node:

  trust  the successor is made and certified by the root; nodes trust both
  issue  what the old one issued is made anew by the successor, for the same keys
  drop   nodes trust the successor alone

--authority is the authority to replace, "all" for the three intermediates, or "root"
for the root and the intermediates below it. Only the first stage opens the root, and
for a new root only that one.

Give the directories of the cluster's ceremonies as for "ceremony renew", and with
--status a folder of what every node says of itself:

  officiant-node status -o json >NODE.json

Or the folder that nodes leave signed statuses in (officiant-node sync --status-to); one
that is a week old, or of a node that went back, does not count.

A stage is refused while a node lags behind the stage before. A node that has to go
straight to this stage is named with --lagging, and installs before all others: any
number of workers, or one other node. The first stage may take any.

With --same-key in place of --stage the authority keeps its key and name, and gets a
certificate that ends later: one ceremony, and what it issued stays valid.

--service-account, in place of --authority, is the pair that signs service-account
tokens. Its stages are about the control-plane nodes; the first needs a new request
of each, the last waits for --token-life since the second. --release-key is the key
that signs bundles: "trust" announces its successor under it, "issue" signs by that,
and nodes drop the old key by themselves. When it is lost, --lost stands in place of
--stage: nobody announced the new one, and its words are compared on every node.` + directoriesHelp,
		Args: o.someDirectories,
		RunE: func(_ *cobra.Command, args []string) error { return r.run(o.directories(args)) },
	}
	f := c.Flags()
	f.StringVar(&r.authority, "authority", "", "`NAME` of the authority to replace, all or root")
	f.BoolVar(&r.account, "service-account", false, "replace the pair that signs service-account tokens")
	f.BoolVar(&r.release, "release-key", false, "replace the key that signs bundles and records")
	f.BoolVar(&r.lost, "lost", false, "with --release-key: it is lost, and announces nothing")
	f.StringVar(
		&r.tokenLife,
		"token-life",
		"1y",
		"with --service-account --stage drop: how long a token lives, as `TIME`; 0 when all were replaced",
	)
	f.StringVar(&r.stage, "stage", "", "`STAGE` to plan: trust, issue or drop")
	f.BoolVar(&r.sameKey, "same-key", false, "give the authority another certificate for the key it has")
	f.StringVar(&r.status, "status", "", "`DIR` of every node's status, *.json (required)")
	f.StringSliceVar(&r.lagging, "lagging", nil, "let this `NODE` go straight to this stage; may be given again")
	f.StringVar(&r.requests, "requests", "", "`DIR` of new requests, *.req: of nodes that join, or get new keys")
	leavingFlags(c, &r.continuing)
	f.StringVar(&r.validity, "validity", "", "how long new leaves are valid, with --same-key the certificate, as `TIME`")
	clusterFlag(c, &r.cluster)
	f.StringVar(&r.name, "name", "", "the plan's `NAME`, typed to confirm the run (default CLUSTER-SEQUENCE)")
	f.StringVar(&r.out, "out", "", "plan `FILE` to write (required)")
	return c
}

// flags checks what was asked for.
func (o *rolloverOptions) flags() error {
	what := 0
	for _, given := range []bool{o.authority != "", o.account, o.release} {
		if given {
			what++
		}
	}
	if what != 1 || o.out == "" || o.status == "" {
		return exit.Usagef("ceremony rollover needs --authority NAME, --status DIR and --out FILE; " +
			"or --service-account, or --release-key, in place of --authority")
	}
	if o.lost && (!o.release || o.stage != "") {
		return exit.Usagef("--lost stands in place of --stage, with --release-key")
	}
	if o.sameKey && o.authority == "" {
		return exit.Usagef("--same-key is for an authority: its certificate ends, a key does not")
	}
	stages := []next.Stage{next.Trust, next.Issue, next.Drop}
	if !o.lost && o.sameKey == (o.stage != "") || o.stage != "" && !slices.Contains(stages, next.Stage(o.stage)) {
		return exit.Usagef("--stage is trust, issue or drop; or --same-key stands in its place")
	}
	return nil
}

// asked is what the flags say.
func (o *rolloverOptions) asked() (next.RolloverOptions, error) {
	out := next.RolloverOptions{
		Authority: o.authority,
		Account:   o.account,
		Release:   o.release,
		Stage:     next.Stage(o.stage),
		Lagging:   o.lagging,
	}
	switch {
	case o.sameKey:
		out.Stage = next.SameKey
	case o.lost:
		out.Stage = next.Lost
	}
	if o.account && o.tokenLife != "0" { // 0: none is left
		var d plan.Duration
		if err := d.UnmarshalText([]byte(o.tokenLife)); err != nil {
			return out, exit.Usagef("--token-life: %v", err)
		}
		out.TokenLife = time.Duration(d)
	}
	var err error
	out.Statuses, err = statusesIn(o.status)
	return out, err
}

func (o *rolloverOptions) run(dirs []string) error {
	if err := o.flags(); err != nil {
		return err
	}
	changes, err := o.changes()
	if err != nil {
		return err
	}
	asked, err := o.asked()
	if err != nil {
		return err
	}
	chain, err := chainOf(dirs, o.cluster)
	if err != nil {
		return err
	}
	r, err := next.RolloverStage(chain, asked, changes)
	if err != nil {
		return err
	}
	if err := o.write(o.out, &r.Proposal); err != nil {
		return err
	}
	return o.tell(r)
}

// tell says what the plan does, what to do with it, and what it cannot do.
func (o *rolloverOptions) tell(r *next.Rollover) error {
	for _, line := range r.Says {
		fmt.Fprintln(o.Stdout, exit.Line(line))
	}
	fmt.Fprintf(o.Stderr, "\nWrote plan %s to %s: %s made anew, %d carried over, in %s.\n", r.Document.Name, o.out,
		counted(r.Renewed, "certificate"), r.Carried, counted(len(r.Ceremony.Nodes), "bundle"))
	fmt.Fprintf(o.Stderr, "It opens the keys: %s.\n", strings.Join(r.Ceremony.KeysNeeded(), ", "))
	for _, name := range r.Keys {
		fmt.Fprintf(o.Stderr, "The station has to say where the %s key is to live: keys: {%s: …}\n", name, name)
	}
	for _, name := range r.Late {
		fmt.Fprintf(o.Stderr, "Node %s goes straight to this stage: install its bundle before any other.\n", name)
	}
	if err := o.compare(o.out, &r.Proposal); err != nil {
		return err
	}
	if o.sameKey {
		return nil
	}
	fmt.Fprint(
		o.Stderr,
		"Then install every bundle, one node at a time, and restart what install names: a status does not\n"+
			"show what was restarted. The next stage asks for every node's status again.\n",
	)
	return o.outside(r)
}
