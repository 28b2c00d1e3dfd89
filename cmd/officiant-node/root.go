package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"officiant/bundle/durable"
)

// options is what every command gets from main: streams, clock, disk.
type options struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer // data on Stdout, talk on Stderr
	Disk           *durable.Disk
	Rand           io.Reader
	Now            func() time.Time
	Hostname       func() (string, error)
	NoColor        bool
	Version        string
}

// usageError marks a wrong command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// exitError carries the exit code a command decided on itself, and hints:
// what to do next, a line each.
type exitError struct {
	code  int
	err   error // nil: the command has said everything already
	hints []string
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func execute(ctx context.Context, o *options, args []string) int {
	root := newRootCommand(o)
	root.SetArgs(args)
	root.SetIn(o.Stdin)
	root.SetOut(o.Stdout)
	root.SetErr(o.Stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	code, hints := outcome(err)
	var own *exitError
	if !errors.As(err, &own) || own.err != nil {
		fmt.Fprintf(o.Stderr, "officiant-node: %s\n", indent(err.Error()))
	}
	for _, h := range hints {
		fmt.Fprintf(o.Stderr, "  %s\n", h)
	}
	return code
}

// indent keeps the later lines of a long error below the first.
func indent(s string) string { return strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n  ") }

func newRootCommand(o *options) *cobra.Command {
	root := &cobra.Command{
		Use:   "officiant-node",
		Short: "A node's side of a Kubernetes signing ceremony",
		Long: "Officiant-node makes the requests a node takes part in a signing ceremony with, and\n" +
			"verifies and installs the bundle it gets back. The node's private keys stay on the node.",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var names []string
			for _, sub := range c.Commands() {
				names = append(names, sub.Name())
			}
			return usagef("a command is needed: %s", strings.Join(names, ", "))
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(
		newRequestCommand(o),
		newVerifyCommand(o),
		newInstallCommand(o),
		newRollbackCommand(o),
		newStatusCommand(o),
		newVersionCommand(o),
	)
	return root
}

// exactArgs refuses a wrong number of arguments as a usage error.
func exactArgs(n int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != n {
			return usagef("%s takes %s", c.CommandPath(), what)
		}
		return nil
	}
}

func newVersionCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  exactArgs(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(o.Stdout, "officiant-node %s\n", o.Version)
			return err
		},
	}
}
