package main

import (
	"context"
	"errors"

	"officiant/bundle/request"
)

// Exit codes are a promise to scripts; docs/exit-codes.md lists them.
const (
	exitDone        = 0
	exitFailure     = 1
	exitUsage       = 2
	exitRefused     = 3
	exitUnverified  = 4
	exitDeclined    = 6
	exitInterrupted = 130
)

// outcome is the one place that turns errors into exit codes, and says what
// to do next.
func outcome(err error) (code int, hints []string) {
	var own *exitError
	var usage usageError
	var refusal *request.Refusal
	switch {
	case errors.As(err, &own):
		return own.code, own.hints
	case errors.As(err, &usage):
		return exitUsage, []string{"see: officiant-node help"}
	case errors.Is(err, context.Canceled):
		return exitInterrupted, nil
	case errors.As(err, &refusal):
		return exitRefused, nil
	}
	return exitFailure, nil
}
