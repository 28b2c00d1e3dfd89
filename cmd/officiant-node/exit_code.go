package main

import (
	"context"
	"errors"

	"officiant/bundle/install"
	"officiant/bundle/request"
	"officiant/cmd/internal/exit"
)

// exitCode is the one place that turns errors into exit codes, and says what
// to do next.
func exitCode(err error) (code int, hints []string) {
	var refusal *request.Refusal
	var damaged *install.Damaged
	switch {
	case errors.Is(err, context.Canceled):
		return exit.Interrupted, nil
	case errors.As(err, &refusal):
		return exit.Refused, nil
	case errors.As(err, &damaged) && damaged.WayOn != "":
		return exit.Failure, []string{damaged.WayOn}
	}
	return exit.Failure, nil
}
