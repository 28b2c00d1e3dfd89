package next

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/install"
	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
	"officiant/signer"
)

const (
	day             = 24 * time.Hour
	authorityLife   = 10 * 365 * day
	rootLife        = 2 * authorityLife
	leastSuccession = 2 * 365 * day
)

// Move is one family's authority and its successor.
type Move struct {
	Family    kubepki.Authority
	Old, Next string
}

// generation is what the stages of an authority have in common.
type generation struct {
	chain    Chain
	moves    []Move
	now      time.Time
	validity plan.Duration // of a certificate for the same key; zero: the default
}

// each has a line for each family.
func (g generation) each(out *Rollover, says func(Move) string) {
	out.Moves = g.moves
	for _, m := range g.moves {
		out.Says = append(out.Says, fmt.Sprintf("%s: %s", m.Family, says(m)))
	}
}

// places finds a family's authority and its successor in a plan.
func (m Move) places(p *plan.NewOptions) (old, next int) {
	return slices.IndexFunc(p.Authorities, func(a plan.Authority) bool { return a.Name == m.Old }),
		slices.IndexFunc(p.Authorities, func(a plan.Authority) bool { return a.Name == m.Next })
}

// trustGeneration makes successors, which nodes trust beside those that issue.
type trustGeneration struct{ generation }

func (g trustGeneration) describe(out *Rollover) {
	g.each(out, func(m Move) string { return m.Old + " issues, nodes learn to trust " + m.Next })
	for _, m := range g.moves {
		out.Keys = append(out.Keys, m.Next)
	}
}

func (g trustGeneration) lags(*Previous, *install.Status) string { return "" }

func (g trustGeneration) apply(p *plan.NewOptions) error {
	root := ""
	for _, m := range g.moves {
		if m.Family == kubepki.Root {
			root = m.Next
		}
	}
	for _, m := range g.moves {
		next, err := g.next(m, root)
		if err != nil {
			return err
		}
		i, _ := m.places(p)
		p.Authorities = slices.Insert(p.Authorities, i+1, next)
	}
	return nil
}

// next is the authority that is to follow, as the one it follows was made.
func (g generation) next(m Move, root string) (plan.Authority, error) {
	last := g.chain.last()
	a := plan.Authority{
		Name:     m.Next,
		Family:   m.Family,
		Use:      plan.Trust,
		Key:      plan.Key{Create: last.plan.Algorithm(m.Old)},
		Evidence: last.evidence(m.Old),
	}
	a.Subject.Organization = last.organization(m.Old)
	if m.Family == kubepki.Root {
		a.Validity = plan.Duration(g.chain.authorityLife(m.Old, m.Family))
		return a, nil
	}
	life := g.chain.authorityLife(m.Old, m.Family)
	if root != "" {
		a.Root = root
	} else {
		name := last.plan.Plan.Issuing(kubepki.Root).Name
		left := last.certificate(name).NotAfter.Sub(g.now) - day
		if left < leastSuccession {
			return a, &Refused{
				Err: fmt.Errorf(
					"%s itself ends on %s, too soon for an authority below it",
					name,
					g.now.Add(left+day).UTC().Format(time.DateOnly),
				),
				Hints: append(by(WithRoot), by(SameKeyLater, name)...),
			}
		}
		life = min(life, left.Truncate(day))
	}
	a.Validity = plan.Duration(life)
	return a, nil
}

// organization is an authority's, where it is not the default; nil else.
func (l *Previous) organization(authority string) *[]string {
	a, c := l.authority(authority), l.certificate(authority)
	if a == nil || a.Adopted || c == nil || slices.Equal(c.Subject.Organization, []string{l.Open.Cluster}) {
		return nil
	}
	return &c.Subject.Organization
}

func (l *Previous) evidence(authority string) signer.Grade {
	if a := l.authority(authority); a != nil {
		return a.Evidence
	}
	return ""
}

// issueGeneration has successors issue; nodes still trust those before.
type issueGeneration struct{ generation }

