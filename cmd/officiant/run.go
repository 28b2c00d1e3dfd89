package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"officiant/bundle/fingerprint"
	"officiant/bundle/phrase"
	"officiant/ceremony"
	"officiant/ceremony/schedule"
	"officiant/ceremony/station"
	"officiant/ceremony/transcript"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/memory"
)

type runOptions struct {
	*options
	station  string
	dir      string
	confirm  string
	present  []string
	clock    string
	finalTry string
	received string
	heads    []string
	headFile string
	waive    ceremony.Waiver
	newFile  bool     // of the station
	modules  []string // that are not on record, by digest
	wrong    ceremony.WrongPINs
	makers   attestationRoots
}

func newRunCommand(o *options) *cobra.Command {
	run := &runOptions{options: o}
	c := &cobra.Command{
		Use:   "run PLAN --station STATION --dir DIR",
		Short: "Run a plan; the same command resumes an interrupted ceremony",
		Long: `Run a plan: create the keys in the tokens, issue every certificate, sign the bundles and
the transcript. What was approved is what runs: confirm the digest that "ceremony check"
printed, with --confirm, or by typing the plan's name. If the plan names people, enough
of them must have approved exactly that digest ("ceremony approve"). The command asks
which of them are present, or takes them from --present.

The same command continues an interrupted ceremony. It asks for the head of the record
that was shown when the ceremony stopped, or takes it from --head or --head-file: it does
not continue a record from which lines were cut. Without a terminal and these flags, the
head that this machine remembers must be in the record. With --new-station, it accepts a
corrected station file, once every key on record is found through it. If the root is
external, the ceremony stops (exit code 8) once it has written the intermediates'
certificate requests, and continues with --certificates DIR when the certificates are
there.`,
		Args: exit.ExactArgs(1, "one plan"),
		RunE: func(c *cobra.Command, args []string) error { return run.run(c.Context(), args[0]) },
	}
	c.Flags().StringVar(&run.station, "station", "", "station `FILE`: where each key is (required)")
	c.Flags().StringVar(&run.dir, "dir", "", "ceremony `DIR`, new or to be continued (required)")
	c.Flags().StringVar(&run.confirm, "confirm", "", "the ceremony's `DIGEST`, instead of typing the plan's name")
	presentFlag(c, &run.present)
	clockFlag(c, &run.clock)
	c.Flags().
		StringVar(&run.received, "certificates", "",
			"`DIR`, or file, with the certificates that an external root signed")
	c.Flags().StringArrayVar(&run.heads, "head", nil,
		"to continue: `HEAD` of the record that was last shown, in hex or words; "+
			"give a second one, the current head, to accept what was signed since")
	c.Flags().StringVar(&run.headFile, "head-file", "",
		"`FILE` on another file system for the record's head: written before anything is signed, "+
			"and compared when the ceremony continues")
	finalTryFlag(c, &run.finalTry)
	run.makers.flag(c)
	waiveFlags(c, &run.waive)
	stationFlags(c, run)
	return c
}

func (o *runOptions) run(ctx context.Context, planFile string) error {
	if o.station == "" || o.dir == "" {
		return exit.Usagef("ceremony run needs --station FILE and --dir DIR")
	}
	correction, err := o.correction()
	if err != nil {
		return err
	}
	cfg, err := o.prepare(ctx, planFile)
	if err != nil {
		return err
	}
	cfg.Correct = correction
	if err := o.begin(ctx, cfg); err != nil {
		return err
	}
	observer := newObserver(o.options)
	prompt := &pinPrompt{options: o.options, ceremony: cfg.Plan.Digest}
	cfg.Observer, cfg.Ask, cfg.Shared = observer, observer.before(prompt.ask), prompt.shared
	cfg.Insert, cfg.Why = askToken(o.options), o.why
	end := o.guard.Finishes()
	result, err := ceremony.Run(ctx, *cfg)
	end()
	observer.progress.End()
	if err != nil {
		var wait *ceremony.Awaiting
		if errors.As(err, &wait) {
			return o.awaiting(wait, planFile)
		}
		return o.unfinished(err, planFile)
	}
	fmt.Fprintf(o.Stderr, "\nThe ceremony is complete. Compare these, and keep them apart from the bundles:\n")
	fmt.Fprintf(o.Stdout, "root     %s\nrelease  %s\nhead     %s\n", result.Root, result.Release, result.Head)
	fmt.Fprintf(o.Stderr, "\nNext:  officiant ceremony verify %s --release-key %s%s\n", o.dir, result.Release,
		o.makers.again())
	return nil
}

