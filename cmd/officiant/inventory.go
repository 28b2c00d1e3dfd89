package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"officiant/bundle/phrase"
	"officiant/ceremony/history"
	"officiant/ceremony/inventory"
	"officiant/ceremony/plan"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/output"
	"officiant/cmd/internal/terminal"
)

// inventoryOptions is what inventory and expiry share.
type inventoryOptions struct {
	*options
	nodes, authorities []string
	kind, state        string
	within             string
	output             output.Format
	expiry             bool // only what is in use, soonest end first
}

const inventoryHelp = `

Only the records are read, each with its whole chain of lines; whose they are,
"officiant ceremony verify" tells. Give the directory of every ceremony: one that
is continued and not there is named.` + directoriesHelp

func newInventoryCommand(o *options) *cobra.Command {
	i := &inventoryOptions{options: o}
	c := &cobra.Command{
		Use:   "inventory [DIR...]",
		Short: "List everything ever issued, from the records of ceremonies",
		Long: `List every certificate that was ever to be signed, by any authority, according to the
records of these ceremonies: those in use (current), those reissued since (superseded),
those of authorities that nodes no longer trust (dropped), those without a result on
record (abandoned: they may exist, and count as issued), and those on a revocation list
(revoked). What an online signer issued is listed with the ceremony that took its journal
in: the newest of each name is rotating, since its holder asks for the next by itself. It
also lists the revocation lists. JSON and CSV have serial numbers, subjects, names and
hashes.` + inventoryHelp,
		Args: o.someDirectories,
		RunE: func(_ *cobra.Command, args []string) error { return i.run(o.directories(args)) },
	}
	i.flags(c, "list only what expires within `TIME` from now, such as 90d; exit code 7 if anything does")
	return c
}

func newExpiryCommand(o *options) *cobra.Command {
	i := &inventoryOptions{options: o, expiry: true}
	c := &cobra.Command{
		Use:   "expiry [DIR...]",
		Short: "List what is in use by expiry, soonest first",
		Long: `List the current certificates by expiry, soonest first: authorities and leaves, the newest
of each name, and revocation lists by when the next is due. Revoked certificates are not
in use; --state revoked lists them, and --state rotating what an online signer issued,
whose holders replace it by themselves. With --within, the exit code is 7 if something expires
within that time, or has expired, so that a timer can check.` + inventoryHelp,
		Args: o.someDirectories,
		RunE: func(_ *cobra.Command, args []string) error { return i.run(o.directories(args)) },
	}
	i.flags(c, "list only what expires within `TIME` from now, such as 90d; exit code 7 if anything does")
	return c
}

func (o *inventoryOptions) flags(c *cobra.Command, within string) {
	f := c.Flags()
	only := ""
	if o.expiry {
		only = " (default current)"
	}
	f.StringSliceVar(&o.nodes, "node", nil, "only certificates of this `NODE`; repeatable")
	f.StringSliceVar(&o.authorities, "authority", nil, "only certificates signed by this `AUTHORITY`; repeatable")
	f.StringVar(&o.kind, "kind", "", "only this `KIND`: root, intermediate, leaf or crl (revocation lists)")
	f.StringVar(
		&o.state,
		"state",
		"",
		"only certificates in this `STATE`: current, superseded, dropped, left, abandoned, rotating or revoked"+only,
	)
	f.StringVar(&o.within, "within", "", within)
	output.Flag(c, &o.output, "csv")
}

