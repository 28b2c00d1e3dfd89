package online

import (
	"errors"
	"sync"
)

// Limits of the queue.
const (
	maxWaiting = 20_000 // of all requesters
	maxOfOne   = 64     // of one requester
)

var (
	errBusy     = errors.New("too many requests wait")
	errStopping = errors.New("the signer is about to stop")
)

// queue takes turns between requesters. It is safe for concurrent use.
type queue struct {
	mu      sync.Mutex
	filled  *sync.Cond
	waiting map[string][]*ask // by requester
	turns   []string          // requesters that have something waiting, the next one first
	count   int
	closed  bool
}

func newQueue() *queue {
	q := &queue{waiting: map[string][]*ask{}}
	q.filled = sync.NewCond(&q.mu)
	return q
}

// push adds a request. Its error is errBusy or errStopping.
func (q *queue) push(requester string, a *ask) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	own := q.waiting[requester]
	switch {
	case q.closed:
		return errStopping
	case q.count >= maxWaiting || len(own) >= maxOfOne:
		return errBusy
	case len(own) == 0:
		q.turns = append(q.turns, requester)
	}
	q.waiting[requester] = append(own, a)
	q.count++
	q.filled.Signal()
	return nil
}

// take returns the next request once there is one, of each requester in turn; nil once the
// queue is closed and empty.
func (q *queue) take() *ask {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.turns) == 0 {
		if q.closed {
			return nil
		}
		q.filled.Wait()
	}
	requester := q.turns[0]
	q.turns = q.turns[1:]
	own := q.waiting[requester]
	q.count--
	if len(own) == 1 {
		delete(q.waiting, requester)
	} else {
		q.waiting[requester] = own[1:]
		q.turns = append(q.turns, requester)
	}
	return own[0]
}

// close lets nothing more in.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.filled.Broadcast()
}

// length is how many wait.
func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.count
}
