package online

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/ceremony/issue"
	"officiant/ceremony/online/grant"
	"officiant/ceremony/online/journal"
	"officiant/ceremony/online/policy"
)

// perWorker is how many requests are under way at most for each worker: more of them share
// a sync, and a slow token keeps the next ones waiting for longer.
const perWorker = 8

// JournalKey is the name of the key that signs the journal's heads.
const JournalKey = "journal"

// Config is what a Service works with.
type Config struct {
	Grant    *grant.Grant
	Keys     Keys
	Disk     *durable.Disk
	Journal  string // path
	Program  string // version, for the journal
	Now      func() time.Time
	Rand     io.Reader
	Log      *slog.Logger
	Workers  int           // signatures at once, and requests that are checked at once; 0: 2
	Patience time.Duration // for one signature; 0: a minute
	Heads    int           // a head is signed after so many lines; 0: 256
	Interval time.Duration // and after so long when there is a new line, and readiness is looked at; 0: 10s
}

// State says what became of a request.
type State string

const (
	Signed State = "signed"
	Denied State = "denied"
	Later  State = "later" // nothing was decided: ask again
)

// Reasons beside those of package policy.
const (
	Busy        policy.Reason = "busy"
	TokenAway   policy.Reason = "token"
	JournalAway policy.Reason = "journal"
	ClockBehind policy.Reason = "clock"
	Lint        policy.Reason = "lint"
	Stopping    policy.Reason = "stopping"
)

// Head is how far the journal has come.
type Head struct {
	Seq  int                `json:"seq"`
	Hash fingerprint.SHA256 `json:"hash"`
}

// Answer is what becomes of a request.
type Answer struct {
	State       State         `json:"state"`
	Reason      policy.Reason `json:"reason,omitempty"` // why it is not signed
	Detail      string        `json:"detail,omitempty"`
	Certificate []byte        `json:"certificate,omitempty"` // PEM: the certificate and its authority's
	Head        Head          `json:"head"`                  // zero before the journal was open
}

type ask struct {
	request policy.Request
	since   time.Time
	done    chan Answer // has room for the one answer
}

// Service signs. Run has to run for Ask to be answered.
type Service struct {
	cfg     Config
	queue   *queue
	checker *issue.Checker
	room    chan struct{} // has an element for each request under way

	drafted chan *draft // from whoever drafts to Run's goroutine
	signing chan *item  // from there to whoever signs
	signed  chan *item  // and back
	recall  atomic.Bool // what waits in signing is not signed
	known   atomic.Pointer[journal.Journal]

	mu      sync.Mutex
	grant   *grant.Grant
	stopped bool
	counts  counts
	state   Status

	// Of Run's goroutine alone.
	journal  *journal.Journal             // known is the same
	wanted   map[fingerprint.SHA256]*item // by content: what has an intent, and no answer yet
	underway int                          // items in signing and signed, or with whoever signs
	tried    time.Time                    // when the journal was last tried to be opened
	headTime time.Time                    // when a head was last signed
}

// New returns a Service; nothing is opened before Run.
func New(cfg Config) *Service {
	cfg.Workers = orElse(cfg.Workers, 2)
	cfg.Heads = orElse(cfg.Heads, 256)
	cfg.Patience = orElse(cfg.Patience, time.Minute)
	cfg.Interval = orElse(cfg.Interval, 10*time.Second)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	most := perWorker * cfg.Workers
	return &Service{cfg: cfg, queue: newQueue(), checker: issue.NewChecker(cfg.Rand), grant: cfg.Grant,
		room: make(chan struct{}, most), drafted: make(chan *draft, most), signing: make(chan *item, most),
		signed: make(chan *item, most), wanted: map[fingerprint.SHA256]*item{},
		counts: newCounts(), state: Status{Token: "not asked yet", Journal: "not open yet"}}
}

func orElse[T comparable](v, other T) T {
	var zero T
	if v == zero {
		return other
	}
	return v
}

// Ask has a request answered. It waits until it is, or until ctx ends: the request may
// then still be signed, and asking again gets the same certificate.
func (s *Service) Ask(ctx context.Context, r policy.Request) Answer {
	a := &ask{r, s.cfg.Now(), make(chan Answer, 1)}
	s.counts.ask()
	switch {
	case len(r.CSR) > policy.MaxCSR || len(r.Username) > 1024 || len(r.Groups) > 256 || len(r.Usages) > 32:
		return s.count(a, Answer{State: Denied, Reason: policy.Size,
			Detail: "the request, or a list in it, is too long"})
	}
	switch err := s.queue.push(r.Username, a); {
	case errors.Is(err, errStopping):
		return s.count(a, Answer{State: Later, Reason: Stopping, Detail: err.Error()})
	case err != nil:
		return s.count(a, Answer{State: Later, Reason: Busy, Detail: err.Error()})
	}
	select {
	case answer := <-a.done:
		return s.count(a, answer)
	case <-ctx.Done():
		return s.count(a, Answer{State: Later, Reason: Busy, Detail: "nobody waited for the answer"})
	}
}

func (s *Service) count(a *ask, answer Answer) Answer {
	s.counts.answer(answer, s.cfg.Now().Sub(a.since))
	return answer
}

// Take has the Service go by another grant from its next signature on. One of another
// cluster, with another journal key, or of a lower sequence is refused.
func (s *Service) Take(g *grant.Grant) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if reason := replaces(g, s.grant); reason != "" {
		return &grant.Invalid{File: "the new grant", Reason: reason}
	}
	s.grant = g
	return nil
}

func replaces(g, old *grant.Grant) string {
	switch {
	case g.Cluster != old.Cluster:
		return "it is of cluster " + g.Cluster + ", not " + old.Cluster
	case g.JournalKey != old.JournalKey:
		return "it names another journal key"
	case g.Sequence < old.Sequence || g.Sequence == old.Sequence && g.Digest() != old.Digest():
		return "its sequence is not above that of the grant that holds"
	}
	return ""
}

func (s *Service) current() *grant.Grant {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.grant
}

// Run answers requests until ctx ends, then those that wait, and closes journal and
// keys. Requests that come later are answered Later.
func (s *Service) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, s.stop)()
	s.tick()
	var drafters, signers sync.WaitGroup
	for range s.cfg.Workers {
		drafters.Go(s.draftAll)
		signers.Go(s.signAll)
	}
	go func() {
		drafters.Wait()
		close(s.drafted)
	}()
	timer := time.NewTicker(s.cfg.Interval)
	defer timer.Stop()
	for more := true; more || s.underway > 0; {
		var drafts []*draft
		var signed []*item
		drafts, signed, more = s.gather(timer.C)
		s.commit(drafts, signed)
		idle := more && len(drafts)+len(signed) == 0
		if idle || s.cfg.Now().Sub(s.headTime) > s.cfg.Interval {
			s.tick()
		}
	}
	close(s.signing)
	signers.Wait()
	s.signHead()
	var err error
	if s.journal != nil {
		err = s.journal.Close()
	}
	if e := s.cfg.Keys.Close(); err == nil {
		err = e
	}
	return err
}

// stop has Run end once what waits is answered.
func (s *Service) stop() {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.queue.close()
}

// tick looks at journal and keys, and signs a head. Nobody signs meanwhile: a key that is
// gone closes its token.
func (s *Service) tick() {
	s.headTime = s.cfg.Now()
	if s.underway > 0 {
		s.commit(nil, s.await())
	}
	s.open()
	s.probe()
	s.signHead()
	s.publish()
}
