package ceremony

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/progress"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
	"officiant/signer"
)

// key makes the named key, or opens the one there is, and lets it answer a challenge.
func (r *tokens) key(ctx context.Context, name string) error {
	if r.progress.Closed && name != r.plan.ReleaseKey() {
		return nil
	}
	if r.stores[name] == nil {
		return nil // its token stays where it is: openToken has said why
	}
	if r.proved[name] == r.stores[name] {
		r.observer.Say(fmt.Sprintf("public key %s", r.progress.Keys[name].SPKI))
		return nil
	}
	k, err := r.obtain(ctx, name)
	if err != nil {
		return err
	}
	r.keys[name] = k
	spki, err := fingerprint.SPKI(k.Public())
	if err != nil {
		return err
	}
	if r.progress.Closed {
		return nil
	}
	if err := r.challenge(ctx, transcript.ChallengeIntent{Name: name, SPKI: spki}, k); err != nil {
		return err
	}
	r.proved[name] = r.stores[name]
	r.observer.Say(fmt.Sprintf("public key %s", spki))
	r.observer.Say(fmt.Sprintf("evidence: %s", r.progress.Keys[name].Grade))
	if name == r.plan.ReleaseKey() && !r.look {
		return r.writeReleaseKey(k.Public())
	}
	return nil
}

// obtain finds a key by what the plan or the record says of it, or makes it.
func (r *tokens) obtain(ctx context.Context, name string) (signer.Key, error) {
	ref, err := r.ref(name)
	if err != nil {
		return nil, err
	}
	if recorded, ok := r.progress.Keys[name]; ok {
		// It may be the very key a previous process refused.
		if err := r.accept(name, signer.Grade(recorded.Grade), recorded.Reason); err != nil {
			return nil, err
		}
		k, err := r.reopen(ctx, ref, name, recorded.SPKI)
		if err != nil {
			return nil, err
		}
		return k, r.accept(name, k.Info().Grade, k.Info().Reason)
	}
	if origin := keyOf(r.plan, name); origin.Create == "" {
		k, err := r.reopen(ctx, ref, name, origin.Existing)
		if err != nil {
			return nil, err
		}
		return k, r.recordKey(name, k, false)
	}
	return r.makeKey(ctx, ref, name)
}

// reopen finds a key and refuses any but the expected one.
func (r *tokens) reopen(ctx context.Context, ref signer.Ref, name string, want fingerprint.SHA256) (signer.Key,
	error) {
	k, err := r.stores[name].Find(ctx, ref)
	finder, byPublic := r.stores[name].(signer.PublicFinder)
	if byPublic && (errors.Is(err, signer.ErrNotFound) || errors.Is(err, signer.ErrAmbiguous)) {
		// What the plan and the record know for sure is the public key.
		if other, missing := finder.FindPublic(ctx, ref, want); missing == nil {
			k, err = other, nil
		}
	}
	if err != nil {
		return nil, err
	}
	got, err := fingerprint.SPKI(k.Public())
	if err != nil {
		return nil, err
	}
	if got != want {
		return nil, &Refused{[]string{fmt.Sprintf("the key %s in the token is %s, the plan and the record say %s",
			ref.Label, got, want)}}
	}
	return k, nil
}

// makeKey makes a key whose id is on record first. A key that a previous process
// made just before it was killed is found by that id and taken.
func (r *tokens) makeKey(ctx context.Context, ref signer.Ref, name string) (signer.Key, error) {
	store := r.stores[name]
	if intent, ok := r.progress.KeyIntents[name]; ok {
		k, err := r.findIntended(ctx, store, ref, intent)
		if err == nil {
			return k, r.recordKey(name, k, true)
		}
		if !errors.Is(err, signer.ErrNotFound) {
			return nil, err
		}
		gone := transcript.KeyAbandoned{Name: name, ID: intent.ID,
			Reason: "no key of this id in the token when the ceremony was resumed" +
				halfMade(ctx, r.observer, store, intent)}
		if _, err := r.progress.Append(gone); err != nil {
			return nil, err
		}
	}
	salt := make([]byte, transcript.SaltSize)
	if _, err := io.ReadFull(r.rand, salt); err != nil {
		return nil, err
	}
	// No other record can name the key as its own: see ceremony/abandon.
	bound := transcript.BoundID(r.progress.First, name, salt)
	id, err := progress.KeyID(bound)
	if err != nil {
		return nil, err
	}
	algorithm := keyOf(r.plan, name).Create
	intent := transcript.KeyIntent{Name: name, Label: ref.Label, Algorithm: string(algorithm), ID: bound, Salt: salt}
	if d, ok := store.(signer.Describer); ok {
		token := tokenRecord(d.Describe())
		intent.Token = &token
	}
	if _, err := r.progress.Record(intent); err != nil {
		return nil, err
	}
	k, err := store.Create(ctx, ref, signer.Spec{Algorithm: algorithm}, id)
	if err != nil {
		return nil, err
	}
	return k, r.recordKey(name, k, true)
}

