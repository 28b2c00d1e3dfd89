package next

import (
	"errors"
	"fmt"
	"slices"

	"officiant/bundle/fingerprint"
	"officiant/bundle/install"
	"officiant/ceremony/plan"
	"officiant/signer"
)

// releaseStage is a stage in which the release key is replaced.
func (r *rolling) releaseStage() (stage, error) {
	last := r.chain.last()
	was := last.plan.Plan.Release
	next := r.chain.nextRelease(was.Name)
	switch {
	case r.Stage == Lost:
		return lostRelease{was, next, last.plan.Algorithm(was.Name)}, nil
	case r.Stage == Drop:
		return nil, refuse(
			"stage drop: each node leaves the old release key by itself, with the first bundle by the new one",
		)
	case r.Stage == Trust && was.Successor.Name != "":
		return nil, stageRefused(Issue, "stage trust: the last ceremony announced %s already; the next stage is issue",
			was.Successor.Name)
	case r.Stage == Trust:
		return trustRelease{was, next, last.plan.Algorithm(was.Name)}, nil
	case was.Successor.Name == "":
		return nil, &Refused{
			Err:   errors.New("stage issue: the last ceremony announced no release key; the first stage is trust"),
			Hints: append(by(NextStage, string(Trust)), Hint{Way: ReleaseLost, Of: []string{was.Name}}),
		}
	}
	s := was.Successor
	return issueRelease{was.Name, s.Name, fingerprint.Of(last.releaseKey(s.Name, s.Key, s.Public))}, nil
}

// nextRelease is a name that no release key of these ceremonies had, nor an authority.
func (c Chain) nextRelease(name string) string {
	for {
		name = c.successor(name)
		if !slices.ContainsFunc(c.all, func(p *Previous) bool {
			r := p.plan.Plan.Release
			return r.Name == name || r.Successor.Name == name
		}) {
			return name
		}
	}
}

// trustRelease announces the next release key.
type trustRelease struct {
	was       plan.Release
	next      string
	algorithm signer.Algorithm
}

func (s trustRelease) describe(out *Rollover) {
	out.Says = []string{fmt.Sprintf("%s signs, nodes learn to take bundles by %s", s.was.Name, s.next)}
	out.Keys, out.Release = []string{s.next}, s.next
}

func (s trustRelease) lags(*Previous, *install.Status) string { return "" }

func (s trustRelease) apply(p *plan.NewOptions) error {
	p.Release.Successor = plan.Successor{Name: s.next, Key: plan.Key{Create: s.algorithm}, Evidence: s.was.Evidence}
	return nil
}

// issueRelease has the announced key sign.
type issueRelease struct {
	was, next string
	spki      fingerprint.SHA256 // of the next
}

func (s issueRelease) describe(out *Rollover) {
	out.Says = []string{fmt.Sprintf("%s signs, and a node that takes a bundle by it leaves %s", s.next, s.was)}
	out.Release = s.next
}

func (s issueRelease) lags(_ *Previous, status *install.Status) string {
	if status.Pins != nil && status.Pins.Release == s.spki || status.NextRelease != nil && *status.NextRelease == s.spki {
		return ""
	}
	return fmt.Sprintf("the bundle in place does not announce %s: no bundle of the stage before was made for it", s.next)
}

func (s issueRelease) apply(p *plan.NewOptions) error {
	n := p.Release.Successor
	p.Release = plan.Release{Name: n.Name, Key: n.Key, Public: n.Public, Evidence: n.Evidence}
	return nil
}

// lostRelease replaces a release key that is lost, in one stage.
type lostRelease struct {
	was       plan.Release
	next      string
	algorithm signer.Algorithm
}

func (s lostRelease) describe(out *Rollover) {
	out.Says = []string{
		fmt.Sprintf("%s is lost, and %s signs: nodes refuse it until its words are compared", s.was.Name, s.next),
	}
	out.Keys, out.Release = []string{s.next}, s.next
}

func (s lostRelease) lags(*Previous, *install.Status) string { return "" }

func (s lostRelease) apply(p *plan.NewOptions) error {
	p.Release = plan.Release{
		Name:     s.next,
		Key:      plan.Key{Create: s.algorithm},
		Evidence: s.was.Evidence,
		Lost:     p.Release.Key.Existing,
	}
	return nil
}
