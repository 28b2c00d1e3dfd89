package update

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"officiant/bundle"
	"officiant/bundle/fetch"
	"officiant/bundle/fingerprint"
	"officiant/bundle/install"
	"officiant/bundle/kubepki"
	"officiant/bundle/statement"
)

// wholeEvery is how often a place is asked without a validator: one that says "not
// modified" for ever would go unnoticed.
const wholeEvery = 20 * time.Hour

// Services restarts what runs on the node, and asks it.
type Services interface {
	Runs(ctx context.Context, s kubepki.Service) bool
	Restart(ctx context.Context, s kubepki.Service) error
	Well(ctx context.Context, s kubepki.Service) error
}

// Members are etcd's.
type Members interface {
	Others(ctx context.Context) error
	Lock(ctx context.Context, node string) (release func(context.Context) error, err error)
}

// Place is where bundles come from.
type Place interface {
	Get(ctx context.Context, name string, known fetch.Validator) ([]byte, fetch.Validator, error)
	String() string
}

// Runner brings one node to its newest bundle.
type Runner struct {
	Node  *install.Node
	Place Place
	// Services are of the node as the bundle in place has it.
	Services func(kubepki.Cluster, kubepki.Node) (Services, Members, error)
	Release  []crypto.PublicKey // keys given by whoever runs this; the pin decides
	Patience time.Duration      // for a service to be well after a restart
	DryRun   bool               // nothing is written, nothing restarted
	Wait     func(ctx context.Context, d time.Duration) error
	Say      func(format string, args ...any) // each step, for people

	node     *install.Node // Node, with the lock held
	memory   memory
	fresh    fetch.Validator // of the bundle that was read now
	services Services
	members  Members
}

// Result is what a run came to.
type Result struct {
	statement.Outcome
	Installed *install.Report // what was installed, or would be; nil when nothing
	Restart   []string        // services that were restarted, or would be
}

// ErrNotYet says that no person has installed this node's first bundle.
var ErrNotYet = errors.New(
	"no bundle is installed here yet: the first one is installed by a person, who compares its words",
)

// stopped ends a run with an outcome that is not an error of the machine's.
type stopped struct {
	statement.Outcome
}

func (s *stopped) Error() string { return s.Reason }

func stop(state statement.State, format string, args ...any) error {
	return &stopped{statement.Outcome{State: state, Reason: fmt.Sprintf(format, args...)}}
}

// Run does once what there is to do. An error is the machine's own: its lock, its disk.
// What went wrong at the source or with services is in the result.
func (r *Runner) Run(ctx context.Context) (*Result, error) {
	sole, release, err := r.Node.Take()
	if errors.Is(err, fs.ErrNotExist) && r.Node.State().Absent() {
		return nil, ErrNotYet // not even a request was made here
	}
	if err != nil {
		return nil, err
	}
	defer release()
	r.node = sole
	if err := r.recall(); err != nil {
		return nil, err
	}
	result := &Result{}
	err = r.run(ctx, result)
	var end *stopped
	switch {
	case errors.As(err, &end):
		r.end(result, end.Outcome)
	case err != nil:
		if ctx.Err() == nil { // whoever is stopped goes on at the next run
			r.end(result, statement.Outcome{State: statement.Failed, Reason: err.Error()})
			err = errors.Join(err, r.keep())
		}
		return result, err
	default:
		r.end(result, result.Outcome)
	}
	return result, r.keep()
}

func (r *Runner) end(result *Result, o statement.Outcome) {
	if o.Sequence == 0 {
		o.Sequence, o.Bundle = result.Sequence, result.Bundle
	}
	o.Verified = r.memory.Verified
	result.Outcome = o
	r.memory.Outcome, r.memory.Ran = o, r.node.Now().UTC().Truncate(time.Second)
}

func (r *Runner) run(ctx context.Context, result *Result) error {
	if err := r.begin(); err != nil {
		return err
	}
	if r.memory.Pending != nil {
		if r.DryRun {
			return stop(
				statement.Waiting,
				"sequence %d was interrupted; the next run that may write goes on with it",
				r.memory.Pending.Sequence,
			)
		}
		r.Say(
			"going on with sequence %d, which was interrupted in phase %s",
			r.memory.Pending.Sequence,
			r.memory.Pending.Phase,
		)
		if done, err := r.resume(ctx, result); err != nil || done {
			return err
		}
	}
	b, err := r.fetch(ctx, result)
	if err != nil || b == nil {
		return err
	}
	return r.take(ctx, b, result)
}

// begin looks at the node, and puts right what was interrupted.
func (r *Runner) begin() error {
	if !r.DryRun {
		finished, err := r.node.Recover()
		if err != nil {
			return err
		}
		if finished != "" {
			r.Say("finished the %s that had been interrupted", finished)
		}
	}
	pins, err := r.node.State().Pins()
	if err != nil {
		return err
	}
	if pins == nil {
		return ErrNotYet
	}
	b, err := r.node.Bundle()
	if err != nil {
		return err
	}
	var cluster kubepki.Cluster
	var who kubepki.Node
	if b != nil {
		r.learn(b)
		if facts, err := b.Facts(); err == nil {
			cluster, who = facts.Cluster, facts.Node
		}
	}
	r.services, r.members, err = r.Services(cluster, who)
	return err
}

// fetch reads this node's bundle; nil when what is there is known and in place.
func (r *Runner) fetch(ctx context.Context, result *Result) (*bundle.Bundle, error) {
	pins, err := r.node.State().Pins()
	if err != nil {
		return nil, err
	}
	name := pins.Node + ".tar"
	known := r.memory.Validator
	if r.node.Now().Sub(r.memory.Verified) > wholeEvery || r.memory.Failed != nil {
		known = fetch.Validator{}
	}
	data, validator, err := r.Place.Get(ctx, name, known)
	switch {
	case errors.Is(err, fetch.ErrUnchanged):
		r.Say("%s has nothing newer than sequence %d", r.Place, pins.HighestSequence)
		result.State = statement.Current
		return nil, nil
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, stop(statement.Absent, "nothing could be fetched from %s: %v", r.Place, err)
	}
	b, err := bundle.Parse(name, data)
	if err != nil {
		return nil, stop(statement.Refused, "what %s holds: %v", r.Place, err)
	}
	sum := fingerprint.Of(b.Sums)
	result.Sequence, result.Bundle = b.Sequence, &sum
	r.memory.Validator = fetch.Validator{} // set once the bundle is dealt with
	if err := r.tried(b, pins); err != nil {
		return nil, err
	}
	r.fresh = validator
	return b, nil
}

// tried refuses a bundle that was in place on this node, and was rolled back.
func (r *Runner) tried(b *bundle.Bundle, pins *install.Pins) error {
	now, err := r.node.Bundle()
	if err != nil {
		return err
	}
	sum := fingerprint.Of(b.Sums)
	if sum != pins.HighestBundle || now == nil || fingerprint.Of(now.Sums) == sum {
		return nil
	}
	reason := "by hand; install it by hand, too, or publish a newer one"
	if f := r.memory.Failed; f != nil && f.Bundle == sum {
		reason = fmt.Sprintf("on %s, and is not tried again: %s", f.Time.Format(time.RFC3339), f.Reason)
	}
	return stop(statement.RolledBack, "sequence %d was rolled back %s", b.Sequence, reason)
}