// halfMade tells people of what a process that was killed in the midst of making a key
// left in its place, and what the record is to say of it; empty when nothing is there.
func halfMade(ctx context.Context, observer Observer, store signer.Store, intent transcript.KeyIntent) string {
	lister, ok := store.(signer.Lister)
	if !ok {
		return ""
	}
	all, err := lister.List(ctx)
	if err != nil {
		return "" // the next call says so
	}
	for _, info := range all {
		if hex.EncodeToString(info.ID) == intent.ID {
			observer.Say(fmt.Sprintf("the token has an object %s of id %s: %s. "+
				"It does no harm, and can be removed "+
				"by its id with the token's own tool", info.Label, intent.ID, info.Reason))
			return "; what is there is " + info.Reason
		}
	}
	return ""
}

func (r *tokens) findIntended(ctx context.Context, store signer.Store, ref signer.Ref,
	intent transcript.KeyIntent) (signer.Key, error) {
	finder, ok := store.(signer.IDFinder)
	if !ok {
		return store.Find(ctx, ref)
	}
	id, err := progress.KeyID(intent.ID)
	if err != nil {
		return nil, err
	}
	return finder.FindID(ctx, ref, id)
}

// recordKey records a key and the evidence for it, and refuses one whose
// evidence is weaker than the plan accepts. It is recorded first: a refused
// key still exists.
func (r *tokens) recordKey(name string, k signer.Key, made bool) error {
	info := k.Info()
	grade, reason := r.graded(info, made)
	der, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		return err
	}
	_, err = r.progress.Record(transcript.Key{
		Name: name, Label: info.Label, Algorithm: string(info.Algorithm), ID: hex.EncodeToString(info.ID), Made: made,
		SPKI: fingerprint.Of(der), PublicKey: der, Token: tokenRecord(info.Device),
		Grade: string(grade), Reason: reason, Attributes: info.Attributes,
	})
	if err != nil {
		return err
	}
	return r.accept(name, grade, reason)
}

// challenge proves that the handle and the expected public key belong together.
func (r *tokens) challenge(ctx context.Context, intent transcript.ChallengeIntent, k signer.Key) error {
	intent.Nonce = make([]byte, 32)
	if _, err := io.ReadFull(r.rand, intent.Nonce); err != nil {
		return err
	}
	seq, err := r.progress.Record(intent)
	if err != nil {
		return err
	}
	sig, err := signer.Challenge(ctx, k, k.Public(), intent.Nonce)
	if err != nil {
		return fmt.Errorf("%s key: %w", intent.Name, err)
	}
	// The next record's sync carries this line; losing it costs one more challenge.
	_, err = r.progress.Append(transcript.Challenge{Name: intent.Name, Intent: seq, Signature: sig})
	return err
}

// writeReleaseKey leaves the key that checks bundles and transcript.
func (r *tokens) writeReleaseKey(pub crypto.PublicKey) error {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return err
	}
	return r.dir.ensure(r.dir.named(releaseFile), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func tokenRecord(d signer.Device) transcript.Token {
	return transcript.Token{
		Backend: d.Backend, Label: d.Label, Serial: d.Serial, Model: d.Model, Manufacturer: d.Manufacturer,
		Firmware: d.Firmware, Module: d.Module, ModuleSHA256: d.ModuleSHA256,
	}
}

// publicKey is the public key a schedule entry is about.
func (r *issuing) publicKey(e schedule.Entry) (crypto.PublicKey, error) {
	if e.SubjectKey != "" {
		recorded, ok := r.progress.Keys[e.SubjectKey]
		if !ok {
			return nil, fmt.Errorf("%s: its key is not on record", e.Name)
		}
		return x509.ParsePKIXPublicKey(recorded.PublicKey)
	}
	if e.Made != "" {
		return r.madeKey(e)
	}
	if old := r.plan.Renewed[e.Name]; old != nil {
		return old.PublicKey, nil
	}
	return r.plan.PublicKey(e)
}
