package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"officiant/ceremony/next"
	"officiant/cmd/internal/exit"
)

func newAdoptCommand(o *options) *cobra.Command {
	n := &newOptions{options: o}
	c := &cobra.Command{
		Use:   "adopt --kubeadm FILE --requests DIR --out plan.yaml",
		Short: "Write the plan that adopts a running cluster, whose CA keys are on disk",
		Long: `Write the plan for the first ceremony of a running cluster that kubeadm created, with its
authorities' keys on its control-plane nodes. The plan creates a new root and new
authorities in tokens. For now, nodes keep their certificates, and trust the new
authorities beside the old ones. The next two stages are those of every rollover:

  officiant ceremony rollover DIR --authority all --stage issue …
  officiant ceremony rollover DIR… --authority all --stage drop …

Create each node's request on the node, with "officiant-node request --adopt". Every node
of the cluster must send one, because all must trust the same authorities. The plan's
inputs are copied below its folder: the certificates of the old authorities, and the
service-account key as each control-plane node sealed it to itself.

No CA key is imported. A key that was on a disk could have been copied, and an import
cannot undo that. That is why the cluster moves to keys created in tokens.`,
		Args: exit.ExactArgs(0, "no arguments, only flags"),
		RunE: func(*cobra.Command, []string) error { return n.adopt() },
	}
	f := c.Flags()
	n.flags(c)
	f.StringVar(
		&n.knownHosts,
		"known-hosts",
		"",
		"known_hosts `FILE` with the nodes' SSH host keys; nodes that signed with theirs need no fingerprint",
	)
	return c
}

// adopt writes the plan that adopts a cluster.
func (o *newOptions) adopt() error {
	if err := o.check(); err != nil {
		return err
	}
	asked, err := o.asked()
	if err != nil {
		return err
	}
	return o.save(next.Adopt(asked))
}

// newSignerImportCommand is for those who look for it.
func newSignerImportCommand() *cobra.Command {
	return &cobra.Command{
		Use: "import FILE", Hidden: true, DisableFlagParsing: true,
		Short: "Refused: no CA key is imported into a token",
		RunE: func(_ *cobra.Command, args []string) error {
			return refuseImport("signer import " + strings.Join(args, " "))
		},
	}
}

// refuseImport tells those who would bring a CA key into a token why there is no
// way to do it, and what there is in its place.
func refuseImport(what string) error {
	return &exit.Error{
		Code: exit.Refused,
		Err: fmt.Errorf(
			"%s: no CA key is imported into a token. A key that was on a disk, in a backup or in a file "+
				"could have been copied, and an import cannot undo that; the token would only make it look as if "+
				"it had never left",
			strings.TrimSpace(what),
		),
		Hints: []string{
			"adopt the cluster instead: new keys are created in the token, and the cluster moves to them while it runs",
			"on each node: officiant-node request --adopt …; then: officiant ceremony adopt (docs/adoption.md)"},
	}
}
