package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"officiant/bundle/nearest"
	"officiant/ceremony"
	"officiant/cmd/internal/exit"
	"officiant/signer"
)

type signerCreateOptions struct {
	signerOptions
	algorithm string
	evidence  string
	imported  string
}

func newSignerCreateCommand(o *options) *cobra.Command {
	s := &signerCreateOptions{signerOptions: signerOptions{options: o}}
	c := &cobra.Command{
		Use:   "create KEY --algorithm ALGORITHM",
		Short: "Create a key in a token or KMS, outside a ceremony",
		Long: `Create a key in a token or KMS and challenge it. First, a throw-away key with the same
template shows that the token keeps its keys. A ceremony creates its own keys. This
command is for keys that a plan then names as existing, by the fingerprint printed here.

The key's evidence must reach --evidence. A software token, or one that lets keys out,
must be allowed by name. What can be known in advance is refused before the key is
created.

` + howKeysAreNamed,
		Args: exit.ExactArgs(1, "one key"),
		RunE: func(c *cobra.Command, args []string) error { return s.run(c.Context(), args[0]) },
	}
	s.flags(c)
	s.makers.flag(c)
	c.Flags().StringVar(&s.label, "label", "", "`LABEL` of the key, if the URI names none")
	c.Flags().StringVar(&s.algorithm, "algorithm", "",
		"`ALGORITHM`: ECDSA-P256, -P384 or -P521, RSA-2048, -3072 or -4096 (required)")
	c.Flags().StringVar(&s.evidence, "evidence", string(signer.Consistent),
		"lowest `GRADE` accepted: attested, consistent, software or unproven")
	c.Flags().StringVar(&s.imported, "import", "", "refused: no key is imported")
	c.Flags().MarkHidden("import") // its only error is that there is no such flag
	return c
}

func (s *signerCreateOptions) run(ctx context.Context, argument string) error {
	if s.imported != "" {
		return refuseImport("--import " + s.imported)
	}
	algorithm, err := signer.ParseAlgorithm(s.algorithm)
	if err != nil {
		return exit.Usagef("--algorithm: %v%s", err,
			nearest.Among(signer.Algorithm(s.algorithm), signer.Algorithms()...))
	}
	least := signer.Grade(s.evidence)
	if !least.AtLeast(signer.Unproven) {
		return exit.Usagef("--evidence %q: attested, consistent, software or unproven%s", s.evidence,
			nearest.Among(least, signer.Attested, signer.Consistent, signer.Software, signer.Unproven))
	}
	ref, to, err := s.key(argument)
	if err != nil {
		return err
	}
	if b, err := to.backend(ref); err != nil {
		return err
	} else if !b.Attests && least == signer.Attested {
		return tooWeak(signer.Consistent, "it has no verified attestation by its vendor", least)
	}
	spec := signer.Spec{Algorithm: algorithm}
	return s.with(ctx, ref, to, func(store signer.Store) error {
		if d, ok := store.(signer.Describer); ok && d.Describe().Software && !signer.Software.AtLeast(least) {
			return tooWeak(signer.Software, "whoever has its files and PIN has the key", least)
		}
		if _, err := store.Find(ctx, ref); err == nil {
			return s.exists(argument, ref, store)
		} else if !errors.Is(err, signer.ErrNotFound) {
			return err
		}
		var leak string
		if p, ok := store.(signer.Prober); ok {
			canary, err := s.probe(ctx, p, ref, spec, nil)
			if err != nil {
				return err
			}
			if leak = canary.Leak(); leak != "" {
				leak = "a canary got out: " + leak
			}
			if leak != "" && !signer.Unproven.AtLeast(least) {
				return tooWeak(signer.Unproven, leak, least)
			}
		}
		return s.make(ctx, store, ref, spec, least, leak)
	})
}

// exists refuses a name that has a key, and says what can be done.
func (s *signerCreateOptions) exists(argument string, ref signer.Ref, in signer.Store) error {
	look := "officiant signer inspect '" + argument + "'"
	if s.station != "" {
		look += " --station " + s.station
	}
	hints := []string{
		"whose it is:  " + look,
		"a plan uses it as it is with the public key shown there:  key: {existing: FINGERPRINT}",
	}
	if slots, ok := in.(signer.Slotted); ok {
		hints = append(hints, "for a key of its own, another slot, which has to be empty:  id=%05 to id=%18 in the URI",
			"to empty this one:  "+slots.Emptied(ref))
	} else {
		hints = append(hints,
			"a ceremony that will not be finished made it?  officiant ceremony abandon DIR (docs/stuck-ceremony.md)",
			"for a key of its own, another name:  object=NAME in the URI")
	}
	return &exit.Error{Code: exit.Refused, Err: fmt.Errorf("%s: %w", argument, signer.ErrExists), Hints: hints}
}

// make makes the key, shows it, and has it answer a challenge.
func (s *signerCreateOptions) make(ctx context.Context, store signer.Store, ref signer.Ref, spec signer.Spec, least signer.Grade, leak string) error {
	id, err := s.newID()
	if err != nil {
		return err
	}
	fmt.Fprintf(s.Stderr, "creating the key with id %x\n", id)
	k, err := store.Create(ctx, ref, spec, id)
	if err != nil {
		return err
	}
	if err := s.challenge(ctx, k); err != nil {
		err = fmt.Errorf("the key was created, and stays: %w", err)
		if errors.Is(err, signer.ErrWrongAnswer) {
			return &exit.Error{Code: exit.Unverified, Err: err}
		}
		return err
	}
	info := k.Info()
	if leak != "" {
		info.Grade, info.Reason = signer.Unproven, leak
	}
	if err := s.writeKey(info, k.Public()); err != nil {
		return err
	}
	if !info.Grade.AtLeast(least) {
		return tooWeak(info.Grade, "the key was created, and stays: "+info.Reason, least)
	}
	return nil
}

func tooWeak(grade signer.Grade, reason string, least signer.Grade) error {
	return &exit.Error{
		Code: exit.Refused,
		Err: &ceremony.Refused{Reasons: []string{fmt.Sprintf("the evidence would be %q (%s), and %q is required",
			grade, reason, least)}},
		Hints: append([]string{fmt.Sprintf("to allow it by name: --evidence %s", grade)}, rootHint(reason)...),
	}
}

// probe tries a canary of spec; use gets it before it is destroyed.
func (s *signerOptions) probe(ctx context.Context, p signer.Prober, ref signer.Ref, spec signer.Spec, use func(context.Context, signer.Key) error) (signer.Canary, error) {
	id, err := s.newID()
	if err != nil {
		return signer.Canary{}, err
	}
	fmt.Fprintf(s.Stderr, "trying a canary, %s%x, %s\n", signer.CanaryLabel, id, spec.Algorithm)
	return p.Probe(ctx, ref, spec, id, use)
}

func (s *signerOptions) newID() (id signer.ID, err error) {
	_, err = io.ReadFull(s.Rand, id[:])
	return id, err
}

// challenge proves that a key's handle and its public key belong together.
func (s *signerOptions) challenge(ctx context.Context, k signer.Key) error {
	nonce := make([]byte, signer.NonceSize)
	if _, err := io.ReadFull(s.Rand, nonce); err != nil {
		return err
	}
	_, err := signer.Challenge(ctx, k, k.Public(), nonce)
	return err
}
