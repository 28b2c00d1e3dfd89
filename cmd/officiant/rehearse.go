package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"officiant/ceremony"
	"officiant/ceremony/preflight"
	"officiant/ceremony/schedule"
	"officiant/ceremony/station"
	"officiant/cmd/internal/exit"
	"officiant/softhsm"
)

type rehearseOptions struct {
	*options
	station, dir, module string
}

func newRehearseCommand(o *options) *cobra.Command {
	r := &rehearseOptions{options: o}
	c := &cobra.Command{
		Use:   "rehearse PLAN --station STATION --dir DIR",
		Short: "Run a plan on throw-away tokens; nothing in the result may be used",
		Long: `Run a plan as "ceremony run" does, with a throw-away SoftHSM token in place of each token
or KMS of the station. It needs no approval, uses no real token, and asks for no PIN. The
result is marked in the record, in the authorities' names, in the bundles and in file
names, and its leaves expire after 24 hours. No ceremony continues it, nothing verifies
it, and no node accepts it.

The tokens are in DIR.tokens, and are removed when the rehearsal is over. If it was
interrupted, run the same command again to continue.`,
		Args: exit.ExactArgs(1, "one plan"),
		RunE: func(c *cobra.Command, args []string) error { return r.run(c.Context(), args[0]) },
	}
	c.Flags().StringVar(&r.station, "station", "", "station `FILE` to rehearse; its tokens are not used (required)")
	c.Flags().StringVar(&r.dir, "dir", "", "`DIR` for the rehearsal's output, new or to be continued (required)")
	c.Flags().StringVar(&r.module, "module", "", "`PATH` of libsofthsm2.so (default: its usual places)")
	return c
}

func (o *rehearseOptions) run(ctx context.Context, planFile string) error {
	if o.station == "" || o.dir == "" {
		return exit.Usagef("ceremony rehearse needs --station FILE and --dir DIR")
	}
	c, err := openPlan(planFile, schedule.Options{Now: o.Now()})
	if err != nil {
		return err
	}
	rehearsed, err := c.Rehearsal()
	if err != nil {
		return &exit.Error{Code: exit.Refused, Err: err}
	}
	real, err := station.Open(o.station)
	if err != nil {
		return err
	}
	st, groups, err := places(rehearsed, real)
	if err != nil {
		return err
	}
	approvals, err := ceremony.ReadApprovals(os.DirFS(filepath.Dir(planFile)))
	if err != nil {
		return err
	}
	keys, err := o.tokens(groups)
	if err != nil {
		return err
	}
	program, err := thisProgram(o.Version)
	if err != nil {
		return err
	}
	throwaway := st.With(keys)
	used, err := modules(rehearsed, throwaway, o.reach())
	if err != nil {
		return err
	}
	throwaway.Preflight = nil // a desk is no room: all is recorded, nothing refused
	o.announce(c, rehearsed, st)
	_, err = ceremony.Run(ctx, ceremony.Config{
		Dir: o.dir, Plan: c, Station: st, Rehearsal: keys, Open: o.reach().open, Ask: askPIN(o.options), Disk: o.Disk,
		Approvals: approvals, Now: o.Now, Rand: o.Rand, Program: program, Host: thisHost(), Built: builtAt(),
		Modules: used, Observer: newObserver(o.options),
		Look: o.lookForRun(program, rehearsed, throwaway, o.reach(), o.dir, preflight.Watch{}),
	})
	if err != nil {
		code, hints := exitCode(err)
		if code == exit.Unavailable || code == exit.Interrupted || code == exit.Failure {
			hints = append(hints, fmt.Sprintf("to continue: officiant ceremony rehearse %s --station %s --dir %s",
				planFile, o.station, o.dir))
		}
		return &exit.Error{Code: code, Err: err, Hints: hints}
	}
	if err := o.Disk.RemoveAll(o.tokenFolder()); err != nil {
		return err
	}
	fmt.Fprintf(o.Stderr, "\nThe rehearsal is complete, and its tokens are destroyed. Nothing it made may be used.\n")
	_, err = fmt.Fprintln(o.Stdout, o.dir)
	return err
}

