package update

import (
	"context"
	"crypto"
	"errors"
	"slices"
	"time"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
	"officiant/bundle/install"
	"officiant/bundle/kubepki"
	"officiant/bundle/statement"
)

const etcd = "etcd"

// take installs a bundle that is new to this node, and restarts what it names.
func (r *Runner) take(ctx context.Context, b *bundle.Bundle, result *Result) error {
	key, err := r.keyFor(b)
	if err != nil {
		return err
	}
	o := install.Options{Release: key, DryRun: true}
	report, err := r.node.Install(b, o)
	if err != nil {
		return refused(err)
	}
	sum := fingerprint.Of(b.Sums)
	if report.Already {
		r.Say("sequence %d is in place already", b.Sequence)
		return r.inPlace(sum, result)
	}
	restart := r.running(ctx, report.Notices)
	result.Installed, result.Restart = report, restart
	if r.DryRun {
		return stop(statement.Waiting, "sequence %d would be installed; nothing was written", b.Sequence)
	}
	if slices.Contains(restart, etcd) {
		release, err := r.gate(ctx, b.Node)
		if err != nil {
			return err
		}
		defer release()
	}
	r.memory.Pending = &pending{Bundle: sum, Sequence: b.Sequence, Phase: phaseInstall, Restart: restart}
	if err := r.keep(); err != nil {
		return err
	}
	r.Say("installing sequence %d", b.Sequence)
	o.DryRun = false
	if result.Installed, err = r.node.Install(b, o); err != nil {
		return refused(err)
	}
	r.memory.Validator, r.memory.Verified = r.fresh, r.node.Now().UTC().Truncate(time.Second)
	r.memory.Pending.Phase = phaseRestart
	if err := r.keep(); err != nil {
		return err
	}
	return r.restart(ctx, result)
}

// inPlace ends a run that found the newest bundle installed.
func (r *Runner) inPlace(sum fingerprint.SHA256, result *Result) error {
	if f := r.memory.Failed; f != nil && f.Bundle == sum {
		r.memory.Failed = nil // a person installed it after all
	}
	r.memory.Validator, r.memory.Verified = r.fresh, r.node.Now().UTC().Truncate(time.Second)
	result.State = statement.Current
	return nil
}

// refused makes an outcome of an install's refusal; what the machine does stays an error.
func refused(err error) error {
	var own *install.Refused
	if errors.As(err, &own) || len(bundle.Refusals(err)) > 0 {
		return stop(statement.Refused, "%v", err)
	}
	return err
}

// keyFor finds the release key that signed a bundle among those that the node takes.
func (r *Runner) keyFor(b *bundle.Bundle) (crypto.PublicKey, error) {
	keys := r.keys()
	if len(keys) == 0 {
		return nil, errors.New("no release key was given")
	}
	var first error
	for _, key := range keys {
		reason, err := r.node.Takes(key)
		if err != nil {
			return nil, err
		}
		if err := b.CheckSignature(key); err != nil {
			if first == nil || reason == "" {
				first = err
			}
			continue
		}
		if reason == "" {
			return key, nil
		}
		first = errors.New(reason)
	}
	return nil, stop(statement.Refused, "%v", first)
}

// running are the services that have to be restarted and do run here, in their order.
func (r *Runner) running(ctx context.Context, notices []install.Notice) []string {
	var list []string
	for _, s := range kubepki.Services() {
		i := slices.IndexFunc(notices, func(n install.Notice) bool { return n.Component == s.Name })
		if i >= 0 && len(notices[i].Restart) > 0 && r.services.Runs(ctx, s) {
			list = append(list, s.Name)
		}
	}
	return list
}

// gate waits for nobody: it fails unless all other members of etcd are well, and no
// other node restarts its own.
func (r *Runner) gate(ctx context.Context, node string) (release func(), err error) {
	s, _ := kubepki.ServiceNamed(etcd)
	if err := r.services.Well(ctx, s); err != nil {
		return nil, stop(statement.Waiting, "nothing was begun: this node's etcd is not well: %v", err)
	}
	if err := r.members.Others(ctx); err != nil {
		return nil, stop(statement.Waiting, "nothing was begun: %v", err)
	}
	return r.lock(ctx, node)
}

func (r *Runner) lock(ctx context.Context, node string) (func(), error) {
	unlock, err := r.members.Lock(ctx, node)
	if err != nil {
		return nil, stop(statement.Waiting, "nothing was begun: %v", err)
	}
	return func() {
		if err := unlock(context.WithoutCancel(ctx)); err != nil {
			r.Say("the lock in etcd could not be given back, and ends by itself: %v", err)
		}
	}, nil
}
