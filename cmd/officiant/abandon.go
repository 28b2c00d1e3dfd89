package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"officiant/bundle/fingerprint"
	"officiant/bundle/phrase"
	"officiant/bundle/sshsig"
	"officiant/ceremony"
	"officiant/ceremony/abandon"
	"officiant/ceremony/approval"
	"officiant/ceremony/history"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/terminal"
)

type abandonOptions struct {
	*options
	reason, head, headFile, station, confirm, key, finalTry string
	by, previous                                            []string
	print                                                   bool
}

func newAbandonCommand(o *options) *cobra.Command {
	a := &abandonOptions{options: o}
	c := &cobra.Command{
		Use:   "abandon DIR [--reason TEXT] [--key FILE | --print] [--station STATION] [--previous DIR]",
		Short: "Abandon a ceremony that will not be finished, and destroy its keys",
		Long: `Abandon a ceremony that will not be finished. The first time, with --reason, this writes
a statement: the ceremony, the head of its record, the reason, and what becomes of each
key. Enough of the people on record sign it, each with --key, or with the command that
--print shows for ssh-keygen. If the plan names nobody, two people agree (--by).

With --station, it then goes from token to token. It looks at each key that this ceremony
created, asks for its name, and destroys it. --confirm takes the statement's digest
instead of the names. A KMS only schedules the destruction, and the date is shown. It
keeps keys that another record names (--previous, a folder of ceremonies), keys of a
record that announces a signature over a bundle, and keys whose id does not follow from
this record's first line, as with earlier versions. If the process was killed, run the
same command again.

Afterwards the plan can start again in another directory. Keep this one: what it issued
counts as issued.`,
		Args: exit.ExactArgs(1, "one ceremony directory"),
		RunE: func(c *cobra.Command, args []string) error { return a.run(c.Context(), args[0]) },
	}
	f := c.Flags()
	f.StringVar(&a.reason, "reason", "", "reason, as `TEXT` for the record")
	f.StringVar(&a.head, "head", "",
		"`HEAD` of the record that was last shown, in hex or words (default: asked for, or "+
			"without a terminal, the one that this machine remembers)")
	f.StringVar(&a.headFile, "head-file", "", "`FILE` that the run wrote the head to, instead of --head")
	f.StringVar(&a.station, "station", "", "station `FILE`: where the keys to be destroyed are")
	f.StringArrayVar(&a.previous, "previous", nil,
		"`DIR` of another ceremony, or a folder that holds ceremonies, whose keys are kept; repeatable")
	f.StringArrayVar(&a.by, "by", nil, "`PERSON` who agrees, if the plan names nobody; give two")
	f.StringVar(&a.confirm, "confirm", "", "the statement's `DIGEST`, instead of typing names")
	f.StringVar(&a.key, "key", "", "SSH private key `FILE`: only sign the statement with it")
	f.BoolVar(&a.print, "print", false, "only print the ssh-keygen commands that sign the statement")
	finalTryFlag(c, &a.finalTry)
	return c
}

func (o *abandonOptions) run(ctx context.Context, dir string) error {
	if o.key != "" && o.print {
		return exit.Usagef("ceremony abandon takes either --key FILE or --print")
	}
	c, err := o.config(ctx, dir)
	if err != nil {
		return err
	}
	p, err := abandon.Propose(*c)
	if err != nil {
		return err
	}
	o.show(p)
	switch {
	case o.key != "":
		return o.sign(ctx, p)
	case o.print:
		return o.lines(p)
	}
	if o.confirm != "" {
		if err := o.confirmed(p); err != nil {
			return err
		}
	}
	if c.Station == nil {
		return o.proposed(dir, p)
	}
	c.Confirm = func(ctx context.Context, k abandon.Seen) error { return o.confirmKey(ctx, dir, p, k) }
	res, err := abandon.Run(ctx, *c)
	if few := (*abandon.TooFew)(nil); errors.As(err, &few) {
		return &exit.Error{Code: exit.Refused, Err: err, Hints: []string{
			fmt.Sprintf("each of them: officiant ceremony abandon %s --head %s --key FILE", dir, p.Head)}}
	}
	if err != nil {
		return o.stopped(dir, p, err)
	}
	fmt.Fprintf(o.Stderr, "\nThe ceremony is abandoned: %s destroyed, %d scheduled for destruction, %d not found, "+
		"%d kept.\n",
		phrase.Count(res.Destroyed, "key"), res.Scheduled, res.Absent, res.Kept)
	for _, s := range res.Later {
		fmt.Fprintf(o.Stderr, "  to be destroyed: %s\n", exit.Line(s))
	}
	fmt.Fprintf(o.Stdout, "head     %s\n", res.Head)
	fmt.Fprintf(o.Stderr, "\nNext:  officiant ceremony verify %s\n", dir)
	return nil
}

