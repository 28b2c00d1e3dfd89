package update

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/install"
	"officiant/bundle/kubepki"
	"officiant/bundle/statement"
)

// between is how long a service is left alone before it is asked again.
const between = 2 * time.Second

// resume goes on with what an earlier run began. It returns false when there is nothing
// left of that, and the place is to be asked.
func (r *Runner) resume(ctx context.Context, result *Result) (done bool, err error) {
	p := r.memory.Pending
	result.Sequence, result.Bundle = p.Sequence, &p.Bundle
	here, err := r.has(p.Bundle)
	if err != nil {
		return true, err
	}
	forward := p.Phase == phaseInstall || p.Phase == phaseRestart
	if forward && !here {
		r.Say("sequence %d is not in place; it begins anew", p.Sequence)
		r.memory.Pending, r.memory.Validator = nil, r.fresh
		return false, r.keep()
	}
	if slices.Contains(p.Restart, etcd) {
		release, err := r.again(ctx)
		if err != nil {
			return true, err
		}
		defer release()
	}
	switch {
	case forward:
		p.Phase = phaseRestart
		return true, r.restart(ctx, result)
	case here:
		return true, r.back(ctx, p.Reason)
	}
	return true, r.settle(ctx)
}

// again is gate for a run that goes on. An etcd of this node that is down already is
// not in anybody's way: it has to come up.
func (r *Runner) again(ctx context.Context) (func(), error) {
	s, _ := kubepki.ServiceNamed(etcd)
	if r.services.Well(ctx, s) != nil {
		return func() {}, nil
	}
	pins, err := r.node.State().Pins()
	if err != nil {
		return nil, err
	}
	return r.gate(ctx, pins.Node)
}

func (r *Runner) has(sum fingerprint.SHA256) (bool, error) {
	b, err := r.node.Bundle()
	return b != nil && fingerprint.Of(b.Sums) == sum, err
}

// restart restarts what the bundle in place names, one service after the other, and goes
// back when one is not well.
func (r *Runner) restart(ctx context.Context, result *Result) error {
	p := r.memory.Pending
	for _, name := range p.Restart {
		err := r.bring(ctx, name)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return r.back(ctx, err.Error())
		}
		if !slices.Contains(result.Restart, name) {
			result.Restart = append(result.Restart, name)
		}
	}
	r.memory.Pending, r.memory.Failed = nil, nil
	result.State = statement.Installed
	r.Say("sequence %d is installed, and what it named is well", p.Sequence)
	return nil
}

// bring restarts a service and waits until it is well.
func (r *Runner) bring(ctx context.Context, name string) error {
	s, ok := kubepki.ServiceNamed(name)
	if !ok {
		return fmt.Errorf("%.100q is no service that is restarted", name)
	}
	r.Say("restarting %s", name)
	if err := r.services.Restart(ctx, s); err != nil {
		return fmt.Errorf("restarting %s: %w", name, err)
	}
	var last error
	for waited := time.Duration(0); ; waited += between {
		if last = r.services.Well(ctx, s); last == nil {
			r.Say("%s is well", name)
			return nil
		}
		if waited >= r.Patience {
			return fmt.Errorf("%s is not well %s after its restart: %w", name, r.Patience, last)
		}
		if err := r.Wait(ctx, between); err != nil {
			return err
		}
	}
}

// back brings the files of before back.
func (r *Runner) back(ctx context.Context, reason string) error {
	p := r.memory.Pending
	p.Phase, p.Reason = phaseBack, reason
	if err := r.keep(); err != nil {
		return err
	}
	r.Say("%s; rolling back sequence %d", reason, p.Sequence)
	_, err := r.node.Rollback(false)
	if errors.Is(err, install.ErrNoWayBack) {
		return fmt.Errorf("sequence %d cannot be rolled back, there is nothing to go back to: %s", p.Sequence, reason)
	}
	if err != nil {
		return err
	}
	return r.settle(ctx)
}

// settle restarts what reads the files that came back, and ends the bundle for good.
func (r *Runner) settle(ctx context.Context) error {
	p := r.memory.Pending
	p.Phase = phaseSettle
	if err := r.keep(); err != nil {
		return err
	}
	reason := p.Reason
	for _, name := range p.Restart {
		err := r.bring(ctx, name)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			reason += fmt.Sprintf("; with the files of before: %v", err)
		}
	}
	r.memory.Failed = &failure{p.Bundle, p.Sequence, r.node.Now().UTC().Truncate(time.Second), reason}
	r.memory.Pending = nil
	return stop(statement.RolledBack, "sequence %d was rolled back: %s", p.Sequence, reason)
}
