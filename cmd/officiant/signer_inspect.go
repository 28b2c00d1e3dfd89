package main

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"

	"github.com/spf13/cobra"

	"officiant/bundle/fingerprint"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/terminal"
	"officiant/signer"
)

func newSignerInspectCommand(o *options) *cobra.Command {
	s := &signerOptions{options: o}
	c := &cobra.Command{
		Use:   "inspect KEY",
		Short: "Show a key: where it is, what its token says about it, and its evidence grade",
		Long: `Show where a key is, its public key's fingerprint, every attribute as it was read back,
and the grade of that evidence. It signs nothing.

` + howKeysAreNamed,
		Args: exit.ExactArgs(1, "one key"),
		RunE: func(c *cobra.Command, args []string) error { return s.inspect(c.Context(), args[0]) },
	}
	s.flags(c)
	s.makers.flag(c)
	c.Flags().StringVar(&s.label, "label", "", "`LABEL` of the key, if the URI names none")
	return c
}

func (s *signerOptions) inspect(ctx context.Context, argument string) error {
	ref, to, err := s.key(argument)
	if err != nil {
		return err
	}
	return s.with(ctx, ref, to, func(store signer.Store) error {
		k, err := store.Find(ctx, ref)
		if err != nil {
			return err
		}
		return s.writeKey(k.Info(), k.Public())
	})
}

// writeKey shows a key in the format asked for.
func (s *signerOptions) writeKey(info signer.Info, public crypto.PublicKey) error {
	spki, err := fingerprint.SPKI(public)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return err
	}
	shown := showKey(info)
	shown.SPKI, shown.PublicKey = &spki, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	if s.output.Fields() {
		return s.output.Write(s.Stdout, shown)
	}
	return writeKey(s.Stdout, shown, terminal.Width(s.Stdout))
}
