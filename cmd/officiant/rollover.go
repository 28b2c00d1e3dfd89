package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"officiant/bundle/install"
	"officiant/bundle/kubepki"
	"officiant/bundle/request"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
	"officiant/cmd/internal/exit"
)

// The stages of a rollover, in their order.
const (
	stageTrust = "trust"
	stageIssue = "issue"
	stageDrop  = "drop"
)

type rolloverOptions struct {
	renewOptions
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
	r := &rolloverOptions{renewOptions: renewOptions{options: o}}
	c := &cobra.Command{
		Use:   "rollover DIR... --authority NAME|all|root --stage trust|issue|drop --status DIR --out plan.yaml",
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
--stage: nobody announced the new one, and its words are compared on every node.`,
		Args: someDirectories,
		RunE: func(_ *cobra.Command, args []string) error { return r.run(args) },
	}
	f := c.Flags()
	f.StringVar(&r.authority, "authority", "", "`NAME` of the authority to replace, all or root")
	f.BoolVar(&r.account, "service-account", false, "replace the pair that signs service-account tokens")
	f.BoolVar(&r.release, "release-key", false, "replace the key that signs bundles and records")
	f.BoolVar(&r.lost, "lost", false, "with --release-key: it is lost, and announces nothing")
	f.StringVar(&r.tokenLife, "token-life", "1y", "with --service-account --stage drop: how long a token lives, as `TIME`; 0 when all were replaced")
	f.StringVar(&r.stage, "stage", "", "`STAGE` to plan: trust, issue or drop")
	f.BoolVar(&r.sameKey, "same-key", false, "give the authority another certificate for the key it has")
	f.StringVar(&r.status, "status", "", "`DIR` of every node's status, *.json (required)")
	f.StringSliceVar(&r.lagging, "lagging", nil, "let this `NODE` go straight to this stage; may be given again")
	f.StringVar(&r.requests, "requests", "", "`DIR` of new requests, *.req: of nodes that join, or get new keys")
	f.StringSliceVar(&r.without, "without", nil, "leave this `NODE` out: it is gone; may be given again")
	f.StringVar(&r.validity, "validity", "", "how long new leaves are valid, with --same-key the certificate, as `TIME`")
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
		return exit.Usagef("ceremony rollover needs --authority NAME, --status DIR and --out FILE; or --service-account, or --release-key, in place of --authority")
	}
	if o.lost && (!o.release || o.stage != "") {
		return exit.Usagef("--lost stands in place of --stage, with --release-key")
	}
	if o.sameKey && o.authority == "" {
		return exit.Usagef("--same-key is for an authority: its certificate ends, a key does not")
	}
	if !o.lost && o.sameKey == (o.stage != "") || o.stage != "" && !slices.Contains([]string{stageTrust, stageIssue, stageDrop}, o.stage) {
		return exit.Usagef("--stage is trust, issue or drop; or --same-key stands in its place")
	}
	o.within = "0d"
	return o.begin(0) // what has ended is made anew, and nothing else for its end
}

func (o *rolloverOptions) run(dirs []string) error {
	if err := o.flags(); err != nil {
		return err
	}
	chain, err := readChain(dirs)
	if err != nil {
		return err
	}
	r, err := o.replacement(chain)
	if err != nil {
		return err
	}
	senders, err := o.senders(chain)
	if err != nil {
		return err
	}
	senders = slices.DeleteFunc(senders, func(s sender) bool { return !r.concerns(s.node.Roles) })
	late, err := o.gate(chain, r)
	if err != nil {
		return err
	}
	p, err := o.plan(chain, senders)
	if err != nil {
		return err
	}
	if err := r.apply(p); err != nil {
		return err
	}
	c, err := o.settle(p, chain, senders)
	if err != nil {
		return err
	}
	if err := o.in.writePlan(o.options, o.out, *p); err != nil {
		return err
	}
	return o.tellStage(c, r, late)
}

// replacement is one stage in which something is replaced.
type replacement struct {
	says    []string                                        // what it does, a line each
	keys    []string                                        // that it makes, and the station needs a place for
	account bool                                            // it is about control-plane nodes alone
	lags    func(*predecessor, *install.Status) string      // how a node is not where the stage before leaves it
	mayLag  func(nodes []kubepki.Node, late []string) error // refuses nodes that cannot go straight to it
	apply   func(*plan.NewOptions) error                    // makes a plan that of the stage
	outside func() error                                    // says what no bundle reaches
}

// concerns says whether a node of these roles has anything of what is replaced.
func (r *replacement) concerns(roles []kubepki.Role) bool {
	return !r.account || slices.Contains(roles, kubepki.ControlPlane)
}

// replacement finds out what the asked for stage is, by what the last ceremony did.
func (o *rolloverOptions) replacement(chain []*predecessor) (*replacement, error) {
	switch {
	case o.account:
		return o.accountStage(chain)
	case o.release:
		return o.releaseStage(chain)
	}
	moves, err := o.moves(chain)
	if err != nil {
		return nil, err
	}
	r := &replacement{mayLag: o.mayLag,
		lags:    func(made *predecessor, _ *install.Status) string { return o.generationLags(made, moves) },
		apply:   func(p *plan.NewOptions) error { return o.authorities(p, chain, moves) },
		outside: func() error { return o.outside(moves) },
	}
	for _, m := range moves {
		r.says = append(r.says, m.says(o.stage))
		if o.stage == stageTrust {
			r.keys = append(r.keys, m.next)
		}
	}
	return r, nil
}

// settle finds out what every node has to be made anew, and judges the plan as
// it would be written. Every node is in it: each has to trust the same.
func (o *rolloverOptions) settle(p *plan.NewOptions, chain []*predecessor, senders []sender) (*schedule.Ceremony,
	error) {
	opened := map[string]*request.Opened{}
	for _, s := range senders {
		opened[s.node.Name] = s.request
	}
	all, err := o.open(p, opened)
	if err != nil {
		return nil, err
	}
	due := o.due(chain, all)
	for i := range p.Nodes {
		n := &p.Nodes[i]
		if n.Renews() {
			n.Renew = slices.DeleteFunc(n.Renew, func(leaf string) bool { return due.why[n.Name][leaf] == "" })
		}
	}
	p.Leaves = chain[0].plan.Plan.Leaves
	if o.validity != "" && !o.sameKey {
		if err := p.Leaves.Validity.UnmarshalText([]byte(o.validity)); err != nil {
			return nil, exit.Usagef("--validity: %v", err)
		}
	}
	if err := o.issuers(p, all); err != nil {
		return nil, err
	}
	return o.open(p, opened)
}

// tellStage says what the plan does, what to do with it, and what it cannot do.
func (o *rolloverOptions) tellStage(c *schedule.Ceremony, r *replacement, late []string) error {
	renewed, carried := 0, 0
	for _, e := range c.Entries {
		if e.Kind == schedule.LeafCertificate {
			renewed++
		}
	}
	for _, n := range c.Nodes {
		carried += len(c.Carried[n.Name])
	}
	for _, line := range r.says {
		fmt.Fprintln(o.Stdout, exit.Line(line))
	}
	fmt.Fprintf(o.Stderr, "\nWrote plan %s to %s: %s made anew, %d carried over, in %s.\n", c.Plan.Name, o.out,
		counted(renewed, "certificate"), carried, counted(len(c.Nodes), "bundle"))
	fmt.Fprintf(o.Stderr, "It opens the keys: %s.\n", strings.Join(c.KeysNeeded(), ", "))
	for _, name := range r.keys {
		fmt.Fprintf(o.Stderr, "The station has to say where the %s key is to live: keys: {%s: …}\n", name, name)
	}
	for _, name := range late {
		fmt.Fprintf(o.Stderr, "Node %s goes straight to this stage: install its bundle before any other.\n", name)
	}
	if err := o.compare(c); err != nil {
		return err
	}
	if o.sameKey {
		return nil
	}
	fmt.Fprint(o.Stderr, "Then install every bundle, one node at a time, and restart what install names: a status does not\n"+
		"show what was restarted. The next stage asks for every node's status again.\n")
	return r.outside()
}

// families that a rollover replaces, the root first.
var allFamilies = []kubepki.Authority{kubepki.Root, kubepki.KubernetesAuthority, kubepki.EtcdAuthority, kubepki.FrontProxyAuthority}
