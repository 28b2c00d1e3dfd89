//go:build cgo

package module

import (
	"bufio"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/pkcs11"
)

// connection is a module's process and what crosses to it: requests that are
// numbered, each with its time, and the answers to them.
type connection struct {
	process *process
	limit   atomic.Int64 // time.Duration

	sending sync.Mutex
	mu      sync.Mutex
	last    uint32
	pending map[uint32]*request
	late    bool // a call had no answer in time
	ended   error

	over chan struct{} // closed when no more answers come
}

// connect has the answers of a process read from now on.
func connect(p *process) *connection {
	c := &connection{process: p, pending: map[uint32]*request{}, over: make(chan struct{})}
	go c.read()
	return c
}

// request is one that has no answer yet.
type request struct {
	function byte
	writes   bool
	answer   chan message
}

// Longer is how many limits a call may take in which a key is made, a person types, or
// several signatures are made.
const Longer = 5

func (c *connection) call(function byte, body *out) (*in, error) {
	i, _, err := c.callNamed(function, body)
	return i, err
}

// callNamed says which of the functions of a request it was that failed.
func (c *connection) callNamed(function byte, body *out) (*in, string, error) {
	name := known[function].name
	answer, err := c.ask(function, body, known[function].writes)
	if err != nil {
		return nil, name, err
	}
	i := &in{rest: answer.body}
	switch answer.kind {
	case answerValue:
		return i, name, nil
	case answerCode:
		name = known[byte(i.number())].name
		return nil, name, pkcs11.Error(i.number())
	}
	return nil, name, spoken(i)
}

// none calls a function that answers nothing but its code.
func (c *connection) none(function byte, body *out) error {
	_, err := c.call(function, body)
	return err
}

// one calls a function that answers a number.
func (c *connection) one(function byte, body *out) (uint, error) {
	i, err := c.call(function, body)
	if err != nil {
		return 0, err
	}
	return i.number(), done(function, i)
}

// list calls a function that answers numbers.
func (c *connection) list(function byte, body *out) ([]uint, error) {
	i, err := c.call(function, body)
	if err != nil {
		return nil, err
	}
	all := i.numbers()
	return all, done(function, i)
}

// spoken is what a process says of itself in place of an answer.
func spoken(i *in) error {
	text := i.text()
	if i.end() != nil {
		text = "its process spoke out of turn"
	}
	return &Nonsense{text}
}

// done makes sure that an answer was read to its end.
func done(function byte, i *in) error {
	if err := i.end(); err != nil {
		return &Nonsense{known[function].name + ": " + err.Error()}
	}
	return nil
}

// ask sends a request and waits for its answer. The body is cleared.
func (c *connection) ask(function byte, body *out, writes bool) (message, error) {
	r := &request{function: function, writes: writes, answer: make(chan message, 1)}
	id, err := c.register(r)
	if err != nil {
		return message{}, err
	}
	if err := c.send(id, function, *body); err != nil {
		c.drop(id)
		return message{}, c.why(function, id, err)
	}
	limit := time.Duration(c.limit.Load())
	if known[function].long && (function != fnSign || writes) {
		limit *= Longer
	}
	p := c.patience(id, limit)
	defer p.stop()
	for {
		select {
		case a := <-r.answer:
			return a, nil
		case <-c.over:
			select { // both at once: the answer counts
			case a := <-r.answer:
				return a, nil
			default:
			}
			return message{}, c.why(function, id, nil)
		case <-p.ticks:
			if p.lasts() {
				continue
			}
			c.mu.Lock()
			c.late = true
			c.mu.Unlock()
			return message{}, &Late{c.process.progress.function(id, function), limit}
		}
	}
}

func (c *connection) register(r *request) (uint32, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended != nil {
		return 0, c.ended
	}
	c.last++
	c.pending[c.last] = r
	at := c.process.progress.at(c.last)
	atomic.StoreUint32(at, waits)
	atomic.StoreUint32(made(at), 0)
	return c.last, nil
}

func (c *connection) drop(id uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pending, id)
}

func (c *connection) send(id uint32, function byte, body out) error {
	data, err := frame(id, function, body)
	clear(body)
	if err != nil {
		return err
	}
	defer clear(data)
	c.sending.Lock()
	defer c.sending.Unlock()
	_, err = c.process.socket.Write(data)
	return err
}

// why says how the process ended that was to answer.
func (c *connection) why(function byte, id uint32, sending error) error {
	name := known[function].name
	if sending == nil {
		name = c.culprit(function, id)
	}
	how := c.process.end()
	if how == "" {
		how = "does not answer any more"
	}
	err := &Ended{Function: name, How: how, Said: c.process.said.tail()}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended == nil {
		c.ended = err
	}
	return err
}

// culprit is the call in which the process ended: this one or, when the module
// had not been asked for it yet, another one in hand.
func (c *connection) culprit(function byte, id uint32) string {
	p := c.process.progress
	c.mu.Lock()
	defer c.mu.Unlock()
	if !p.begun(id) {
		for other, r := range c.pending {
			if p.begun(other) {
				return p.function(other, r.function)
			}
		}
	}
	return p.function(id, function)
}

// read hands the answers out until there are no more.
func (c *connection) read() {
	defer close(c.over)
	r := bufio.NewReaderSize(c.process.socket, 64<<10)
	for {
		a, err := readMessage(r)
		if err != nil {
			return
		}
		c.mu.Lock()
		asked := c.pending[a.id]
		delete(c.pending, a.id)
		c.mu.Unlock()
		if asked == nil { // a module that writes into the socket
			c.process.kill()
			return
		}
		asked.answer <- a
	}
}

// alive reports whether the module can be asked for more.
func (c *connection) alive() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.over:
		return false
	default:
		return c.ended == nil && !c.late
	}
}

// state tells whether a call was late, any has no answer, and the process has ended.
func (c *connection) state() (late, waiting, ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.late, len(c.pending) > 0, c.ended != nil
}

// inHand names the calls that have no answer yet.
func (c *connection) inHand() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for id, r := range c.pending {
		names = append(names, c.process.progress.function(id, r.function))
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

// writing names the call in hand that may write to the token, if there is one.
func (c *connection) writing() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, r := range c.pending {
		if r.writes {
			return &Left{c.process.progress.function(id, r.function), c.process.pid()}
		}
	}
	return nil
}
