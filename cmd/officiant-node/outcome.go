package main

import (
	"context"
	"errors"

	"officiant/bundle/request"
	"officiant/cmd/internal/exit"
)

// outcome is the one place that turns errors into exit codes, and says what
// to do next.
func outcome(err error) (code int, hints []string) {
	var refusal *request.Refusal
	switch {
	case errors.Is(err, context.Canceled):
		return exit.Interrupted, nil
	case errors.As(err, &refusal):
		return exit.Refused, nil
	}
	return exit.Failure, nil
}
