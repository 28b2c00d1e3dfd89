package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"officiant/ceremony/quorum"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/infile"
	"officiant/cmd/internal/terminal"
)

// showSet says what a set is.
func showSet(w io.Writer, set *quorum.Set) {
	fmt.Fprintf(w, "%s\n", exit.Line(fmt.Sprintf("PIN of %s: %d of %d shares open it", set.Token, set.Threshold,
		len(set.People))))
	for i, p := range set.People {
		fmt.Fprintf(w, "  %2d  %s\n", i+1, exit.Line(p))
	}
	fmt.Fprintln(w, "Fingerprint of the set:")
	for _, l := range set.ID().Lines() {
		fmt.Fprintf(w, "  %s\n", l)
	}
}

func newPINCheckCommand(o *options) *cobra.Command {
	identity := ""
	c := &cobra.Command{
		Use:   "check FOLDER [SHARE --identity FILE]",
		Short: "Check one share by itself",
		Long: `Check a share against the public part of its set. Give the file that is sealed to its
person, with its key in --identity. Without a file, the command asks for shares at the
terminal, by number and words. Nothing is opened, and no token is needed.`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error { return checkShare(c.Context(), o, args, identity) },
	}
	c.Flags().StringVar(&identity, "identity", "", "age identity or SSH private key `FILE` that opens the sealed share")
	return c
}

func checkShare(ctx context.Context, o *options, args []string, identity string) error {
	set, _, err := openSet(args[0])
	if err != nil {
		return err
	}
	s := newShares(o, set)
	if len(args) == 1 {
		share, err := s.one(ctx, "Number or file of the share: ", set.Verify)
		if err == nil && share == nil {
			return &exit.Error{Code: exit.Declined, Err: errors.New("no share was given")}
		}
		if share != nil {
			share.Clear()
		}
		return err
	}
	if identity == "" {
		return exit.Usagef("pin check FOLDER SHARE needs --identity FILE, with the key that the share is sealed to")
	}
	sealed, err := infile.ReadFile(ctx, args[1], maxShare)
	if err != nil {
		return err
	}
	share, err := s.open(ctx, args[1], sealed, identity)
	if err == nil {
		defer share.Clear()
		err = set.Verify(share)
	}
	if err != nil {
		return &exit.Error{Code: exit.Unverified, Err: err}
	}
	_, err = fmt.Fprintf(o.Stdout, "share %d, %s: right\n", share.Index, exit.Line(share.Person))
	return err
}

func newPINDrillCommand(o *options) *cobra.Command {
	out := ""
	c := &cobra.Command{
		Use:   "drill FOLDER --out FILE",
		Short: "Let people prove that they have their shares, opening nothing",
		Long: `Take one person's share after another, as many as are present, check each, and write a
file that proves who had their share on this day and reveals nothing about it. An empty
line ends it. Anybody can check the file later: officiant pin show FOLDER FILE.`,
		Args: exit.ExactArgs(1, "one folder"),
		RunE: func(c *cobra.Command, args []string) error { return drill(c.Context(), o, args[0], out) },
	}
	c.Flags().StringVar(&out, "out", "", "new `FILE` for the proofs (required)")
	return c
}

func drill(ctx context.Context, o *options, folder, out string) error {
	if out == "" {
		return exit.Usagef("pin drill needs --out FILE")
	}
	set, _, err := openSet(folder)
	if err != nil {
		return err
	}
	d := &quorum.Drill{Set: set.ID(), Time: o.Now().UTC().Truncate(time.Second)}
	s := newShares(o, set)
	for len(d.Proofs) < len(set.People) {
		share, err := s.one(ctx, "Number or file of a share (Enter to end): ", func(share *quorum.Share) error {
			if slices.ContainsFunc(d.Proofs, func(p quorum.Proof) bool { return p.Index == share.Index }) {
				return fmt.Errorf("share %d (%s) has already been shown", share.Index, share.Person)
			}
			p, err := set.Prove(o.Rand, share, d.Purpose())
			d.Proofs = append(d.Proofs, p)
			if err != nil {
				d.Proofs = d.Proofs[:len(d.Proofs)-1]
			}
			return err
		})
		if err != nil {
			return err
		}
		if share == nil {
			break
		}
		share.Clear()
	}
	if len(d.Proofs) == 0 {
		return &exit.Error{Code: exit.Declined, Err: errors.New("no share was given: there is nothing to write")}
	}
	slices.SortFunc(d.Proofs, func(a, b quorum.Proof) int { return a.Index - b.Index })
	if err := o.Disk.Create(out, d.Text(), 0o644); err != nil {
		return err
	}
	showDrill(o.Stderr, set, d)
	_, err = fmt.Fprintln(o.Stdout, out)
	return err
}

// showDrill says who had their shares, and whether they could have opened the PIN.
func showDrill(w io.Writer, set *quorum.Set, d *quorum.Drill) {
	var there, missing []string
	for i, p := range set.People {
		if slices.ContainsFunc(d.Proofs, func(proof quorum.Proof) bool { return proof.Index == i+1 }) {
			there = append(there, p)
		} else {
			missing = append(missing, p)
		}
	}
	line := fmt.Sprintf("%s: %d of %d showed their shares: %s", d.Time.Format(time.RFC3339), len(there), len(set.People),
		strings.Join(there, ", "))
	if len(missing) > 0 {
		line += "; not " + strings.Join(missing, ", ")
	}
	terminal.Hang(w, "", exit.Line(line))
	if len(there) < set.Threshold {
		terminal.Hang(w, "", fmt.Sprintf("that is fewer than the %d that open the PIN", set.Threshold))
	}
}

func newPINShowCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "show FOLDER [DRILL…]",
		Short: "Print the public part of a set, and check drill files",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			set, _, err := openSet(args[0])
			if err != nil {
				return err
			}
			showSet(o.Stdout, set)
			for _, file := range args[1:] {
				data, err := infile.ReadFile(c.Context(), file, maxShare)
				if err != nil {
					return err
				}
				d, err := set.ParseDrill(data)
				if err != nil {
					return &exit.Error{Code: exit.Unverified, Err: fmt.Errorf("%s: %w", file, err)}
				}
				showDrill(o.Stdout, set, d)
			}
			return nil
		},
	}
}
