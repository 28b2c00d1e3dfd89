package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"

	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/program"
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
	return program.Program{
		Version: o.Version, Built: built, Stdout: o.Stdout, Stderr: &o.Stderr, Examples: examples,
	}.Complete(exit.Group(&cobra.Command{
		Use:   "officiant-signer-relay",
		Short: "Hands a cluster's certificate requests to officiant-signer",
		Long: "Officiant-signer-relay runs in the cluster, hands its CertificateSigningRequests to\n" +
			"officiant-signer, and writes back approval or denial, and the certificate. It has no\n" +
			"key and no policy: what is signed, the signer says.",
	}, newRunCommand(o), newManifestsCommand(o)))
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
