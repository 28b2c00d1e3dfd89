package main

import (
	"fmt"
	"slices"

	"officiant/bundle/fingerprint"
	"officiant/bundle/install"
	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
	"officiant/cmd/internal/exit"
)

// releaseStage is a stage in which the release key is replaced.
func (o *rolloverOptions) releaseStage(chain []*predecessor) (*replacement, error) {
	was := chain[0].plan.Plan.Release
	r := &replacement{mayLag: func([]kubepki.Node, []string) error { return nil }, lags: func(*predecessor, *install.Status) string { return "" }}
	switch {
	case o.lost:
		return o.lostRelease(chain, r), nil
	case o.stage == stageDrop:
		return nil, refuse("--stage drop: each node leaves the old release key by itself, with the first bundle by the new one")
	case o.stage == stageTrust && was.Successor.Name != "":
		return nil, refuse("--stage trust: the last ceremony announced %s already; the next stage is --stage issue", was.Successor.Name)
	case o.stage == stageIssue && was.Successor.Name == "":
		return nil, refuse("--stage issue: the last ceremony announced no release key; the first stage is --stage trust. When %s is lost: --lost", was.Name)
	case o.stage == stageTrust:
		next := nextRelease(chain, was.Name)
		r.says = []string{fmt.Sprintf("%s signs, nodes learn to take bundles by %s", was.Name, next)}
		r.keys = []string{next}
		r.apply = func(p *plan.NewOptions) error {
			p.Release.Successor = plan.Successor{Name: next, Key: plan.Key{Create: chain[0].plan.Algorithm(was.Name)}, Evidence: was.Evidence}
			return nil
		}
		r.outside = func() error { return o.announced(next) }
		return r, nil
	}
	next := was.Successor
	r.says = []string{fmt.Sprintf("%s signs, and a node that takes a bundle by it leaves %s", next.Name, was.Name)}
	r.apply = func(p *plan.NewOptions) error {
		s := p.Release.Successor
		p.Release = plan.Release{Name: s.Name, Key: s.Key, Public: s.Public, Evidence: s.Evidence}
		return nil
	}
	spki := fingerprint.Of(chain[0].releaseKey(next.Name, next.Key, next.Public))
	r.lags = func(_ *predecessor, s *install.Status) string {
		if s.Pins != nil && s.Pins.Release == spki || s.NextRelease != nil && *s.NextRelease == spki {
			return ""
		}
		return fmt.Sprintf("the bundle in place does not announce %s: no bundle of the stage before was made for it", next.Name)
	}
	r.outside = func() error { return o.succeeded(next.Name) }
	return r, nil
}

// lostRelease is the one stage in which a lost release key is replaced.
func (o *rolloverOptions) lostRelease(chain []*predecessor, r *replacement) *replacement {
	was := chain[0].plan.Plan.Release
	next := nextRelease(chain, was.Name)
	r.says = []string{fmt.Sprintf("%s is lost, and %s signs: nodes refuse it until its words are compared", was.Name, next)}
	r.keys = []string{next}
	r.apply = func(p *plan.NewOptions) error {
		p.Release = plan.Release{Name: next, Key: plan.Key{Create: chain[0].plan.Algorithm(was.Name)}, Evidence: was.Evidence, Lost: p.Release.Key.Existing}
		return nil
	}
	r.outside = func() error {
		_, err := fmt.Fprintf(o.Stdout, `
The room reads the words of %s out when it is made. Whoever installs a bundle by it
compares them, by another way than its file came, and gives them once on each node:

    officiant-node install NODE.tar --release-key release.pub --new-release-key "WORDS"

Nothing by the lost key is taken there from then on. What it signed before stays as true
as the keeping of the key was: when somebody else may have it, no other node may take
a bundle by it any more.
`, next)
		return err
	}
	return r
}

// nextRelease is a name that no release key of these ceremonies had, nor an authority.
func nextRelease(chain []*predecessor, name string) string {
	for {
		name = successor(chain, name)
		if !slices.ContainsFunc(chain, func(p *predecessor) bool {
			r := p.plan.Plan.Release
			return r.Name == name || r.Successor.Name == name
		}) {
			return name
		}
	}
}

func (o *rolloverOptions) announced(next string) error {
	_, err := fmt.Fprintf(o.Stdout, `
Outside bundles, once this stage is installed:

- whoever keeps release.pub gets %[1]s beside it: officiant/release-next.pub of any bundle, or
  bundles/NODE/officiant/release-next.pub of the ceremony's directory, whose words the room read out
- a status shows that the node is ready for the next stage, as "announced":
    officiant-node status
- both keys are needed until all nodes have a bundle by %[1]s: keep the token of the old one
`, exit.Line(next))
	return err
}

func (o *rolloverOptions) succeeded(next string) error {
	_, err := fmt.Fprintf(o.Stdout, `
Outside bundles, once this stage is installed:

- release.pub of this ceremony's directory takes the place of the one that people and
  programs keep for officiant-node verify and install, and for officiant ceremony verify
- a node that missed the stage before installs its bundle of that first, or has the words of
  %s compared: officiant-node install --new-release-key "WORDS"
- a ceremony by it still verifies under the old key while the one that announced it is at hand:
    officiant ceremony verify DIR --previous DIR... --release-key OLD.pub
`, exit.Line(next))
	return err
}
