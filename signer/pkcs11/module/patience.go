//go:build cgo

package module

import (
	"sync/atomic"
	"time"
)

// patience is the time that a request has: the limit, anew with each signature of several
// that is made. A module that hangs in the first of five ends the wait after one limit.
type patience struct {
	limit time.Duration
	made  *uint32
	seen  uint32
	since time.Time
	ticks <-chan time.Time
	stop  func()
}

func (c *connection) patience(id uint32, limit time.Duration) *patience {
	t := time.NewTicker(max(limit/8, time.Millisecond))
	return &patience{limit: limit, made: made(c.process.progress.at(id)), since: time.Now(), ticks: t.C, stop: t.Stop}
}

// lasts looks whether there is time left.
func (p *patience) lasts() bool {
	if now := atomic.LoadUint32(p.made); now != p.seen {
		p.seen, p.since = now, time.Now()
	}
	return time.Since(p.since) < p.limit
}
