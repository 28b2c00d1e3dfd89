package main

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"officiant/ceremony/online"
	"officiant/ceremony/online/endpoint"
	"officiant/ceremony/online/grant"
	"officiant/ceremony/station"
	"officiant/cmd/internal/exit"
)

// serveOptions are the flags of serve.
type serveOptions struct {
	*options
	grant, release, station, journal string
	listen, metrics                  string
	tls                              tlsFiles
	deadline                         time.Duration
	workers                          int
}

func newServeCommand(o *options) *cobra.Command {
	s := &serveOptions{options: o}
	c := &cobra.Command{
		Use:   "serve",
		Short: "Answer requests for certificates",
		Long: `Serve answers one request at a time: a certificate, a denial with its reason, or "later".
What it signs is within the grant, linted, and in the journal before a key is asked.

It listens on a Unix socket (unix:PATH), or on HOST:PORT with mutual TLS, where whoever has
a certificate of --client-ca may ask. A token that was away, a full disk, a clock that is
behind are states, not ends: it goes on when they are over. Requests that wait when SIGTERM
comes are answered first; SIGHUP reads the grant and the TLS files again.

Keys are those that the station names as the grant's authorities are called, and "journal".
PINs come from the pin-source of a key's URI. One that was refused is not tried again.`,
		Args: exit.ExactArgs(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error { return s.serve(c.Context()) },
	}
	f := c.Flags()
	f.StringVar(&s.grant, "grant", "", "what may be signed: a `FILE`, its signature beside it in FILE.sig")
	f.StringVar(&s.release, "release-key", "", "the release key's public half, a `FILE`")
	f.StringVar(&s.station, "station", "", "where the keys live, a `FILE`")
	f.StringVar(&s.journal, "journal", "", "the record of all that is signed, a `FILE`; made when it is not there")
	f.StringVar(&s.listen, "listen", "", "where requests come in: unix:PATH or HOST:PORT")
	f.StringVar(&s.tls.cert, "tls-cert", "", "this server's certificate for HOST:PORT, a `FILE`")
	f.StringVar(&s.tls.key, "tls-key", "", "its private key, a `FILE`")
	f.StringVar(&s.tls.clients, "client-ca", "", "who has certified those that may ask at HOST:PORT, a `FILE`")
	f.StringVar(&s.metrics, "metrics", "", "`HOST:PORT` of /metrics, /readyz and /healthz; nowhere when left out")
	f.DurationVar(&s.deadline, "deadline", 25*time.Second, "how long requests that wait are answered after SIGTERM")
	f.IntVar(&s.workers, "workers", 2, "signatures at once")
	for _, name := range []string{"grant", "release-key", "station", "journal", "listen"} {
		_ = c.MarkFlagRequired(name) // the flag is there
	}
	return c
}

func (s *serveOptions) serve(ctx context.Context) error {
	if s.workers < 1 || s.workers > 64 || s.deadline <= 0 {
		return exit.Usagef("--workers is from 1 to 64, and --deadline more than nothing")
	}
	release, err := releaseKey(ctx, s.release)
	if err != nil {
		return err
	}
	g, err := signedGrant(ctx, s.grant, release)
	if err != nil {
		return err
	}
	st, err := station.Open(s.station)
	if err != nil {
		return err
	}
	for key, value := range st.Variables() {
		if err := s.Setenv(key, value); err != nil {
			return err
		}
	}
	for _, name := range append(names(g), online.JournalKey) { // a station that lacks one is wrong now, not later
		if _, err := st.Ref(g.Cluster, name); err != nil {
			return err
		}
	}
	log := slog.New(slog.NewJSONHandler(s.Log, nil))
	asks, watches, err := s.listeners()
	if err != nil {
		return err
	}
	service := online.New(online.Config{
		Grant: g, Keys: s.tokens(st, g.Cluster, log), Disk: s.Disk, Journal: s.journal, Program: s.Version,
		Now: s.Now, Rand: s.Rand, Log: log, Workers: s.workers, Patience: st.Patience(),
	})
	log.Info("serving", "cluster", g.Cluster, "grant", g.Sequence, "listen", s.listen, "version", s.Version)
	return s.run(ctx, service, release, log, asks, watches)
}

func names(g *grant.Grant) (list []string) {
	for _, a := range g.Authorities {
		list = append(list, a.Name)
	}
	return list
}

// run serves until ctx ends, or a listener does.
func (s *serveOptions) run(ctx context.Context, service *online.Service, release crypto.PublicKey, log *slog.Logger,
	asks, watches net.Listener) error {
	quiet := slog.NewLogLogger(log.Handler(), slog.LevelWarn)
	requests := &http.Server{Handler: endpoint.Requests(service), ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: quiet}
	failed := make(chan error, 3)
	servers := []*http.Server{requests}
	go func() { failed <- requests.Serve(asks) }()
	if watches != nil {
		operators := &http.Server{Handler: endpoint.Operators(service, s.Now), ReadHeaderTimeout: 10 * time.Second,
			ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10, ErrorLog: quiet}
		servers = append(servers, operators)
		go func() { failed <- operators.Serve(watches) }()
	}
	work, end := context.WithCancel(context.Background())
	defer end()
	ended := make(chan error, 1)
	go func() { ended <- service.Run(work) }()
	var err error
	for wait := true; wait; {
		select {
		case <-s.Hangup:
			s.reload(ctx, service, release, log)
		case err = <-failed:
			wait = false
		case <-ctx.Done():
			wait = false
		}
	}
	log.Info("stopping")
	late, cancel := context.WithTimeout(context.Background(), s.deadline)
	defer cancel()
	for _, server := range servers {
		if e := server.Shutdown(late); e != nil {
			_ = server.Close() // who still waits asks again
		}
	}
	end()
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return errors.Join(err, <-ended)
}

// reload takes a new grant and new TLS files. What is wrong with them is logged, and the
// former ones hold.
func (s *serveOptions) reload(ctx context.Context, service *online.Service, release crypto.PublicKey,
	log *slog.Logger) {
	g, err := signedGrant(ctx, s.grant, release)
	if err == nil {
		err = service.Take(g)
	}
	if err == nil {
		err = s.tls.load()
	}
	if err != nil {
		log.Error("not reloaded", "error", err)
		return
	}
	log.Info("reloaded", "grant", g.Sequence)
}

// listeners opens both. That of operators is nil when nobody wants it.
func (s *serveOptions) listeners() (asks, watches net.Listener, err error) {
	if asks, err = s.tls.listen(s.listen); err != nil {
		return nil, nil, err
	}
	if s.metrics == "" {
		return asks, nil, nil
	}
	if watches, err = net.Listen("tcp", s.metrics); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("--metrics: %w", err), asks.Close())
	}
	return asks, watches, nil
}
