package ceremony

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"officiant/bundle/fingerprint"
	"officiant/bundle/phrase"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
	"officiant/signer"
)

// tokens are the room's tokens and KMS, and the keys that were found or made in them.
type tokens struct {
	asked
	canaries  canaries
	opener    signer.Opener
	ask       signer.PINFunc
	wrong     *WrongPINs
	insertion func(ctx context.Context, words string) (said string, err error) // Config.Insert
	resumed   bool
	look      bool                       // nothing is made, and there is no directory
	corrected *transcript.StationChanged // until every key on record was found, and it is on record itself
	stores    map[string]signer.Store    // by key
	opened    []signer.Store
	keys      map[string]signer.Key
	proved    map[string]signer.Store // in which a key has answered this process's challenge
}

// openToken opens the token of a phase's keys, with one login, and records
// which device it is. One with which nothing is left to do stays where it is.
func (r *tokens) openToken(ctx context.Context, p phase, turns []phase) error {
	if r.progress.Closed && !slices.Contains(p.keys, r.plan.ReleaseKey()) {
		return nil // only the record's signature may be missing
	}
	if done, err := r.done(p); err != nil || done {
		return err
	}
	if r.answers(ctx, p) {
		r.observer.Say("the token is open already")
		return nil
	}
	if rests, err := r.rests(p, turns); err != nil || rests {
		return err
	}
	store, err := r.open(ctx, p)
	if err != nil {
		return err
	}
	return r.enter(ctx, p, store)
}

// answers says whether the open token of a phase is still there, whether or not its
// keys are made.
func (r *tokens) answers(ctx context.Context, p phase) bool {
	store := r.stores[p.keys[0]]
	if store == nil {
		return false
	}
	ref, err := r.ref(p.keys[0])
	if err != nil {
		return false
	}
	_, err = store.Find(ctx, ref)
	return err == nil || errors.Is(err, signer.ErrNotFound)
}

// rests says whether a token that is not in can stay where it is for now: its keys
// are on record and have nothing to sign before another token's turn, after which it
// is asked for again. So with one reader a ceremony goes on with the token that it
// waited for.
func (r *tokens) rests(p phase, turns []phase) (bool, error) {
	if !r.resumed || !p.removable || len(r.existing(p)) < len(p.keys) {
		return false, nil
	}
	for e := range r.plan.All(schedule.RequestSignature) {
		if slices.Contains(p.keys, e.Signer) && r.progress.Requests[e.Name] == nil {
			return false, nil
		}
	}
	after := slices.IndexFunc(turns, func(q phase) bool { return q.token == p.token }) + 1
	for _, q := range turns[after:] {
		if finished, err := r.finished(q); err != nil || finished || !q.removable {
			continue
		}
		r.observer.Say("its keys are on record: it is asked for when one of them signs")
		return true, nil
	}
	return false, nil
}

// done says whether a ceremony that goes on has no more use for a phase's token.
func (r *tokens) done(p phase) (bool, error) {
	finished, err := r.finished(p)
	if err == nil && finished {
		r.observer.Say("nothing is left to do with it: it stays where it is")
	}
	return finished, err
}

// finished says whether all that a phase's keys have to sign is on record: a
// ceremony that goes on need not take the root out of its safe again.
func (r *tokens) finished(p phase) (bool, error) {
	for _, name := range p.keys {
		recorded, ok := r.progress.Keys[name]
		// The release key signs to the end, and its successor signs nothing but a challenge.
		if release := r.plan.Plan.Release; !ok || name == release.Name || name == release.Successor.Name {
			return false, nil
		}
		if err := r.accept(name, signer.Grade(recorded.Grade), recorded.Reason); err != nil {
			return false, err
		}
	}
	for e := range r.plan.All() {
		if !slices.Contains(p.keys, e.Signer) {
			continue
		}
		switch e.Kind {
		case schedule.RootCertificate, schedule.AuthorityCertificate, schedule.LeafCertificate:
			if !r.progress.Issued(e.Name) {
				return false, nil
			}
		default:
			return false, nil
		}
	}
	return r.resumed, nil
}

// open opens a phase's token. One that is not there is asked for, and waited
// for; that it is the one, its serial and label in the station's URI say.
func (r *tokens) open(ctx context.Context, p phase) (signer.Store, error) {
	ref, err := r.ref(p.keys[0])
	if err != nil {
		return nil, err
	}
	return r.openRef(ctx, p, ref)
}

