package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func newNewCommand(o *options) *cobra.Command {
	return &cobra.Command{Use: "new", RunE: func(*cobra.Command, []string) error { return errors.New("not yet") }}
}
