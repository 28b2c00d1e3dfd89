//go:build cgo

package module

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
)

// Module is a PKCS#11 module in a process of its own. Its methods are PKCS#11's
// functions, as miekg/pkcs11 has them; any number may be called at once. Each
// ends within the limit, or five times that where a key is made or a person may
// type a PIN: then with a *Late, and with an *Ended when the process has ended.
type Module struct {
	path       string
	key        string // what another must be equal in to take its place
	connection *connection
	ready      atomic.Bool // between C_Initialize and C_Finalize
}

// Alive reports whether the module can be asked for more.
func (m *Module) Alive() bool { return m.connection.alive() }

// Path is the module's file.
func (m *Module) Path() string { return m.path }

// PID is the number of the module's process.
func (m *Module) PID() int { return m.connection.process.pid() }

// SetLimit sets how long a call may take from now on.
func (m *Module) SetLimit(limit time.Duration) { m.connection.limit.Store(int64(limit)) }

// Release gives the module back, after C_Finalize if it was initialized. A process
// in which no call hangs is kept for the next Open. A process that hangs is killed,
// unless the call writes to the token. Then it is left alone, to end with
// the call, and Left says so.
func (m *Module) Release() error {
	late, waiting, ended := m.connection.state()
	busy := late || waiting
	var err error
	if m.ready.Load() && !busy && !ended {
		err = m.Finalize()
		busy, _, ended = m.connection.state()
	}
	switch {
	case ended:
		m.connection.process.kill()
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
		m.connection.process.kill()
		return nil
	}
	m.connection.process.leave()
	return left
}

// InHand names the calls that have no answer yet.
func (m *Module) InHand() string { return m.connection.inHand() }

// Writing names the call in hand that may write to the token, if there is one.
func (m *Module) Writing() error { return m.connection.writing() }

// Open loads a module in a process of its own, or takes one that was given
// back with the same file and environment.
func Open(path string, o Options) (*Module, error) {
	o = o.complete()
	environment := Variables(path, o.Environ, o.Allow).Passed
	key := keyOf(path, environment)
	if m := kept(key); m != nil {
		m.SetLimit(o.Limit)
		m.connection.process.said.tell(o.Said)
		return m, nil
	}
	if err := awaitOrphans(path, Longer*o.Limit); err != nil {
		return nil, err
	}
	p, err := start(path, environment, o)
	if err != nil {
		return nil, fmt.Errorf("a process for the module: %w", err)
	}
	m := &Module{path: path, key: key, connection: connect(p)}
	m.SetLimit(o.Limit)
	if err := m.load(); err != nil {
		p.kill()
		return nil, err
	}
	return m, nil
}

func (m *Module) load() error {
	_, err := m.connection.call(fnLoad, &out{})
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
	// Allow says which variables it gets besides those of its kind.
	Allow Allow
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
