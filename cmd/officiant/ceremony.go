package main

import "github.com/spf13/cobra"

func newCeremonyCommand(o *options) *cobra.Command {
	return group("ceremony", "Plan, check, run and verify ceremonies",
		newNewCommand(o), newCheckCommand(o), newRunCommand(o), newVerifyCommand(o))
}
