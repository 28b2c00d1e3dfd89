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
	Setenv         func(key, value string) error
	NoColor        bool
	Version        string
}

// Exit codes are a promise to scripts; docs/exit-codes.md lists them.
const (
	exitDone        = 0
	exitFailure     = 1
	exitUsage       = 2
	exitRefused     = 3
	exitUnverified  = 4
	exitUnavailable = 5
	exitDeclined    = 6
	exitExpiring    = 7
	exitInterrupted = 130
)

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
		fmt.Fprintf(o.Stderr, "officiant: %s\n", indent(err.Error()))
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
		Use:           "officiant",
		Short:         "Root signing ceremonies for Kubernetes",
		Long:          "Officiant conducts root signing ceremonies for Kubernetes: CA keys stay in a PKCS#11\ntoken or a cloud KMS, signed node bundles come out.",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newCeremonyCommand(o), newSoftHSMCommand(o), newVersionCommand(o))
	return root
}

// group is a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(c *cobra.Command, args []string) error {
		return usagef("%s needs a command: %s", c.CommandPath(), strings.Join(names(c), ", "))
	}}
	c.AddCommand(commands...)
	return c
}

func names(c *cobra.Command) []string {
	var out []string
	for _, sub := range c.Commands() {
		out = append(out, sub.Name())
	}
	return out
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
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(o.Stdout, "officiant %s%s\n", o.Version, airgapSuffix)
			return err
		},
	}
}
