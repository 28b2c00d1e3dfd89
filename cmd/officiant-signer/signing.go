package main

import (
	"context"
	"crypto"
	"log/slog"

	"github.com/spf13/cobra"

	"officiant/ceremony/online"
	"officiant/ceremony/online/grant"
	"officiant/ceremony/station"
	"officiant/cmd/internal/exit"
)

// signing are the flags of what signs.
type signing struct {
	*options
	grantFile, release, station, journal string
	workers                              int
}

func (s *signing) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&s.grantFile, "grant", "", "grant `FILE`: what may be signed; its signature is in FILE.sig")
	f.StringVar(&s.release, "release-key", "", "public key `FILE` of the release key")
	f.StringVar(&s.station, "station", "", "station `FILE`: where the keys are")
	f.StringVar(&s.journal, "journal", "", "journal `FILE` of everything signed; created if it does not exist")
	f.IntVar(&s.workers, "workers", 2, "number of concurrent signatures")
	for _, name := range []string{"grant", "release-key", "station", "journal"} {
		_ = c.MarkFlagRequired(name) // the flag is there
	}
}

// inputs are the files of what signs, read and checked.
type inputs struct {
	release crypto.PublicKey
	grant   *grant.Grant
	station *station.Station
}

func (s *signing) read(ctx context.Context) (*inputs, error) {
	if s.workers < 1 || s.workers > 64 {
		return nil, exit.Usagef("--workers is from 1 to 64")
	}
	release, err := releaseKey(ctx, s.release)
	if err != nil {
		return nil, err
	}
	g, err := signedGrant(ctx, s.grantFile, release)
	if err != nil {
		return nil, err
	}
	st, err := station.Open(s.station)
	if err != nil {
		return nil, err
	}
	for key, value := range st.Variables() {
		if err := s.Setenv(key, value); err != nil {
			return nil, err
		}
	}
	names := []string{online.JournalKey}
	for _, a := range g.Authorities {
		names = append(names, a.Name)
	}
	for _, name := range names { // a station that lacks one is wrong now, not later
		if _, err := st.Ref(g.Cluster, name); err != nil {
			return nil, err
		}
	}
	return &inputs{release, g, st}, nil
}

func (s *signing) service(in *inputs, log *slog.Logger) *online.Service {
	return online.New(online.Config{
		Grant: in.grant, Keys: s.tokens(in.station, in.grant.Cluster, log), Disk: s.Disk, Journal: s.journal,
		Program: s.Version, Now: s.Now, Rand: s.Rand, Log: log, Workers: s.workers, Patience: in.station.Patience(),
	})
}