// prepare reads what a ceremony is made of, and refuses what can be refused before
// anybody is asked.
func (o *runOptions) prepare(ctx context.Context, planFile string) (*ceremony.Config, error) {
	memory.Pace()
	c, err := openPlan(planFile, schedule.Options{Now: o.Now(), Lean: true, Later: ceremony.Begun(o.dir) != nil})
	if err != nil {
		return nil, err
	}
	st, err := openStation(o.options, o.station)
	if err != nil {
		return nil, err
	}
	makers, err := o.makers.read()
	if err != nil {
		return nil, err
	}
	to := o.reach(st, makers)
	absent, err := placed(ctx, c, st, c.KeysNeeded(), to.place)
	if err != nil {
		return nil, err
	}
	if absent != nil {
		fmt.Fprintln(o.Stderr, "Not every token is inserted; each is asked for at its step.")
	}
	approvals, err := ceremony.ReadApprovals(os.DirFS(filepath.Dir(planFile)))
	if err != nil {
		return nil, err
	}
	if approvals, err = ceremony.Approved(o.dir, c, approvals); err != nil {
		return nil, err
	}
	received, err := o.readReceived(ctx, c)
	if err != nil {
		return nil, err
	}
	used, err := modules(c, st, to)
	if err != nil {
		return nil, err
	}
	heads, err := o.recordHeads()
	if err != nil {
		return nil, err
	}
	return &ceremony.Config{
		Dir: o.dir, Heads: heads, Plan: c, Station: st, Open: o.unseen(byTurns(c, st, to)),
		Disk: o.Disk, Approvals: approvals, Received: received,
		Now: o.Now, Rand: o.Rand, Built: builtAt(), Host: thisHost(), Modules: used, Waive: o.waive,
		WrongPINs: &o.wrong, AttestationRoots: makers,
	}, nil
}

func (o *runOptions) reach(st *station.Station, makers []*x509.Certificate) reach {
	to := o.options.reach().at(st)
	to.finalTry, to.makers = o.finalTry, makers
	to.tries = recordedTries{to.tries, &o.wrong}
	return to
}

// begin asks what people have to say before the first step: who is here, what the
// time is, and that this is the plan.
func (o *runOptions) begin(ctx context.Context, cfg *ceremony.Config) (err error) {
	c, st := cfg.Plan, cfg.Station
	if cfg.Present, err = o.attendance(ctx, c, o.present); err != nil {
		return err
	}
	clock, err := o.watch(ctx, o.clock, st)
	if err != nil {
		return err
	}
	if err := o.confirmed(ctx, c); err != nil {
		return err
	}
	if cfg.Program, err = thisProgram(o.Version); err != nil {
		return err
	}
	cfg.Look = o.lookForRun(cfg.Program, c, st, o.reach(st, cfg.AttestationRoots), o.dir, clock)
	return nil
}

// unfinished adds how to go on.
func (o *runOptions) unfinished(err error, planFile string) error {
	again := o.again(planFile, nil)
	code, hints := exitCode(err)
	if own := (*exit.Error)(nil); errors.As(err, &own) {
		code = own.Code
	}
	var interrupted *ceremony.Interrupted
	var stopped *ceremony.Stopped
	switch {
	case errors.As(err, &interrupted):
		again = o.again(planFile, &interrupted.Head)
		hints = append(headHints(hints, interrupted.Head),
			fmt.Sprintf("to add to it: officiant ceremony note %s --by NAME [TEXT]", o.dir))
	case errors.As(err, &stopped):
		again = o.again(planFile, &stopped.Head)
		hints = headHints(hints, stopped.Head)
	}
	hints = append(hints, rootHint(err.Error())...)
	if missing := (*ceremony.Missing)(nil); errors.As(err, &missing) && missing.What == ceremony.AWaiver {
		hints[0] = "if two people agree to it: " + again + " " + hints[0]
	}
	if other := (*ceremony.OtherStation)(nil); errors.As(err, &other) {
		hints = append(hints, stationHints(again, other)...)
	}
	if code == exit.Refused && o.received != "" {
		hints = append(
			hints,
			"with the right certificates in their place: "+again+" --certificates "+o.received,
		)
	}
	if code == exit.Unavailable || code == exit.Interrupted || code == exit.Failure {
		hints = append(hints, "to continue: "+again)
	}
	return &exit.Error{Code: code, Err: err, Hints: hints}
}

