package main

import (
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"officiant/bundle/visible"
	"officiant/ceremony"
	"officiant/ceremony/preflight"
	"officiant/cmd/internal/exit"
)

// waiveFlags let two people go on although the station's policy refuses the room.
func waiveFlags(c *cobra.Command, w *ceremony.Waiver) {
	c.Flags().StringArrayVar(&w.Checks, "waive", nil, "refused `CHECK` of the room to waive; repeatable")
	c.Flags().StringVar(&w.Reason, "reason", "", "reason, as `TEXT` for the record; with --waive")
	c.Flags().StringArrayVar(&w.By, "by", nil, "`PERSON` who agrees, for the record; with --waive, give at least two")
}

// checkWaiver refuses a waiver that a record could not hold.
func checkWaiver(w ceremony.Waiver) error {
	if len(w.Checks) == 0 {
		if w.Reason != "" || len(w.By) > 0 {
			return exit.Usagef("--reason and --by go with --waive CHECK")
		}
		return nil
	}
	for _, name := range w.Checks {
		if !slices.Contains(preflight.Names(), name) {
			return exit.Usagef("--waive %q: no such check; the checks are %s", name, strings.Join(preflight.Names(),
				", "))
		}
	}
	if err := visibleNames("--by", w.By...); err != nil {
		return err
	}
	people := map[string]bool{}
	for _, p := range w.By {
		people[strings.ToLower(strings.Join(strings.Fields(p), " "))] = true
	}
	delete(people, "")
	if strings.TrimSpace(w.Reason) == "" || len(people) < 2 || len(people) < len(w.By) {
		return exit.Usagef("--waive needs --reason TEXT, and --by PERSON of two people")
	}
	return nil
}

// visibleNames refuses names in which there is a character that nobody sees: they
// go on record for people to compare.
func visibleNames(flag string, names ...string) error {
	for _, name := range names {
		if r, ok := visible.Hidden(name); !ok {
			return exit.Usagef("%s %s: contains the invisible character %U", flag, strconv.QuoteToASCII(name), r)
		}
	}
	return nil
}
