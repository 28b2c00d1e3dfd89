package next

import (
	"fmt"
	"slices"
	"strings"

	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
)

// moves finds out who is replaced by whom, and refuses a stage that is not the one
// that comes next by the last ceremony's plan.
func (r *rolling) moves() ([]Move, error) {
	last := r.chain.last()
	wanted, err := r.families()
	if err != nil {
		return nil, err
	}
	var moves []Move
	for _, family := range wanted {
		m, err := r.move(family)
		if err != nil {
			return nil, err
		}
		moves = append(moves, m)
	}
	version := last.plan.Cluster.KubernetesVersion
	several := r.Stage == Trust || r.Stage == Issue
	if slices.Contains(wanted, kubepki.KubernetesAuthority) && several && !kubepki.SeveralInKubeconfig(version) {
		return nil, &Refused{
			Err: fmt.Errorf(
				"the cluster is of Kubernetes %s, whose kubeadm takes a kubeconfig with exactly one authority in it, byte "+
					"for byte the first of ca.crt; "+
					"during a rollover kubeconfigs hold two",
				version,
			),
			Hints: append(by(UpgradeFirst), by(EtcdFirst)...),
		}
	}
	return moves, nil
}

// families are those that the authority asked for stands for.
func (r *rolling) families() ([]kubepki.Authority, error) {
	last := r.chain.last()
	var out []kubepki.Authority
	for _, f := range plan.Families {
		if last.plan.Plan.Issuing(f) != nil && (f != kubepki.Root || r.Authority == "root") {
			out = append(out, f)
		}
	}
	same := r.Stage == SameKey
	if r.Authority == "all" || r.Authority == "root" && !same {
		return out, nil
	}
	a := last.authority(r.Authority)
	if a == nil {
		var names []string
		for _, a := range last.plan.Plan.Authorities {
			names = append(names, a.Name)
		}
		return nil, refuse("no authority %s in the last ceremony's plan; it has %s", r.Authority, strings.Join(names, ", "))
	}
	if a.Family != kubepki.Root || same {
		return []kubepki.Authority{a.Family}, nil
	}
	return nil, &Refused{
		Err: fmt.Errorf("%s is a root: its successor certifies intermediates of its own, so they go together",
			r.Authority),
		Hints: by(WithRoot),
	}
}

// move is one family's, by what the last plan has of it.
func (r *rolling) move(family kubepki.Authority) (Move, error) {
	last := r.chain.last().plan.Plan
	issuing := last.Issuing(family).Name
	var trusted []string
	for _, a := range last.Authorities {
		if a.Family == family && a.Use == plan.Trust {
			trusted = append(trusted, a.Name)
		}
	}
	if r.Stage == SameKey {
		if slices.Contains(trusted, r.Authority) {
			return Move{}, refuse(
				"%s is only trusted; a later end for the key there is, only one that issues gets",
				r.Authority,
			)
		}
		return Move{family, issuing, ""}, nil
	}
	refused := func(next Stage, format string, args ...any) (Move, error) {
		return Move{}, stageRefused(next, "stage %s: %s", r.Stage, fmt.Sprintf(format, args...))
	}
	switch {
	case len(trusted) > 1:
		return refused("", "beside %s nodes trust %s; finish one rollover at a time", issuing, strings.Join(trusted, ", "))
	case len(trusted) == 0 && r.Stage == Trust:
		return Move{family, issuing, r.chain.successor(issuing)}, nil
	case len(trusted) == 0:
		return refused(Trust, "nodes trust none beside %s; the first stage is trust", issuing)
	}
	other := trusted[0]
	comes := r.chain.madeBefore(issuing, other) // else it goes
	switch {
	case r.Stage == Trust && comes:
		return refused(Issue, "nodes trust %s already; the next stage is issue", other)
	case r.Stage == Trust:
		return refused(Drop, "nodes still trust %s; finish that rollover first", other)
	case r.Stage == Issue && comes:
		return Move{family, issuing, other}, nil
	case r.Stage == Issue:
		return refused(Drop, "%s issues already; the next stage is drop", issuing)
	case comes:
		return refused(Issue, "leaves are by %s still; the next stage is issue", issuing)
	}
	return Move{family, other, issuing}, nil
}

// madeBefore says whether authority a is older than b: by the first ceremony that
// has it, else by when its certificate begins.
func (c Chain) madeBefore(a, b string) bool {
	last := c.last()
	adopted := func(name string) bool {
		x := last.authority(name)
		return x != nil && x.Adopted
	}
	if adopted(a) != adopted(b) { // what no ceremony made was there first
		return adopted(a)
	}
	for _, p := range slices.Backward(c.all) { // oldest first
		if has := p.authority(a) != nil; has != (p.authority(b) != nil) {
			return has
		}
	}
	x, y := last.certificate(a), last.certificate(b)
	return x != nil && y != nil && x.NotBefore.Before(y.NotBefore)
}

// stageRefused refuses a stage, and names the one that comes first; empty: none does.
func stageRefused(next Stage, format string, args ...any) error {
	refused := &Refused{Err: fmt.Errorf(format, args...)}
	if next != "" {
		refused.Hints = by(NextStage, string(next))
	}
	return refused
}
