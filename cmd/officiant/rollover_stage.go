package main

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
	"officiant/cmd/internal/exit"
	"officiant/signer"
)

// move is one family's authority and its successor.
type move struct {
	family    kubepki.Authority
	old, next string
}

// says is what a stage does to the family.
func (m move) says(stage string) string {
	switch stage {
	case stageTrust:
		return fmt.Sprintf("%s: %s issues, nodes learn to trust %s", m.family, m.old, m.next)
	case stageIssue:
		return fmt.Sprintf("%s: %s issues, nodes still trust %s", m.family, m.next, m.old)
	case stageDrop:
		return fmt.Sprintf("%s: %s issues, nodes trust %s no more", m.family, m.next, m.old)
	}
	return fmt.Sprintf("%s: %s gets another certificate for its key", m.family, m.old)
}

// moves finds out who is replaced by whom, and refuses a stage that is not the
// one that comes next by the last ceremony's plan.
func (o *rolloverOptions) moves(chain []*predecessor) ([]move, error) {
	last := chain[0].plan.Plan
	wanted, err := o.families(last)
	if err != nil {
		return nil, err
	}
	var moves []move
	for _, family := range wanted {
		m, err := o.move(chain, family)
		if err != nil {
			return nil, err
		}
		moves = append(moves, m)
	}
	version := chain[0].plan.Cluster.KubernetesVersion
	if slices.Contains(wanted, kubepki.KubernetesAuthority) && !o.sameKey && o.stage != stageDrop && !kubepki.SeveralInKubeconfig(version) {
		return nil, &exit.Error{Code: exit.Refused,
			Err: fmt.Errorf("the cluster is of Kubernetes %s, whose kubeadm takes a kubeconfig with exactly one authority in it, byte for byte the first of ca.crt; "+
				"during a rollover kubeconfigs hold two", version),
			Hints: []string{
				"upgrade the cluster to v1.31.0 or later first, and take the new version into a plan: officiant ceremony renew --kubeadm FILE",
				"etcd and front-proxy stand in no kubeconfig, and can be replaced now: --authority etcd"}}
	}
	return moves, nil
}

// families are those that --authority names.
func (o *rolloverOptions) families(last *plan.Plan) ([]kubepki.Authority, error) {
	var out []kubepki.Authority
	for _, f := range allFamilies {
		if last.Issuing(f) != nil && (f != kubepki.Root || o.authority == "root") {
			out = append(out, f)
		}
	}
	if o.authority == "all" || o.authority == "root" && !o.sameKey {
		return out, nil
	}
	i := slices.IndexFunc(last.Authorities, func(a plan.Authority) bool { return a.Name == o.authority })
	if i < 0 {
		var names []string
		for _, a := range last.Authorities {
			names = append(names, a.Name)
		}
		return nil, refuse("no authority %s in the last ceremony's plan; it has %s", o.authority, strings.Join(names, ", "))
	}
	if f := last.Authorities[i].Family; f != kubepki.Root || o.sameKey {
		return []kubepki.Authority{f}, nil
	}
	return nil, refuse("%s is a root: its successor certifies intermediates of its own, so they go together: --authority root", o.authority)
}

// move is one family's, by what the last plan has of it.
func (o *rolloverOptions) move(chain []*predecessor, family kubepki.Authority) (move, error) {
	last := chain[0].plan.Plan
	issuing := last.Issuing(family).Name
	var trusted []string
	for _, a := range last.Authorities {
		if a.Family == family && a.Use == plan.Trust {
			trusted = append(trusted, a.Name)
		}
	}
	if o.sameKey && slices.Contains(trusted, o.authority) {
		return move{}, refuse("%s is only trusted; --same-key is for one that issues", o.authority)
	}
	if o.sameKey {
		return move{family, issuing, ""}, nil
	}
	refused := func(format string, args ...any) (move, error) {
		return move{}, refuse("--stage %s: %s", o.stage, fmt.Sprintf(format, args...))
	}
	switch {
	case len(trusted) > 1:
		return refused("beside %s nodes trust %s; finish one rollover at a time", issuing, strings.Join(trusted, ", "))
	case len(trusted) == 0 && o.stage == stageTrust:
		return move{family, issuing, successor(chain, issuing)}, nil
	case len(trusted) == 0:
		return refused("nodes trust none beside %s; the first stage is --stage trust", issuing)
	}
	other := trusted[0]
	comes := chain[0].madeBefore(chain, issuing, other) // else it goes
	switch {
	case o.stage == stageTrust && comes:
		return refused("nodes trust %s already; the next stage is --stage issue", other)
	case o.stage == stageTrust:
		return refused("nodes still trust %s; finish that rollover first: --stage drop", other)
	case o.stage == stageIssue && comes:
		return move{family, issuing, other}, nil
	case o.stage == stageIssue:
		return refused("%s issues already; the next stage is --stage drop", issuing)
	case comes:
		return refused("leaves are by %s still; the next stage is --stage issue", issuing)
	}
	return move{family, other, issuing}, nil
}

