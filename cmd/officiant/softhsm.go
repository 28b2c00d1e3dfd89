package main

import "github.com/spf13/cobra"

func newSoftHSMCommand(o *options) *cobra.Command {
	return group("softhsm", "Throw-away tokens for rehearsals, the demo and tests")
}
