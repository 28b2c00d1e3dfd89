package history

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/transcript"
)

// What records can be refused for.
var (
	ErrGap        = errors.New("a ceremony is missing between these")
	ErrFork       = errors.New("these are not one chain")
	ErrRehearsal  = errors.New("a rehearsal, which nothing can continue")
	ErrUnfinished = errors.New("the ceremony is unfinished")
)

// History is what the records of a cluster's ceremonies say together, and those of
// other clusters' ceremonies that share a key with it.
type History struct {
	Cluster string
	own     []*Record // newest first
	others  []*Record // by cluster, newest first
	// Ceremonies that people abandoned, of any cluster: no chain goes on with them.
	abandoned []*Record
	byHead    map[fingerprint.SHA256]*Record
}

// Of joins records, in any order. The cluster's own must form one chain, which ends with
// its newest ceremony; it may begin after the cluster's first. Other clusters' ceremonies
// must be finished, and need not form a chain. A record given twice counts once.
func Of(cluster string, records ...*Record) (*History, error) {
	h := &History{Cluster: cluster, byHead: map[fingerprint.SHA256]*Record{}}
	for _, r := range records {
		switch {
		case r.Open.Rehearsal:
			return nil, fmt.Errorf("%s: %w", r.Where(), ErrRehearsal)
		case h.byHead[r.Head] != nil:
			continue
		case r.AbandonmentClosed:
			h.byHead[r.Head] = r
			h.abandoned = append(h.abandoned, r)
			continue
		case r.Closed == nil:
			return nil, fmt.Errorf("%s: %w", r.Where(), ErrUnfinished)
		}
		h.byHead[r.Head] = r
		if r.Open.Cluster == cluster {
			h.own = append(h.own, r)
		} else {
			h.others = append(h.others, r)
		}
	}
	newestFirst := func(a, b *Record) int {
		return cmp.Or(cmp.Compare(a.Open.Cluster, b.Open.Cluster), cmp.Compare(b.Open.Sequence, a.Open.Sequence))
	}
	slices.SortStableFunc(h.own, newestFirst)
	slices.SortStableFunc(h.others, newestFirst)
	for _, list := range [][]*Record{h.own, h.others} {
		for i := 1; i < len(list); i++ {
			if err := twice(list[i-1], list[i]); err != nil {
				return nil, err
			}
		}
	}
	for i := 1; i < len(h.own); i++ {
		if err := h.own[i-1].Follows(h.own[i]); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// twice refuses two records of one ceremony.
func twice(a, b *Record) error {
	if a.Open.Cluster == b.Open.Cluster && a.Open.Sequence == b.Open.Sequence {
		return fmt.Errorf(
			"%w: %s and %s are two different records of one ceremony: the chain was forked, or one was altered",
			ErrFork,
			a.Where(),
			b.Where(),
		)
	}
	return nil
}

// Follows says why a record is not that of the next ceremony after another one of
// its cluster.
func (r *Record) Follows(before *Record) error {
	p, ok := r.predecessor()
	switch {
	case r.Continues(before):
	case !ok && r.Open.Lost != nil:
		return fmt.Errorf(
			"%w: %s says that the records of ceremonies 1 to %d are lost, and %s is one of them",
			ErrFork,
			r.Where(),
			r.Open.Lost.Sequence,
			before.Where(),
		)
	case !ok:
		return fmt.Errorf("%w: %s is the first of its chain, and does not continue %s", ErrFork, r.Where(), before.Where())
	case p.Sequence == before.Open.Sequence:
		return fmt.Errorf(
			"%w: %s continues another ceremony %d than %s: that has head %s, named is %s",
			ErrFork,
			r.Where(),
			p.Sequence,
			before.Where(),
			before.Head,
			p.Head,
		)
	default:
		return fmt.Errorf(
			"%w: ceremony %d of cluster %s, which %s continues, is not here; before it comes %s",
			ErrGap,
			p.Sequence,
			p.Cluster,
			r.Where(),
			before.Where(),
		)
	}
	if r.Open.Sequence != before.Open.Sequence+1 {
		return fmt.Errorf("%w: %s continues %s, but its number does not follow", ErrFork, r.Where(), before.Where())
	}
	return nil
}

// Records are the cluster's, newest first. None: it has no ceremony on record.
func (h *History) Records() []*Record { return h.own }

// Abandoned are ceremonies that people gave up, of any cluster. What they issued
// counts as issued (Find), keys that they made are destroyed, and no chain continues with
// them. They contribute nothing else here.
func (h *History) Abandoned() []*Record { return h.abandoned }

// Others are the records of other clusters' ceremonies.
func (h *History) Others() []*Record { return h.others }

// Ends are the last ceremonies of each cluster here: the cluster's, and the others'.
func (h *History) Ends() []*Record {
	var newest []*Record
	for _, r := range h.all() {
		same := func(o *Record) bool { return o.Open.Cluster == r.Open.Cluster }
		if !slices.ContainsFunc(newest, same) {
			newest = append(newest, r)
		}
	}
	return newest
}

// Last is the cluster's newest ceremony, which the next one continues; nil if there is none.
func (h *History) Last() *Record {
	if len(h.own) == 0 {
		return nil
	}
	return h.own[0]
}

// Sequence is the newest ceremony's; 0 if there is none.
func (h *History) Sequence() int {
	if len(h.own) == 0 {
		return 0
	}
	return h.own[0].Open.Sequence
}

// Missing is the ceremony that the oldest record of the cluster continues; false
// when that is the first of its chain.
func (h *History) Missing() (transcript.Predecessor, bool) {
	if len(h.own) == 0 {
		return transcript.Predecessor{}, false
	}
	return h.own[len(h.own)-1].predecessor()
}

// Whole refuses a history that begins later than its chain: what is not here cannot
// be asked for.
func (h *History) Whole() error {
	if p, ok := h.Missing(); ok {
		return fmt.Errorf(
			"%w: ceremony %d of cluster %s, which %s continues, is not here",
			ErrGap,
			p.Sequence,
			p.Cluster,
			h.own[len(h.own)-1].Where(),
		)
	}
	return nil
}

// all are the records of the cluster and of others.
func (h *History) all() []*Record { return slices.Concat(h.own, h.others) }

// People are those on record of the newest ceremony, and how many of them had to
// approve. None: nobody had to.
func (h *History) People() ([]transcript.Person, int) {
	if len(h.own) == 0 {
		return nil, 0
	}
	return h.own[0].Open.People, h.own[0].Open.Threshold
}
