package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"officiant/bundle/fingerprint"
	"officiant/bundle/phrase"
	"officiant/ceremony/next"
	"officiant/ceremony/plan"
	"officiant/ceremony/revocation"
	"officiant/ceremony/schedule"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/terminal"
)

type revokeOptions struct {
	*options
	journal                  journalFlags
	serials, nodes, requests []string
	reason, comment          string
	refresh                  bool
	authorities              []string // of refresh: these alone
	nextUpdate               string
	cluster, name, out       string

	lasts plan.Duration // zero: as long as the previous list
}

func newRevokeCommand(o *options) *cobra.Command {
	r := &revokeOptions{options: o}
	c := &cobra.Command{
		Use:   "revoke [DIR...] (--serial HEX | --node NAME | --request FINGERPRINT) --reason NAME --out plan.yaml",
		Short: "Write the plan that revokes certificates, with new lists and etcd bundles",
		Long: `Write a plan that revokes certificates: by serial number, all of a node's, or all from
one request. Expired ones are left out. Give the directories of the cluster's ceremonies:
the last one, and earlier ones as far back as their certificates are to be revoked.
Earlier revocations stay until the certificates expire.

The plan makes one revocation list for each authority that issued any of them, and opens
only that authority's key. An intermediate is on the root's list. Nodes with the role
etcd get a bundle with the new list. Other nodes need none, since only etcd reads it.
Kubernetes' API server has no revocation: docs/revocation.md says what to do instead.

Reasons are ` + reasonNames() + `.

With --refresh, the existing lists are renewed, and nothing more is revoked.` + directoriesHelp,
		Args: o.someDirectories,
		RunE: func(_ *cobra.Command, args []string) error { return r.run(o.directories(args)) },
	}
	f := c.Flags()
	f.StringSliceVar(
		&r.serials,
		"serial",
		nil,
		"revoke the certificate with this serial number, in `HEX`; repeatable",
	)
	f.StringSliceVar(&r.nodes, "node", nil, "revoke every certificate of this `NODE`; repeatable")
	f.StringSliceVar(
		&r.requests,
		"request",
		nil,
		"revoke every certificate from the request with this `FINGERPRINT`; repeatable",
	)
	f.StringVar(&r.reason, "reason", "", "reason: one of RFC 5280's `NAME`s")
	f.StringVar(&r.comment, "comment", "",
		"`TEXT` for people, beside each serial number in the plan but not in the lists")
	f.BoolVar(&r.refresh, "refresh", false, "renew the existing lists, and revoke nothing more")
	f.StringSliceVar(
		&r.authorities,
		"authority",
		nil,
		"with --refresh: only the list of this `AUTHORITY`; repeatable",
	)
	f.StringVar(
		&r.nextUpdate,
		"next-update",
		"",
		"when the next list is due, as `TIME` from the ceremony (default: as before, or 90d, but within half of "+
			"what is left of the authority)",
	)
	r.journal.flags(c)
	clusterFlag(c, &r.cluster)
	f.StringVar(&r.name, "name", "", "the plan's `NAME`, typed to confirm the run (default CLUSTER-SEQUENCE)")
	f.StringVar(&r.out, "out", "", "plan `FILE` to write (required)")
	return c
}

func reasonNames() string {
	names := make([]string, len(revocation.Reasons))
	for i, r := range revocation.Reasons {
		names[i] = string(r)
	}
	return phrase.List(names)
}

