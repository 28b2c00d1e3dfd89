package main

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/terminal"
	"officiant/signer"
)

type signerTestOptions struct {
	signerOptions
	algorithm string
	seconds   float64
}

func newSignerTestCommand(o *options) *cobra.Command {
	s := &signerTestOptions{signerOptions: signerOptions{options: o}}
	c := &cobra.Command{
		Use:   "test KEY",
		Short: "Challenge a key, test whether its token keeps keys, and measure its rate",
		Long: `Challenge a key. Then create a throw-away key of the same algorithm in its token, a
canary: try to get it out, measure how many signatures a second it makes with 1, 2, 4 and
8 sessions, and destroy it. With --algorithm, no key needs to exist yet: only the canary
is created. A KMS keeps every new key for days, so it only gets the challenge.

If a token lets the canary out, the exit code is 3. For a wrong answer, it is 4.

` + howKeysAreNamed,
		Args: exit.ExactArgs(1, "one key"),
		RunE: func(c *cobra.Command, args []string) error { return s.run(c.Context(), args[0]) },
	}
	s.flags(c)
	c.Flags().StringVar(&s.label, "label", "", "`LABEL` of the key, if the URI names none")
	c.Flags().StringVar(&s.algorithm, "algorithm", "", "make only a canary, of this `ALGORITHM`")
	c.Flags().Float64Var(&s.seconds, "seconds", 1, "`SECONDS` to measure each number of sessions")
	return c
}

// tested is what a test found out. Its JSON is a promise to scripts.
type tested struct {
	Token     shownToken       `json:"token"`
	Key       string           `json:"key,omitempty"` // the one challenged
	Challenge string           `json:"challenge,omitempty"`
	Algorithm signer.Algorithm `json:"algorithm"`
	Sessions  int              `json:"sessions"` // signatures the token makes at once; 0: not known
	Trials    []testedTrial    `json:"trials"`
	Kept      *bool            `json:"kept,omitempty"` // whether the token kept the canary; absent: none was made
	Rates     []testedRate     `json:"rates"`
}

type testedTrial struct {
	Name    string `json:"name"`
	Outcome string `json:"outcome"`
	Leaks   bool   `json:"leaks"`
}

type testedRate struct {
	Sessions  int     `json:"sessions"`
	PerSecond float64 `json:"perSecond"`
}

func (s *signerTestOptions) run(ctx context.Context, argument string) error {
	var algorithm signer.Algorithm
	if s.algorithm != "" {
		a, err := signer.ParseAlgorithm(s.algorithm)
		if err != nil {
			return exit.Usagef("--algorithm: %v", err)
		}
		algorithm = a
	}
	if s.seconds <= 0 || s.seconds > 600 {
		return exit.Usagef("--seconds %g: more than 0, at most 600", s.seconds)
	}
	ref, to, err := s.key(argument)
	if err != nil {
		return err
	}
	t := &tested{Algorithm: algorithm, Trials: []testedTrial{}, Rates: []testedRate{}}
	err = s.with(ctx, ref, to, func(store signer.Store) error { return s.try(ctx, store, ref, t) })
	if err != nil {
		return err
	}
	if s.output.Fields() {
		err = s.output.Write(s.Stdout, t)
	} else {
		err = t.write(s.Stdout, terminal.Width(s.Stdout))
	}
	if err == nil && t.Kept != nil && !*t.Kept {
		return &exit.Error{Code: exit.Refused, Err: errors.New("the token exports keys of this template"),
			Hints: []string{"a plan has to allow it by name, for each key: evidence: unproven"}}
	}
	return err
}

