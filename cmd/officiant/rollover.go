package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"officiant/bundle/kubepki"
	"officiant/bundle/request"
	"officiant/ceremony/plan"
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
	stage     string
	status    string
	lagging   []string
	sameKey   bool
}

func newRolloverCommand(o *options) *cobra.Command {
	r := &rolloverOptions{renewOptions: renewOptions{options: o}}
	c := &cobra.Command{
		Use:   "rollover DIR... --authority NAME|all|root --stage trust|issue|drop --status DIR --out plan.yaml",
		Short: "Write the plan of the next stage in which authorities are replaced",
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
certificate that ends later: one ceremony, and what it issued stays valid.`,
		Args: someDirectories,
		RunE: func(_ *cobra.Command, args []string) error { return r.run(args) },
	}
	f := c.Flags()
	f.StringVar(&r.authority, "authority", "", "`NAME` of the authority to replace, all or root (required)")
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
	if o.authority == "" || o.out == "" || o.status == "" {
		return exit.Usagef("ceremony rollover needs --authority NAME, --status DIR and --out FILE")
	}
	if o.sameKey == (o.stage != "") || o.stage != "" && !slices.Contains([]string{stageTrust, stageIssue, stageDrop}, o.stage) {
		return exit.Usagef("--stage is trust, issue or drop; or --same-key stands in its place")
	}
	var validity plan.Duration
	if o.validity != "" {
		if err := validity.UnmarshalText([]byte(o.validity)); err != nil {
			return exit.Usagef("--validity: %v", err)
		}
	}
	if _, err := os.Lstat(o.out); err == nil {
		return fmt.Errorf("%s: there already; plans are not overwritten", o.out)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	o.now = o.Now()
	o.until = o.now // what has ended is made anew, and nothing else for its end
	o.within = "0d"
	o.in = &inputs{folder: filepath.Dir(o.out)}
	return nil
}

func (o *rolloverOptions) run(dirs []string) error {
	if err := o.flags(); err != nil {
		return err
	}
	chain, err := readChain(dirs)
	if err != nil {
		return err
	}
	moves, err := o.moves(chain)
	if err != nil {
		return err
	}
	senders, err := o.senders(chain)
	if err != nil {
		return err
	}
	late, err := o.gate(chain, moves)
	if err != nil {
		return err
	}
	p, err := o.plan(chain, senders)
	if err != nil {
		return err
	}
	if err := o.authorities(p, chain, moves); err != nil {
		return err
	}
	c, err := o.settle(p, chain, senders)
	if err != nil {
		return err
	}
	text, err := plan.New(*p)
	if err != nil {
		return err
	}
	if err := o.in.write(o.options); err != nil {
		return err
	}
	if err := o.Disk.Create(o.out, text, 0o644); err != nil {
		return err
	}
	return o.tellStage(c, moves, late)
}

// settle finds out what every node has to be made anew, and judges the plan as
// it would be written. Every node is in it: each has to trust the same.
func (o *rolloverOptions) settle(p *plan.NewOptions, chain []*predecessor, senders []sender) (*plan.Ceremony, error) {
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
func (o *rolloverOptions) tellStage(c *plan.Ceremony, moves []move, late []string) error {
	renewed, carried := 0, 0
	for _, e := range c.Entries {
		if e.Kind == plan.LeafCertificate {
			renewed++
		}
	}
	for _, n := range c.Nodes {
		carried += len(c.Carried[n.Name])
	}
	for _, m := range moves {
		fmt.Fprintln(o.Stdout, exit.Line(m.says(o.stage)))
	}
	fmt.Fprintf(o.Stderr, "\nWrote plan %s to %s: %s made anew, %d carried over, in %s.\n", c.Plan.Name, o.out,
		counted(renewed, "certificate"), carried, counted(len(c.Nodes), "bundle"))
	fmt.Fprintf(o.Stderr, "It opens the keys: %s.\n", strings.Join(c.KeysNeeded(), ", "))
	for _, m := range moves {
		if o.stage == stageTrust {
			fmt.Fprintf(o.Stderr, "The station has to say where the %s key is to live: keys: {%s: …}\n", m.next, m.next)
		}
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
	return o.outside(moves)
}

// families that a rollover replaces, the root first.
var allFamilies = []kubepki.Authority{kubepki.Root, kubepki.KubernetesAuthority, kubepki.EtcdAuthority, kubepki.FrontProxyAuthority}
