package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func newCheckCommand(o *options) *cobra.Command {
	return &cobra.Command{Use: "check PLAN", RunE: func(*cobra.Command, []string) error { return errors.New("not yet") }}
}
