package abandon

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/ceremony"
	"officiant/ceremony/history"
	"officiant/ceremony/progress"
	"officiant/ceremony/station"
	"officiant/ceremony/transcript"
	"officiant/signer"
)

// Config is what an abandonment needs from outside.
type Config struct {
	Dir    string
	Reason string              // for a new statement; empty: as the one there says
	By     []string            // who agrees, where the plan names nobody
	Head   *fingerprint.SHA256 // of the record, as it was shown last; not needed once it is decided
	// Memory is the folder of the heads that this machine remembers; "" for none. One it
	// has of this record is a line of it, and stands in for Head where nobody is asked.
	Memory string
	// AskHead asks in place of Head, for one that fits; ErrNobody when there is nobody.
	AskHead func(fits func(fingerprint.SHA256) bool) (fingerprint.SHA256, error)
	Others  []*history.Record // of other ceremonies, and copies of this one
	Station *station.Station  // where the keys are
	Open    signer.Opener
	Ask     signer.PINFunc
	// WrongPINs is as in ceremony.Config.
	WrongPINs *ceremony.WrongPINs
	// Insert is as in ceremony.Config.
	Insert func(ctx context.Context, words string) (said string, err error)
	// Confirm shows a key that is about to be destroyed, and is an error when people do
	// not say its name.
	Confirm func(ctx context.Context, k Seen) error
	Disk    *durable.Disk
	Now     func() time.Time
	Program transcript.Program
	Host    transcript.Host
	Say     func(line string)
}

// Seen is a key as it was found in its token.
type Seen struct {
	transcript.AbandonedKey
	Public fingerprint.SHA256 // SHA-256 of its SubjectPublicKeyInfo
	Info   signer.Info
}

// Result is what became of an abandoned ceremony.
type Result struct {
	Head fingerprint.SHA256
	transcript.AbandonmentClosed
	Later []string // names of keys that a KMS destroys later, and when
}

// run is one process's part.
type run struct {
	Config
	*Proposal
	log       *transcript.Writer
	step      int
	intents   map[string]int // destroy intents without a result, by name and id
	found     map[string]*fingerprint.SHA256
	ended     map[string]bool
	wrong     transcript.WrongPINs
	count     transcript.AbandonmentClosed
	scheduled []string
}

