//go:build cgo

package module

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// argument0 is what a module's process is called, by which it knows itself.
const argument0 = "officiant-pkcs11-module"

// Descriptors of a module's process, beside the usual three.
const (
	socketFD   = 3
	progressFD = 4
)

// exitServed, exitBroken are a module's process's own exit codes; any other is
// the module's.
const (
	exitServed = 0
	exitBroken = 3
)

// Serve makes this process a module's, if it was started as one: it then
// returns when the other side has gone away, and the process has to end with
// code. main begins with it, and so does the TestMain of each package whose tests
// open tokens.
func Serve(args []string) (code int, served bool) {
	if len(args) != 4 || args[0] != argument0 {
		return 0, false
	}
	limit, err := time.ParseDuration(args[3])
	if err != nil {
		return exitBroken, true
	}
	if err := isolate(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitBroken, true
	}
	if err := syscall.SetNonblock(socketFD, true); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitBroken, true
	}
	s := &server{socket: os.NewFile(socketFD, "socket"), progress: openProgress(progressFD), path: args[1]}
	return s.serve(limit), true
}

// server is the side of the socket that the module is on.
type server struct {
	path     string
	socket   *os.File
	progress progress
	calls    calls

	sending   sync.Mutex
	writing   atomic.Int32 // calls in hand that write to the token
	answering atomic.Int32 // calls in hand
	ending    atomic.Bool
}

// serve answers requests until there are no more. A call that writes to the
// token is waited for, up to limit: who ends in it may ruin the token. All else
// ends with the process, as a module's own thread that hangs does.
func (s *server) serve(limit time.Duration) int {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM)
	end := make(chan struct{})
	go func() {
		defer close(end)
		s.read()
	}()
	select {
	case <-end:
	case <-signals:
	}
	s.ending.Store(true)
	timer := time.NewTimer(limit)
	for s.writing.Load() > 0 {
		select {
		case <-timer.C:
			return exitServed
		case <-signals:
			return exitServed
		case <-time.After(time.Millisecond):
		}
	}
	s.finalize()
	return exitServed
}

// farewell is how long C_Finalize may take of a process that ends.
const farewell = time.Second

// finalize leaves what several processes share as a module wants it, when the
// other side went away without a word and no call is in hand.
func (s *server) finalize() {
	if s.answering.Load() > 0 || !s.calls.ready.Load() {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.calls.do(s.path, fnFinalize, nil, &out{}, s.progress.at(0))
	}()
	select {
	case <-done:
	case <-time.After(farewell):
	}
}

func (s *server) read() {
	r := bufio.NewReaderSize(s.socket, 64<<10)
	for {
		m, err := readMessage(r)
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
				fmt.Fprintln(os.Stderr, "socket:", err)
			}
			return
		}
		if s.ending.Load() {
			return
		}
		writes := known[m.kind].writes || m.kind == fnSign && signsWithLogin(m.body)
		if writes {
			s.writing.Add(1)
		}
		s.answering.Add(1)
		go func() {
			s.answer(m)
			s.answering.Add(-1)
			if writes {
				s.writing.Add(-1)
			}
		}()
	}
}

// answer carries a request out and clears it: there may be a PIN in it.
func (s *server) answer(m message) {
	at := s.progress.at(m.id)
	atomic.StoreUint32(at, uint32(m.kind))
	kind, body := answerValue, out{}
	err := s.calls.do(s.path, m.kind, m.body, &body, at)
	clear(m.body)
	var code failure
	switch {
	case errors.As(err, &code):
		// A batch that came to an error tells what it had before.
		kind = answerCode
		body = append(*new(out).number(uint(code.function)).number(uint(code.code)), body...)
	case err != nil:
		kind = answerText
		body = *new(out).text(err.Error())
	}
	data, err := frame(m.id, kind, body)
	if err != nil {
		data, _ = frame(m.id, answerText, *new(out).text(err.Error()))
	}
	s.sending.Lock()
	defer s.sending.Unlock()
	_, _ = s.socket.Write(data) // the reading side finds the socket closed, too
	clear(data)
}

// arguments of a module's process. The parent's number is for those who look
// for processes that lost theirs.
func arguments(path string, limit time.Duration) []string {
	return []string{argument0, path, strconv.Itoa(os.Getpid()), limit.String()}
}
