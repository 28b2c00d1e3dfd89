package main

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"officiant/bundle/durable"
	"officiant/ceremony/online/grant"
	"officiant/ceremony/online/journal"
	"officiant/ceremony/station"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/interrupt"
	"officiant/cmd/internal/program"
	"officiant/signer"
)

// options is what every command gets from main.
type options struct {
	Stdout, Stderr io.Writer // data on Stdout, talk on Stderr
	Log            io.Writer // of serve
	Disk           *durable.Disk
	Rand           io.Reader
	Now            func() time.Time
	Setenv         func(key, value string) error
	Getenv         func(key string) string // nil: nothing is in the environment
	Hangup         <-chan os.Signal        // reads grant and TLS files again
	Version        string
	guard          *interrupt.Guard // nil: nothing cuts a command short
}

var variables = []exit.Variable{
	{Name: "OFFICIANT_STATION", Flag: "station"},
	{Name: "OFFICIANT_RELEASE_KEY", Flag: "release-key"},
}

// readers are the commands that write nothing. A signal ends them where they are.
var readers = map[string]bool{"officiant-signer status": true, "officiant-signer verify": true}

func execute(ctx context.Context, o *options, args []string) int {
	root := newRootCommand(o)
	root.SetArgs(args)
	root.SetOut(o.Stdout)
	root.SetErr(o.Stderr)
	// What writes ends at its next safe point.
	if command, _, err := root.Find(args); err == nil && !readers[command.CommandPath()] {
		defer o.guard.Finishes()()
	}
	return exit.Run(ctx, root, o.Stderr, outcome)
}

func newRootCommand(o *options) *cobra.Command {
	return program.Program{
		Version: o.Version, Built: built, Stdout: o.Stdout, Stderr: &o.Stderr,
		Variables: variables, Getenv: o.Getenv, Examples: examples,
	}.Complete(exit.Group(&cobra.Command{
		Use:   "officiant-signer",
		Short: "Sign kubelet certificates within a signed grant",
		Long: `Officiant-signer signs kubelet certificates between ceremonies, with keys in a token or
KMS. A grant, signed by the release key, says what it may sign. Whatever it signs is in a
journal first. It talks to no Kubernetes API.`,
	}, newServeCommand(o), newStatusCommand(o), newVerifyCommand(o),
		newBatchCommand(o), newSignGrantCommand(o)))
}

// outcome is the one place that turns errors into exit codes, and says what to do next.
func outcome(err error) (code int, hints []string) {
	var invalid *grant.Invalid
	var misplaced *station.Invalid
	var broken *journal.Broken
	var malformed *signer.URIError
	switch {
	case errors.Is(err, context.Canceled):
		return exit.Interrupted, nil
	case errors.As(err, &broken):
		return exit.Unverified, nil
	case errors.As(err, &invalid), errors.As(err, &misplaced), errors.As(err, &malformed), errors.Is(err,
		signer.ErrOther):
		return exit.Refused, nil
	case errors.Is(err, signer.ErrUnavailable), errors.Is(err, signer.ErrPIN), errors.Is(err, signer.ErrFinalTry):
		return exit.Unavailable, nil
	}
	return exit.Failure, nil
}

// examples are shown by --help and in the manual pages, by command.
var examples = map[string]string{
	"serve": `
officiant-signer serve --grant grant.json --release-key release.pub --station station.yaml \
    --journal /var/lib/officiant-signer/journal.jsonl --listen unix:/run/officiant-signer/socket`,
	"status": `
officiant-signer status --listen unix:/run/officiant-signer/socket
officiant-signer status --listen unix:/run/officiant-signer/socket -o json`,
	"verify": `
officiant-signer verify journal.jsonl --grant grant.json --release-key release.pub
officiant-signer verify journal.jsonl --grant old.json --grant grant.json --release-key release.pub \
    --head 4711:9c4e6f0d2b8a1735c0e4d9f86a7b3c215e8d04f7a96b1c3d5e7f90213456789a`,
	"batch": `
officiant-signer batch csrs.json --grant grant.json --release-key release.pub --station station.yaml \
    --journal journal.jsonl --out answers`,
	"sign-grant": `
officiant-signer sign-grant grant.json --station station.yaml
officiant-signer sign-grant grant.json --station station.yaml \
    --confirm 9c4e6f0d2b8a1735c0e4d9f86a7b3c215e8d04f7a96b1c3d5e7f90213456789a`,
	"man": `
officiant-signer man /usr/local/share/man/man1`,
}