func (r *tokens) announce(p phase) {
	if r.rehearsal {
		r.observer.Say("a throw-away token plays the part of " + p.place)
	} else {
		r.observer.Say("wanted: " + p.place)
	}
}

func (r *tokens) openRef(ctx context.Context, p phase, ref signer.Ref) (signer.Store, error) {
	r.announce(p)
	for asked := false; ; {
		store, err := r.opener(ctx, ref, r.ask)
		if err == nil {
			r.opened = append(r.opened, store)
			return store, nil
		}
		switch {
		case errors.Is(err, signer.ErrAbsent):
			if r.closeAbsent(ctx) {
				continue // a module looks at its readers anew only when nothing in it is open
			}
			if asked {
				r.observer.Say("it is not there yet" + instead(err))
			}
		case !p.removable && errors.Is(err, signer.ErrUnavailable) && ctx.Err() == nil:
			if asked {
				r.observer.Say("it does not answer yet: " + err.Error())
			}
		default:
			return nil, err
		}
		asked = true
		if err := r.insert(ctx, p, err); err != nil {
			return nil, err
		}
	}
}

// instead says which tokens are there in place of one that is not.
func instead(absent error) string {
	var other interface{ Instead() []signer.Device }
	if !errors.As(absent, &other) || len(other.Instead()) == 0 {
		return "; no other token is, either"
	}
	var there []string
	for _, d := range other.Instead() {
		there = append(there, fmt.Sprintf("token %s, serial %s", d.Label, d.Serial))
	}
	return "; there is " + strings.Join(there, "; ")
}

// insert asks people for a token that is not there, in one sentence: a swap is what
// was to be expected. Where nobody can be asked, the same words are the error.
func (r *tokens) insert(ctx context.Context, p phase, absent error) error {
	words := fmt.Sprintf("put in %s, which holds the key of %s", p.place, phrase.List(p.keys))
	if !p.removable {
		words = fmt.Sprintf("let this machine reach %s, which holds the key of %s", p.place, phrase.List(p.keys))
	}
	if r.insertion == nil {
		return fmt.Errorf("%s: %w", words, absent)
	}
	said, err := r.insertion(ctx, words)
	switch {
	case errors.Is(err, ErrNobody):
		return fmt.Errorf("%s: %w", words, absent)
	case err != nil || said == "" || r.progress.Closed:
		return err
	}
	_, err = r.progress.Record(transcript.Note{Text: said})
	return err
}

// closeAbsent closes the tokens that were taken out, and says whether there were any.
func (r *tokens) closeAbsent(ctx context.Context) (closed bool) {
	for name, store := range r.stores {
		if store == nil || r.there(ctx, name) {
			continue
		}
		store.Close()
		closed = true
		for other, s := range r.stores {
			if s == store {
				delete(r.stores, other)
			}
		}
	}
	return closed
}

// there says whether the token that holds a key still has it.
func (r *tokens) there(ctx context.Context, name string) bool {
	store := r.stores[name]
	if store == nil {
		return false
	}
	ref, err := r.ref(name)
	if err != nil {
		return false
	}
	_, err = store.Find(ctx, ref)
	return err == nil
}

// described says and returns which device a store is.
func (r *tokens) described(store signer.Store) (signer.Device, bool) {
	d, ok := store.(signer.Describer)
	if !ok {
		return signer.Device{}, false
	}
	device := d.Describe()
	r.observer.Say(fmt.Sprintf("token %s, serial %s, %s %s",
		device.Label, device.Serial, device.Manufacturer, device.Model))
	return device, true
}