// Run puts an abandonment on record to which enough people agree, and destroys the keys
// it names, or continues where a previous process stopped. Errors: *ceremony.Refused, *TooFew
// before anything is changed, those of signer and of the disk.
func Run(ctx context.Context, c Config) (res *Result, err error) {
	unlock, err := ceremony.Lock(c.Dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	t, err := readRecord(c.Dir)
	if err != nil {
		return nil, err
	}
	p, err := c.propose(t)
	if err != nil {
		return nil, err
	}
	approved, err := c.enough(p)
	if err != nil && !(p.Decided && p.People.Nobody()) {
		return nil, err
	}
	log, found, recovered, err := transcript.Resume(c.Disk, filepath.Join(c.Dir, history.RecordFile), c.Now)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	last := found.Lines[len(found.Lines)-1]
	r := &run{Config: c, Proposal: p, log: log, step: last.Step, intents: map[string]int{},
		found: map[string]*fingerprint.SHA256{}, ended: map[string]bool{}, wrong: transcript.WrongPINs{}}
	r.wrongPINs(found)
	if p.Decided {
		r.replay(found)
		err = r.record(transcript.Resumed{Head: found.Head(), Cut: recovered.Cut, Program: c.Program, Host: c.Host,
			Removed: []string{}})
	} else {
		err = r.record(transcript.Abandonment{Head: found.Head(), Cut: recovered.Cut, Program: c.Program, Host: c.Host,
			Reason: p.Reason, Keys: p.Keys, Approvals: approved, By: c.by(p)})
	}
	if err == nil {
		res, err = r.finish(ctx)
	}
	if line, refused := ceremony.RefusedPIN(err, r.wrong); refused {
		err = errors.Join(err, r.record(line))
	}
	if err != nil {
		return nil, &Stopped{Head: log.Head(), cause: err}
	}
	return res, nil
}

// Stopped says where the record of an abandonment that ended early stands. The same
// command continues it.
type Stopped struct {
	Head  fingerprint.SHA256
	cause error
}

func (e *Stopped) Error() string { return e.cause.Error() }
func (e *Stopped) Unwrap() error { return e.cause }

func (c Config) by(p *Proposal) []string {
	if p.People.Nobody() {
		return c.By
	}
	return nil
}

func (r *run) record(records ...transcript.Record) error {
	_, err := r.log.AppendSync(r.step, records...)
	return err
}

// replay takes what previous processes did.
func (r *run) replay(t *transcript.Transcript) {
	names := map[int]string{}
	for _, l := range t.Lines {
		switch d := l.Record.(type) {
		case transcript.DestroyIntent:
			k := d.Name + " " + d.ID
			names[l.Seq], r.intents[k], r.found[k] = k, l.Seq, d.SPKI
		case transcript.Destroyed:
			k := names[d.Intent]
			delete(r.intents, k)
			r.end(k, d)
		}
	}
}

// end counts what became of a key.
func (r *run) end(k string, d transcript.Destroyed) {
	r.ended[k] = true
	switch d.Outcome {
	case transcript.KeyDestroyed:
		r.count.Destroyed++
	case transcript.KeyScheduled:
		r.count.Scheduled++
		r.scheduled = append(r.scheduled, fmt.Sprintf("%s, on %s", k, d.Until.UTC().Format(time.RFC3339)))
	case transcript.KeyAbsent:
		r.count.Absent++
	}
}

// finish goes token by token, and closes the record.
func (r *run) finish(ctx context.Context) (*Result, error) {
	for _, k := range r.Keys {
		if k.Kept != "" {
			r.count.Kept++
			r.Say(fmt.Sprintf("kept: the %s key: %s", k.Name, k.Kept))
		}
	}
	var tokens []transcript.Token
	for _, k := range r.Keys {
		if k.Kept == "" && !slices.ContainsFunc(tokens, func(t transcript.Token) bool { return t.ID() == k.Token.ID() }) {
			tokens = append(tokens, *k.Token)
		}
	}
	for _, t := range tokens {
		if err := r.inToken(ctx, t); err != nil {
			return nil, err
		}
	}
	if err := r.record(r.count); err != nil {
		return nil, err
	}
	return &Result{Head: r.log.Head(), AbandonmentClosed: r.count, Later: r.scheduled}, nil
}

// inToken destroys the keys of one token that are to be destroyed still.
func (r *run) inToken(ctx context.Context, t transcript.Token) error {
	var store signer.Store
	for _, k := range r.Keys {
		if k.Kept != "" || k.Token.ID() != t.ID() || r.ended[k.Name+" "+k.ID] {
			continue
		}
		ref, err := r.Station.Ref(r.Cluster, k.Name)
		if err != nil {
			return err
		}
		if store == nil {
			if store, err = r.open(ctx, ref, t); err != nil {
				return err
			}
			defer store.Close()
		}
		if err := r.destroy(ctx, store, ref, k); err != nil {
			return fmt.Errorf("the %s key: %w", k.Name, err)
		}
	}
	return nil
}

// open opens a token that is on record, and waits for it when it is not in.
func (r *run) open(ctx context.Context, ref signer.Ref, t transcript.Token) (signer.Store, error) {
	words := fmt.Sprintf("put in token %s, serial %s", t.Label, t.Serial)
	r.Say("wanted: " + words[len("put in "):])
	for {
		store, err := r.Open(ctx, ref, r.Ask)
		switch {
		case err == nil:
			return r.onRecord(store, t)
		case !errors.Is(err, signer.ErrAbsent) || r.Insert == nil:
			return nil, err
		}
		r.Say(err.Error())
		if _, e := r.Insert(ctx, words); errors.Is(e, ceremony.ErrNobody) {
			return nil, fmt.Errorf("%s: %w", words, err)
		} else if e != nil {
			return nil, e
		}
	}
}

// onRecord refuses any token but the one in which the record says keys were made.
func (r *run) onRecord(store signer.Store, t transcript.Token) (signer.Store, error) {
	d, ok := store.(signer.Describer)
	if !ok {
		return nil, errors.Join(errors.New("the backend does not say which token it is"), store.Close())
	}
	is := d.Describe()
	got := transcript.Token{Backend: is.Backend, Label: is.Label, Serial: is.Serial, Model: is.Model,
		Manufacturer: is.Manufacturer}
	if got.ID() != t.ID() {
		return nil, errors.Join(&ceremony.Refused{Reasons: []string{fmt.Sprintf("the station leads to token %s, serial %s; "+
			"the keys were made in token %s, serial %s: give the station that the ceremony had", got.Label, got.Serial, t.Label,
			t.Serial)}}, store.Close())
	}
	if _, wrong := r.wrong[t.ID()]; wrong { // a login counts them from the start
		if err := r.record(t); err != nil {
			return nil, errors.Join(err, store.Close())
		}
		r.wrong.Take(t)
		r.WrongPINs.Set(r.wrong)
	}
	return store, nil
}

// wrongPINs takes what is on record of wrong PINs, and has people told of them.
func (r *run) wrongPINs(t *transcript.Transcript) {
	for _, l := range t.Lines {
		r.wrong.Take(l.Record)
	}
	if r.WrongPINs == nil {
		r.WrongPINs = &ceremony.WrongPINs{}
	}
	r.WrongPINs.Set(r.wrong)
	r.Ask = r.WrongPINs.Telling(r.Ask)
	ceremony.TellWrongPINs(r.Say, r.wrong)
}

// destroy looks at one key, has people say its name, and destroys it.
func (r *run) destroy(ctx context.Context, store signer.Store, ref signer.Ref, k transcript.AbandonedKey) error {
	destroyer, ok := store.(signer.Destroyer)
	if !ok {
		return fmt.Errorf("%w: this backend destroys no keys", signer.ErrUnsupported)
	}
	id, err := progress.KeyID(k.ID)
	if err != nil {
		return err
	}
	name := k.Name + " " + k.ID
	seq, announced := r.intents[name]
	if !announced {
		if err := r.look(ctx, store, ref, id, k); err != nil {
			return err
		}
		intent := transcript.DestroyIntent{Name: k.Name, ID: k.ID, SPKI: r.found[name]}
		if seq, err = r.log.AppendSync(r.step, intent); err != nil {
			return err
		}
	}
	spki := r.found[name]
	if spki == nil {
		spki = &fingerprint.SHA256{} // no key has it
	}
	gone, err := destroyer.Destroy(ctx, ref, id, *spki)
	done := transcript.Destroyed{Intent: seq, Outcome: transcript.KeyDestroyed}
	switch {
	case errors.Is(err, signer.ErrNotFound):
		// A process that was killed may have destroyed it.
		if done.Outcome = transcript.KeyAbsent; r.found[name] != nil {
			done.Outcome = transcript.KeyDestroyed
		}
	case err != nil:
		return err
	case !gone.IsZero():
		until := gone.UTC().Truncate(time.Second)
		done.Outcome, done.Until = transcript.KeyScheduled, &until
	}
	if err := r.record(done); err != nil {
		return err
	}
	r.end(name, done)
	r.Say(said(k, done))
	return nil
}

func said(k transcript.AbandonedKey, d transcript.Destroyed) string {
	switch d.Outcome {
	case transcript.KeyScheduled:
		return fmt.Sprintf(
			"the %s key is gone on %s; until then its KMS can bring it back",
			k.Name,
			d.Until.Format(time.RFC3339),
		)
	case transcript.KeyAbsent:
		return fmt.Sprintf("no %s key of id %s is in its token", k.Name, k.ID)
	}
	return fmt.Sprintf("the %s key is destroyed", k.Name)
}

// look finds the key by its id, holds it against the record, and has people say its name.
func (r *run) look(
	ctx context.Context,
	store signer.Store,
	ref signer.Ref,
	id signer.ID,
	k transcript.AbandonedKey,
) error {
	finder, ok := store.(signer.IDFinder)
	if !ok {
		return fmt.Errorf("%w: this backend finds no key by its id", signer.ErrUnsupported)
	}
	key, err := finder.FindID(ctx, ref, id)
	if errors.Is(err, signer.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	public, err := fingerprint.SPKI(key.Public())
	if err != nil {
		return err
	}
	if k.SPKI != nil && public != *k.SPKI {
		return &ceremony.Refused{
			Reasons: []string{fmt.Sprintf("the key of id %s is %s, and the record says that %s was made: "+
				"it is not destroyed", k.ID, public, *k.SPKI)},
		}
	}
	if err := r.Confirm(ctx, Seen{AbandonedKey: k, Public: public, Info: key.Info()}); err != nil {
		return err
	}
	r.found[k.Name+" "+k.ID] = pointer(public)
	return nil
}