func (g issueGeneration) describe(out *Rollover) {
	g.each(out, func(m Move) string { return m.Next + " issues, nodes still trust " + m.Old })
}

func (g issueGeneration) lags(made *Previous, _ *install.Status) string {
	for _, m := range g.moves {
		if made.authority(m.Next) == nil {
			return notTrusted(m)
		}
	}
	return ""
}

func notTrusted(m Move) string {
	return fmt.Sprintf("it does not trust %s: no bundle of the stage before was made for it", m.Next)
}

// oneAtATime allows any number where nodes do not show each other certificates by these
// authorities.
func (g generation) oneAtATime(nodes []kubepki.Node, late []string) error {
	if len(g.moves) > 0 && g.apiServersAlone() {
		return nil
	}
	return oneAtATime(nodes, late)
}

func (g issueGeneration) mayLag(nodes []kubepki.Node, late []string) error {
	return g.oneAtATime(nodes, late)
}

func (g issueGeneration) apply(p *plan.NewOptions) error {
	for _, m := range g.moves {
		i, j := m.places(p)
		spki, err := fingerprint.SPKI(g.chain.last().certificate(m.Next).PublicKey)
		if err != nil {
			return err
		}
		p.Authorities[i].Use, p.Authorities[i].Key = plan.Trust, plan.Key{}
		p.Authorities[j].Use, p.Authorities[j].Key = plan.Issue, plan.Key{Existing: spki}
	}
	return nil
}

// dropGeneration has nodes trust the successors alone.
type dropGeneration struct{ generation }

func (g dropGeneration) describe(out *Rollover) {
	g.each(out, func(m Move) string { return m.Next + " issues, nodes trust " + m.Old + " no more" })
}

func (g dropGeneration) lags(made *Previous, _ *install.Status) string {
	for _, m := range g.moves {
		switch a := made.authority(m.Next); {
		case a == nil:
			return notTrusted(m)
		case a.Use != plan.Issue:
			return fmt.Sprintf("its certificates are by %s still: no bundle of the stage before was made for it", m.Old)
		}
	}
	return ""
}

func (g dropGeneration) mayLag(nodes []kubepki.Node, late []string) error {
	return g.oneAtATime(nodes, late)
}

func (g dropGeneration) apply(p *plan.NewOptions) error {
	for _, m := range g.moves {
		i, _ := m.places(p)
		p.Authorities = slices.Delete(p.Authorities, i, i+1)
	}
	return nil
}

// sameKey gives authorities another certificate for the key they have.
type sameKey struct{ generation }

func (g sameKey) describe(out *Rollover) {
	g.each(out, func(m Move) string { return m.Old + " gets another certificate for its key" })
}

func (g sameKey) lags(*Previous, *install.Status) string { return "" }

func (g sameKey) apply(p *plan.NewOptions) error {
	last := g.chain.last()
	for _, m := range g.moves {
		i, _ := m.places(p)
		a := &p.Authorities[i]
		a.Renews, a.Certificate = a.Certificate, ""
		life := g.chain.authorityLife(m.Old, m.Family)
		if a.Family != kubepki.Root {
			root := last.plan.Plan.Issuing(kubepki.Root).Name
			life = min(life, (last.certificate(root).NotAfter.Sub(g.now) - day).Truncate(day))
		}
		if a.Validity = plan.Duration(life); g.validity != 0 {
			a.Validity = g.validity
		}
	}
	return nil
}

// successor is the name of the next generation, which no ceremony has used:
// kubernetes-2 after kubernetes.
func (c Chain) successor(name string) string {
	base, n := name, 1
	if i := strings.LastIndexByte(name, '-'); i > 0 {
		if k, err := strconv.Atoi(name[i+1:]); err == nil && k > 0 && k < plan.MostCeremonies {
			base, n = name[:i], k
		}
	}
	for {
		n++
		next := fmt.Sprintf("%s-%d", base, n)
		if !slices.ContainsFunc(c.all, func(p *Previous) bool { return p.authority(next) != nil }) {
			return next
		}
	}
}
