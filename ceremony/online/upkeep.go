package online

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/chain"
	"officiant/ceremony/issue"
	"officiant/ceremony/online/journal"
	"officiant/signer"
)

type journalRecord = chain.Record

// open opens the journal, at most once a second.
func (s *Service) open() bool {
	if s.journal != nil {
		return true
	}
	if now := s.cfg.Now(); !s.tried.IsZero() && now.Sub(s.tried) < time.Second && !now.Before(s.tried) {
		return false
	}
	s.tried = s.cfg.Now()
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Patience)
	defer cancel()
	key, err := s.journalKey(ctx)
	if err != nil {
		s.token(err)
		s.note(func(st *Status) { st.Journal = "not open: its key is away" })
		return false
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		s.note(func(st *Status) { st.Journal = err.Error() })
		return false
	}
	g := s.current()
	j, recovered, err := journal.Begin(s.cfg.Disk, s.cfg.Journal, s.cfg.Now,
		journal.Open{Cluster: g.Cluster, PublicKey: public, Program: s.cfg.Program})
	if err == nil && j.Grant().Sequence > g.Sequence {
		err = errors.Join(fmt.Errorf("%s: it was written under a grant of sequence %d, and this one has %d",
			s.cfg.Journal,
			j.Grant().Sequence, g.Sequence), j.Close())
	}
	if err != nil {
		s.cfg.Log.Error("the journal does not open", "error", err)
		s.note(func(st *Status) { st.Journal = err.Error() })
		return false
	}
	s.journal = j
	s.known.Store(j)
	s.cfg.Log.Info("the journal is open", "abandoned", recovered.Abandoned, "cut", recovered.Cut)
	s.note(func(st *Status) { st.Journal = "" })
	return true
}

// journalKey is the key that the grant names for heads, and no other.
func (s *Service) journalKey(ctx context.Context) (signer.Key, error) {
	key, err := s.cfg.Keys.Key(ctx, JournalKey)
	if err != nil {
		return nil, err
	}
	spki, err := fingerprint.SPKI(key.Public())
	if want := s.current().JournalKey; err == nil && spki != want {
		err = fmt.Errorf("key %s: %w: the grant names %s", JournalKey, signer.ErrOther, want)
	}
	return key, err
}

// lost closes the journal: what reached the disk is known when it is opened again. The
// results of what is being signed go nowhere.
func (s *Service) lost(err error) {
	s.cfg.Log.Error("the journal failed", "error", err)
	s.note(func(st *Status) { st.Journal = err.Error() })
	s.recalled()
	for _, it := range s.wanted {
		s.all(it.asks, Answer{State: Later, Reason: JournalAway, Detail: "the journal was not written"})
	}
	clear(s.wanted)
	s.known.Store(nil)
	_ = s.journal.Close() // it has failed, and says so
	s.journal = nil
}

// signHead signs the journal's head when it has lines that no head is about.
func (s *Service) signHead() {
	if s.journal == nil || s.journal.Unsigned() < 1 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Patience)
	defer cancel()
	key, err := s.journalKey(ctx)
	if err != nil {
		s.token(err)
		return
	}
	seq, head := s.journal.Head()
	signature, err := issue.File(ctx, journal.Statement(s.current().Cluster, seq, head), key)
	if err != nil {
		s.token(err)
		s.cfg.Keys.Lost(err)
		return
	}
	if _, err = s.journal.Append(journal.Head{Seq: seq, Head: head, Signature: signature}); err == nil {
		err = s.journal.Sync()
	}
	if err != nil && !errors.Is(err, journal.ErrClock) {
		s.lost(err)
	}
}

// prober is a Keys that finds out, without a signature, whether a key is there still.
type prober interface {
	Probe(ctx context.Context, name string) (signer.Key, error)
}

// probe looks for each key, so that a token that is gone shows before it is needed. A
// key that is not its authority's is as good as gone.
func (s *Service) probe() {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Patience)
	defer cancel()
	find := s.cfg.Keys.Key
	if p, ok := s.cfg.Keys.(prober); ok {
		find = p.Probe
	}
	for _, a := range s.current().Authorities {
		key, err := find(ctx, a.Name)
		if err == nil {
			spki, e := fingerprint.SPKI(key.Public())
			if err = e; e == nil && spki != fingerprint.Of(a.X509().RawSubjectPublicKeyInfo) {
				err = fmt.Errorf("key %s: %w: it is not that of the grant's certificate", a.Name, signer.ErrOther)
			}
		}
		if s.token(err); err != nil {
			return
		}
	}
}

// token notes whether the keys are there.
func (s *Service) token(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	s.note(func(st *Status) {
		if st.Token != text && err != nil {
			s.cfg.Log.Error("a key is away", "error", err)
		}
		st.Token = text
	})
}

func (s *Service) note(change func(*Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.state)
}

func (s *Service) journalState() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.Journal
}
