package ceremony

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"maps"

	"officiant/ceremony/progress"
	"officiant/ceremony/transcript"
	"officiant/signer"
)

// canaries are throw-away keys in tokens, of what is asked for there.
type canaries struct{ asked }

// try tries a throw-away key of each algorithm that is to be made in a
// token, before the first real one is: a token's word about a key is tested
// where it costs nothing. What was tried already stands in the record.
func (r canaries) try(ctx context.Context, p phase, store signer.Store, device signer.Device) error {
	prober, ok := store.(signer.Prober)
	if !ok {
		return nil
	}
	for _, name := range p.keys {
		algorithm := keyOf(r.plan, name).Create
		if _, made := r.progress.Keys[name]; made || algorithm == "" {
			continue
		}
		token := tokenRecord(device)
		tried, ok := r.progress.Canaries[progress.Template{Token: token.ID(), Algorithm: string(algorithm)}]
		if !ok {
			ref, err := r.ref(name)
			if err != nil {
				return err
			}
			if tried, err = r.probe(ctx, prober, ref, token, algorithm); err != nil {
				return err
			}
		}
		if leak := leakOf(tried); leak != "" {
			if err := r.accept(name, signer.Unproven, leak); err != nil {
				return err
			}
		}
	}
	return nil
}

// probe tries one canary. An intent that a killed process left is taken up, so
// that its canary is found and destroyed.
func (r canaries) probe(ctx context.Context, p signer.Prober, ref signer.Ref, token transcript.Token,
	algorithm signer.Algorithm) (transcript.Canary, error) {
	var none transcript.Canary
	seq, id, err := r.intent(token, algorithm)
	if err != nil {
		return none, err
	}
	found, err := p.Probe(ctx, ref, signer.Spec{Algorithm: algorithm}, id, nil)
	if err != nil {
		return none, fmt.Errorf("canary of %s: %w", algorithm, err)
	}
	canary := transcript.Canary{Intent: seq, Attributes: maps.Clone(found.Attributes)}
	for _, t := range found.Trials {
		canary.Trials = append(canary.Trials, transcript.Trial(t))
	}
	if _, err := r.progress.Record(canary); err != nil {
		return none, err
	}
	verdict := "the token did not export it"
	if leak := found.Leak(); leak != "" {
		verdict = "THE TOKEN EXPORTS IT: " + leak
	}
	r.observer.Say(fmt.Sprintf("canary %s: made, tried and destroyed; %s", algorithm, verdict))
	return canary, nil
}

func (r canaries) intent(token transcript.Token, algorithm signer.Algorithm) (seq int, id signer.ID, err error) {
	for seq, intent := range r.progress.CanaryIntents {
		if intent.Token.ID() == token.ID() && intent.Algorithm == string(algorithm) {
			id, err = progress.KeyID(intent.ID)
			return seq, id, err
		}
	}
	if _, err = io.ReadFull(r.rand, id[:]); err != nil {
		return 0, id, err
	}
	seq, err = r.progress.Record(transcript.CanaryIntent{Token: token, Algorithm: string(algorithm),
		ID: hex.EncodeToString(id[:])})
	return seq, id, err
}

// leakOf says in words what a canary's token let happen; empty when nothing.
func leakOf(c transcript.Canary) string {
	var tried signer.Canary
	for _, t := range c.Trials {
		tried.Trials = append(tried.Trials, signer.Trial(t))
	}
	if leak := tried.Leak(); leak != "" {
		return "a canary of its template did not stay: " + leak
	}
	return ""
}
