package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"officiant/bundle/kubepki"
	"officiant/bundle/request"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
	"officiant/cmd/internal/exit"
)

type renewOptions struct {
	*options
	within         string
	requests       string
	nodes, without []string
	kubeadm        string
	validity       string
	name           string
	out            string

	now   time.Time
	until time.Time // what ends before is made anew
	in    *inputs
}

func newRenewCommand(o *options) *cobra.Command {
	r := &renewOptions{options: o}
	c := &cobra.Command{
		Use:   "renew DIR... --within TIME --out plan.yaml",
		Short: "Write the plan that renews what ends soon; the root stays closed",
		Long: `Write a plan that makes anew what of the nodes' certificates ends within a time,
each for the key it has, and carries over the rest: bundles stay complete. Give the
directories of the cluster's ceremonies, the last one and those before it as far back
as nodes still have certificates of theirs. A node that needs nothing is left out
and keeps what it has.

Nothing is asked of the nodes: the keys are those on record. A node that sent a
request into --requests gets all its certificates by that, with the keys in it; so
does one that is new. With --kubeadm the cluster's facts are those of another file,
and what they change is made anew too. Nothing else differs from what is out there.

The plan names the root by its certificate alone, and of the other authorities
only those keys that sign. When nothing is to be renewed no plan is written.`,
		Args: someDirectories,
		RunE: func(_ *cobra.Command, args []string) error { return r.run(args) },
	}
	f := c.Flags()
	f.StringVar(&r.within, "within", "", "renew what ends within `TIME` from now, such as 90d (required)")
	f.StringVar(&r.requests, "requests", "", "`DIR` of new requests, *.req: of nodes that join, or get new keys")
	f.StringSliceVar(&r.nodes, "node", nil, "renew certificates of this `NODE` only; may be given again")
	f.StringSliceVar(&r.without, "without", nil, "leave this `NODE` out: it is gone, or has to wait; may be given again")
	f.StringVar(&r.kubeadm, "kubeadm", "", "kubeadm configuration `FILE` with the cluster's present facts")
	f.StringVar(&r.validity, "validity", "", "how long the new certificates are valid, as `TIME` (default as in the last ceremony)")
	f.StringVar(&r.name, "name", "", "the plan's `NAME`, typed to confirm the run (default CLUSTER-SEQUENCE)")
	f.StringVar(&r.out, "out", "", "plan `FILE` to write (required)")
	return c
}

// flags checks what was asked for.
func (o *renewOptions) flags() error {
	if o.within == "" || o.out == "" {
		return exit.Usagef("ceremony renew needs --within TIME and --out FILE")
	}
	var within plan.Duration
	if err := within.UnmarshalText([]byte(o.within)); err != nil {
		return exit.Usagef("--within: %v", err)
	}
	return o.begin(time.Duration(within))
}

// begin is what every plan that continues a chain begins with: what ends within a
// time from now is to be made anew.
func (o *renewOptions) begin(within time.Duration) error {
	if o.validity != "" {
		if err := new(plan.Duration).UnmarshalText([]byte(o.validity)); err != nil {
			return exit.Usagef("--validity: %v", err)
		}
	}
	if err := noPlanAt(o.out); err != nil {
		return err
	}
	o.now = o.Now()
	o.until = o.now.Add(within)
	o.in = &inputs{folder: filepath.Dir(o.out)}
	return nil
}

func (o *renewOptions) run(dirs []string) error {
	if err := o.flags(); err != nil {
		return err
	}
	chain, err := readChain(dirs)
	if err != nil {
		return err
	}
	senders, err := o.senders(chain)
	if err != nil {
		return err
	}
	if len(senders) == 0 {
		return o.nothing(0)
	}
	p, err := o.plan(chain, senders)
	if err != nil {
		return err
	}
	// First as if everything were renewed: that says what each certificate would be.
	opened := map[string]*request.Opened{}
	for _, s := range senders {
		opened[s.node.Name] = s.request
	}
	all, err := o.open(p, opened)
	if err != nil {
		return err
	}
	due := o.due(chain, all)
	quiet := due.keep(p)
	if len(p.Nodes) == 0 {
		return o.nothing(quiet)
	}
	if p.Leaves = chain[0].plan.Plan.Leaves; o.validity != "" {
		if err := p.Leaves.Validity.UnmarshalText([]byte(o.validity)); err != nil {
			return exit.Usagef("--validity: %v", err)
		}
	}
	if err := o.issuers(p, all); err != nil {
		return err
	}
	c, err := o.open(p, opened)
	if err != nil {
		return err
	}
	if err := o.in.writePlan(o.options, o.out, *p); err != nil {
		return err
	}
	return o.tell(c, due, quiet)
}

// nothing says that there is no need of a plan.
func (o *renewOptions) nothing(quiet int) error {
	fmt.Fprintf(o.Stderr, "Nothing of %s ends within %s, and nothing differs: no plan was written.\n", counted(quiet, "node"), o.within)
	return nil
}

// open judges the plan as it would be written, before anything is.
func (o *renewOptions) open(p *plan.NewOptions, opened map[string]*request.Opened) (*schedule.Ceremony, error) {
	text, err := plan.New(*p)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{"plan.yaml": text}
	for _, c := range o.in.copies {
		files[c.path] = c.data
	}
	c, err := schedule.OpenFS(&overlay{files, os.DirFS(o.in.folder)}, "plan.yaml", schedule.Options{Now: o.now,
		Opened: opened})
	var invalid *plan.Invalid
	if !errors.As(err, &invalid) {
		return c, err
	}
	refused := &exit.Error{Code: exit.Refused, Hints: []string{
		"a node whose names, roles or certificates became more sends a new request: officiant-node request, and --requests",
		"names that the cluster has now come from its kubeadm file: --kubeadm",
		"a node that is to wait, such as for a new request after its key was compromised: --without NODE"}}
	for _, f := range findings(invalid.Problems) {
		refused.Err = errors.Join(refused.Err, errors.New(f.Message))
	}
	return nil, refused
}

// issuers takes out of the plan the keys that sign nothing, the root's among
// them, and refuses an authority that ends before what it would issue: no
// renewal helps there.
func (o *renewOptions) issuers(p *plan.NewOptions, all *schedule.Ceremony) error {
	renew := map[string][]string{} // by node; nil: all
	for _, n := range p.Nodes {
		renew[n.Name] = n.Renew
	}
	signs := map[string]bool{}
	for _, e := range all.Entries {
		if e.Kind == schedule.AuthorityCertificate {
			signs[e.Signer] = true
		}
		names, in := renew[e.Node]
		if e.Kind == schedule.LeafCertificate && in && (names == nil || slices.Contains(names, e.Leaf.Name)) {
			signs[e.Signer] = true
		}
	}
	end := o.now.Add(time.Duration(p.Leaves.Validity))
	for i := range p.Authorities {
		a := &p.Authorities[i]
		if a.Makes() {
			continue
		}
		if !signs[a.Name] {
			a.Key = plan.Key{}
			continue
		}
		if a.Family == kubepki.Root {
			continue
		}
		if c := all.Certificates[a.Name]; end.After(c.NotAfter) {
			return &exit.Error{Code: exit.Refused,
				Err: fmt.Errorf("authority %s ends on %s, before a certificate of %s made now would: renewal cannot help there",
					a.Name, c.NotAfter.UTC().Format(time.DateOnly), p.Leaves.Validity),
				Hints: []string{
					"it needs a successor, which nodes learn to trust first: officiant ceremony rollover (docs/rollover.md)",
					"until then, certificates that end sooner: --validity TIME"}}
		}
	}
	return nil
}
