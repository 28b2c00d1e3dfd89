package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"officiant/ceremony/quorum"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/terminal"
	"officiant/signer"
)

type pinSplitOptions struct {
	dealing
	token  string
	make   bool
	length int
	change string
	keys   signerOptions // how --change names and reaches a key
}

func newPINSplitCommand(o *options) *cobra.Command {
	p := &pinSplitOptions{dealing: dealing{options: o}, keys: signerOptions{options: o, output: "table"}}
	c := &cobra.Command{
		Use:   "split --person NAME[=FILE] … --threshold NUMBER --out FOLDER (--change KEY | --token NAME [--make])",
		Short: "Split a PIN into shares: several people open it together",
		Long: `Split a PIN into shares. Any --threshold of them open it, and fewer reveal nothing about
it. Each share can be checked by itself (officiant pin check).

With --change KEY, the token of that key gets a new PIN that nobody sees. The command asks
for the current PIN and writes the shares. It sets the new PIN only after people confirm
that each has their share. Without --change, you type the PIN twice, or let --make
generate it and show it once, for the tool that sets it.

A share is sealed to its person's SSH or age key, in a file of the folder. Without a key,
it is printed on standard output, for paper: 32 words, four check digits, and a QR code.
Standard output must be a terminal or a pipe to a printer, because a share in the clear
must never be on a disk. At a PIN prompt, type "shares" to enter shares.`,
		Args: exit.ExactArgs(0, "no arguments, only flags"),
		RunE: func(c *cobra.Command, _ []string) error { return p.run(c.Context()) },
	}
	p.flags(c)
	c.Flags().StringVar(&p.token, "token", "", "`NAME` of the PIN's token, by label or serial")
	c.Flags().BoolVar(&p.make, "make", false, "generate a PIN and show it, instead of asking for one")
	c.Flags().IntVar(&p.length, "length", 20, "`NUMBER` of letters in a generated PIN, five bits each")
	c.Flags().StringVar(&p.change, "change", "",
		"set a new PIN in the token of `KEY`, a PKCS#11 URI or, with --station, CLUSTER/NAME")
	c.Flags().StringVar(&p.keys.station, "station", "",
		"station `FILE`: sets the environment, and names keys as CLUSTER/NAME")
	finalTryFlag(c, &p.keys.finalTry)
	return c
}

func (p *pinSplitOptions) run(ctx context.Context) error {
	if (p.change == "") == (p.token == "") {
		return exit.Usagef("pin split needs either --change KEY or --token NAME")
	}
	if p.change != "" && p.make {
		return exit.Usagef("--change makes a PIN that nobody sees; --make shows it")
	}
	people, recipients, err := p.people(ctx)
	if err != nil {
		return err
	}
	if p.change != "" {
		return p.changed(ctx, people, recipients)
	}
	pin, err := p.pin(ctx)
	if err != nil {
		return err
	}
	defer clear(pin)
	set, err := p.deal(p.token, people, recipients, pin)
	if err != nil {
		return err
	}
	if p.make { // for the tool that sets it, once its shares are out
		fmt.Fprintf(p.Stderr, "The PIN, shown this once: %s\n", pin)
	}
	return p.dealt(set)
}

// pin is typed twice, or made.
func (p *pinSplitOptions) pin(ctx context.Context) ([]byte, error) {
	if p.make {
		pin, err := quorum.NewPIN(p.Rand, p.length)
		if err != nil {
			return nil, refusedPIN(err)
		}
		return pin, nil
	}
	prompter := terminal.Prompter{In: p.Stdin, Out: p.Stderr}
	first, err := prompter.Secret(ctx, exit.Line(fmt.Sprintf("PIN of %s: ", p.token)))
	if err != nil {
		return nil, err
	}
	again, err := prompter.Secret(ctx, "The same again: ")
	defer clear(again)
	if err == nil && !bytes.Equal(first, again) {
		err = refusedPIN(errors.New("the two PINs differ: no shares were made"))
	}
	return first, err
}

// changed gives the token of a key a PIN that nobody sees, once its shares are out.
func (p *pinSplitOptions) changed(ctx context.Context, people, recipients []string) error {
	ref, to, err := p.keys.key(p.change)
	if err != nil {
		return err
	}
	var old []byte
	defer func() { clear(old) }()
	ask := func(ctx context.Context, d signer.Device) ([]byte, error) {
		pin, err := askPIN(p.options)(ctx, d)
		old = bytes.Clone(pin)
		return pin, err
	}
	store, err := to.open(ctx, ref, ask)
	if err != nil {
		return err
	}
	defer store.Close()
	token, can := store.(signer.PINChanger)
	described, says := store.(signer.Describer)
	if !can || !says {
		return refusedPIN(fmt.Errorf("%s: this kind of key has no PIN", p.change))
	}
	if old == nil {
		return refusedPIN(fmt.Errorf("%s: its PIN is typed at the token's own pad, or comes from a pin-source: "+
			"change it with its "+
			"vendor's tool, and split it with --token", p.change))
	}
	pin, err := quorum.NewPIN(p.Rand, p.length)
	if err != nil {
		return refusedPIN(err)
	}
	defer clear(pin)
	device := described.Describe()
	set, err := p.deal(device.Label, people, recipients, pin)
	if err != nil {
		return err
	}
	if err := p.everybodyHas(ctx, device.Label); err != nil {
		return errors.Join(err, p.Disk.RemoveAll(p.out))
	}
	if err := token.ChangePIN(ctx, old, pin); err != nil {
		return errors.Join(err, p.Disk.RemoveAll(p.out))
	}
	fmt.Fprintf(
		p.Stderr,
		"%s\n",
		exit.Line(fmt.Sprintf("token %s, serial %s: its PIN is the one in these shares", device.Label,
			device.Serial)),
	)
	return p.dealt(set)
}

// everybodyHas has people say that no share is missing, before the old PIN is gone.
func (p *pinSplitOptions) everybodyHas(ctx context.Context, label string) error {
	fmt.Fprintln(p.Stderr, "Each person checks their share: the file opens, the paper is legible.")
	prompter := terminal.Prompter{In: p.Stdin, Out: p.Stderr}
	typed, err := prompter.Line(ctx, "Type the token's label to give it the new PIN: ")
	if err != nil {
		return err
	}
	if typed != label {
		return &exit.Error{
			Code: exit.Declined,
			Err: fmt.Errorf("%q is not the token's label: the token keeps its PIN, and the "+
				"shares are of no use", typed),
		}
	}
	return nil
}
