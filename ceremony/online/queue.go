package online

import (
	"context"
	"sync"
)

// Limits of the queue.
const (
	maxWaiting = 20_000 // of all requesters
	maxOfOne   = 64     // of one requester
)

// queue takes turns between requesters. It is safe for concurrent use.
type queue struct {
	mu      sync.Mutex
	waiting map[string][]*ask // by requester
	turns   []string          // requesters that have something waiting, the next one first
	count   int
	filled  chan struct{} // has one element when something waits
}

func newQueue() *queue { return &queue{waiting: map[string][]*ask{}, filled: make(chan struct{}, 1)} }

// push adds a request; false when there are too many.
func (q *queue) push(requester string, a *ask) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	own := q.waiting[requester]
	if q.count >= maxWaiting || len(own) >= maxOfOne {
		return false
	}
	if len(own) == 0 {
		q.turns = append(q.turns, requester)
	}
	q.waiting[requester] = append(own, a)
	q.count++
	q.signal()
	return true
}

func (q *queue) signal() {
	select {
	case q.filled <- struct{}{}:
	default:
	}
}

// take returns up to most requests, one of each requester in turn, once there is one;
// none when ctx ends first.
func (q *queue) take(ctx context.Context, most int) []*ask {
	select {
	case <-ctx.Done():
		return nil
	case <-q.filled:
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	var out []*ask
	for len(out) < most && len(q.turns) > 0 {
		requester := q.turns[0]
		q.turns = q.turns[1:]
		own := q.waiting[requester]
		out = append(out, own[0])
		if q.count--; len(own) == 1 {
			delete(q.waiting, requester)
			continue
		}
		q.waiting[requester] = own[1:]
		q.turns = append(q.turns, requester)
	}
	if q.count > 0 {
		q.signal()
	}
	return out
}

// length is how many wait.
func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.count
}
