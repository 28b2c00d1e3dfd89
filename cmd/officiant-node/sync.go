package main

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"officiant/bundle/fetch"
	"officiant/bundle/install"
	"officiant/bundle/kubepki"
	"officiant/bundle/service"
	"officiant/bundle/statement"
	"officiant/bundle/update"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/infile"
)

type syncOptions struct {
	*options
	root, from, releaseKey, statusTo, textfile string
	proxy, ca                                  string
	interval, jitter, timeout, patience        time.Duration
	once, dryRun, units                        bool
}

func newSyncCommand(o *options) *cobra.Command {
	s := &syncOptions{options: o}
	c := &cobra.Command{
		Use:   "sync --from URL|DIR --release-key FILE",
		Short: "Fetch this node's newest bundle, install it, and restart services",
		Long: `Sync fetches NODE.tar from a web server or a mounted folder. The source is not trusted:
the bundle must pass the same checks as for install. A person installs the first bundle.
From then on, sync installs each newer one, restarts the affected services one after
another, and checks that each is well. If one is not, it restores the previous files and
does not try that bundle again. It restarts etcd only while all other members are well,
on one node at a time. If a run was killed, the next run continues it.

--status-to leaves the node's own report there, NODE.json, signed by its own key.
--prometheus writes metrics.

--install writes a systemd service and timer with the given flags, and has systemd verify
them. Exit code 4 means that the source's bundle was refused. Exit code 1 means that it
was rolled back, or that nothing could be fetched.`,
		Args: exit.ExactArgs(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := s.flags(); err != nil {
				return err
			}
			if s.units {
				return s.install(c.Context())
			}
			return s.run(c.Context())
		},
	}
	f := c.Flags()
	f.StringVar(
		&s.root,
		"root",
		"/",
		"directory that etc/kubernetes is below; if it is not /, systemd restarts nothing",
	)
	f.StringVar(&s.from, "from", "", "`URL|DIR` that holds NODE.tar: https://HOST/PATH or a folder (required)")
	f.StringVar(&s.releaseKey, "release-key", "", "the ceremony's release.pub, from a source you trust (required)")
	f.StringVar(&s.statusTo, "status-to", "", "`URL|DIR` to leave NODE.json at: a folder, or a server that takes PUT")
	f.StringVar(&s.textfile, "prometheus", "", "write metrics to this file (*.prom)")
	f.StringVar(&s.proxy, "proxy", "", "`URL` of an HTTP proxy; none is taken from the environment")
	f.StringVar(&s.ca, "ca", "", "PEM `FILE` of the CAs that verify the server, instead of the system's")
	f.DurationVar(&s.interval, "interval", time.Hour, "time between two runs, without --once")
	f.DurationVar(&s.jitter, "jitter", 10*time.Minute,
		"wait up to this much longer, so that nodes do not all connect at once")
	f.DurationVar(&s.timeout, "timeout", fetch.DefaultTimeout, "time limit for reading a whole file")
	f.DurationVar(&s.patience, "patience", 5*time.Minute, "time limit for a service to be healthy after its restart")
	f.BoolVar(&s.once, "once", false, "run once and exit")
	f.BoolVar(&s.dryRun, "dry-run", false, "fetch, check, and show what would be done; write nothing")
	f.BoolVar(&s.units, "install", false, "write and verify a systemd service and timer, but do not run")
	return c
}

func (s *syncOptions) flags() error {
	switch {
	case s.from == "" || s.releaseKey == "":
		return exit.Usagef("sync needs --from URL|DIR, and --release-key FILE")
	case s.textfile != "" && filepath.Ext(s.textfile) != ".prom":
		return exit.Usagef("--prometheus %s: node exporter reads files that end in .prom", s.textfile)
	case s.interval < time.Minute || s.jitter < 0 || s.timeout <= 0 || s.patience < 0:
		return exit.Usagef("--interval is a minute at least, --timeout above zero, --jitter and --patience are not negative")
	}
	return nil
}

// maxCA is above any file of authorities that servers are trusted by.
const maxCA = 1 << 20

// place opens a URL or folder with the flags' limits.
func (s *syncOptions) place(ctx context.Context, flag, at string) (*fetch.Place, error) {
	o := fetch.Options{Timeout: s.timeout, Proxy: s.proxy, Agent: "officiant-node/" + s.Version, Disk: s.Disk}
	if s.ca != "" {
		var err error
		if o.CA, err = infile.ReadFile(ctx, s.ca, maxCA); err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
	}
	p, err := fetch.Open(at, o)
	if err != nil {
		return nil, exit.Usagef("%s: %w", flag, err)
	}
	return p, nil
}

