package terminal

import (
	"bytes"
	"io"
	"strings"
	"sync"
)

// Quiet holds back what a program says besides its data: progress and next steps. What
// people must not miss goes through: warnings, findings, notes and the lines that belong
// to them, and questions, with everything held back before them, since that says what the
// question is about.
type Quiet struct {
	out io.Writer

	mu   sync.Mutex
	line []byte // begun and not ended
	held []byte
	goes bool // the last line went through: what is indented below it does, too
}

// NewQuiet holds back what is written to out.
func NewQuiet(out io.Writer) *Quiet { return &Quiet{out: out} }

const mostHeld = 64 << 10 // of what is said before a question

func (q *Quiet) Write(p []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.line = append(q.line, p...)
	for {
		end := bytes.IndexByte(q.line, '\n') + 1
		if end == 0 {
			return len(p), nil
		}
		line := q.line[:end]
		if q.goes = heeded(string(line), q.goes); q.goes {
			if _, err := q.out.Write(line); err != nil {
				return 0, err
			}
		} else if len(q.held)+len(line) <= mostHeld {
			q.held = append(q.held, line...)
		}
		q.line = q.line[end:]
	}
}

// heeded says whether people must not miss a line.
func heeded(line string, before bool) bool {
	for _, mark := range []string{"warning: ", "finding: ", "note: "} {
		if strings.HasPrefix(line, mark) {
			return true
		}
	}
	return before && strings.HasPrefix(line, " ") && strings.TrimSpace(line) != ""
}

// release shows what was held back, before a question.
func (q *Quiet) release() {
	q.mu.Lock()
	defer q.mu.Unlock()
	_, _ = q.out.Write(append(q.held, q.line...))
	q.held, q.line = nil, nil
}

// loud is a writer without its hush.
func loud(w io.Writer) io.Writer {
	if q, ok := w.(*Quiet); ok {
		return q.out
	}
	return w
}
