package main

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	stdlog "log"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"officiant/ceremony/online"
	"officiant/ceremony/online/endpoint"
	"officiant/cmd/internal/exit"
)

// serveOptions are the flags of serve.
type serveOptions struct {
	signing
	listen, metrics string
	tls             tlsFiles
	deadline        time.Duration
}

func newServeCommand(o *options) *cobra.Command {
	s := &serveOptions{signing: signing{options: o}}
	c := &cobra.Command{
		Use:   "serve",
		Short: "Answer requests for certificates",
		Long: `Serve answers one request at a time: with a certificate, a denial and its reason, or
"later". What it signs is within the grant, linted, and in the journal before a key is
used.

It listens on a Unix socket (unix:PATH), or on HOST:PORT with mutual TLS, where any
client with a certificate of --client-ca may ask. A missing token, a full disk or a clock
that is behind do not end it: it continues when they are resolved. On SIGTERM it first
answers waiting requests. On SIGHUP it reads the grant and the TLS files again.

In the station, keys have the names of the grant's authorities, and "journal". PINs come
from the pin-source of a key's URI. A refused PIN is not tried again.`,
		Args: exit.ExactArgs(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error { return s.serve(c.Context()) },
	}
	f := c.Flags()
	s.flags(c)
	f.StringVar(&s.listen, "listen", "", "where to listen for requests: unix:PATH or HOST:PORT")
	f.StringVar(&s.tls.cert, "tls-cert", "", "certificate `FILE` of this server, for HOST:PORT")
	f.StringVar(&s.tls.key, "tls-key", "", "private key `FILE` of this server")
	f.StringVar(&s.tls.clients, "client-ca", "", "CA certificate `FILE` for clients that may ask at HOST:PORT")
	f.StringVar(&s.metrics, "metrics", "", "`HOST:PORT` for /metrics, /readyz and /healthz (default: none)")
	f.DurationVar(&s.deadline, "deadline", 25*time.Second, "how long to answer waiting requests after SIGTERM")
	_ = c.MarkFlagRequired("listen") // the flag is there
	return c
}

func (s *serveOptions) serve(ctx context.Context) error {
	if s.deadline <= 0 {
		return exit.Usagef("--deadline has to be above zero")
	}
	in, err := s.read(ctx)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(s.Log, nil))
	asks, watches, err := s.listeners()
	if err != nil {
		return err
	}
	log.Info("serving", "cluster", in.grant.Cluster, "grant", in.grant.Sequence, "listen", s.listen, "version",
		s.Version)
	return s.run(ctx, s.service(in, log), in.release, log, asks, watches)
}

// run serves until ctx ends, or a listener does.
func (s *serveOptions) run(ctx context.Context, service *online.Service, release crypto.PublicKey, log *slog.Logger,
	asks, watches net.Listener) error {
	quiet := slog.NewLogLogger(log.Handler(), slog.LevelWarn)
	requests := requestServer(s.tls.guard(endpoint.Requests(service), s.Now), quiet)
	requests.ConnContext = s.tls.began
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

// requestServer is that of who asks. Who is slow to ask, or to take an answer, is cut off.
// An answer may take as long as a full queue does.
func requestServer(h http.Handler, quiet *stdlog.Logger) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 15 * time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: quiet}
}

// reload takes a new grant and new TLS files. What is wrong with them is logged, and the
// former ones hold.
func (s *serveOptions) reload(ctx context.Context, service *online.Service, release crypto.PublicKey,
	log *slog.Logger) {
	g, err := signedGrant(ctx, s.grantFile, release)
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