// madeBefore says whether authority a is older than b: by the first ceremony that
// has it, else by when its certificate begins.
func (l *predecessor) madeBefore(chain []*predecessor, a, b string) bool {
	adopted := func(name string) bool {
		return slices.ContainsFunc(l.plan.Plan.Authorities, func(x plan.Authority) bool { return x.Name == name && x.Adopted })
	}
	if adopted(a) != adopted(b) { // what no ceremony made was there first
		return adopted(a)
	}
	for _, p := range slices.Backward(chain) { // oldest first
		has := func(name string) bool {
			return slices.ContainsFunc(p.plan.Plan.Authorities, func(x plan.Authority) bool { return x.Name == name })
		}
		if has(a) != has(b) {
			return has(a)
		}
	}
	x, y := l.certificate(a), l.certificate(b)
	return x != nil && y != nil && x.NotBefore.Before(y.NotBefore)
}

// certificate is an authority's, as the ceremony left it; nil when it has none.
func (l *predecessor) certificate(name string) *x509.Certificate {
	if c := l.plan.Certificates[name]; c != nil {
		return c
	}
	for _, c := range l.record.Certificates() {
		if c.Name == name {
			return c.Certificate
		}
	}
	return nil
}

// successor is the name of the next generation, which no ceremony has used:
// kubernetes-2 after kubernetes.
func successor(chain []*predecessor, name string) string {
	base, n := name, 1
	if i := strings.LastIndexByte(name, '-'); i > 0 {
		if k, err := strconv.Atoi(name[i+1:]); err == nil && k > 0 {
			base, n = name[:i], k
		}
	}
	for {
		n++
		next := fmt.Sprintf("%s-%d", base, n)
		used := slices.ContainsFunc(chain, func(p *predecessor) bool {
			return slices.ContainsFunc(p.plan.Plan.Authorities, func(a plan.Authority) bool { return a.Name == next })
		})
		if !used {
			return next
		}
	}
}

// authorities makes a plan's authorities those of the stage.
func (o *rolloverOptions) authorities(p *plan.NewOptions, chain []*predecessor, moves []move) error {
	root := ""
	for _, m := range moves {
		if m.family == kubepki.Root {
			root = m.next
		}
	}
	for _, m := range moves {
		i := slices.IndexFunc(p.Authorities, func(a plan.Authority) bool { return a.Name == m.old })
		j := slices.IndexFunc(p.Authorities, func(a plan.Authority) bool { return a.Name == m.next })
		switch {
		case o.sameKey:
			if err := o.renewed(&p.Authorities[i], chain); err != nil {
				return err
			}
		case o.stage == stageTrust:
			next, err := o.next(chain, m, root)
			if err != nil {
				return err
			}
			p.Authorities = slices.Insert(p.Authorities, i+1, next)
		case o.stage == stageIssue:
			spki, err := fingerprint.SPKI(chain[0].certificate(m.next).PublicKey)
			if err != nil {
				return err
			}
			p.Authorities[i].Use, p.Authorities[i].Key = plan.Trust, plan.Key{}
			p.Authorities[j].Use, p.Authorities[j].Key = plan.Issue, plan.Key{Existing: spki}
		default:
			p.Authorities = slices.Delete(p.Authorities, i, i+1)
		}
	}
	return nil
}

const (
	day             = 24 * time.Hour
	authorityLife   = 10 * 365 * day
	rootLife        = 2 * authorityLife
	leastSuccession = 2 * 365 * day
)

// next is the authority that is to follow, as the one it follows was made.
func (o *rolloverOptions) next(chain []*predecessor, m move, root string) (plan.Authority, error) {
	a := plan.Authority{Name: m.next, Family: m.family, Use: plan.Trust,
		Key: plan.Key{Create: chain[0].plan.Algorithm(m.old)}, Evidence: evidenceOf(chain[0].plan.Plan, m.old)}
	if m.family == kubepki.Root {
		a.Validity = plan.Duration(rootLife)
		return a, nil
	}
	life := authorityLife
	if root != "" {
		a.Root = root
	} else {
		name := chain[0].plan.Plan.Issuing(kubepki.Root).Name
		left := chain[0].certificate(name).NotAfter.Sub(o.now) - day
		if left < leastSuccession {
			return a, &exit.Error{Code: exit.Refused, Err: fmt.Errorf("%s itself ends on %s, too soon for an authority below it", name, o.now.Add(left+day).UTC().Format(time.DateOnly)),
				Hints: []string{"replace the root, and all below it: --authority root", "or give it a later end: --authority " + name + " --same-key"}}
		}
		life = min(life, left.Truncate(day))
	}
	a.Validity = plan.Duration(life)
	return a, nil
}

// renewed has an authority get another certificate for its key.
func (o *rolloverOptions) renewed(a *plan.Authority, chain []*predecessor) error {
	a.Renews, a.Certificate = a.Certificate, ""
	life := authorityLife
	if a.Family == kubepki.Root {
		life = rootLife
	} else {
		root := chain[0].plan.Plan.Issuing(kubepki.Root).Name
		life = min(life, (chain[0].certificate(root).NotAfter.Sub(o.now) - day).Truncate(day))
	}
	a.Validity = plan.Duration(life)
	if o.validity != "" {
		return a.Validity.UnmarshalText([]byte(o.validity))
	}
	return nil
}

func evidenceOf(p *plan.Plan, name string) signer.Grade {
	for _, a := range p.Authorities {
		if a.Name == name {
			return a.Evidence
		}
	}
	return ""
}