// flags checks what was asked for.
func (o *revokeOptions) flags() error {
	targets := len(o.serials) + len(o.nodes) + len(o.requests)
	switch {
	case o.out == "":
		return exit.Usagef("ceremony revoke needs --out FILE")
	case o.refresh && (targets > 0 || o.reason != "" || o.comment != ""):
		return exit.Usagef("--refresh revokes nothing: leave out --serial, --node, --request, --reason and --comment")
	case !o.refresh && targets == 0:
		return exit.Usagef("ceremony revoke needs --serial HEX, --node NAME or --request FINGERPRINT, or --refresh")
	case !o.refresh && len(o.authorities) > 0:
		return exit.Usagef("--authority goes with --refresh; which list a certificate is on follows from its issuer")
	case !o.refresh && o.reason == "":
		return exit.Usagef("--reason is missing: %s", reasonNames())
	}
	if !o.refresh {
		if err := revocation.Reason(o.reason).Check(); err != nil {
			return exit.Usagef("--reason: %v", err)
		}
	}
	if o.nextUpdate != "" {
		if err := o.lasts.UnmarshalText([]byte(o.nextUpdate)); err != nil {
			return exit.Usagef("--next-update: %v", err)
		}
	}
	for _, s := range o.serials {
		if _, err := revocation.ParseSerial(s); err != nil {
			return exit.Usagef("--serial: %v", err)
		}
	}
	for _, s := range o.requests {
		if err := new(fingerprint.SHA256).UnmarshalText([]byte(s)); err != nil {
			return exit.Usagef("--request: %v", err)
		}
	}
	return nil
}

func (o *revokeOptions) run(dirs []string) error {
	if err := o.flags(); err != nil {
		return err
	}
	changes, err := (&continuing{options: o.options, journal: o.journal, name: o.name, out: o.out}).changes()
	if err != nil {
		return err
	}
	chain, err := chainOf(dirs, o.cluster)
	if err != nil {
		return err
	}
	r, err := next.Revoke(chain, next.RevokeOptions{
		Serials: o.serials, Of: o.nodes, MadeBy: o.requests, Reason: revocation.Reason(o.reason), Comment: o.comment,
		Refresh: o.refresh, Authorities: o.authorities, NextUpdate: o.lasts,
	}, changes)
	if err != nil {
		return err
	}
	if err := o.write(o.out, &r.Proposal); err != nil {
		return err
	}
	return o.tell(r)
}

// tell shows what is revoked, by whom, and who has to hear of it.
func (o *revokeOptions) tell(r *next.Revocation) error {
	c, found, left := r.Ceremony, r.Revoked, r.Left
	if len(found) > 0 {
		t := &terminal.Table{Header: []string{"SERIAL", "NAME", "BY", "UNTIL"}}
		for _, f := range found {
			t.Add(f.Serial, exit.Line(f.Name), exit.Line(f.Authority), f.Until.UTC().Format(time.DateOnly))
		}
		if err := t.Write(o.Stdout, terminal.Width(o.Stdout)); err != nil {
			return err
		}
		fmt.Fprintln(o.Stderr)
	}
	fmt.Fprintf(o.Stderr, "Wrote plan %s to %s: %s of %s.\n", c.Plan.Name, o.out,
		phrase.Count(len(c.Plan.CRLs), "revocation list"), phrase.Count(len(c.Plan.Revocations), "certificate"))
	for e := range c.All() {
		if e.Kind == schedule.CRLSignature {
			fmt.Fprintf(
				o.Stderr,
				"  %-12s list %d, of %s, until %s\n",
				exit.Line(e.Signer),
				e.Number,
				phrase.Count(len(e.Revoked), "certificate"),
				o.Now().Add(e.Duration).UTC().Format(time.DateOnly),
			)
		}
	}
	if n := len(c.Nodes); n > 0 {
		fmt.Fprintf(o.Stderr, "The new list goes to etcd in %s.\n", phrase.Count(n, "bundle"))
	}
	if len(left) > 0 {
		fmt.Fprintf(
			o.Stderr,
			"No bundle for %s: what it has is revoked, or its keys were made for it. "+
				"Its etcd keeps the previous list until\n"+
				"its certificates are issued again: officiant ceremony renew; after keyCompromise with a new request "+
				"(--requests).\n",
			exit.Line(strings.Join(left, ", ")),
		)
	}
	if slices.ContainsFunc(found, func(f next.Revoked) bool { return f.Client }) {
		fmt.Fprintln(
			o.Stderr,
			"Kubernetes' API server and kubelets check no revocation list: docs/revocation.md says what to do there.",
		)
	}
	o.thenCheck(o.out)
	return nil
}
