package main

import (
	"github.com/spf13/cobra"

	"officiant/cmd/internal/exit"
)

func newCeremonyCommand(o *options) *cobra.Command {
	return exit.Group(&cobra.Command{Use: "ceremony", Short: "Plan, check, approve, run and verify ceremonies"},
		newNewCommand(o), newAdoptCommand(o), newRecoverCommand(o), newCheckCommand(o), newDiffCommand(o),
		newApproveCommand(o), newScriptCommand(o), newRehearseCommand(o), newRunCommand(o), newStatusCommand(o),
		newSignCommand(o), newNoteCommand(o), newAbandonCommand(o), newVerifyCommand(o), newReportCommand(o),
		newInventoryCommand(o),
		newExpiryCommand(o), newRenewCommand(o), newRolloverCommand(o), newRevokeCommand(o))
}
