package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func newRequestCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "request --kubeadm FILE --roles ROLES --out FILE",
		Short: "Make this node's keys and its request",
		Args:  exactArgs(0, "no arguments"),
		RunE:  func(c *cobra.Command, _ []string) error { return errors.New("not written yet") },
	}
}