// reinsert goes on with a token after another's turn. One that was taken out is
// opened again, and each of its keys proves itself again.
func (r *tokens) reinsert(ctx context.Context, p phase) error {
	if r.progress.Closed && !slices.Contains(p.keys, r.plan.ReleaseKey()) {
		return nil
	}
	if r.there(ctx, p.keys[0]) {
		r.observer.Say("it is still there: " + p.place)
		return nil
	}
	if done, err := r.done(p); err != nil || done {
		return err
	}
	if store := r.stores[p.keys[0]]; store != nil {
		store.Close()
	}
	store, err := r.open(ctx, p)
	if err != nil {
		return err
	}
	device, ok := r.described(store)
	if ok && !r.progress.Closed {
		if err := r.recordToken(tokenRecord(device)); err != nil {
			return err
		}
	}
	for _, name := range p.keys {
		r.stores[name] = store
		if err := r.key(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// clone has the clone of a key answer a challenge, in a token that is not the
// key's own.
func (r *tokens) clone(ctx context.Context, p phase, ref signer.Ref) error {
	name := p.keys[0]
	key := r.progress.Keys[name]
	if r.progress.Closed || r.progress.Clones[name] {
		return nil
	}
	if r.rehearsal {
		r.observer.Say("a throw-away token has no clone; in the ceremony it goes into " + p.place)
		return nil
	}
	r.observer.Say("clone it with the vendor's tool; the clone goes into " + p.place)
	store, k, err := r.openClone(ctx, p, ref, key.SPKI)
	if err != nil {
		return err
	}
	defer store.Close()
	device, ok := r.described(store)
	token := tokenRecord(device)
	if !ok || token.ID() == key.Token.ID() {
		return &Refused{[]string{fmt.Sprintf("the clone of the %s key is in the token that holds the key: %s", name,
			p.place)}}
	}
	if least, who := r.least(name); device.Software && !signer.Software.AtLeast(least) {
		return &Refused{[]string{fmt.Sprintf("token %s is software, and the %s asks for evidence %q of the %s key: "+
			"that holds for its clone", device.Label, who, least, name)}}
	}
	if err := r.recordToken(token); err != nil {
		return err
	}
	if err := r.challenge(ctx, transcript.ChallengeIntent{Name: name, SPKI: key.SPKI, Clone: &token}, k); err != nil {
		return err
	}
	r.observer.Say(fmt.Sprintf("the clone of the %s key answered a challenge", name))
	return nil
}

// openClone waits for a token with the clone of a key.
func (r *tokens) openClone(ctx context.Context, p phase, ref signer.Ref, spki fingerprint.SHA256) (signer.Store,
	signer.Key, error) {
	for {
		store, err := r.openRef(ctx, p, ref)
		if err != nil {
			return nil, nil, err
		}
		k, err := findPublic(ctx, store, ref, spki)
		if err == nil {
			return store, k, nil
		}
		store.Close()
		if !errors.Is(err, signer.ErrNotFound) {
			return nil, nil, err
		}
		r.observer.Say(err.Error())
		if err := r.insert(ctx, p, err); err != nil {
			return nil, nil, err
		}
	}
}

// findPublic finds the key of a public key: the one of ref's name or, since a
// maker's tool may name a clone as it likes, any other of an id of ours.
func findPublic(ctx context.Context, store signer.Store, ref signer.Ref, spki fingerprint.SHA256) (signer.Key, error) {
	is := func(k signer.Key, err error) bool {
		if err != nil {
			return false
		}
		got, err := fingerprint.SPKI(k.Public())
		return err == nil && got == spki
	}
	k, err := store.Find(ctx, ref)
	if is(k, err) {
		return k, nil
	}
	lister, lists := store.(signer.Lister)
	finder, finds := store.(signer.IDFinder)
	if lists && finds {
		all, err := lister.List(ctx)
		if err != nil {
			return nil, err
		}
		for _, info := range all {
			if len(info.ID) != len(signer.ID{}) {
				continue
			}
			if k, err := finder.FindID(ctx, ref, signer.ID(info.ID)); is(k, err) {
				return k, nil
			}
		}
	}
	return nil, fmt.Errorf("no clone of key %s, of public key %s, is in this token: %w", ref.Label, spki,
		signer.ErrNotFound)
}

// signers is how many workers ask a key for signatures: one for each session,
// and more that verify an answer while the token is busy with the next.
func (r *tokens) signers(name string, workers int) int {
	n := r.sessions(name) + workers - 1
	if q, ok := r.stores[name].(signer.Queued); ok {
		n = max(n, q.Queue())
	}
	return n
}

// sessions is how many signatures may be under way at once with a key: as many
// as its token says it can do.
func (r *tokens) sessions(name string) int {
	if p, ok := r.stores[name].(signer.Parallel); ok {
		return p.Sessions()
	}
	return 1
}

func (r *tokens) close() {
	for _, s := range r.opened {
		s.Close()
	}
	r.opened = nil
}
