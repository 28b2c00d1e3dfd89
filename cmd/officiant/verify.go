package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func newVerifyCommand(o *options) *cobra.Command {
	return &cobra.Command{Use: "verify DIR", RunE: func(*cobra.Command, []string) error { return errors.New("not yet") }}
}