func (o *inventoryOptions) run(dirs []string) error {
	until, err := o.until()
	if err != nil {
		return err
	}
	// A long list stays until the end; room for as much garbage would double it.
	defer debug.SetGCPercent(debug.SetGCPercent(50))
	records, err := readInventory(dirs)
	if err != nil {
		return err
	}
	list, err := inventory.List(records...)
	if err != nil {
		return &exit.Error{Code: exit.Refused, Err: err}
	}
	for _, name := range inventory.Missing(records...) {
		fmt.Fprintf(
			o.Stderr,
			"note: %s is continued by one of these and not among them; what it issued is not listed\n",
			exit.Line(name),
		)
	}
	for _, name := range inventory.Lost(records...) {
		fmt.Fprintf(
			o.Stderr,
			"note: the records of %s are lost; what they issued is not listed, and may still be valid\n",
			exit.Line(name),
		)
	}
	for _, name := range inventory.Forked(records...) {
		fmt.Fprintf(
			o.Stderr,
			"note: there are two different records of %s; both are listed, and at most one is the cluster's\n",
			name,
		)
	}
	list = slices.DeleteFunc(list, func(e *inventory.Entry) bool { return !o.wanted(e.Item(), until) })
	if o.expiry {
		slices.SortStableFunc(list, func(a, b *inventory.Entry) int { return a.End().Compare(b.End()) })
	}
	if len(list) == 0 && o.output == output.Table {
		fmt.Fprintln(o.Stderr, "No certificate.")
		return nil
	}
	if err := o.write(itemsOf(list)); err != nil {
		return err
	}
	if until != nil && len(list) > 0 {
		return &exit.Error{
			Code: exit.Expiring,
			Err:  fmt.Errorf("%s within %s", expire(len(list)), o.within),
		}
	}
	return nil
}

// until checks the flags; nil when nothing is asked about the end.
func (o *inventoryOptions) until() (*time.Time, error) {
	if !slices.Contains(
		[]inventory.Kind{"", inventory.Root, inventory.Intermediate, inventory.Leaf, inventory.CRL},
		inventory.Kind(o.kind),
	) {
		return nil, exit.Usagef("--kind %q: root, intermediate, leaf or crl", o.kind)
	}
	if !slices.Contains(
		[]inventory.State{
			"",
			inventory.Current,
			inventory.Superseded,
			inventory.Dropped,
			inventory.Left,
			inventory.Abandoned,
			inventory.Rotating,
			inventory.Revoked,
		},
		inventory.State(o.state),
	) {
		return nil, exit.Usagef("--state %q: current, superseded, dropped, left, abandoned, rotating or revoked",
			o.state)
	}
	if o.expiry && o.state == "" {
		o.state = string(inventory.Current)
	}
	if o.within == "" {
		return nil, nil
	}
	var d plan.Duration
	if err := d.UnmarshalText([]byte(o.within)); err != nil {
		return nil, exit.Usagef("--within: %v", err)
	}
	at := o.Now().Add(time.Duration(d))
	return &at, nil
}

func (o *inventoryOptions) wanted(i inventory.Item, until *time.Time) bool {
	in := func(list []string, s string) bool { return len(list) == 0 || slices.Contains(list, s) }
	return in(o.nodes, i.Node) && in(o.authorities, i.Authority) && (o.kind == "" || o.kind == string(i.Kind)) &&
		(until == nil || i.NotAfter.Before(*until)) && (o.state == "" || o.state == string(i.State))
}

// readInventory reads the records of ceremonies, finished or not: those in dirs, and
// those in folders among dirs.
func readInventory(dirs []string) ([]*inventory.Record, error) {
	found, err := history.Find(dirs...)
	if err != nil {
		return nil, unverified(err)
	}
	var records []*inventory.Record
	for _, f := range found.Found {
		r, err := inventory.Read(history.Directory(f.Dir))
		if err != nil {
			return nil, unverified(err)
		}
		records = append(records, r)
	}
	return records, nil
}

// unverified is the outcome of a record that is not whole.
func unverified(err error) error {
	var broken *history.Broken
	if errors.As(err, &broken) {
		hint := "to see what is wrong: officiant ceremony verify " + filepath.Dir(broken.File)
		return &exit.Error{Code: exit.Unverified, Err: err, Hints: []string{hint}}
	}
	return err
}

