package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"officiant/cmd/internal/completion"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/manual"
)

// options is what every command gets from main.
type options struct {
	Stdout, Stderr io.Writer // data on Stdout, talk on Stderr
	Log            io.Writer // of run
	Now            func() time.Time
	Hostname       func() (string, error)
	Version        string
}

func execute(ctx context.Context, o *options, args []string) int {
	root := newRootCommand(o)
	root.SetArgs(args)
	root.SetOut(o.Stdout)
	root.SetErr(o.Stderr)
	return exit.Run(ctx, root, o.Stderr, outcome)
}

func newRootCommand(o *options) *cobra.Command {
	root := exit.Group(&cobra.Command{
		Use:   "officiant-signer-relay",
		Short: "Hands a cluster's certificate requests to officiant-signer",
		Long: "Officiant-signer-relay runs in the cluster, hands its CertificateSigningRequests to\n" +
			"officiant-signer, and writes back approval or denial, and the certificate. It has no\n" +
			"key and no policy: what is signed, the signer says.",
	}, newRunCommand(o), newManifestsCommand(o), newVersionCommand(o))
	root.AddCommand(manual.Command(root, o.Version, built, exit.ExactArgs(1, "one folder")))
	exit.Program(root, o.Version, &o.Stderr)
	manual.Examples(root, examples)
	manual.Help(root)
	completion.Add(root, nil)
	return root
}

func newVersionCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  exit.ExactArgs(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(o.Stdout, "officiant-signer-relay %s\n", o.Version)
			return err
		},
	}
}

// outcome is the exit code of errors that have none.
func outcome(err error) (code int, hints []string) {
	if errors.Is(err, context.Canceled) {
		return exit.Interrupted, nil
	}
	return exit.Failure, nil
}

// examples are shown by --help and in the manual pages, by command.
var examples = map[string]string{
	"run": `
officiant-signer-relay run --signer-endpoint signer.example:9443 --tls-cert tls.crt --tls-key tls.key \
    --signer-ca ca.crt --metrics :9100
officiant-signer-relay run --signer-endpoint unix:/run/officiant-signer/socket --kubeconfig relay.conf`,
	"manifests": `
officiant-signer-relay manifests --namespace officiant --image registry.example/relay:1 \
    --signer-endpoint signer.example:9443
officiant-signer-relay manifests --part kubelet
officiant-signer-relay manifests --part kubeadm`,
	"man": `
officiant-signer-relay man /usr/local/share/man/man1`,
}
