package online

import (
	"maps"
	"sync"
	"time"

	"officiant/ceremony/online/policy"
)

// Status is the state of a signer. An empty string means healthy.
type Status struct {
	Ready       bool                 `json:"ready"`
	Cluster     string               `json:"cluster"`
	Grant       int                  `json:"grant"` // sequence
	GrantEnds   time.Time            `json:"grantEnds"`
	Token       string               `json:"token"`
	Journal     string               `json:"journal"`
	Clock       string               `json:"clock"`
	Head        Head                 `json:"head"`
	Unsigned    int                  `json:"unsigned"` // lines that no head is about
	Size        int64                `json:"size"`     // of the journal, in bytes
	Waiting     int                  `json:"waiting"`
	Authorities map[string]time.Time `json:"authorities"` // when they end, by name
}

// publish keeps what the goroutine of Run knows.
func (s *Service) publish() {
	var head Head
	var size int64
	unsigned := 0
	if s.journal != nil {
		head.Seq, head.Hash = s.journal.OnDisk()
		size, unsigned = s.journal.Size(), max(0, s.journal.Unsigned())
	}
	s.note(func(st *Status) {
		if s.journal != nil {
			st.Head, st.Size, st.Unsigned = head, size, unsigned
		}
	})
}

// Status returns the signer's state.
func (s *Service) Status() Status {
	s.mu.Lock()
	st, g, stopped := s.state, s.grant, s.stopped
	s.mu.Unlock()
	now := s.cfg.Now()
	st.Cluster, st.Grant, st.GrantEnds, st.Waiting = g.Cluster, g.Sequence, g.NotAfter, s.queue.length()
	st.Authorities = map[string]time.Time{}
	st.Ready = st.Token == "" && st.Journal == "" && st.Clock == "" && g.Holds(now) && !stopped
	for _, a := range g.Authorities {
		st.Authorities[a.Name] = a.X509().NotAfter.UTC()
		st.Ready = st.Ready && now.Before(a.X509().NotAfter)
	}
	return st
}

// Buckets are the upper bounds of the latency histogram, in seconds.
var Buckets = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}

// Counts are what a signer has answered since it began.
type Counts struct {
	Asked    int64
	Answered map[Outcome]int64
	Latency  []int64 // by bucket, not summed up; the last is beyond all
	Seconds  float64 // of all answers
}

// Outcome is a state and its reason.
type Outcome struct {
	State  State
	Reason policy.Reason
}

type counts struct {
	mu *sync.Mutex
	c  *Counts
}

func newCounts() counts {
	return counts{&sync.Mutex{}, &Counts{Answered: map[Outcome]int64{}, Latency: make([]int64, len(Buckets)+1)}}
}

func (c counts) ask() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.c.Asked++
}

func (c counts) answer(a Answer, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.c.Answered[Outcome{a.State, a.Reason}]++
	c.c.Seconds += took.Seconds()
	i := 0
	for i < len(Buckets) && took.Seconds() > Buckets[i] {
		i++
	}
	c.c.Latency[i]++
}

// Counts returns a copy.
func (s *Service) Counts() Counts {
	s.counts.mu.Lock()
	defer s.counts.mu.Unlock()
	c := *s.counts.c
	c.Answered, c.Latency = maps.Clone(c.Answered), append([]int64(nil), c.Latency...)
	return c
}
