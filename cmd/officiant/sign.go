package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"officiant/bundle/phrase"
	"officiant/bundle/sshsig"
	"officiant/ceremony/approval"
	"officiant/ceremony/audit"
	"officiant/ceremony/history"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/terminal"
)

type signOptions struct {
	*options
	witness string
	key     string
	print   bool
	qr      string
}

func newSignCommand(o *options) *cobra.Command {
	sign := &signOptions{options: o}
	c := &cobra.Command{
		Use:   "sign DIR --witness NAME --key FILE | --print",
		Short: "Sign the head of a finished ceremony's record, as a witness",
		Long: `Sign the head of a finished ceremony's record, as one of the witnesses that its plan
names. First compare the head with what the room showed. The directory is verified before
anything is signed. The signature is written to witnesses/NAME.sig. An existing one is
never replaced.

--print shows the command that makes the signature with ssh-keygen alone, and signs
nothing.`,
		Args: exit.ExactArgs(1, "one ceremony directory"),
		RunE: func(c *cobra.Command, args []string) error { return sign.run(c.Context(), args[0]) },
	}
	c.Flags().StringVar(&sign.witness, "witness", "", "`NAME` of the witness (required)")
	c.Flags().StringVar(&sign.key, "key", "", "SSH private key `FILE` to sign with")
	c.Flags().BoolVar(&sign.print, "print", false, "print the ssh-keygen command, and sign nothing")
	c.Flags().StringVar(&sign.qr, "qr", "",
		"draw the head as a QR code: `STYLE` blocks, ascii or none (default: blocks, on a terminal)")
	return c
}

func (o *signOptions) run(ctx context.Context, dir string) error {
	if o.witness == "" || (o.key == "") == !o.print {
		return exit.Usagef("ceremony sign needs --witness NAME, and either --key FILE or --print")
	}
	if err := isCeremony(dir); err != nil {
		return err
	}
	if o.qr == "" {
		o.qr = map[bool]string{true: "blocks", false: "none"}[terminal.IsTerminal(o.Stderr)]
	}
	if err := checkQR(o.qr); err != nil {
		return err
	}
	record, people, err := o.record(dir)
	if err != nil {
		return err
	}
	who, err := o.person(people)
	if err != nil {
		return err
	}
	report, err := audit.Verify(dir, audit.Options{Now: o.Now()})
	if err != nil {
		return err
	}
	if found := report.Findings(); len(found) > 0 {
		return &exit.Error{Code: exit.Unverified, Err: fmt.Errorf("%s does not verify, so nothing was signed: %s", dir, found[0]),
			Hints: []string{"for all findings: officiant ceremony verify " + dir}}
	}
	head := record.Head
	fmt.Fprintf(o.Stderr, "Ceremony %s of cluster %s, %s. Head of its record:\n  %s\n%s",
		report.Name, report.Cluster, phrase.Count(report.Lines, "line"), head, indentLines(head.Lines()))
	if err := writeQR(o.Stderr, head, o.qr); err != nil {
		return err
	}
	if o.print {
		_, err := fmt.Fprintln(o.Stdout, keygenLine(approval.HeadMessage(head), approval.HeadNamespace, who.Name+approval.Suffix))
		return err
	}
	key, err := openSSHKey(ctx, o.options, o.key)
	if err != nil {
		return err
	}
	if by, err := people.WitnessBy(key.PublicKey()); err != nil {
		return &exit.Error{Code: exit.Refused, Err: fmt.Errorf("%s is %w", o.key, err)}
	} else if by.Name != who.Name {
		return &exit.Error{Code: exit.Refused, Err: fmt.Errorf("%s is the key of %s, not of %s", o.key, by.Name, who.Name)}
	}
	signature, err := sshsig.Sign(o.Rand, key, approval.HeadNamespace, approval.HeadMessage(head))
	if err != nil {
		return fmt.Errorf("%s: %w", o.key, err)
	}
	path := filepath.Join(dir, "witnesses", who.Name+approval.Suffix)
	if err := placeSignature(o.options, path, signature); err != nil {
		return err
	}
	fmt.Fprintf(o.Stderr, "witnessed by %s\n", who.Name)
	_, err = fmt.Fprintln(o.Stdout, path)
	return err
}

// record reads a closed record and the people in it.
func (o *signOptions) record(dir string) (*history.Record, approval.People, error) {
	r, err := history.Read(history.Directory(dir))
	var broken *history.Broken
	switch {
	case errors.As(err, &broken):
		return nil, approval.People{}, &exit.Error{Code: exit.Unverified, Err: err}
	case err != nil:
		return nil, approval.People{}, err
	case r.Closed == nil:
		return nil, approval.People{}, &exit.Error{Code: exit.Refused,
			Err: fmt.Errorf("%s: the ceremony is unfinished; a witness signs a finished one", dir)}
	}
	people, err := peopleOf(r)
	if err != nil {
		return nil, approval.People{}, &exit.Error{Code: exit.Unverified, Err: fmt.Errorf("%s:1: %w", r.Source.Name, err)}
	}
	return r, people, nil
}

// peopleOf are the people a record's first line names.
func peopleOf(r *history.Record) (approval.People, error) {
	var list []approval.Person
	for _, p := range r.Open.People {
		list = append(list, approval.Person(p))
	}
	people, wrong := approval.New(list, r.Open.Threshold)
	if len(wrong) > 0 {
		return approval.People{}, errors.New("people: " + wrong[0].Message)
	}
	return people, nil
}

// person is the one who says to witness.
func (o *signOptions) person(people approval.People) (approval.Person, error) {
	for _, p := range people.List {
		switch {
		case p.Name != o.witness:
		case p.Role != approval.Witness:
			return p, &exit.Error{Code: exit.Refused, Err: fmt.Errorf("%s is %s and not a witness", p.Name, p.Role)}
		default:
			return p, nil
		}
	}
	return approval.Person{}, &exit.Error{Code: exit.Refused, Err: fmt.Errorf("the ceremony's plan names no %s", o.witness)}
}
