package main

import (
	"context"
	"errors"

	"officiant/ceremony"
	"officiant/ceremony/abandon"
	"officiant/ceremony/history"
	"officiant/ceremony/issue"
	"officiant/ceremony/next"
	"officiant/ceremony/plan"
	"officiant/ceremony/station"
	"officiant/cmd/internal/exit"
	"officiant/signer"
)

// exitCode is the one place that turns errors into exit codes, and says what
// to do next.
func exitCode(err error) (code int, hints []string) {
	var invalid *plan.Invalid
	var misplaced *station.Invalid
	var refused *ceremony.Refused
	var unlinted *issue.Refused
	var stopped *ceremony.Interrupted
	var missing *ceremony.Missing
	var noPlan *next.Refused
	var malformed *signer.URIError
	var otherStation *ceremony.OtherStation
	var tooFew *abandon.TooFew
	switch {
	case errors.As(err, &missing):
		return exit.Refused, []string{filled(wants[missing.What], missing.Of)}
	case errors.As(err, &noPlan):
		return exit.Refused, hintLines(noPlan.Hints)
	case errors.As(err, &stopped), errors.Is(err, context.Canceled):
		return exit.Interrupted, nil
	case errors.As(err, &invalid), errors.As(err, &misplaced), errors.As(err, &refused), errors.As(err, &unlinted),
		errors.As(err, &otherStation), errors.As(err, &malformed), errors.As(err, &tooFew),
		errors.Is(err, signer.ErrOther):
		return exit.Refused, nil
	case errors.Is(err, history.ErrNoCeremony):
		return exit.Usage, []string{"to find ceremonies: find . -name " + history.RecordFile}
	case errors.Is(err, ceremony.ErrOtherCeremony):
		return exit.Refused, []string{"give each ceremony its own directory: --dir"}
	case errors.Is(err, signer.ErrPIN):
		return exit.Unavailable, []string{"no second try was made; check which PIN belongs to this token before running again"}
	case errors.Is(err, signer.ErrOfficer):
		return exit.Unavailable, []string{
			"no second try was made; with the right management key, run the command again"}
	case errors.Is(err, signer.ErrFinalTry):
		return exit.Unavailable, []string{"or, with the right PIN at hand, the same command with --final-try and this token's serial"}
	case errors.Is(err, signer.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return exit.Unavailable, nil
	case errors.Is(err, signer.ErrNotFound):
		return exit.Refused, []string{"to list the keys: officiant signer list URI"}
	case errors.Is(err, signer.ErrAmbiguous), errors.Is(err, signer.ErrExists):
		return exit.Refused, nil
	}
	return exit.Failure, nil
}
