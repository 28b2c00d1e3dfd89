package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"officiant/bundle/kubepki"
	"officiant/bundle/phrase"
	"officiant/ceremony/next"
	"officiant/ceremony/plan"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/terminal"
)

// continuing is what the plans that continue a chain have in common.
type continuing struct {
	*options
	journal  journalFlags
	requests string
	without  []string
	left     []string
	validity string
	cluster  string
	name     string
	out      string
}

// clusterFlag says whose ceremonies are meant, of several clusters' in a folder.
func clusterFlag(c *cobra.Command, name *string) {
	c.Flags().StringVar(name, "cluster", "", "the cluster's `NAME`, if there are ceremonies of several clusters")
}

// leavingFlags are about nodes that a plan has nothing for.
func leavingFlags(c *cobra.Command, o *continuing) {
	c.Flags().
		StringSliceVar(&o.without, "without", nil, "leave this `NODE` out for now: it stays a member, and the next "+
			"plan includes it again; repeatable")
	c.Flags().
		StringSliceVar(&o.left, "left", nil, "record that this `NODE` has left for good: it can return only with "+
			"a new request; repeatable")
}

// changes reads what the flags name.
func (o *continuing) changes() (c next.Changes, err error) {
	c = next.Changes{Desk: o.desk(o.out), Name: o.name, Without: o.without, Left: o.left}
	if o.validity != "" {
		if err := c.Validity.UnmarshalText([]byte(o.validity)); err != nil {
			return c, exit.Usagef("--validity: %v", err)
		}
	}
	if err := noPlanAt(o.out); err != nil {
		return c, err
	}
	if o.requests != "" {
		requests, err := requestsIn(c.Desk, o.requests)
		if err != nil {
			return c, err
		}
		c.Requests = &requests
	}
	c.Journal, err = o.journal.read(c.Desk)
	return c, err
}

type renewOptions struct {
	continuing
	within   string
	nodes    []string
	families []string
	kubeadm  string
	online   bool
	key      string // of the online signer's journal
}

func newRenewCommand(o *options) *cobra.Command {
	r := &renewOptions{continuing: continuing{options: o}}
	c := &cobra.Command{
		Use:   "renew [DIR...] --within TIME --out plan.yaml",
		Short: "Write the plan that renews what expires soon; the root stays closed",
		Long: `Write a plan that renews the nodes' certificates that expire within a time, each for its
existing key. The rest is carried over, so bundles stay complete. Give the directories of
the cluster's ceremonies: the last one, and earlier ones as far back as nodes still have
certificates from them. A node that needs nothing is left out and keeps what it has.

Nodes do not have to do anything, because their keys are on record. If a node sends a
request into --requests, all its certificates are issued for the keys in that request. A
new node needs one. With --kubeadm, the cluster's facts come from another file, and
certificates that this changes are renewed too. Nothing else differs from the
certificates in use.

With --online-signer, a cluster that runs gets the authorities of an online signer: the
root certifies them, and every node gets a bundle. --journal-key names the key of the
signer's journal, and the ceremony then makes a grant for every node (docs/signer.md).

The plan has only the root's certificate and, of the other authorities, only the keys
that sign. If nothing is due, no plan is written, and the exit code is 9.` + directoriesHelp,
		Args: o.someDirectories,
		RunE: func(_ *cobra.Command, args []string) error { return r.run(o.directories(args)) },
	}
	f := c.Flags()
	f.StringVar(&r.within, "within", "", "renew what expires within `TIME` from now, such as 90d (required, unless "+
		"--requests, --kubeadm, --left, --journal, --online-signer or --journal-key already gives something to do)")
	f.StringVar(&r.requests, "requests", "", "`DIR` of new requests, *.req, from nodes that join or get new keys")
	f.StringSliceVar(&r.nodes, "node", nil, "renew only certificates of this `NODE`; repeatable")
	f.StringSliceVar(&r.families, "family", nil,
		"renew only certificates of authorities of this `FAMILY`; repeatable: "+
			"kubernetes, etcd or front-proxy")
	leavingFlags(c, &r.continuing)
	r.journal.flags(c)
	f.BoolVar(&r.online, "online-signer", false, "make the authorities of an online signer, which kubelets ask")
	f.StringVar(&r.key, "journal-key", "", "`FINGERPRINT` (SHA-256) of the key of the online signer's journal, for "+
		"the grant")
	f.StringVar(&r.kubeadm, "kubeadm", "", "kubeadm configuration `FILE` with the cluster's current facts")
	f.StringVar(
		&r.validity,
		"validity",
		"",
		"validity of the new certificates, as `TIME` (default: as in the last ceremony)",
	)
	clusterFlag(c, &r.cluster)
	f.StringVar(&r.name, "name", "", "the plan's `NAME`, typed to confirm the run (default CLUSTER-SEQUENCE)")
	f.StringVar(&r.out, "out", "", "plan `FILE` to write (required)")
	return c
}

