package abandon_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/abandon"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/history"
	"officiant/ceremony/transcript"
	"officiant/signer"
)

// TestRecordRefused: a record that cannot be abandoned, or that says what is not so.
func TestRecordRefused(t *testing.T) {
	f := fixture(t, ceremonytest.Shape{})
	dir := begun(t, f, made("demo/etcd"))
	keys := objects(t, f)
	rehearsal, err := rewritten(t, dir, func(l transcript.Line) transcript.Record {
		switch r := l.Record.(type) {
		case transcript.Open:
			r.Rehearsal = true
			return r
		case transcript.KeyIntent:
			r.Salt = nil
			return r
		}
		return forgiving(l)
	})
	must(t, err)
	refused(t, f, "a rehearsal", config(t, f, rehearsal), keys,
		rehearsal+": a rehearsal, in throw-away tokens: delete the directory")

	// A line that says people agreed to it, of a key in another token than it was made in.
	lying := filepath.Join(t.TempDir(), "lying")
	must(t, os.CopyFS(lying, os.DirFS(dir)))
	c := config(t, f, lying)
	log, found, _, err := transcript.Resume(c.Disk, filepath.Join(lying, history.RecordFile), c.Now)
	must(t, err)
	a := transcript.Abandonment{Head: found.Head(), Reason: "x", By: []string{"a", "b"}, Host: c.Host,
		Approvals: []transcript.Approval{}}
	var last transcript.KeyIntent
	for _, l := range found.Lines {
		if k, ok := l.Record.(transcript.KeyIntent); ok {
			last = k
			a.Keys = append(a.Keys, transcript.AbandonedKey{Name: k.Name, Label: k.Label, ID: k.ID, Token: k.Token})
		}
	}
	another := *last.Token
	another.Serial = "0123456789abcdef"
	a.Keys[len(a.Keys)-1].Token = &another
	for _, l := range found.Lines {
		if k, ok := l.Record.(transcript.Key); ok {
			i := slices.IndexFunc(a.Keys, func(o transcript.AbandonedKey) bool { return o.Name == k.Name })
			a.Keys[i].SPKI = &k.SPKI
		}
	}
	_, err = log.AppendSync(3, a)
	must(t, errors.Join(err, log.Close()))
	refused(t, f, "a key of another token", config(t, f, lying), keys,
		"names a "+last.Name+" key of id "+last.ID+", which the record did not make so")

	c = config(t, f, dir)
	c.Memory = t.TempDir()
	record, _ := lines(t, dir)
	must(t, os.WriteFile(filepath.Join(c.Memory, record.Lines[0].Hash.String()), []byte("junk\n"), 0o600))
	refused(t, f, "a memory that does not read", c, keys, "the head that this machine remembers: ")
}

// bare is a store that can no more than what it is asked for last.
type bare struct{ signer.Store }

// described says which token it is.
type described struct{ signer.Store }

func (s *described) Describe() signer.Device { return s.Store.(signer.Describer).Describe() }

// blind destroys keys, and finds none by its id.
type blind struct{ described }

func (s *blind) Destroy(ctx context.Context, ref signer.Ref, id signer.ID, spki [32]byte) (time.Time, error) {
	return s.Store.(signer.Destroyer).Destroy(ctx, ref, id, spki)
}

// TestBackendRefused: a backend that cannot do its part leaves every key where it is.
func TestBackendRefused(t *testing.T) {
	f := fixture(t, people)
	dir := begun(t, f, made("demo/etcd"))
	keys := objects(t, f)
	c := config(t, f, dir)
	sign(t, f, c, "alice", "bob")
	open := c.Open
	for says, less := range map[string]func(signer.Store) signer.Store{
		"the backend does not say which token it is": func(s signer.Store) signer.Store { return &bare{s} },
		"this backend destroys no keys":              func(s signer.Store) signer.Store { return &described{s} },
		"this backend finds no key by its id":        func(s signer.Store) signer.Store { return &blind{described{s}} },
	} {
		c.Open = func(ctx context.Context, ref signer.Ref, ask signer.PINFunc) (signer.Store, error) {
			s, err := open(ctx, ref, ask)
			if err != nil {
				return nil, err
			}
			return less(s), nil
		}
		refused(t, f, says, c, keys, says)
	}
}

// kms is a token that destroys a key as a KMS does: later.
type kms struct {
	mortal
	gone time.Time
}

func (s *kms) Destroy(ctx context.Context, ref signer.Ref, id signer.ID, _ [32]byte) (time.Time, error) {
	if _, err := s.FindID(ctx, ref, id); err != nil {
		return time.Time{}, err
	}
	return s.gone, nil
}

// TestSaid: what becomes of a key is said as it is: one that is there no more, and one that
// its KMS destroys later.
func TestSaid(t *testing.T) {
	f := fixture(t, people)
	dir := begun(t, f, made("demo/etcd"))
	c := config(t, f, dir)
	sign(t, f, c, "alice", "bob")
	// Somebody has destroyed one of them by hand: of the last there is no public key on record.
	record, _ := lines(t, dir)
	var last transcript.KeyIntent
	for _, l := range record.Lines {
		if k, ok := l.Record.(transcript.KeyIntent); ok {
			last = k
		}
	}
	ref, err := c.Station.Ref("demo", last.Name)
	must(t, err)
	store, err := c.Open(t.Context(), ref, c.Ask)
	must(t, err)
	k, err := store.Find(t.Context(), ref)
	must(t, err)
	spki, err := fingerprint.SPKI(k.Public())
	must(t, err)
	_, err = store.(signer.Destroyer).Destroy(t.Context(), ref, signer.ID(k.Info().ID), spki)
	must(t, errors.Join(err, store.Close()))

	gone := time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC)
	open := c.Open
	c.Open = func(ctx context.Context, ref signer.Ref, ask signer.PINFunc) (signer.Store, error) {
		s, err := open(ctx, ref, ask)
		if err != nil {
			return nil, err
		}
		return &kms{mortal{s, func() error { return nil }}, gone}, nil
	}
	var said []string
	c.Say = func(line string) { said = append(said, line) }
	res, err := abandon.Run(t.Context(), c)
	must(t, err)
	if res.Absent != 1 || res.Scheduled != 1 || len(res.Later) != 1 ||
		!strings.Contains(res.Later[0], "on 2031-01-02T03:04:05Z") {
		t.Errorf("%+v", res)
	}
	for _, want := range []string{
		"no " + last.Name + " key of id " + last.ID + " is in its token",
		"the kubernetes key is gone on 2031-01-02T03:04:05Z; until then its KMS can bring it back",
	} {
		if !slices.Contains(said, want) {
			t.Errorf("%q is not said: %q", want, said)
		}
	}
	abandonedIn(t, dir)
}

// TestOpenedByOther: a key that another ceremony opened is kept, though that made none.
func TestOpenedByOther(t *testing.T) {
	f := fixture(t, people)
	real, keys := finished(t, f)
	whole, err := history.Read(history.Directory(real))
	must(t, err)
	whole.Intents = nil
	c := config(t, f, cut(t, real, transcript.SignatureIntent{}.Type()))
	c.Others = []*history.Record{whole}
	p := sign(t, f, c, "alice", "bob")
	for _, k := range p.Keys {
		if !strings.HasSuffix(k.Kept, " has it on record") {
			t.Errorf("the %s key is kept for %q", k.Name, k.Kept)
		}
	}
	if res, err := abandon.Run(t.Context(), c); err != nil || res.Kept != 5 || objects(t, f) != keys {
		t.Errorf("%+v, %v", res, err)
	}
}
