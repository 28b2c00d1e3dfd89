package online

import (
	"context"
	"encoding/pem"
	"errors"
	"time"

	"officiant/ceremony/issue"
	"officiant/ceremony/online/grant"
	"officiant/ceremony/online/journal"
	"officiant/ceremony/online/policy"
	"officiant/signer"
)

// item is a request that is to be signed.
type item struct {
	asks    []*ask // one, and others of the same content
	claim   *policy.Claim
	checked *issue.Checked
	key     signer.Key
	intent  int // seq
	der     []byte
	err     error
}

// gather waits for something to record, and takes all there is: what came while the
// disk was busy shares the next sync. more is false once nothing is drafted any more.
func (s *Service) gather(tick <-chan time.Time) (drafts []*draft, signed []*item, more bool) {
	more = true
	take := func(d *draft, ok bool) {
		if more = ok; ok {
			drafts = append(drafts, d)
		}
	}
	select {
	case d, ok := <-s.drafted:
		take(d, ok)
	case it := <-s.signed:
		signed, s.underway = append(signed, it), s.underway-1
	case <-tick:
		return nil, nil, true
	}
	for more {
		select {
		case d, ok := <-s.drafted:
			take(d, ok)
		case it := <-s.signed:
			signed, s.underway = append(signed, it), s.underway-1
		default:
			return drafts, signed, true
		}
	}
	return drafts, append(signed, s.await()...), false
}

// await returns what is being signed, once it is.
func (s *Service) await() (signed []*item) {
	for ; s.underway > 0; s.underway-- {
		signed = append(signed, <-s.signed)
	}
	return signed
}

// recalled is await, but no key is asked for what still waits for one.
func (s *Service) recalled() []*item {
	s.recall.Store(true)
	defer s.recall.Store(false)
	return s.await()
}

// errRecalled is the error of what no key was asked for.
var errRecalled = errors.New("no key was asked")

// signAll has the keys sign what comes.
func (s *Service) signAll() {
	for it := range s.signing {
		it.err = errRecalled
		if !s.recall.Load() {
			ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Patience)
			it.der, it.err = issue.Sign(ctx, it.checked, it.key)
			cancel()
		}
		s.signed <- it
	}
}

// commit records in one sync what was signed and what is to be signed. After it, the
// former is answered and the latter signed.
func (s *Service) commit(drafts []*draft, signed []*item) {
	if len(drafts)+len(signed) == 0 {
		return
	}
	defer s.publish()
	signed = s.heed(signed)
	if s.journal == nil && !s.open() {
		for _, d := range drafts {
			s.answer(d.ask, Answer{State: Later, Reason: JournalAway, Detail: s.journalState()})
		}
		return
	}
	items := s.decide(drafts)
	err := s.record(signed)
	if err == nil {
		err = s.journal.Sync()
	}
	if err != nil { // what was signed leaves nothing: its intent is on disk; for the rest, no token was asked
		s.lost(err)
		return
	}
	s.deliver(signed)
	for _, it := range items {
		s.underway++
		s.signing <- it
	}
	if s.journal.Unsigned() >= s.cfg.Heads {
		s.signHead()
	}
}

// heed notes whether the keys signed. Where one did not, everything under way is
// waited for, and the tokens are closed.
func (s *Service) heed(signed []*item) []*item {
	for _, it := range signed {
		if it.err != nil {
			signed = append(signed, s.recalled()...)
			s.token(it.err)
			s.cfg.Keys.Lost(it.err)
			return signed
		}
	}
	if len(signed) > 0 {
		s.token(nil)
	}
	return signed
}

// record puts what became of intents into the journal, not yet on disk.
func (s *Service) record(signed []*item) error {
	for _, it := range signed {
		var rec journalRecord = journal.Issued{Intent: it.intent, Certificate: it.der}
		if it.err != nil {
			rec = journal.Abandoned{Intent: it.intent, Reason: it.err.Error()}
		}
		if _, err := s.journal.Append(rec); err != nil {
			return err
		}
	}
	return nil
}

// decide answers what is not to be signed, and has the intents of the rest in the
// journal, not yet on disk.
func (s *Service) decide(drafts []*draft) []*item {
	g := s.current()
	var items []*item
	for _, d := range drafts {
		if d.grant != g { // another one was taken meanwhile
			d = s.draft(g, d.ask)
		}
		if it := s.judge(d); it != nil {
			s.wanted[it.claim.Content] = it
			items = append(items, it)
		}
	}
	return items
}