// run runs once, or until it is stopped.
func (s *syncOptions) run(ctx context.Context) error {
	r, to, err := s.runner(ctx)
	if err != nil {
		return err
	}
	if s.once || s.dryRun {
		return s.sync(ctx, r, to)
	}
	for {
		if err := s.sync(ctx, r, to); err != nil && ctx.Err() == nil {
			s.say("%v", err)
		}
		pause := s.interval
		if s.jitter > 0 {
			pause += rand.N(s.jitter)
		}
		if err := s.wait(ctx, pause); err != nil {
			return err
		}
	}
}

func (s *syncOptions) runner(ctx context.Context) (r *update.Runner, to *fetch.Place, err error) {
	key, err := readReleaseKey(ctx, s.releaseKey)
	if err != nil {
		return nil, nil, err
	}
	from, err := s.place(ctx, "--from", s.from)
	if err != nil {
		return nil, nil, err
	}
	if s.statusTo != "" {
		if to, err = s.place(ctx, "--status-to", s.statusTo); err != nil {
			return nil, nil, err
		}
	}
	r = &update.Runner{
		Node: &install.Node{Root: s.root, Disk: s.Disk, Now: s.Now}, Place: from, Release: []crypto.PublicKey{key},
		Patience: s.patience, DryRun: s.dryRun, Wait: s.wait, Say: s.say,
		Services: func(c kubepki.Cluster, n kubepki.Node) (update.Services, update.Members, error) {
			m := &service.Machine{Root: s.root, Disk: s.Disk, Node: n, Cluster: c, Now: s.Now, Run: s.Program,
				Wait: s.wait, Say: s.say}
			if s.dryRun {
				return m, &service.Members{Machine: m}, nil
			}
			return m, &service.Members{Machine: m}, m.Settle()
		},
	}
	return r, to, ctx.Err()
}

// say is the log that a person follows: a line for each step.
func (s *syncOptions) say(format string, args ...any) {
	fmt.Fprintf(s.Stderr, "sync: %s\n", exit.Line(fmt.Sprintf(format, args...)))
}

func (s *syncOptions) wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sync is one run, with what it leaves for others to read.
func (s *syncOptions) sync(ctx context.Context, r *update.Runner, to *fetch.Place) error {
	result, err := r.Run(ctx)
	if errors.Is(err, update.ErrNotYet) {
		return &exit.Error{
			Code:  exit.Failure,
			Err:   err,
			Hints: []string{"officiant-node install NODE.tar --release-key release.pub"},
		}
	}
	if result == nil {
		return err
	}
	if !s.dryRun && ctx.Err() == nil {
		err = errors.Join(err, s.leave(ctx, r, to, result))
	}
	if err != nil {
		return err
	}
	return s.tell(result)
}

// leave writes metrics and the signed status.
func (s *syncOptions) leave(ctx context.Context, r *update.Runner, to *fetch.Place, result *update.Result) error {
	var errs []error
	if s.textfile != "" {
		errs = append(errs, s.Disk.Replace(s.textfile, r.Metrics(), 0o644))
	}
	if to != nil {
		errs = append(errs, s.leaveStatus(ctx, r.Node, to, result.Outcome))
	}
	return errors.Join(errs...)
}

func (s *syncOptions) leaveStatus(ctx context.Context, n *install.Node, to *fetch.Place, o statement.Outcome) error {
	node, data, err := statement.Of(n, o, s.Rand)
	if err != nil {
		return fmt.Errorf("status: %w", err)
	}
	if err := to.Put(ctx, node+".json", data); err != nil {
		return fmt.Errorf("the status could not be left at %s: %w", to, err)
	}
	s.say("left the status at %s", to)
	return nil
}

// tell says what a run came to.
func (s *syncOptions) tell(r *update.Result) error {
	if s.dryRun && r.Installed != nil {
		if err := printInstall(s.Stdout, r.Installed, s.root, true); err != nil {
			return err
		}
		return nil
	}
	line := string(r.State)
	if r.Reason != "" {
		line += ": " + r.Reason
	}
	switch r.State {
	case statement.Current, statement.Installed, statement.Waiting:
		_, err := fmt.Fprintln(s.Stdout, exit.Line(line))
		return err
	case statement.Refused:
		return &exit.Error{Code: exit.Unverified, Err: errors.New(line), Hints: []string{"nothing on this node was changed"}}
	}
	return errors.New(line)
}
