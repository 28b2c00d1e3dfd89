//go:build cgo

package module

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/pkcs11"
)

// Module is a PKCS#11 module in a process of its own. Its methods are PKCS#11's
// functions, as miekg/pkcs11 has them; any number may be called at once. Each
// ends within the limit, or five times that where a key is made or a person may
// type a PIN: then with a *Late, and with an *Ended when the process has ended.
type Module struct {
	path    string
	key     string // what another must be equal in to take its place
	process *process
	limit   atomic.Int64 // time.Duration

	sending sync.Mutex
	mu      sync.Mutex
	last    uint32
	pending map[uint32]*request
	late    bool // a call had no answer in time
	ready   bool // between C_Initialize and C_Finalize
	ended   error

	over chan struct{} // closed when no more answers come
}

// request is one that has no answer yet.
type request struct {
	function byte
	writes   bool
	answer   chan message
}

// longer is how many limits a call may take in which a key is made or a person types.
const longer = 5

func (m *Module) call(function byte, body *out) (*in, error) {
	i, _, err := m.callNamed(function, body)
	return i, err
}

// callNamed says which of the functions of a request it was that failed.
func (m *Module) callNamed(function byte, body *out) (*in, string, error) {
	name := known[function].name
	answer, err := m.ask(function, body, known[function].writes)
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
	return nil, name, m.nonsense(i)
}

// Alive reports whether the module can be asked for more.
func (m *Module) Alive() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-m.over:
		return false
	default:
		return m.ended == nil && !m.late
	}
}

func (m *Module) nonsense(i *in) error {
	text := i.text()
	if i.end() != nil {
		text = "its process spoke out of turn"
	}
	return &Nonsense{text}
}

// done makes sure that an answer was read to its end.
func (m *Module) done(function byte, i *in) error {
	if err := i.end(); err != nil {
		return &Nonsense{known[function].name + ": " + err.Error()}
	}
	return nil
}

// ask sends a request and waits for its answer. The body is cleared.
func (m *Module) ask(function byte, body *out, writes bool) (message, error) {
	r := &request{function: function, writes: writes, answer: make(chan message, 1)}
	id, err := m.register(r)
	if err != nil {
		return message{}, err
	}
	if err := m.send(id, function, *body); err != nil {
		m.drop(id)
		return message{}, m.why(function, id, err)
	}
	limit := time.Duration(m.limit.Load())
	if known[function].long {
		limit *= longer
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case a := <-r.answer:
		return a, nil
	case <-m.over:
		select { // both at once: the answer counts
		case a := <-r.answer:
			return a, nil
		default:
		}
		return message{}, m.why(function, id, nil)
	case <-timer.C:
		m.mu.Lock()
		m.late = true
		m.mu.Unlock()
		return message{}, &Late{m.process.progress.function(id, function), limit}
	}
}

func (m *Module) register(r *request) (uint32, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended != nil {
		return 0, m.ended
	}
	m.last++
	m.pending[m.last] = r
	atomic.StoreUint32(m.process.progress.at(m.last), waits)
	return m.last, nil
}

func (m *Module) drop(id uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.pending, id)
}

func (m *Module) send(id uint32, function byte, body out) error {
	data, err := frame(id, function, body)
	clear(body)
	if err != nil {
		return err
	}
	defer clear(data)
	m.sending.Lock()
	defer m.sending.Unlock()
	_, err = m.process.socket.Write(data)
	return err
}

// why says how the process ended that was to answer.
func (m *Module) why(function byte, id uint32, sending error) error {
	name := known[function].name
	if sending == nil {
		name = m.culprit(function, id)
	}
	how := m.process.end()
	if how == "" {
		how = "does not answer any more"
	}
	err := &Ended{Function: name, How: how, Said: m.process.said.tail()}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended == nil {
		m.ended = err
	}
	return err
}