// confirmed refuses a digest that is not the statement's.
func (o *abandonOptions) confirmed(p *abandon.Proposal) error {
	if sum, err := fingerprint.Parse(o.confirm); err == nil && sum == p.Digest() {
		return nil
	}
	return &exit.Error{
		Code:  exit.Refused,
		Err:   fmt.Errorf("the statement's digest is %s, but %s was confirmed", p.Digest(), o.confirm),
		Hints: []string{"nothing was destroyed; read statement.txt in " + filepath.Dir(p.Folder)},
	}
}

// proposed says who has to agree, or that enough do.
func (o *abandonOptions) proposed(dir string, p *abandon.Proposal) error {
	for _, t := range p.Verdict.Progress {
		if !p.People.Nobody() {
			fmt.Fprintf(o.Stderr, "%s\n", exit.Line(t.String()))
		}
	}
	for _, bad := range p.Verdict.Rejected {
		fmt.Fprintf(o.Stderr, "left out: %s\n", exit.Line(abandon.Folder+"/"+bad.String()))
	}
	if _, err := fmt.Fprintln(o.Stdout, p.Digest()); err != nil {
		return err
	}
	if !p.People.Nobody() && !p.Verdict.Enough() {
		fmt.Fprintf(o.Stderr, "\nNext, each of them:  officiant ceremony abandon %s --head %s --key FILE\n", dir, p.Head)
	}
	if p.People.Nobody() && len(o.by) == 0 {
		o.by = []string{"NAME", "OTHER"} // of two people who agree
	}
	fmt.Fprintf(o.Stderr, "Next, where the tokens are:  %s --station STATION\n", o.again(dir, p))
	return nil
}

// config reads what an abandonment is made of.
func (o *abandonOptions) config(ctx context.Context, dir string) (*abandon.Config, error) {
	c := &abandon.Config{Dir: dir, Reason: o.reason, By: o.by, Disk: o.Disk, Now: o.Now, Host: thisHost(),
		Ask: askPIN(o.options), Insert: askToken(o.options),
		Say: func(line string) { fmt.Fprintf(o.Stderr, "    %s\n", exit.Line(line)) }}
	var err error
	if c.Program, err = thisProgram(o.Version); err != nil {
		return nil, err
	}
	if err := o.theHead(ctx, c); err != nil {
		return nil, err
	}
	if o.station != "" {
		if c.Station, err = openStation(o.options, o.station); err != nil {
			return nil, err
		}
		r := o.reach().at(c.Station)
		r.finalTry = o.finalTry
		c.WrongPINs = &ceremony.WrongPINs{}
		r.tries = recordedTries{r.tries, c.WrongPINs}
		c.Open = o.unseen(r.open)
	}
	c.Others, err = o.others(dir)
	return c, err
}

// theHead is what is known of the record's head: by a flag, by a file, on this machine,
// or by people at the terminal.
func (o *abandonOptions) theHead(ctx context.Context, c *abandon.Config) error {
	if o.State != "" {
		c.Memory = filepath.Join(o.State, "heads")
	}
	var head fingerprint.SHA256
	var err error
	switch {
	case o.head != "" && o.headFile != "":
		return exit.Usagef("ceremony abandon takes --head HEAD or --head-file FILE")
	case o.head != "":
		if head, err = parseHead(o.head); err != nil {
			return exit.Usagef("--head: %v", err)
		}
	case o.headFile != "":
		if head, err = ceremony.ReadHead(o.headFile); err != nil {
			return err
		}
	default:
		c.AskHead = o.askOnce(ctx)
		return nil
	}
	c.Head = &head
	return nil
}

// askOnce asks people for the head, and remembers it.
func (o *abandonOptions) askOnce(ctx context.Context) func(func(fingerprint.SHA256) bool) (fingerprint.SHA256, error) {
	var known *fingerprint.SHA256
	return func(fits func(fingerprint.SHA256) bool) (fingerprint.SHA256, error) {
		if known != nil {
			return *known, nil
		}
		head, err := (&runOptions{options: o.options}).askHead(ctx, fits)
		if err == nil {
			known = &head
		}
		return head, err
	}
}

// others are the records that may name a key: those given, and those beside the plan.
func (o *abandonOptions) others(dir string) ([]*history.Record, error) {
	var all []*history.Record
	if len(o.previous) > 0 {
		archive, err := find(o.previous)
		if err != nil {
			return nil, err
		}
		if all, err = archive.Records(); err != nil {
			return nil, err
		}
	}
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".jsonl") || path == filepath.Join(dir, history.RecordFile) {
			return err
		}
		r, err := history.Read(history.Source{Name: path, Open: history.Input(os.DirFS(filepath.Dir(path)),
			filepath.Base(path)).Open})
		if err == nil {
			all = append(all, r)
		}
		return err
	})
	return all, err
}

func (o *abandonOptions) show(p *abandon.Proposal) {
	fmt.Fprintf(o.Stderr, "This statement abandons the ceremony:\n\n")
	for line := range strings.Lines(string(p.Text())) {
		terminal.Hang(o.Stderr, "  ", exit.Line(strings.TrimSuffix(line, "\n")))
	}
	fmt.Fprintf(o.Stderr, "\nDigest of the statement:\n  %s\n%s", p.Digest(), indentLines(p.Digest().Lines()))
}

