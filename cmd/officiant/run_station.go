package main

import (
	"github.com/spf13/cobra"

	"officiant/bundle/fingerprint"
	"officiant/ceremony"
	"officiant/cmd/internal/exit"
)

// stationFlags let people go on with a corrected station file.
func stationFlags(c *cobra.Command, o *runOptions) {
	c.Flags().BoolVar(&o.newFile, "new-station", false,
		"continue with this station file instead of the one on record; with --reason, and --by for at least two people")
	c.Flags().StringArrayVar(&o.modules, "new-module", nil,
		"`SHA256` of a PKCS#11 module that is not on record, to approve it; with --new-station")
	c.Flags().Lookup("reason").Usage = "reason, as `TEXT` for the record; with --waive or --new-station"
	c.Flags().Lookup("by").Usage = "`PERSON` who agrees, for the record; with --waive or --new-station, give at " +
		"least two"
}

// correction is what people agree to by flags; nil: no other station file. A waiver
// of the same command has the same reason, and is by the same people.
func (o *runOptions) correction() (*ceremony.Correction, error) {
	switch {
	case !o.newFile && len(o.modules) > 0:
		return nil, exit.Usagef("--new-module goes with --new-station")
	case !o.newFile:
		return nil, checkWaiver(o.waive)
	}
	if len(o.waive.Checks) > 0 {
		if err := checkWaiver(o.waive); err != nil {
			return nil, err
		}
	}
	if o.waive.Reason == "" || len(o.waive.By) == 0 {
		return nil, exit.Usagef("--new-station needs --reason TEXT, and --by PERSON of two people")
	}
	correct := &ceremony.Correction{Reason: o.waive.Reason, By: o.waive.By}
	for _, text := range o.modules {
		sum, err := fingerprint.Parse(text)
		if err != nil {
			return nil, exit.Usagef("--new-module: %v", err)
		}
		correct.Module = append(correct.Module, sum)
	}
	return correct, nil
}

// stationHints is the command that goes on with another station file.
func stationHints(again string, e *ceremony.OtherStation) []string {
	command := again + " --new-station --reason TEXT --by NAME --by OTHER"
	for _, m := range e.Modules {
		command += " --new-module " + m.SHA256
	}
	hints := []string{"is it the right file for this ceremony? If two people agree that it was corrected: " + command}
	if len(e.Modules) > 0 {
		hints = append(hints, "first compare the module's SHA-256 with its vendor's")
	}
	return hints
}