// judge returns what is to be signed for a draft; nil when it has its answer, or gets
// that of the same content.
func (s *Service) judge(d *draft) *item {
	if d.refusal != nil {
		s.refuse(d.ask, d.refusal)
		return nil
	}
	if same, ok := s.wanted[d.claim.Content]; ok {
		same.asks = append(same.asks, d.ask)
		return nil
	}
	der, err := s.journal.Certificate(d.claim.Content, s.cfg.Now())
	if err != nil {
		s.answer(d.ask, Answer{State: Later, Reason: JournalAway, Detail: err.Error()})
		return nil
	}
	if refusal := d.claim.Allow(s.before(d.claim, der != nil)); refusal != nil {
		s.refuse(d.ask, refusal)
		return nil
	}
	if der != nil {
		s.answer(d.ask, Answer{State: Signed, Certificate: chainOf(der, d.claim.Authority)})
		return nil
	}
	it := &item{asks: []*ask{d.ask}, claim: d.claim, checked: d.checked, err: d.err}
	if answer, ok := s.prepare(it, d.grant, d.ask.request.Username); !ok {
		s.answer(d.ask, answer)
		return nil
	}
	return it
}

func (s *Service) before(c *policy.Claim, again bool) policy.State {
	subject, signerName := s.journal.Key(c.SPKI)
	return policy.State{Again: again, Today: s.journal.Today(c.Subject, s.cfg.Now()), KeySubject: subject,
		KeySigner: signerName, Bootstrapped: c.Bootstrap != "" && s.journal.Bootstrapped(c.Subject, c.Bootstrap)}
}

// prepare has the key of what is to be signed, and puts its intent into the journal.
func (s *Service) prepare(it *item, g *grant.Grant, requester string) (Answer, bool) {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Patience)
	defer cancel()
	c := it.claim
	var err error
	if it.key, err = s.cfg.Keys.Key(ctx, c.Authority.Name); err != nil {
		s.token(err)
		return Answer{State: Later, Reason: TokenAway, Detail: "the token of " + c.Authority.Name + " is away"}, false
	}
	if it.checked == nil && it.err == nil { // its former certificate is over
		it.checked, it.err = s.check(c)
	}
	if err, it.err = it.err, nil; err != nil {
		var refused *issue.Refused
		if errors.As(err, &refused) {
			return Answer{State: Denied, Reason: Lint, Detail: err.Error()}, false
		}
		return Answer{State: Later, Reason: Lint, Detail: err.Error()}, false
	}
	var lines []journalRecord
	if now := (journal.Grant{Sequence: g.Sequence, SHA256: g.Digest()}); s.journal.Grant() != now {
		lines = append(lines, now)
	}
	lines = append(lines, journal.Intent{
		Authority: c.Authority.Name, SignerName: c.SignerName, Subject: c.Subject, Requester: requester,
		Bootstrap: c.Bootstrap != "", Content: c.Content, SPKI: c.SPKI, TBS: it.checked.TBS(),
	})
	first, err := s.journal.Append(lines...)
	switch {
	case errors.Is(err, journal.ErrClock):
		s.note(func(st *Status) { st.Clock = err.Error() })
		return Answer{State: Later, Reason: ClockBehind, Detail: err.Error()}, false
	case err != nil:
		return Answer{State: Later, Reason: JournalAway, Detail: err.Error()}, false
	}
	s.note(func(st *Status) { st.Clock = "" })
	it.intent = first + len(lines) - 1
	return Answer{}, true
}

// deliver answers what is on disk.
func (s *Service) deliver(items []*item) {
	for _, it := range items {
		answer := Answer{State: Later, Reason: TokenAway, Detail: "the key did not sign"}
		if it.err == nil {
			answer = Answer{State: Signed, Certificate: chainOf(it.der, it.claim.Authority)}
		}
		delete(s.wanted, it.claim.Content)
		s.all(it.asks, answer)
	}
}

func chainOf(der []byte, a *grant.Authority) []byte {
	leaf := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return append(leaf, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.X509().Raw})...)
}

func (s *Service) refuse(a *ask, r *policy.Refusal) {
	state := Denied
	if r.Later {
		state = Later
	}
	s.answer(a, Answer{State: state, Reason: r.Reason, Detail: r.Detail})
}

func (s *Service) all(asks []*ask, answer Answer) {
	for _, a := range asks {
		s.answer(a, answer)
	}
}

func (s *Service) answer(a *ask, answer Answer) {
	if s.journal != nil {
		answer.Head.Seq, answer.Head.Hash = s.journal.OnDisk()
	}
	s.cfg.Log.Info("answered", "state", answer.State, "reason", answer.Reason, "detail", answer.Detail,
		"signer", a.request.SignerName, "requester", a.request.Username, "seq", answer.Head.Seq)
	<-s.room
	a.done <- answer
}