func (o *inventoryOptions) write(items iter.Seq[inventory.Item]) error {
	switch o.output {
	case output.JSON:
		return writeJSON(o.Stdout, items)
	case output.YAML:
		return writeYAML(o.Stdout, items)
	case "csv":
		return writeCSV(o.Stdout, items)
	}
	header := []string{"CEREMONY", "NAME", "BY", "UNTIL", "DAYS", "STATE"}
	return terminal.WriteTable(o.Stdout, terminal.Width(o.Stdout), header, func(yield func([]string) bool) {
		for i := range items {
			// A record is from whoever gave it, and may hold what a terminal acts on.
			row := []string{exit.Line(fmt.Sprintf("%s %d", i.Cluster, i.Sequence)), exit.Line(i.Name), exit.Line(i.Authority),
				i.NotAfter.Format(time.DateOnly), o.days(i), string(i.State)}
			if !yield(row) {
				return
			}
		}
	})
}

// itemsOf makes the items as they are asked for.
func itemsOf(list []*inventory.Entry) iter.Seq[inventory.Item] {
	return func(yield func(inventory.Item) bool) {
		for _, e := range list {
			if !yield(e.Item()) {
				return
			}
		}
	}
}

// writeJSON writes {"certificates": [...]}, one after the other: there may be many.
func writeJSON(w io.Writer, items iter.Seq[inventory.Item]) error {
	b := bufio.NewWriter(w)
	b.WriteString("{\n  \"certificates\": [")
	between, end := "", "]\n}\n"
	for i := range items {
		text, err := json.MarshalIndent(i, "    ", "  ")
		if err != nil {
			return err
		}
		b.WriteString(between + "\n    ")
		b.Write(text)
		between, end = ",", "\n  ]\n}\n"
	}
	b.WriteString(end)
	return b.Flush()
}

// writeYAML writes the same, one after the other.
func writeYAML(w io.Writer, items iter.Seq[inventory.Item]) error {
	b := bufio.NewWriter(w)
	b.WriteString("certificates:")
	none := true
	for i := range items {
		var text bytes.Buffer
		if err := output.YAML.Write(&text, []inventory.Item{i}); err != nil {
			return err
		}
		if none {
			b.WriteByte('\n')
		}
		none = false
		for line := range bytes.Lines(text.Bytes()) {
			b.WriteString("  ")
			b.Write(line)
		}
	}
	if none {
		b.WriteString(" []\n")
	}
	return b.Flush()
}

// days is how long something is still valid, in whole days.
func (o *inventoryOptions) days(i inventory.Item) string {
	left := i.NotAfter.Sub(o.Now())
	if left < 0 {
		return "ended"
	}
	return strconv.Itoa(int(left.Hours() / 24))
}

func writeCSV(w io.Writer, items iter.Seq[inventory.Item]) error {
	c := csv.NewWriter(w)
	c.Write(
		[]string{
			"cluster",
			"sequence",
			"ceremony",
			"name",
			"node",
			"kind",
			"authority",
			"state",
			"subject",
			"names",
			"serial",
			"notBefore",
			"notAfter",
			"sha256",
			"revokedAt",
			"reason",
		},
	)
	for i := range items {
		sum := ""
		if i.SHA256 != nil {
			sum = i.SHA256.String()
		}
		at, reason := "", ""
		if i.Revoked != nil {
			at, reason = i.Revoked.At.Format(time.RFC3339), string(i.Revoked.Reason)
		}
		c.Write(
			[]string{
				i.Cluster,
				strconv.Itoa(i.Sequence),
				i.Ceremony,
				i.Name,
				i.Node,
				string(i.Kind),
				i.Authority,
				string(i.State),
				i.Subject,
				strings.Join(
					i.Names,
					" ",
				),
				i.Serial,
				i.NotBefore.Format(time.RFC3339),
				i.NotAfter.Format(time.RFC3339),
				sum,
				at,
				reason,
			},
		)
	}
	c.Flush()
	return c.Error()
}

// expire says how many certificates expire.
func expire(n int) string {
	if n == 1 {
		return "1 certificate expires"
	}
	return phrase.Count(n, "certificate") + " expire"
}
