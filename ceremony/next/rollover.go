package next

import (
	"slices"
	"time"

	"officiant/bundle/install"
	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
)

// Stage is one ceremony of a rollover.
type Stage string

// The stages of a rollover, in their order; and what stands in their place.
const (
	Trust   Stage = "trust"    // the successor is made, and nodes trust both
	Issue   Stage = "issue"    // the successor signs
	Drop    Stage = "drop"     // nodes trust the successor alone
	SameKey Stage = "same-key" // an authority gets another certificate for its key
	Lost    Stage = "lost"     // a release key that nobody has any more is replaced
)

// RolloverOptions say what is replaced: an authority, the service-account pair, or
// the release key.
type RolloverOptions struct {
	Authority string // its name, "all" or "root"
	Account   bool
	Release   bool
	Stage     Stage
	TokenLife time.Duration // of a service-account token
	Statuses  Statuses
	Lagging   []string // nodes that may go straight to this stage
}

// Rollover is a plan of one stage.
type Rollover struct {
	Proposal
	Ceremony *schedule.Ceremony
	Says     []string // what it does, a line each
	Keys     []string // that it makes, and the station needs a place for
	Late     []string // nodes that go straight to it
	Stale    []string // nodes whose kubelets have certificates that count no more after it
	Renewed  int      // certificates
	Carried  int
	Moves    []Move   // of authorities
	Former   []string // key ids of service-account keys that signed, and are not dropped yet
	Release  string   // the release key that comes
}

// stage is one ceremony in which something is replaced.
type stage interface {
	// describe says what it does, and what it makes.
	describe(*Rollover)
	// lags says how a node is not where the stage before leaves it; made is the
	// newest ceremony that made a bundle for it.
	lags(made *Previous, s *install.Status) string
	// apply makes a plan that of the stage.
	apply(*plan.NewOptions) error
}

// limited is a stage to which not every node can go straight.
type limited interface {
	mayLag(nodes []kubepki.Node, late []string) error
}

// rolling is a stage's plan in the making.
type rolling struct {
	*work
	RolloverOptions
	stage stage
}

// RolloverStage plans one stage in which an authority, or another key, is replaced.
func RolloverStage(chain Chain, o RolloverOptions, changes Changes) (*Rollover, error) {
	r := &rolling{
		work:            changes.begin(chain, 0),
		RolloverOptions: o,
	} // what has ended is made anew, and nothing else for its end
	if o.Stage == SameKey {
		r.Validity = 0 // it is the authority's
	}
	var err error
	if r.stage, err = r.find(changes.Validity); err != nil {
		return nil, err
	}
	if err := r.gather(); err != nil {
		return nil, err
	}
	r.nodes = slices.DeleteFunc(r.nodes, func(n requester) bool { return !r.concerns(n.node.Roles) })
	out := &Rollover{}
	r.stage.describe(out)
	if out.Late, out.Stale, err = r.gate(); err != nil {
		return nil, err
	}
	if err := r.draft(); err != nil {
		return nil, err
	}
	if err := r.online(out); err != nil {
		return nil, err
	}
	if err := r.stage.apply(r.p); err != nil {
		return nil, err
	}
	r.p.Grant = r.chain.grant(r.Now, r.p, r.p.Nodes, r.JournalKey) // by who issues from now on
	if out.Ceremony, err = r.settle(); err != nil {
		return nil, err
	}
	out.Proposal = r.proposal(out.Ceremony)
	out.Carried = carried(out.Ceremony)
	for range out.Ceremony.All(schedule.LeafCertificate) {
		out.Renewed++
	}
	return out, nil
}

// concerns says whether a node of these roles has anything of what is replaced.
func (r *rolling) concerns(roles []kubepki.Role) bool {
	narrow, ok := r.stage.(interface{ apiServersAlone() bool })
	return !r.Account && !(ok && narrow.apiServersAlone()) || slices.Contains(roles, kubepki.ControlPlane)
}

// find finds out what the asked for stage is, by what the last ceremony did.
func (r *rolling) find(validity plan.Duration) (stage, error) {
	switch {
	case r.Account:
		return r.accountStage()
	case r.Release:
		return r.releaseStage()
	}
	moves, err := r.moves()
	if err != nil {
		return nil, err
	}
	base := generation{r.chain, moves, r.Now, validity}
	switch r.Stage {
	case SameKey:
		return sameKey{base}, nil
	case Trust:
		return trustGeneration{base}, nil
	case Issue:
		return issueGeneration{base}, nil
	}
	if slices.ContainsFunc(moves, func(m Move) bool { return m.Family == kubepki.KubeletClientAuthority }) {
		return dropKubelets{dropGeneration{base}}, nil
	}
	return dropGeneration{base}, nil
}

// settle finds out what every node has to be made anew, and opens the plan as it
// would be written. Every node that it concerns is in it: each has to trust the same.
func (r *rolling) settle() (*schedule.Ceremony, error) {
	all, err := r.open()
	if err != nil {
		return nil, err
	}
	needed, err := r.due(all)
	if err != nil {
		return nil, err
	}
	for i := range r.p.Nodes {
		n := &r.p.Nodes[i]
		if n.Renews() {
			n.Renew = slices.DeleteFunc(n.Renew, func(leaf string) bool { return needed.why[n.Name][leaf] == "" })
		}
	}
	r.leaves()
	if err := r.issuers(all); err != nil {
		return nil, err
	}
	if err := r.roots(); err != nil {
		return nil, err
	}
	return r.open()
}
