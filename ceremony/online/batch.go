package online

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"sync"
	"sync/atomic"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/issue"
	"officiant/ceremony/lint"
	"officiant/ceremony/online/grant"
	"officiant/ceremony/online/journal"
	"officiant/ceremony/online/policy"
	"officiant/ceremony/profile"
	"officiant/ceremony/schedule"
	"officiant/signer"
)

// item is a request of a batch that is to be signed.
type item struct {
	asks    []*ask // one, and others of the same content
	claim   *policy.Claim
	checked *issue.Checked
	key     signer.Key
	intent  int // seq
	der     []byte
	err     error
}

func (s *Service) batch(asks []*ask) {
	if len(asks) == 0 {
		return
	}
	defer s.publish()
	if s.journal == nil && !s.open() {
		s.all(asks, Answer{State: Later, Reason: JournalAway, Detail: s.journalState()})
		return
	}
	items := s.decide(asks)
	if len(items) == 0 {
		return
	}
	if err := s.journal.Sync(); err != nil { // no token was asked
		s.lost(err, items)
		return
	}
	s.sign(items)
	for _, it := range items {
		var err error
		if it.err == nil {
			_, err = s.journal.Append(journal.Issued{Intent: it.intent, Certificate: it.der})
		} else {
			_, err = s.journal.Append(journal.Abandoned{Intent: it.intent, Reason: it.err.Error()})
		}
		if err != nil {
			s.lost(err, items)
			return
		}
	}
	if err := s.journal.Sync(); err != nil { // what was signed leaves nothing: its intent is on disk
		s.lost(err, items)
		return
	}
	if s.journal.Unsigned() >= s.cfg.Heads {
		s.signHead()
	}
	s.deliver(items)
}

// draft is a request, held against the grant, and what would be signed.
type draft struct {
	claim   *policy.Claim
	refusal *policy.Refusal
	checked *issue.Checked // nil where there is a certificate already, or with err
	err     error
}

func (s *Service) draft(g *grant.Grant, a *ask) (d draft) {
	d.claim, d.refusal = policy.Read(g, a.request, s.cfg.Now())
	if d.refusal == nil && !s.journal.Has(d.claim.Content) {
		d.checked, d.err = s.check(d.claim)
	}
	return d
}

// each does n things, as many at once as there are workers.
func (s *Service) each(n int, do func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(s.cfg.Workers, n) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	wg.Wait()
}

// decide answers what is not to be signed, and has the intents of the rest in the
// journal, not yet on disk.
func (s *Service) decide(asks []*ask) []*item {
	g := s.current()
	made := make([]draft, len(asks)) // the costly part, and nothing in it is written
	s.each(len(asks), func(i int) { made[i] = s.draft(g, asks[i]) })
	var items []*item
	wanted := map[fingerprint.SHA256]*item{}
	for i, a := range asks {
		claim, refusal := made[i].claim, made[i].refusal
		if refusal != nil {
			s.refuse(a, refusal)
			continue
		}
		if same, ok := wanted[claim.Content]; ok {
			same.asks = append(same.asks, a)
			continue
		}
		der, err := s.journal.Certificate(claim.Content, s.cfg.Now())
		if err != nil {
			s.answer(a, Answer{State: Later, Reason: JournalAway, Detail: err.Error()})
			continue
		}
		if refusal := claim.Allow(s.before(claim, der != nil)); refusal != nil {
			s.refuse(a, refusal)
			continue
		}
		if der != nil {
			s.answer(a, Answer{State: Signed, Certificate: chainOf(der, claim.Authority)})
			continue
		}
		it := &item{asks: []*ask{a}, claim: claim, checked: made[i].checked, err: made[i].err}
		if answer, ok := s.prepare(it, g, a.request.Username); !ok {
			s.answer(a, answer)
			continue
		}
		wanted[claim.Content] = it
		items = append(items, it)
	}
	return items
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

// check makes the certificate of a claim as a ceremony makes one.
func (s *Service) check(c *policy.Claim) (*issue.Checked, error) {
	serial, err := profile.Serial(s.cfg.Rand, s.journal.Used)
	if err != nil {
		return nil, err
	}
	issuer := c.Authority.X509()
	algorithm, err := signer.AlgorithmOf(issuer.PublicKey)
	if err != nil {
		return nil, err
	}
	entry := schedule.Entry{
		Kind: schedule.LeafCertificate, Name: c.Subject, CommonName: c.CommonName, Organization: c.Organization,
		DNSNames: c.DNSNames, IPAddresses: c.IPAddresses, KeyUsage: c.KeyUsage,
		ExtKeyUsage: []x509.ExtKeyUsage{c.ExtKeyUsage}, Duration: c.Life, SignatureAlgorithm: algorithm.X509(),
	}
	template, err := profile.Certificate(entry, c.Key, serial, c.Begin, issuer)
	if err != nil {
		return nil, err
	}
	leaf := &kubepki.Leaf{Authority: kubepki.KubernetesAuthority, CommonName: c.CommonName,
		Organization: c.Organization,
		DNSNames:     c.DNSNames, IPAddresses: c.IPAddresses, KeyUsage: c.KeyUsage, ExtKeyUsage: entry.ExtKeyUsage}
	return s.checker.Check(template, issuer, issuer.PublicKey, c.Key, lint.Context{
		Name: c.Subject, Kind: lint.Leaf, Authority: kubepki.KubernetesAuthority, Leaf: leaf, Used: s.journal.Used,
	})
}

// sign has the keys sign, as many at once as there are workers.
func (s *Service) sign(items []*item) {
	s.each(len(items), func(i int) {
		it := items[i]
		ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Patience)
		defer cancel()
		it.der, it.err = issue.Sign(ctx, it.checked, it.key)
	})
	for _, it := range items {
		if it.err != nil {
			s.token(it.err)
			s.cfg.Keys.Lost(it.err)
			return
		}
	}
	s.token(nil)
}

// deliver answers what is on disk.
func (s *Service) deliver(items []*item) {
	for _, it := range items {
		answer := Answer{State: Later, Reason: TokenAway, Detail: "the key did not sign"}
		if it.err == nil {
			answer = Answer{State: Signed, Certificate: chainOf(it.der, it.claim.Authority)}
		}
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
	a.done <- answer
}
