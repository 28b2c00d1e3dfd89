package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"officiant/bundle/fingerprint"
	"officiant/bundle/install"
	"officiant/bundle/kubepki"
	"officiant/bundle/request"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/infile"
	"officiant/cmd/internal/terminal"
)

type shareOptions struct {
	*options
	to, out, root, fingerprint string
	self                       bool
}

func newShareCommand(o *options) *cobra.Command {
	s := &shareOptions{options: o}
	c := &cobra.Command{
		Use:   "share --to REQUEST --out FILE",
		Short: "Seal this node's service-account key to a joining control-plane node",
		Long: `Share is for a control-plane node that joins after the first ceremony, when only the
existing control-plane nodes have the key that signs service-account tokens. It seals
this node's sa.key to the recipient in the other node's request. Put the file beside that
request for the next plan. Nothing on this node changes.

Whoever can open the file can act as every service account. So the command asks for the
request's fingerprint, as the other node's operator reads it out, in words or hex.
Scripts pass it with --fingerprint.

If the records of a cluster's ceremonies are lost, its control-plane nodes share with
each other to keep the key pair (docs/recovery.md). A single one shares with itself:
--self.`,
		Example: "  officiant-node share --to cp-2.req --out cp-2.sa.key.age",
		Args:    exit.ExactArgs(0, "no arguments"),
		RunE:    func(c *cobra.Command, _ []string) error { return s.run(c.Context()) },
	}
	f := c.Flags()
	f.StringVar(&s.to, "to", "", "request `FILE` of the joining node (required)")
	f.StringVar(&s.out, "out", "", "`FILE` to write; it must not exist (required)")
	f.StringVar(&s.root, "root", "/", "directory that etc/kubernetes is below")
	f.StringVar(
		&s.fingerprint,
		"fingerprint",
		"",
		"the request's `FINGERPRINT` as its node shows it, in place of typing it",
	)
	f.BoolVar(&s.self, "self", false, "the request is this node's own, in a cluster whose records are lost")
	return c
}

func (s *shareOptions) run(ctx context.Context) error {
	if s.to == "" || s.out == "" {
		return exit.Usagef("share needs --to REQUEST and --out FILE")
	}
	if _, err := os.Lstat(s.out); err == nil {
		return exit.Exists("%s: exists already, and is not overwritten", s.out)
	}
	data, err := infile.ReadFile(ctx, s.to, 1<<20)
	if err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	to, err := request.Parse(s.to, data)
	if err != nil {
		return &exit.Error{Code: exit.Refused, Err: err}
	}
	node := &install.Node{Root: s.root, Disk: s.Disk, Now: s.Now}
	if err := s.accept(node, to); err != nil {
		return err
	}
	if err := s.confirmed(ctx, to); err != nil {
		return err
	}
	sealed, err := node.Share(to.Recipient)
	if err != nil {
		return err
	}
	if err := s.Disk.Create(s.out, sealed, 0o644); errors.Is(err, fs.ErrExist) {
		return exit.Exists("%s: exists already, and is not overwritten", s.out)
	} else if err != nil {
		return err
	}
	fmt.Fprintf(
		s.Stderr,
		"sealed the service-account key to node %s: %s\nput it beside the request for the next plan, as "+
			"%s.sa.key.age\n",
		to.Node.Name,
		s.out,
		strings.TrimSuffix(filepath.Base(s.to), ".req"),
	)
	return nil
}

// accept refuses a request that cannot be a peer's.
func (s *shareOptions) accept(node *install.Node, to *request.Opened) error {
	pins, err := node.State().Pins()
	if err != nil {
		return err
	}
	why := ""
	switch {
	case pins == nil:
		return fmt.Errorf("%w: no bundle is installed below %s", install.ErrNotShared, s.root)
	case to.Cluster.Name != pins.Cluster:
		why = fmt.Sprintf("is for cluster %s; this node is of cluster %s", to.Cluster.Name, pins.Cluster)
	case to.Node.Name == pins.Node && !s.self:
		why = fmt.Sprintf("is of this node, %s, itself", pins.Node)
	case !to.Node.Has(kubepki.ControlPlane):
		why = fmt.Sprintf("is of node %s, which is no control-plane node and needs no service-account key", to.Node.Name)
	default:
		return nil
	}
	return &exit.Error{Code: exit.Refused, Err: fmt.Errorf("%s: %s", s.to, why), Hints: []string{"nothing was sealed"}}
}

// confirmed wants the request's fingerprint as its node shows it. It is not shown
// here first: what is only compared is soon only nodded at.
func (s *shareOptions) confirmed(ctx context.Context, to *request.Opened) error {
	typed, how := s.fingerprint, "--fingerprint"
	if typed == "" {
		fmt.Fprintf(
			s.Stderr,
			"%s is a request of node %s (%s) of cluster %s.\n",
			s.to,
			to.Node.Name,
			roleNames(to.Node.Roles),
			to.Cluster.Name,
		)
		var err error
		p := terminal.Prompter{In: s.Stdin, Out: s.Stderr}
		typed, err = p.Line(ctx, "Its fingerprint, as "+to.Node.Name+"'s operator reads it, in words or hex, on one line: ")
		if errors.Is(err, terminal.ErrNoTerminal) {
			return &exit.Error{
				Code:  exit.Usage,
				Err:   errors.New("there is no terminal to ask on"),
				Hints: []string{"in scripts: --fingerprint, as the node that joins shows it"},
			}
		}
		if err != nil {
			return err
		}
		how = "what was typed"
	}
	given, err := parseSpoken(typed)
	if err != nil {
		return exit.Usagef("%s: %w", how, err)
	}
	if given != to.Fingerprint {
		return &exit.Error{Code: exit.Refused,
			Err: fmt.Errorf(
				"%s: its fingerprint is %s, not %s: it is not the request that node %s made",
				s.to,
				to.Fingerprint,
				given,
				to.Node.Name,
			),
			Hints: []string{
				"nothing was sealed",
				"have the operator read it again: officiant-node status shows which request the node made",
			}}
	}
	return nil
}

// parseSpoken reads a fingerprint as hex or as words.
func parseSpoken(s string) (fingerprint.SHA256, error) {
	if strings.ContainsAny(s, "0123456789") {
		return fingerprint.Parse(s)
	}
	return fingerprint.ParseWords(s) // none of which has a digit
}
