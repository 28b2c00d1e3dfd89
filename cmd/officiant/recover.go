package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"officiant/ceremony/next"
	"officiant/ceremony/plan"
	"officiant/cmd/internal/exit"
)

type recoverOptions struct {
	newOptions
	station  string
	finalTry string
	from     []string
	status   string
	reason   string
}

func newRecoverCommand(o *options) *cobra.Command {
	r := &recoverOptions{newOptions: newOptions{options: o}}
	c := &cobra.Command{
		Use: "recover --station STATION --kubeadm FILE --requests DIR --from PATH --status DIR --reason TEXT --out " +
			"plan.yaml",
		Short: "Write the plan that starts a cluster's chain anew when its records are lost",
		Long: `Write the plan that starts a cluster's chain anew. Use it when the keys are in the
station's tokens, but the directories of the ceremonies are gone. Keys are found by their
labels, CLUSTER/NAME, and compared with the surviving certificates. --from takes
certificate files and folders, such as /etc/kubernetes of a control-plane node, bundles,
and authorities/ of a ceremony. The nodes' statuses (officiant-node status -o json) give
the highest sequence they have seen, the root they pinned, and the release key. The
command prints what it finds, and what nobody can know any more.

The plan starts a chain that says that it starts anew, and why. Every node sends a new
request, and gets all its certificates. The service-account key pair is also new: tokens
signed so far become invalid when the bundles are installed. The command opens tokens, so
it asks for PINs as a ceremony does. It signs nothing and creates nothing in them.`,
		Args: exit.ExactArgs(0, "no arguments, only flags"),
		RunE: func(c *cobra.Command, _ []string) error { return r.run(c.Context()) },
	}
	f := c.Flags()
	r.flags(c)
	f.StringVar(&r.station, "station", "", "station `FILE` that says where the keys are (required)")
	f.StringArrayVar(
		&r.from,
		"from",
		nil,
		"`PATH` of certificates that are left: a file, or a folder with all below it (required; repeatable)",
	)
	f.StringVar(&r.status, "status", "", "`DIR` of the nodes' statuses, *.json (required)")
	f.StringVar(&r.reason, "reason", "",
		"what happened to the records, for the new record: one line of `TEXT` (required)")
	finalTryFlag(c, &r.finalTry)
	return c
}

func (o *recoverOptions) run(ctx context.Context) error {
	if o.station == "" || len(o.from) == 0 || o.status == "" || o.reason == "" {
		return exit.Usagef(
			"ceremony recover needs --station FILE, --from PATH, --status DIR and --reason TEXT, besides " +
				"--kubeadm FILE, --requests DIR and --out FILE",
		)
	}
	if err := plan.CheckLostReason(o.reason); err != nil {
		return exit.Usagef("--reason: %v", err)
	}
	if err := o.check(); err != nil {
		return err
	}
	asked, err := o.asked()
	if err != nil {
		return err
	}
	statuses, err := statusesIn(o.status)
	if err != nil {
		return err
	}
	left, err := next.Survive(asked, statuses)
	if err != nil {
		return err
	}
	if err := certificatesIn(ctx, left, o.from); err != nil {
		return err
	}
	if err := o.keys(ctx, left); err != nil {
		return err
	}
	if err := tellSurvivors(o.Stdout, left); err != nil {
		return err
	}
	fmt.Fprint(o.Stderr, unknown(left))
	return o.save(next.Recover(left, o.reason))
}

// valid says until when a certificate is.
func valid(c *x509.Certificate) string {
	return "valid until " + c.NotAfter.UTC().Format(time.DateOnly)
}
