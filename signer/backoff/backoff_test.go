package backoff

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

var (
	errBrief = errors.New("throttled")
	errFinal = errors.New("denied")
)

func brief(err error) bool { return errors.Is(err, errBrief) }

func TestDo(t *testing.T) {
	l := Limits{First: time.Millisecond, Most: 4 * time.Millisecond, Total: 10 * time.Second}
	n := 0
	v, err := Do(t.Context(), l, brief, func() (int, error) {
		if n++; n < 5 {
			return 0, errBrief
		}
		return 7, nil
	})
	if v != 7 || err != nil || n != 5 {
		t.Errorf("%d, %v after %d tries", v, err, n)
	}
	n = 0
	if _, err := Do(t.Context(), l, brief, func() (int, error) { n++; return 0, errFinal }); err != errFinal || n != 1 {
		t.Errorf("%v after %d tries", err, n)
	}
}

func TestDoEnds(t *testing.T) {
	always := func() (int, error) { return 0, errBrief }
	l := Limits{First: time.Millisecond, Most: 5 * time.Millisecond, Total: 100 * time.Millisecond}
	start := time.Now()
	_, err := Do(t.Context(), l, brief, always)
	if !errors.Is(err, errBrief) || !strings.Contains(err.Error(), "tried ") || time.Since(start) > time.Minute {
		t.Errorf("%v after %s", err, time.Since(start))
	}
	l.Total = time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Do(ctx, l, brief, always); !errors.Is(err, errBrief) || time.Since(start) > time.Minute {
		t.Errorf("past the caller's deadline: %v", err)
	}
	l.First, l.Most = time.Hour, time.Hour
	ctx, stop := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, stop)
	if _, err := Do(ctx, l, brief, always); !errors.Is(err, errBrief) {
		t.Errorf("given up: %v", err)
	}
}