// again is the command that goes on, whole: with the digest that was confirmed, and
// the head that was shown, where there is a record.
func (o *runOptions) again(planFile string, head *fingerprint.SHA256) string {
	command := fmt.Sprintf("officiant ceremony run %s --station %s --dir %s", planFile, o.station, o.dir)
	if o.confirm != "" {
		command += " --confirm " + o.confirm
	}
	command += o.makers.again()
	if head != nil {
		command += " --head " + head.String()
	}
	return command
}

func headHints(hints []string, head fingerprint.SHA256) []string {
	return append(append(hints, "head of the record; write it down, a resumed run asks for it:"), head.Lines()...)
}

// confirmed asks people to say that this is the plan they approved.
func (o *runOptions) confirmed(ctx context.Context, c *schedule.Ceremony) error {
	if o.confirm == "" {
		fmt.Fprintf(o.Stderr, "Plan %s for cluster %s, ceremony %d of its chain.\n", c.Plan.Name, c.Cluster.Name, c.Sequence)
		if lost := c.Plan.Previous.Lost; lost != nil {
			fmt.Fprintf(o.Stderr, "%s\n", exit.Line(lost.Said()))
		}
		fmt.Fprintf(o.Stderr, "Afterwards there will be:\n%s", afterwards(c))
		fmt.Fprintf(o.Stderr, "Digest of the ceremony:\n%s", indentLines(c.Digest.Lines()))
	}
	return o.options.confirmed(ctx, c, o.confirm, "Type the plan's name to begin: ")
}

// finalTryFlag lets a command log in to one token that is before its last try.
func finalTryFlag(c *cobra.Command, serial *string) {
	c.Flags().StringVar(serial, "final-try", "",
		"`SERIAL` of a token to log in to, although a wrong PIN would now lock it")
}

// afterwards says what will exist when the ceremony is over.
func afterwards(c *schedule.Ceremony) string {
	var b strings.Builder
	for _, a := range c.Plan.Authorities {
		if a.Key.Create != "" {
			fmt.Fprintf(&b, "  %-12s a new %s key, and its certificate\n", a.Name, a.Key.Create)
		}
	}
	if c.Plan.Release.Key.Create != "" {
		fmt.Fprintf(
			&b,
			"  %-12s a new %s key, which signs bundles and transcripts\n",
			c.Plan.Release.Name,
			c.Plan.Release.Key.Create,
		)
	}
	if s := c.Plan.Release.Successor; s.Key.Create != "" {
		fmt.Fprintf(&b, "  %-12s a new %s key, which every bundle announces as the next to sign\n", s.Name, s.Key.Create)
	}
	leaves := 0
	for e := range c.All() {
		switch e.Kind {
		case schedule.LeafCertificate:
			leaves++
		case schedule.CRLSignature:
			fmt.Fprintf(&b, "  %-12s revocation list %d, of %s\n", e.Signer, e.Number,
				phrase.Count(len(e.Revoked), "certificate"))
		}
	}
	fmt.Fprintf(&b, "  %s, in %s\n", phrase.Count(leaves, "leaf certificate"),
		phrase.Count(len(c.Nodes), "signed bundle"))
	return b.String()
}

func indentLines(lines []string) string {
	return "  " + strings.Join(lines, "\n  ") + "\n"
}

// openStation reads the station and sets the environment its modules need.
func openStation(o *options, file string) (*station.Station, error) {
	st, err := station.Open(file)
	if err != nil {
		return nil, err
	}
	for name, value := range st.Variables() {
		if err := o.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	return st, nil
}

// modules lists the PKCS#11 modules that the needed keys are reached by.
func modules(c *schedule.Ceremony, st *station.Station, to reach) ([]transcript.Module, error) {
	var out []transcript.Module
	for _, name := range c.KeysNeeded() {
		ref, err := st.Ref(c.Cluster.Name, name)
		if err != nil {
			return nil, err
		}
		b, err := to.backend(ref)
		if err != nil {
			return nil, err
		}
		if b.Module == nil {
			continue
		}
		path, sum, err := b.Module(ref)
		if err != nil {
			return nil, err
		}
		if m := (transcript.Module{Path: path, SHA256: sum}); !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	return out, nil
}
