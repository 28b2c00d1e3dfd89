package main

import (
	"context"
	"errors"

	"officiant/ceremony"
	"officiant/ceremony/issue"
	"officiant/ceremony/plan"
	"officiant/ceremony/station"
	"officiant/signer"
)

// outcome is the one place that turns errors into exit codes, and says what
// to do next.
func outcome(err error) (code int, hints []string) {
	var own *exitError
	var usage usageError
	var invalid *plan.Invalid
	var misplaced *station.Invalid
	var refused *ceremony.Refused
	var unlinted *issue.Refused
	var stopped *ceremony.Interrupted
	switch {
	case errors.As(err, &own):
		return own.code, own.hints
	case errors.As(err, &usage):
		return exitUsage, []string{"see: officiant help"}
	case errors.As(err, &stopped), errors.Is(err, context.Canceled):
		return exitInterrupted, nil
	case errors.As(err, &invalid), errors.As(err, &misplaced), errors.As(err, &refused), errors.As(err, &unlinted):
		return exitRefused, nil
	case errors.Is(err, ceremony.ErrOtherCeremony):
		return exitRefused, []string{"choose a directory of its own for each ceremony: --dir"}
	case errors.Is(err, signer.ErrPIN):
		return exitUnavailable, []string{"no second try was made; check which PIN belongs to this token before running again"}
	case errors.Is(err, signer.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return exitUnavailable, nil
	case errors.Is(err, signer.ErrNotFound), errors.Is(err, signer.ErrAmbiguous), errors.Is(err, signer.ErrExists):
		return exitRefused, nil
	}
	return exitFailure, nil
}