// announce says that this is a rehearsal, and what differs from the ceremony.
func (o *rehearseOptions) announce(c, rehearsed *schedule.Ceremony, st *station.Station) {
	fmt.Fprintf(o.Stderr, "REHEARSAL of plan %s for cluster %s, digest %s.\nIt uses throw-away tokens: nothing it "+
		"makes may be used.\n", c.Plan.Name, c.Cluster.Name, c.Digest)
	planned, err := ceremony.Steps(c, st)
	made, e := ceremony.Steps(rehearsed, st)
	if err == nil && e == nil && len(planned) != len(made) {
		fmt.Fprintf(o.Stderr, "The plan uses existing keys, and the rehearsal creates throw-away ones instead: %d "+
			"steps, where the ceremony has %d.\n", len(made), len(planned))
	}
	fmt.Fprintln(o.Stderr)
}

// places are the tokens and KMS whose part a throw-away token plays. Keys the
// station has no place for, since the plan does not need them, get one more.
func places(c *schedule.Ceremony, st *station.Station) (*station.Station, []station.Group, error) {
	more := map[string]string{}
	for _, name := range c.KeysNeeded() {
		if _, err := st.Ref(c.Cluster.Name, name); err != nil {
			more[name] = "pkcs11:token=rehearsal-" + name
		}
	}
	st = st.With(more)
	groups, err := st.Tokens(c.Cluster.Name, c.KeysNeeded())
	return st, groups, err
}

func (o *rehearseOptions) tokenFolder() string { return filepath.Clean(o.dir) + ".tokens" }

// tokens makes a throw-away token for each group, or finds those of a rehearsal
// that was interrupted, and returns the URI of each key.
func (o *rehearseOptions) tokens(groups []station.Group) (map[string]string, error) {
	find := &softHSMOptions{options: o.options, module: o.module}
	module, err := find.findModule()
	if err != nil {
		return nil, &exit.Error{Code: exit.Unavailable, Err: err}
	}
	dir, err := filepath.Abs(o.tokenFolder())
	if err != nil {
		return nil, err
	}
	pinFile := filepath.Join(dir, "pin")
	keys := map[string]string{}
	var labels []string
	for i, g := range groups {
		labels = append(labels, fmt.Sprintf("rehearsal-%d", i+1))
		for _, name := range g.Keys {
			keys[name] = fmt.Sprintf("pkcs11:token=%s?module-path=%s&pin-source=%s", labels[i], escape(module),
				escape((&url.URL{Scheme: "file", Path: pinFile, OmitHost: true}).String()))
		}
	}
	if _, err := os.Stat(pinFile); err == nil {
		return keys, o.Setenv("SOFTHSM2_CONF", filepath.Join(dir, "softhsm2.conf"))
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(o.dir, "transcript.jsonl")); err == nil {
		return nil, &exit.Error{Code: exit.Refused, Err: fmt.Errorf("%s already has a record, and the tokens of "+
			"its rehearsal are gone", o.dir),
			Hints: []string{"give each rehearsal its own directory: --dir"}}
	}
	return keys, o.makeTokens(dir, module, pinFile, labels)
}

// makeTokens leaves the PIN last: without it the tokens are not whole.
func (o *rehearseOptions) makeTokens(dir, module, pinFile string, labels []string) error {
	soft := &softHSMOptions{options: o.options}
	pin, err := soft.randomPIN()
	if err != nil {
		return err
	}
	defer clear(pin)
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return &exit.Error{Code: exit.Refused, Err: fmt.Errorf("%s exists, and does not hold a rehearsal's "+
			"complete tokens", dir),
			Hints: []string{"remove it, or choose another --dir"}}
	}
	var tokens []softhsm.Token
	for _, label := range labels {
		tokens = append(tokens, softhsm.Token{Label: label, SOPIN: pin, PIN: pin})
	}
	if _, _, err := softhsm.Init(dir, module, tokens, o.Setenv); err != nil {
		return &exit.Error{Code: exit.Unavailable, Err: err}
	}
	line := append(bytes.Clone(pin), '\n')
	defer clear(line)
	return o.Disk.Create(pinFile, line, 0o600)
}
