//go:build cgo

package pkcs11

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/miekg/pkcs11"

	"officiant/signer/pkcs11/module"
)

// queue gathers the signatures that wait for a session. A fast token gets
// several at once, since each crossing into the module's process costs a third
// of a P-256 signature; a slow one gets them one by one.
type queue struct {
	mu      sync.Mutex
	waiting []*wanted
	drivers int
	each    time.Duration // that a signature took lately; 0: not known yet
}

// wanted is a signature that somebody waits for.
type wanted struct {
	op   module.Operation
	done chan signed // holds one
}

type signed struct {
	signature []byte
	err       error
}

// Bounds of what crosses at once: signatures, and their time. A crossing wakes
// threads on both sides, which costs what half a P-256 signature does; shared by
// this many it is hardly seen.
const (
	mostAtOnce = 32
	longAtOnce = 20 * time.Millisecond
)

// callersEach is how many callers keep a session busy while their answers are
// looked at: what a fast token gets at once, and as much again. mostCallers bounds
// those of all sessions.
const (
	callersEach = 2 * mostAtOnce
	mostCallers = 256
)

// Queue is how many callers have the token sign at its full rate.
func (s *store) Queue() int { return min(s.Sessions()*callersEach, mostCallers) }

// signQueued has a signature made when its turn comes. The limit on a call holds
// from when the token is asked.
func (s *store) signQueued(ctx context.Context, op module.Operation) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", s.token, err) // nothing was asked, nothing is lost
	}
	w := &wanted{op, make(chan signed, 1)}
	start := time.Now()
	if s.queue.add(w, s.Sessions()) {
		go s.drive()
	}
	select {
	case r := <-w.done:
		return r.signature, r.err
	case <-ctx.Done():
	}
	if s.queue.remove(w) {
		return nil, s.judge(ctx.Err())
	}
	select {
	case r := <-w.done: // both at once: the answer counts
		return r.signature, r.err
	default:
		return nil, s.judge(&leftBehind{device: s.token.String(), cause: ctx.Err(), after: time.Since(start)})
	}
}

// drive has signatures made on one session after the other, as long as any are
// wanted.
func (s *store) drive() {
	for {
		batch := s.queue.take(s.Sessions())
		if batch == nil {
			return
		}
		limit := s.limits.batch(len(batch))
		start := time.Now()
		partial := make(chan [][]byte, 1)
		_, err := within(context.Background(), s, limit, func(h pkcs11.SessionHandle) (struct{}, error) {
			operations := make([]module.Operation, len(batch))
			for i, w := range batch {
				operations[i] = w.op
			}
			made, function, err := s.lib.ctx.Sign(h, operations)
			partial <- made
			return struct{}{}, called(function, err)
		})
		var made [][]byte
		select {
		case made = <-partial:
		default: // not asked, or still at it
		}
		for i, signature := range made {
			batch[i].done <- signed{signature: signature}
		}
		s.queue.settle(batch[len(made):], err, s.lost.Load() != nil)
		if err == nil {
			s.queue.learn(time.Since(start) / time.Duration(len(batch)))
		}
	}
}

// signOne makes one signature on a session.
func (s *store) signOne(h pkcs11.SessionHandle, op module.Operation) ([]byte, error) {
	made, function, err := s.lib.ctx.Sign(h, []module.Operation{op})
	if err != nil {
		return nil, called(function, err)
	}
	return made[0], nil
}

// add appends; it tells whether one more is to drive.
func (q *queue) add(w *wanted, sessions int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, w)
	if q.drivers >= sessions {
		return false
	}
	q.drivers++
	return true
}

// remove takes out what has not begun.
func (q *queue) remove(w *wanted) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.waiting {
		if q.waiting[i] == w {
			q.waiting = append(q.waiting[:i:i], q.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// take is the next share of one of the sessions; nil, and one fewer drives, when
// nothing waits.
func (q *queue) take(sessions int) []*wanted {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.drivers--
		return nil
	}
	n := 1
	if q.each > 0 {
		share := (len(q.waiting) + sessions - 1) / sessions
		n = max(1, min(share, mostAtOnce, int(longAtOnce/q.each)))
	}
	batch := q.waiting[:n:n]
	q.waiting = q.waiting[n:]
	return batch
}

// settle tells the first of the rest of a batch what failed. The others were
// not asked for, and come first again, unless the token is lost.
func (q *queue) settle(rest []*wanted, err error, lost bool) {
	if err == nil || len(rest) == 0 {
		return
	}
	told := rest[:1]
	if lost {
		told = rest
	}
	for _, w := range told {
		w.done <- signed{err: err}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(append([]*wanted{}, rest[len(told):]...), q.waiting...)
}

// learn keeps the time that a signature takes, lately. It believes a shorter one at
// once and a longer one little by little: on a machine with other work a signature
// waits for a core now and then, and all would cross one by one, which is more work.
func (q *queue) learn(each time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.each == 0 || each < q.each {
		q.each = each
		return
	}
	q.each += min(each-q.each, q.each) / 16
}