// try does the challenge and the canary.
func (s *signerTestOptions) try(ctx context.Context, store signer.Store, ref signer.Ref, t *tested) error {
	if d, ok := store.(signer.Describer); ok {
		t.Token = showToken(d.Describe())
	}
	if p, ok := store.(signer.Parallel); ok {
		t.Sessions = p.Sessions()
	}
	if s.algorithm == "" {
		k, err := store.Find(ctx, ref)
		if err != nil {
			return err
		}
		t.Key, t.Algorithm = k.Info().Label, k.Info().Algorithm
		if err := s.challenge(ctx, k); errors.Is(err, signer.ErrWrongAnswer) {
			return &exit.Error{Code: exit.Unverified, Err: err}
		} else if err != nil {
			return err
		}
		t.Challenge = "answered, and verified with its public key"
	}
	p, ok := store.(signer.Prober)
	if !ok {
		return nil
	}
	canary, err := s.probe(ctx, p, ref, signer.Spec{Algorithm: t.Algorithm}, func(ctx context.Context, k signer.Key) error {
		return s.measure(ctx, k, t)
	})
	if err != nil {
		return err
	}
	kept := canary.Leak() == ""
	t.Kept = &kept
	for _, trial := range canary.Trials {
		t.Trials = append(t.Trials, testedTrial(trial))
	}
	return nil
}

// measure counts a canary's signatures for each number of sessions the token allows.
func (s *signerTestOptions) measure(ctx context.Context, k signer.Key, t *tested) error {
	for n := 1; n <= 8; n *= 2 {
		if t.Sessions > 0 && n > t.Sessions && n > 1 {
			break
		}
		made, took, err := rate(ctx, k, n, time.Duration(s.seconds*float64(time.Second)))
		if err != nil {
			return err
		}
		t.Rates = append(t.Rates, testedRate{n, float64(made) / took.Seconds()})
	}
	return nil
}

// rate signs with n callers at once until the time or ctx is over. Signatures in
// hand are waited for: one that is broken off loses the token, and with it the
// way to destroy the canary.
func rate(ctx context.Context, k signer.Key, n int, long time.Duration) (made int64, took time.Duration, err error) {
	hash := signer.HashFor(k.Public())
	var count atomic.Int64
	var failed sync.Once
	var callers sync.WaitGroup
	begin := time.Now()
	for range n {
		callers.Go(func() {
			digest := make([]byte, hash.Size())
			for time.Since(begin) < long && ctx.Err() == nil {
				if _, e := k.SignContext(context.WithoutCancel(ctx), digest, crypto.SignerOpts(hash)); e != nil {
					failed.Do(func() { err = e })
					return
				}
				count.Add(1)
			}
		})
	}
	callers.Wait()
	if err == nil {
		err = ctx.Err()
	}
	return count.Load(), time.Since(begin), err
}

func (t *tested) write(w io.Writer, width int) error {
	fmt.Fprintf(w, "token      %s\n", exit.Line(t.Token.String()))
	if t.Key != "" {
		fmt.Fprintf(w, "key        %s, %s\nchallenge  %s\n", exit.Line(t.Key), t.Algorithm, t.Challenge)
	}
	if t.Kept == nil {
		_, err := fmt.Fprintln(w, "canary     none: a KMS keeps every key it makes for days")
		return err
	}
	verdict := "the token did not export it"
	if !*t.Kept {
		verdict = "THE TOKEN EXPORTS IT"
	}
	fmt.Fprintf(w, "canary     %s, made, tried and destroyed: %s\n\n", t.Algorithm, verdict)
	trials := &terminal.Table{Header: []string{"TRIED", "ANSWER", ""}}
	for _, trial := range t.Trials {
		mark := ""
		if trial.Leaks {
			mark = "LEAKS"
		}
		trials.Add(trial.Name, exit.Line(trial.Outcome), mark)
	}
	if err := trials.Write(w, width); err != nil {
		return err
	}
	fmt.Fprintln(w)
	rates := &terminal.Table{Header: []string{"SESSIONS", "SIGNATURES A SECOND"}}
	for _, r := range t.Rates {
		rates.Add(fmt.Sprint(r.Sessions), fmt.Sprintf("%.0f", r.PerSecond))
	}
	return rates.Write(w, width)
}
