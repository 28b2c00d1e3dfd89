package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/issue"
	"officiant/ceremony/online/grant"
	"officiant/ceremony/station"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/infile"
)

// releaseName is the release key's name in a station.
const releaseName = "release"

func newSignGrantCommand(o *options) *cobra.Command {
	var stationFile, confirm string
	c := &cobra.Command{
		Use:   "sign-grant GRANT",
		Short: "Have the release key sign a grant",
		Long: `Sign-grant reads a grant as serve does, and shows what it allows and its digest. With
--confirm, the release key signs it, into GRANT.sig beside it. Without --confirm it signs
nothing, so that people can compare the digest first. Run it where the release key's
token is.`,
		Args: exit.ExactArgs(1, "one grant"),
		RunE: func(c *cobra.Command, args []string) error {
			return o.signGrant(c.Context(), args[0], stationFile, confirm)
		},
	}
	c.Flags().StringVar(&stationFile, "station", "", "station `FILE`: where the release key is")
	c.Flags().StringVar(&confirm, "confirm", "", "the grant's compared `DIGEST`")
	_ = c.MarkFlagRequired("station") // the flag is there
	return c
}

func (o *options) signGrant(ctx context.Context, path, stationFile, confirm string) error {
	data, err := infile.ReadFile(ctx, path, grant.MaxBytes)
	if err != nil {
		return err
	}
	g, err := grant.Parse(path, data)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(path + ".sig"); !errors.Is(err, fs.ErrNotExist) {
		return exit.Exists("%s.sig is there already", path)
	}
	st, err := station.Open(stationFile)
	if err != nil {
		return err
	}
	o.showGrant(g)
	if confirm == "" {
		return &exit.Error{Code: exit.Declined,
			Err: errors.New("nothing is signed without --confirm and the digest above")}
	}
	if want, err := fingerprint.Parse(confirm); err != nil || want != g.Digest() {
		return exit.Usagef("--confirm %s is not the digest of %s", confirm, path)
	}
	for key, value := range st.Variables() {
		if err := o.Setenv(key, value); err != nil {
			return err
		}
	}
	tokens := o.tokens(st, g.Cluster, slog.New(slog.NewTextHandler(o.Stderr, nil)))
	key, err := tokens.Key(ctx, releaseName)
	if err != nil {
		return errors.Join(err, tokens.Close())
	}
	signature, err := issue.File(ctx, g.Digest(), key)
	if err == nil {
		err = o.Disk.Create(path+".sig", signature, 0o644)
	}
	if err = errors.Join(err, tokens.Close()); err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	fmt.Fprintf(o.Stderr, "signed: %s\n", exit.Line(path+".sig"))
	return pem.Encode(o.Stdout, &pem.Block{Type: "PUBLIC KEY", Bytes: public})
}

// showGrant says in a few lines what is about to be allowed.
func (o *options) showGrant(g *grant.Grant) {
	fmt.Fprintf(o.Stderr, "grant %d of %s: from %s until %s\n", g.Sequence, g.Cluster,
		g.NotBefore.Format(time.DateTime),
		g.NotAfter.Format(time.DateTime))
	for _, a := range g.Authorities {
		fmt.Fprintf(o.Stderr, "  %s signs %s, for %s at most\n", a.Name, a.SignerName, a.Life)
	}
	bootstraps := 0
	for _, n := range g.Nodes {
		if n.Bootstrap != "" {
			bootstraps++
		}
	}
	fmt.Fprintf(o.Stderr, "  %d nodes, %d of them by a bootstrap user once; %d users\n", len(g.Nodes), bootstraps,
		len(g.Users))
	fmt.Fprintf(o.Stderr, "digest %s\n", g.Digest())
	for _, line := range g.Digest().Lines() {
		fmt.Fprintf(o.Stderr, "  %s\n", line)
	}
}
