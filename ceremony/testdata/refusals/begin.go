package refusals

import (
	"errors"
	"fmt"
)

type Refused struct{ Reasons []string }

func (r *Refused) Error() string { return r.Reasons[0] }

type run struct{}

func begin(r run) error {
	if err := r.deeper(); err != nil {
		return fmt.Errorf("wrapped: %w", err)
	}
	if r == (run{}) {
		return &Refused{[]string{"one"}}
	}
	return &Refused{[]string{fmt.Sprintf("two %s", "times")}}
}

func (run) deeper() error {
	return errors.Join(errors.New("three"), fmt.Errorf("four: %w", ErrFour))
}

var ErrFour = errors.New("sentinel")

func nobodyCalls() error { return errors.New("five") }
