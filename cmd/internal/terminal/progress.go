package terminal

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// Progress says how far long work is: on a terminal in one line, which is written
// again, and elsewhere in a line every few seconds. Work that is soon done says
// nothing. It uses no escape sequence: a serial line will do.
type Progress struct {
	Out io.Writer
	Now func() time.Time

	mu          sync.Mutex
	began, said time.Time
	of          int // all there is of the present work
	width       int // of what stands in the line
}

const (
	quiet        = time.Second // before anything is said
	onTerminal   = time.Second / 4
	inLogs       = 5 * time.Second
	tooEarlyLeft = 3 * time.Second // to say how long it will take
)

// At says that so many of all are done. Several goroutines may.
func (p *Progress) At(done, of int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.Now()
	if p.began.IsZero() || p.of != of { // other work has begun
		p.began, p.of = now, of
	}
	_, hushed := p.Out.(*Quiet)
	live := !hushed && IsTerminal(p.Out)
	pause := inLogs
	if live {
		pause = onTerminal
	}
	if now.Sub(p.began) < quiet || now.Sub(p.said) < pause {
		return
	}
	if !live && p.said.IsZero() && now.Sub(p.began) < inLogs {
		return
	}
	p.said = now
	text := fmt.Sprintf("    %d of %d", done, of)
	if spent := now.Sub(p.began); spent >= tooEarlyLeft && done > 0 {
		left := spent * time.Duration(of-done) / time.Duration(done)
		text += fmt.Sprintf(", about %s left", left.Round(time.Second))
	}
	if !live {
		fmt.Fprintln(p.Out, text)
		return
	}
	fmt.Fprintf(p.Out, "\r%-*s", p.width, text)
	p.width = max(p.width, len(text))
}

// End clears the line; the next write starts a new one.
func (p *Progress) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.width > 0 {
		fmt.Fprintf(p.Out, "\r%s\r", strings.Repeat(" ", p.width))
	}
	p.began, p.said, p.width = time.Time{}, time.Time{}, 0
}

// IsTerminal says whether people see at once what is written to w.
func IsTerminal(w io.Writer) bool {
	f, ok := below(w).(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