// culprit is the call in which the process ended: this one or, when the module
// had not been asked for it yet, another one in hand.
func (m *Module) culprit(function byte, id uint32) string {
	p := m.process.progress
	m.mu.Lock()
	defer m.mu.Unlock()
	if !p.begun(id) {
		for other, r := range m.pending {
			if p.begun(other) {
				return p.function(other, r.function)
			}
		}
	}
	return p.function(id, function)
}

// read hands the answers out until there are no more.
func (m *Module) read() {
	defer close(m.over)
	r := bufio.NewReaderSize(m.process.socket, 64<<10)
	for {
		a, err := readMessage(r)
		if err != nil {
			return
		}
		m.mu.Lock()
		asked := m.pending[a.id]
		delete(m.pending, a.id)
		m.mu.Unlock()
		if asked == nil { // a module that writes into the socket
			m.process.kill()
			return
		}
		asked.answer <- a
	}
}

// Path is the module's file.
func (m *Module) Path() string { return m.path }

// PID is the number of the module's process.
func (m *Module) PID() int { return m.process.pid() }

// SetLimit sets how long a call may take from now on.
func (m *Module) SetLimit(limit time.Duration) { m.limit.Store(int64(limit)) }

// Release gives the module back, after C_Finalize where it was initialized. One
// in which no call hangs is kept for the next Open. One that hangs is killed,
// unless in a call that writes to the token: that one is left alone, to end with
// the call, and Left says so.
func (m *Module) Release() error {
	m.mu.Lock()
	busy := m.late || len(m.pending) > 0
	ready, ended := m.ready, m.ended != nil
	m.mu.Unlock()
	var err error
	if ready && !busy && !ended {
		err = m.Finalize()
		m.mu.Lock()
		busy, ended = m.late, m.ended != nil
		m.mu.Unlock()
	}
	switch {
	case ended:
		m.process.kill()
	case busy:
		return errors.Join(err, m.abandon())
	default:
		keep(m)
	}
	return err
}

// abandon ends a process in which a call hangs.
func (m *Module) abandon() error {
	left := m.Writing()
	if left == nil {
		m.process.kill()
		return nil
	}
	m.process.leave()
	return left
}

// InHand names the calls that have no answer yet.
func (m *Module) InHand() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for id, r := range m.pending {
		names = append(names, m.process.progress.function(id, r.function))
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

// Writing names the call in hand that may write to the token, if there is one.
func (m *Module) Writing() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, r := range m.pending {
		if r.writes {
			return &Left{m.process.progress.function(id, r.function), m.process.pid()}
		}
	}
	return nil
}

// Open loads a module in a process of its own, or takes one that was given
// back with the same file and environment.
func Open(path string, o Options) (*Module, error) {
	o = o.complete()
	environment := Variables(path, o.Environ).Passed
	key := keyOf(path, environment)
	if m := kept(key); m != nil {
		m.SetLimit(o.Limit)
		m.process.said.tell(o.Said)
		return m, nil
	}
	if err := awaitOrphans(path, longer*o.Limit); err != nil {
		return nil, err
	}
	p, err := start(path, environment, o)
	if err != nil {
		return nil, fmt.Errorf("a process for the module: %w", err)
	}
	m := &Module{path: path, key: key, process: p, pending: map[uint32]*request{}, over: make(chan struct{})}
	m.SetLimit(o.Limit)
	go m.read()
	if err := m.load(); err != nil {
		p.kill()
		return nil, err
	}
	return m, nil
}

func (m *Module) load() error {
	_, err := m.call(fnLoad, &out{})
	var not *Nonsense
	if errors.As(err, &not) { // there it is why it cannot be loaded
		return errors.New(not.Text)
	}
	return err
}

// Options is how a module is opened; the zero value has defaults.
type Options struct {
	// Limit is how long a call may take; 0 is a minute.
	Limit time.Duration
	// Environ is the environment that Variables chooses from; nil is the process's.
	Environ []string
	// Said gets each line that the module writes to stdout or stderr, as it
	// wrote it; nil drops them.
	Said func(line string)
}

func (o Options) complete() Options {
	if o.Limit <= 0 {
		o.Limit = time.Minute
	}
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	return o
}
