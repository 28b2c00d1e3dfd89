package ceremony

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/station"
	"officiant/signer"
)

// addSurvey adds the step that looks at everything a token or KMS can tell, before
// anything is made in one.
func (s *script) addSurvey(turns []phase) {
	step := s.add("Look for every key, before one is made",
		inTokens(func(r *tokens, ctx context.Context) error { return r.survey(ctx, turns) }))
	step.People = "Officers: put in every token for which there is a reader, and enter its PIN. With one " +
		"reader, tokens with existing keys are asked for in turn."
	step.Failure = "Nothing was made. It is the wrong token, station or plan: find out which, correct it, and run " +
		"the same command again."
}

// existing are the keys of a phase that have to be there: the plan has them, or an
// earlier process made them.
func (r *tokens) existing(p phase) []string {
	var names []string
	for _, name := range p.keys {
		if _, recorded := r.progress.Keys[name]; recorded || keyOf(r.plan, name).Create == "" {
			names = append(names, name)
		}
	}
	return names
}

// survey opens what is in, finds and challenges every key that exists, sees that the
// names of those to be made are free, and tries their canaries. Tokens with keys
// that exist come first, and are asked for; the others are looked at when their
// turn comes, if they are not in.
func (r *tokens) survey(ctx context.Context, turns []phase) error {
	if r.progress.Closed {
		return nil
	}
	for _, p := range inTurn(r, turns) {
		if finished, err := r.finished(p); err != nil {
			return err
		} else if finished && r.corrected == nil {
			continue
		}
		if err := r.surveyToken(ctx, p); err != nil {
			return err
		}
	}
	if err := r.distinct(); err != nil {
		return err
	}
	return r.takeCorrection()
}

func (r *tokens) surveyToken(ctx context.Context, p phase) error {
	// Keys on record were seen before; their token is asked for when one of them signs.
	wanted := slices.ContainsFunc(r.existing(p), func(name string) bool {
		_, recorded := r.progress.Keys[name]
		return !recorded
	})
	store, err := r.openIfIn(ctx, p, wanted || r.mustBeFound(p))
	if err != nil || store == nil {
		return err
	}
	if err := r.enter(ctx, p, store); err != nil {
		return err
	}
	existing := r.existing(p)
	for _, name := range p.keys {
		if err := lookFor(ctx, r, name, slices.Contains(existing, name)); err != nil {
			return err
		}
	}
	return nil
}

// lookFor has a key that exists answer a challenge, and finds no other.
func lookFor(ctx context.Context, r *tokens, name string, exists bool) error {
	if exists {
		return r.key(ctx, name)
	}
	return r.free(ctx, name)
}

// inTurn is the order in which tokens are looked at: those with keys that exist first.
func inTurn(r *tokens, turns []phase) []phase {
	order := slices.Clone(turns)
	slices.SortStableFunc(order, func(a, b phase) int { return len(r.existing(b)) - len(r.existing(a)) })
	return order
}

// openIfIn opens a phase's token. One that is not in is waited for when it is
// wanted; otherwise there is no store, and no error.
func (r *tokens) openIfIn(ctx context.Context, p phase, wanted bool) (signer.Store, error) {
	if wanted || !p.removable { // a KMS has no turn: it is there or it is not
		return r.open(ctx, p)
	}
	ref, err := r.ref(p.keys[0])
	if err != nil {
		return nil, err
	}
	r.announce(p)
	store, err := r.opener(ctx, ref, r.ask)
	switch {
	case err == nil:
		r.opened = append(r.opened, store)
	case errors.Is(err, signer.ErrAbsent):
		r.observer.Say("it is not in yet; it is asked for at its step")
		return nil, nil
	}
	return store, err
}

// enter takes an open token as that of a phase: it is on record, and was tried.
func (r *tokens) enter(ctx context.Context, p phase, store signer.Store) error {
	for _, name := range p.keys {
		r.stores[name] = store
	}
	device, ok := r.described(store)
	if !ok || r.progress.Closed {
		return nil
	}
	if err := r.sameToken(p, tokenRecord(device)); err != nil {
		return err
	}
	for _, name := range p.keys {
		if least, who := r.least(name); device.Software && !signer.Software.AtLeast(least) {
			return &Refused{[]string{fmt.Sprintf("token %s is software, and the %s asks for evidence %q of the %s key",
				device.Label, who, least, name)}}
		}
	}
	if err := r.recordToken(tokenRecord(device)); err != nil {
		return err
	}
	if r.look {
		return nil // it makes nothing
	}
	return r.canaries.try(ctx, p, store, device)
}

// free refuses a name in a token that a key to be made could not have. A key whose
// making is on record is looked for by its id when it is its turn.
func (r *tokens) free(ctx context.Context, name string) error {
	if _, intended := r.progress.KeyIntents[name]; intended {
		return nil
	}
	ref, err := r.ref(name)
	if err != nil {
		return err
	}
	k, err := r.stores[name].Find(ctx, ref)
	switch {
	case errors.Is(err, signer.ErrNotFound):
		return nil
	case err == nil:
		whose := "Whose is it? If a ceremony that will not be finished made it, `officiant ceremony abandon DIR` " +
			"destroys what that one made, and nothing else. If it is the cluster's own, have the plan use it " +
			"by its fingerprint. Otherwise it is the wrong token, or the wrong station"
		if s, ok := r.stores[name].(signer.Slotted); ok {
			whose = "If it is the cluster's own, have the plan use it by its fingerprint. If it is not, name an " +
				"empty slot in the station (id=), or empty this one, which `ceremony abandon` cannot do: " +
				s.Emptied(ref)
		}
		return &Refused{[]string{
			fmt.Sprintf("the plan creates the %s key, but a key %s is already in its token: %s", name, k.Info().Label,
				spkiOf(k)), whose,
		}}
	case errors.Is(err, signer.ErrAmbiguous):
		return &Refused{[]string{fmt.Sprintf("the plan creates the %s key: %v", name, err)}}
	}
	return err
}

func spkiOf(k signer.Key) string {
	spki, err := fingerprint.SPKI(k.Public())
	if err != nil {
		return err.Error()
	}
	return spki.String()
}

// placeOf is where a key is or will be, whatever its URI calls the token; false when
// its token is not open.
func (r *tokens) placeOf(name string) (string, bool) {
	d, ok := r.stores[name].(signer.Describer)
	if !ok {
		return "", false
	}
	ref, err := r.ref(name)
	return tokenRecord(d.Describe()).ID() + "\x00" + station.Object(ref), err == nil
}

// distinct refuses two of the plan's keys that are one, or would be in one place of
// one token, which URIs in two spellings can hide.
func (r *tokens) distinct() error {
	spkis, places := map[string]string{}, map[string]string{}
	for _, name := range r.plan.KeysNeeded() {
		if k, ok := r.progress.Keys[name]; ok {
			if other, twice := spkis[k.SPKI.String()]; twice {
				return &Refused{[]string{fmt.Sprintf("%s and %s have one key, %s: each needs its own", other, name, k.SPKI)}}
			}
			spkis[k.SPKI.String()] = name
		}
		place, ok := r.placeOf(name)
		if !ok {
			continue
		}
		if other, twice := places[place]; twice {
			return &Refused{[]string{fmt.Sprintf("the station gives %s and %s one place, in the same token", other,
				name)}}
		}
		places[place] = name
	}
	return nil
}
