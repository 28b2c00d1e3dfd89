package main

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"officiant/bundle/durable"
	"officiant/ceremony/preflight"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/interrupt"
	"officiant/cmd/internal/program"
)

// options is what every command gets from main: streams, clock, disk.
type options struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer // data on Stdout, talk on Stderr
	Disk           *durable.Disk
	Rand           io.Reader
	Now            func() time.Time
	Setenv         func(key, value string) error
	State          string // folder in which this user's programs keep what they remember; "" for none
	Version        string
	Getenv         func(key string) string // nil: nothing is in the environment
	guard          *interrupt.Guard        // nil: nothing cuts a command short
}

func execute(ctx context.Context, o *options, args []string) int {
	root := newRootCommand(o)
	root.SetArgs(args)
	root.SetIn(o.Stdin)
	root.SetOut(o.Stdout)
	root.SetErr(o.Stderr)
	// What writes to tokens or goes on with a record ends at its next safe point.
	if command, _, err := root.Find(args); err == nil && !readers[command.CommandPath()] {
		defer o.guard.Finishes()()
	}
	return exit.Run(ctx, root, o.Stderr, exitCode)
}

func newRootCommand(o *options) *cobra.Command {
	return program.Program{
		Version: o.Version, Suffix: airgapSuffix, Built: built, Stdout: o.Stdout, Stderr: &o.Stderr,
		Variables: variables, Getenv: o.Getenv, Examples: examples,
		Values: map[string][]string{"waive": preflight.Names(), "qr": qrStyles},
	}.Complete(exit.Group(&cobra.Command{
		Use:   "officiant",
		Short: "Root signing ceremonies for Kubernetes",
		Long: `Officiant conducts root signing ceremonies for Kubernetes: CA keys stay in a PKCS#11
token or a cloud KMS, and signed node bundles come out.`,
	}, newCeremonyCommand(o), newSignerCommand(o), newBundleCommand(o), newPINCommand(o), newFleetCommand(o),
		newSoftHSMCommand(o), newDoctorCommand(o), newSchemaCommand(o)))
}
