package main

import (
	"fmt"
	"io"
	"strings"
)

// report prints one line a check, and counts.
type report struct {
	out            io.Writer
	passed, failed int
}

// check prints how the check of that name ended. What a failure has to say
// beyond one line follows it, indented.
func (r *report) check(name string, err error) {
	if err == nil {
		r.passed++
		fmt.Fprintf(r.out, "ok   %s\n", name)
		return
	}
	r.failed++
	reason, more, _ := strings.Cut(strings.TrimSpace(err.Error()), "\n")
	fmt.Fprintf(r.out, "FAIL %s: %s\n", name, reason)
	for line := range strings.Lines(more) {
		fmt.Fprintf(r.out, "       %s\n", strings.TrimRight(line, "\n"))
	}
}

// close prints the sum.
func (r *report) close() { fmt.Fprintf(r.out, "%d passed, %d failed\n", r.passed, r.failed) }
