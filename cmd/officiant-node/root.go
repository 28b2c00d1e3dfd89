package main

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"officiant/bundle/durable"
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
	Hostname       func() (string, error)
	// Program runs a program of this machine, and returns what it printed.
	Program func(ctx context.Context, name string, args ...string) ([]byte, error)
	Version string
	Getenv  func(key string) string // nil: nothing is in the environment
	guard   *interrupt.Guard        // nil: nothing cuts a command short
}

// variables stand in for flags that are the same in each command on a node.
var variables = []exit.Variable{{Name: "OFFICIANT_RELEASE_KEY", Flag: "release-key"}}

// readers are the commands that write nothing. A signal ends them where they are.
var readers = map[string]bool{"officiant-node status": true, "officiant-node verify": true}

func execute(ctx context.Context, o *options, args []string) int {
	root := newRootCommand(o)
	root.SetArgs(args)
	root.SetIn(o.Stdin)
	root.SetOut(o.Stdout)
	root.SetErr(o.Stderr)
	// What writes ends at its next safe point.
	if command, _, err := root.Find(args); err == nil && !readers[command.CommandPath()] {
		defer o.guard.Finishes()()
	}
	return exit.Run(ctx, root, o.Stderr, exitCode)
}

func newRootCommand(o *options) *cobra.Command {
	return program.Program{
		Version: o.Version, Stdout: o.Stdout, Stderr: &o.Stderr,
		Variables: variables, Getenv: o.Getenv, Examples: examples,
	}.Complete(exit.Group(&cobra.Command{
		Use:   "officiant-node",
		Short: "The node's side of a Kubernetes signing ceremony",
		Long: `Officiant-node creates a node's request for a signing ceremony, and verifies and installs
the bundle that comes back. The node's private keys stay on the node.`,
	}, newRequestCommand(o), newVerifyCommand(o), newInstallCommand(o), newRollbackCommand(o), newStatusCommand(o),
		newSyncCommand(o), newShareCommand(o), newUnsealCommand(o)))
}