// flags checks what was asked for.
func (o *renewOptions) flags() (within time.Duration, err error) {
	// Something to do, whatever ends.
	joins := o.requests != "" || o.kubeadm != "" || len(o.left) > 0 || o.journal.file != "" || o.online || o.key != ""
	if o.out == "" || o.within == "" && !joins {
		return 0, exit.Usagef("ceremony renew needs --within TIME and --out FILE")
	}
	if o.online && len(o.nodes) > 0 {
		return 0, exit.Usagef("--online-signer is for every node, and --node names some")
	}
	if o.within == "" {
		return 0, nil
	}
	var d plan.Duration
	if err := d.UnmarshalText([]byte(o.within)); err != nil {
		return 0, exit.Usagef("--within: %v", err)
	}
	return time.Duration(d), nil
}

func (o *renewOptions) run(dirs []string) error {
	within, err := o.flags()
	if err != nil {
		return err
	}
	changes, err := o.continuing.changes()
	if err != nil {
		return err
	}
	changes.Nodes, changes.OnlineSigner = o.nodes, o.online
	if o.key != "" {
		if err := changes.JournalKey.UnmarshalText([]byte(o.key)); err != nil {
			return exit.Usagef("--journal-key: %v", err)
		}
	}
	if changes.Families, err = families(o.families); err != nil {
		return err
	}
	if changes.Kubeadm, err = inputIf(changes.Desk, o.kubeadm); err != nil {
		return err
	}
	chain, err := chainOf(dirs, o.cluster)
	if err != nil {
		return err
	}
	r, err := next.Renew(chain, within, changes)
	if err != nil {
		return err
	}
	if r.Ceremony == nil {
		fmt.Fprintf(o.Stderr, "%s: no plan was written.\n", o.nothingDue(r))
		return &exit.Error{Code: exit.NothingDue}
	}
	if err := o.write(o.out, &r.Proposal); err != nil {
		return err
	}
	return o.tell(r)
}

func (o *renewOptions) nothingDue(r *next.Renewal) string {
	of := ""
	if len(o.families) > 0 {
		of = " of " + strings.Join(o.families, " and ")
	}
	return fmt.Sprintf("No certificate%s of %s %s, and nothing differs", of, phrase.Count(r.Quiet, "node"), o.expires())
}

func (o *renewOptions) expires() string {
	if o.within == "" {
		return "has expired"
	}
	return "expires within " + o.within
}

// families are the families of leaf-issuing authorities that were named.
func families(names []string) (list []kubepki.Authority, err error) {
	for _, name := range names {
		family := kubepki.Authority(name)
		switch family {
		case kubepki.KubernetesAuthority, kubepki.EtcdAuthority, kubepki.FrontProxyAuthority:
			list = append(list, family)
		default:
			return nil, exit.Usagef("--family %q: kubernetes, etcd or front-proxy", name)
		}
	}
	return list, nil
}

// tell shows what is renewed, and what becomes different by it.
func (o *renewOptions) tell(r *next.Renewal) error {
	t := &terminal.Table{Header: []string{"CERTIFICATE", "UNTIL", "WHAT CHANGES"}}
	for _, c := range r.Renewed {
		until := ""
		if !c.Until.IsZero() {
			until = c.Until.UTC().Format(time.DateOnly)
		}
		t.Add(exit.Line(c.Name), until, exit.Line(c.Changes))
	}
	if len(r.Renewed) > 0 {
		if err := t.Write(o.Stdout, terminal.Width(o.Stdout)); err != nil {
			return err
		}
	}
	fmt.Fprintf(o.Stderr, "\nWrote plan %s to %s: %s to be issued, %d carried over, in %s.\n", r.Document.Name, o.out,
		phrase.Count(len(r.Renewed), "certificate"), r.Carried, phrase.Count(len(r.Ceremony.Nodes), "bundle"))
	if r.Quiet > 0 {
		fmt.Fprintf(o.Stderr, "Left out, because none of their certificates %s: %s.\n", o.expires(),
			phrase.Count(r.Quiet, "node"))
	}
	o.places(r.Keys)
	if err := o.compare(&r.Proposal); err != nil {
		return err
	}
	o.thenCheck(o.out)
	return nil
}

// places says of keys that a ceremony makes that the station has to name them.
func (o *options) places(keys []string) {
	for _, name := range keys {
		fmt.Fprintf(o.Stderr, "Add where the %s key is to live to the station: keys: {%s: …}\n", name, name)
	}
}
