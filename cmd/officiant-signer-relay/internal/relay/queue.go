package relay

import (
	"math/rand/v2"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// item is a request in the queue: an object, and not only its name.
type item struct {
	name string
	uid  types.UID
	user string // whose turn it is; the API server's word
}

// turns is a workqueue.Queue that takes one item of each requester in turn. The workqueue
// calls it under its own lock.
type turns struct {
	waiting map[string][]item
	order   []string // requesters that have something waiting, the next one first
	count   int
}

func newTurns() *turns { return &turns{waiting: map[string][]item{}} }

func (t *turns) Touch(item) {}
func (t *turns) Len() int   { return t.count }

func (t *turns) Push(i item) {
	if len(t.waiting[i.user]) == 0 {
		t.order = append(t.order, i.user)
	}
	t.waiting[i.user] = append(t.waiting[i.user], i)
	t.count++
}

func (t *turns) Pop() item {
	user := t.order[0]
	t.order = t.order[1:]
	first := t.waiting[user][0]
	if rest := t.waiting[user][1:]; len(rest) > 0 {
		t.waiting[user] = rest
		t.order = append(t.order, user)
	} else {
		delete(t.waiting, user)
	}
	t.count--
	return first
}

// backoff says when an item is tried again: after twice as long each time, up to longest,
// and half of that by chance, so that those who failed together do not come together.
type backoff struct {
	first, longest time.Duration

	mu    sync.Mutex
	tries map[item]int
}

func newBackoff(first, longest time.Duration) *backoff {
	return &backoff{first: first, longest: longest, tries: map[item]int{}}
}

func (b *backoff) When(i item) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	d := b.longest
	if n := b.tries[i]; n < 30 {
		d = min(d, b.first<<n)
		b.tries[i] = n + 1
	}
	return d/2 + rand.N(d/2+1)
}

func (b *backoff) Forget(i item) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.tries, i)
}

func (b *backoff) NumRequeues(i item) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tries[i]
}
