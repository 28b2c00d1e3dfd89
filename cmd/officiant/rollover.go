package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"officiant/bundle/phrase"
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
		Short: "Write the plan for the next stage of replacing authorities, or other keys",
		Long: `Write the plan for one stage of replacing an authority, following Kubernetes' own
procedure. Each stage is a ceremony, and an install on every node:

  trust  create the successor, certified by the root; nodes trust both
  issue  the successor reissues the old one's certificates, for the same keys
  drop   nodes trust only the successor

--authority is the authority to replace, "all" for the three intermediates, or "root"
for the root and the intermediates below it. Only the first stage opens the root, and
with a new root only the new one.

Give the directories of the cluster's ceremonies as for "ceremony renew", and with
--status a folder with every node's status:

  officiant-node status -o json >NODE.json

Or give the folder where nodes leave signed statuses (officiant-node sync --status-to). A
week-old status, or one of a node that rolled back, does not count.

A stage is refused while a node lags behind the previous stage. --lagging names a node
that must skip to this stage, and installs before all others: any number of workers, or
one other node. The first stage may skip any. An online signer's authorities concern
control-plane nodes alone; "drop" of kubelet-client waits until every node's kubelet asks
with a certificate by the successor.

With --same-key instead of --stage, the authority keeps its key and name, and gets a
certificate that expires later. This takes one ceremony, and what it issued stays valid.

--service-account, instead of --authority, replaces the key pair that signs
service-account tokens. Its stages concern the control-plane nodes. The first needs a new
request from each, and the last waits for --token-life after the second. --release-key
replaces the key that signs bundles: "trust" announces its successor, "issue" signs with
the successor, and nodes then drop the old key by themselves. If the key is lost, use
--lost instead of --stage. Nothing announced the new key, so its words must be compared on
every node.` + directoriesHelp,
		Args: o.someDirectories,
		RunE: func(_ *cobra.Command, args []string) error { return r.run(o.directories(args)) },
	}
	f := c.Flags()
	f.StringVar(&r.authority, "authority", "", "`NAME` of the authority to replace, all or root")
	f.BoolVar(&r.account, "service-account", false, "replace the pair that signs service-account tokens")
	f.BoolVar(&r.release, "release-key", false, "replace the key that signs bundles and records")
	f.BoolVar(&r.lost, "lost", false, "with --release-key: the key is lost, so it announces no successor")
	f.StringVar(
		&r.tokenLife,
		"token-life",
		"1y",
		"with --service-account --stage drop: the lifetime of a token, as `TIME`; 0 if all were replaced",
	)
	f.StringVar(&r.stage, "stage", "", "`STAGE` to plan: trust, issue or drop")
	f.BoolVar(&r.sameKey, "same-key", false, "give the authority a new certificate for its existing key")
	f.StringVar(&r.status, "status", "", "`DIR` of every node's status, *.json (required)")
	f.StringSliceVar(&r.lagging, "lagging", nil, "let this `NODE` skip to this stage; repeatable")
	f.StringVar(&r.requests, "requests", "", "`DIR` of new requests, *.req, from nodes that join or get new keys")
	leavingFlags(c, &r.continuing)
	r.journal.flags(c)
	f.StringVar(&r.validity, "validity", "",
		"validity of new leaves or, with --same-key, of the certificate, as `TIME`")
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
		return exit.Usagef("--lost replaces --stage, with --release-key")
	}
	if o.sameKey && o.authority == "" {
		return exit.Usagef("--same-key is for an authority: a certificate expires, a key does not")
	}
	stages := []next.Stage{next.Trust, next.Issue, next.Drop}
	if !o.lost && o.sameKey == (o.stage != "") || o.stage != "" && !slices.Contains(stages, next.Stage(o.stage)) {
		return exit.Usagef("--stage is trust, issue or drop; --same-key replaces it")
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
	fmt.Fprintf(o.Stderr, "\nWrote plan %s to %s: %s to be issued, %d carried over, in %s.\n", r.Document.Name, o.out,
		phrase.Count(r.Renewed, "certificate"), r.Carried, phrase.Count(len(r.Ceremony.Nodes), "bundle"))
	fmt.Fprintf(o.Stderr, "It opens the keys: %s.\n", strings.Join(r.Ceremony.KeysNeeded(), ", "))
	o.places(r.Keys)
	for _, name := range r.Late {
		fmt.Fprintf(o.Stderr, "Node %s goes straight to this stage: install its bundle before any other.\n", name)
	}
	for _, name := range r.Stale {
		fmt.Fprintf(o.Stderr, "Node %s: once API servers have this stage, move /var/lib/kubelet/pki/kubelet-client-* "+
			"aside on it and restart the kubelet.\n", name)
	}
	if err := o.compare(&r.Proposal); err != nil {
		return err
	}
	if !o.sameKey {
		fmt.Fprint(
			o.Stderr,
			"After the ceremony, install every bundle, one node at a time, and restart what install names: a status\n"+
				"does not show what was restarted. The next stage asks for every node's status again.\n",
		)
		if err := o.outside(r); err != nil {
			return err
		}
	}
	o.thenCheck(o.out)
	return nil
}