// sign has one of the people agree.
func (o *abandonOptions) sign(ctx context.Context, p *abandon.Proposal) error {
	key, err := openSSHKey(ctx, o.options, o.key)
	if err != nil {
		return err
	}
	file, person, err := approval.FileFor(key.PublicKey(), p.Group())
	if err != nil {
		return &exit.Error{Code: exit.Refused, Err: fmt.Errorf("an agreement with %s %w", o.key, err)}
	}
	if o.confirm == "" {
		if err := o.typed(ctx, "Type the plan's name to agree: ", p.Name, p); err != nil {
			return err
		}
	} else if err := o.confirmed(p); err != nil {
		return err
	}
	signature, err := sshsig.Sign(o.Rand, key, approval.AbandonNamespace, approval.AbandonMessage(p.Digest()))
	if err != nil {
		return fmt.Errorf("%s: %w", o.key, err)
	}
	path := filepath.Join(p.Folder, file)
	if err := placeSignature(o.options, path, signature); err != nil {
		return err
	}
	fmt.Fprintf(o.Stderr, "agreed to by %s\n", person)
	_, err = fmt.Fprintln(o.Stdout, path)
	return err
}

// lines prints what makes the missing agreements with ssh-keygen alone.
func (o *abandonOptions) lines(p *abandon.Proposal) error {
	for _, t := range p.Verdict.Progress {
		for _, name := range t.Missing {
			fmt.Fprintf(o.Stdout, "%s\n", keygenLine(approval.AbandonMessage(p.Digest()), approval.AbandonNamespace,
				name+approval.Suffix))
		}
	}
	fmt.Fprintf(o.Stderr, "Each line is for the person it ends with: they put their key in place of KEY. "+
		"The file it writes belongs in %s.\n", p.Folder)
	return nil
}

// confirmKey shows a key and has its name typed, unless the statement was confirmed.
func (o *abandonOptions) confirmKey(ctx context.Context, dir string, p *abandon.Proposal, k abandon.Seen) error {
	is := "as the record says"
	if k.SPKI == nil {
		is = "which is not on record: the process ended while creating it"
	}
	for _, line := range []string{
		fmt.Sprintf("The %s key, in token %s, serial %s:", k.Name, k.Info.Device.Label, k.Info.Device.Serial),
		fmt.Sprintf("  label %s, id %s, %s", k.Info.Label, k.ID, k.Info.Algorithm),
		fmt.Sprintf("  public key %s, %s", k.Public, is),
	} {
		terminal.Hang(o.Stderr, "    ", exit.Line(line))
	}
	if o.confirm != "" {
		return nil // of the whole statement
	}
	return o.typed(ctx, "    Type its name to destroy it: ", k.Name, p)
}

func (o *abandonOptions) typed(ctx context.Context, question, want string, p *abandon.Proposal) error {
	prompter := terminal.Prompter{In: o.Stdin, Out: o.Stderr}
	typed, err := prompter.Line(ctx, question)
	if errors.Is(err, terminal.ErrNoTerminal) {
		return &exit.Error{Code: exit.Usage, Err: errors.New("there is no terminal to type a name on"),
			Hints: []string{"in scripts, for every key of the statement: --confirm " + p.Digest().String()}}
	}
	if err != nil {
		return err
	}
	if typed != want {
		return &exit.Error{Code: exit.Declined, Err: fmt.Errorf("%q is not %q; that key was not destroyed", typed,
			want)}
	}
	return nil
}

// again is the command that goes on.
func (o *abandonOptions) again(dir string, p *abandon.Proposal) string {
	command := "officiant ceremony abandon " + dir
	if !p.Decided {
		command += " --head " + p.Head.String()
	}
	for _, path := range o.previous {
		command += " --previous " + path
	}
	for _, name := range o.by {
		command += " --by " + name
	}
	return command
}

// stopped adds how to go on.
func (o *abandonOptions) stopped(dir string, p *abandon.Proposal, err error) error {
	code, hints := exitCode(err)
	if own := (*exit.Error)(nil); errors.As(err, &own) {
		code, hints = own.Code, append(hints, own.Hints...)
	}
	var stopped *abandon.Stopped
	if missing := (*ceremony.Missing)(nil); errors.As(err, &missing) && missing.What == ceremony.TwoPeople {
		o.by = []string{"NAME", "OTHER"}
		hints = []string{"if two people agree, with their names: " + o.again(dir, p) + " --station " + o.station}
	}
	if errors.As(err, &stopped) {
		p.Decided = !p.People.Nobody()
		p.Head = stopped.Head
		hints = append(hints, "to continue: "+o.again(dir, p)+" --station "+o.station)
	}
	return &exit.Error{Code: code, Err: err, Hints: hints}
}
