package next

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubeadm"
	"officiant/bundle/kubepki"
	"officiant/bundle/nearest"
	"officiant/bundle/request"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
)

// Changes are what any plan that continues a chain may have otherwise than the
// ceremony before it.
type Changes struct {
	Desk
	Name     string    // the plan's; empty: CLUSTER-SEQUENCE
	Requests *Requests // of nodes that join, or get new keys; nil: none
	Nodes    []string  // these alone; empty: all
	// Families are those whose certificates are renewed; empty: all. Who sent a request
	// gets everything by it.
	Families []kubepki.Authority
	Without  []string      // nodes that the plan leaves out for now; they stay members
	Left     []string      // nodes that have left the cluster for good, from now on
	Journal  *Journal      // of the online signer; nil: none is taken in
	Kubeadm  *File         // the cluster's present facts; nil: those of the last ceremony
	Validity plan.Duration // of new leaves; zero: as in the last ceremony
	Online
}

// work is a plan in the making that continues a chain.
type work struct {
	Changes
	chain Chain
	in    *inputs
	until time.Time // what ends before is made anew
	nodes []requester
	notes []string
	p     *plan.NewOptions
	file  *kubeadm.Config    // the cluster's present facts; nil: those of the last ceremony
	added []string           // authorities that the cluster gets
	last  *schedule.Ceremony // the plan as it was opened before; nil: it was not
}

func (c Changes) begin(chain Chain, within time.Duration) *work {
	return &work{Changes: c, chain: chain, in: &inputs{desk: c.Desk}, until: c.Now.Add(within)}
}

// gather finds the nodes that the plan may be about: who sent a request, and all
// that had certificates before, each as its last ceremony knew it.
func (w *work) gather() error {
	asked := map[string]bool{}
	if w.Requests != nil {
		var err error
		if w.nodes, w.notes, err = w.Requests.requesters(w.in); err != nil {
			return err
		}
		w.chain.vouch(w.nodes)
		for i := range w.nodes {
			asked[w.nodes[i].node.Name] = true
			w.chain.known(&w.nodes[i].node)
		}
	}
	seen := map[string]bool{}
	for _, p := range w.chain.all {
		for _, n := range p.plan.Plan.Nodes {
			if seen[n.Name] {
				continue
			}
			seen[n.Name] = true
			only := slices.Contains(w.Nodes, n.Name)
			if asked[n.Name] || slices.Contains(w.Without, n.Name) || slices.Contains(w.Left, n.Name) ||
				len(w.Nodes) > 0 && !only {
				continue
			}
			if how, left := w.chain.Left(n.Name); left {
				if only {
					return &Refused{Err: fmt.Errorf("node %s has left the cluster: %s", n.Name, how),
						Hints: by(NewRequests)}
				}
				continue
			}
			r, err := w.granted(p, n)
			if err != nil {
				return err
			}
			w.nodes = append(w.nodes, r)
		}
	}
	return w.named(seen, asked)
}

// named checks the nodes that are named one by one: each is known, and named for one thing.
func (w *work) named(seen, asked map[string]bool) error {
	for _, name := range slices.Concat(w.Nodes, w.Without, w.Left) {
		out := slices.Contains(w.Without, name) || slices.Contains(w.Left, name)
		switch {
		case !seen[name] && !asked[name]:
			return refuse("no node %s in these ceremonies%s", name, nearest.Hint(name, maps.Keys(seen)))
		case slices.Contains(w.Without, name) && slices.Contains(w.Left, name):
			return refuse(
				"node %s is to be left out for now, and has left for good: it is one of them",
				name,
			)
		case slices.Contains(w.Left, name) && (asked[name] || slices.Contains(w.Nodes, name)):
			return refuse("node %s has left for good, and is asked for as well", name)
		case out && (asked[name] || slices.Contains(w.Nodes, name)):
			return refuse("node %s is to be left out, and asked for as well", name)
		}
		if how, left := w.chain.Left(name); left && slices.Contains(w.Left, name) {
			return refuse("node %s has left already: %s", name, how)
		}
	}
	return nil
}

// granted is a node with the request it has its certificates by.
func (w *work) granted(p *Previous, n plan.Node) (requester, error) {
	n.Host, n.Fingerprint, n.Sealed = "", [32]byte{}, ""
	granted := p.plan.Requests[n.Name]
	if granted == nil { // its keys were made for it
		return requester{node: n}, nil
	}
	was := n.Request
	n.Request = fmt.Sprintf("%s/%s.req", p.prefix, n.Name)
	n.Renew = nil
	for _, k := range granted.Keys {
		n.Renew = append(n.Renew, k.Name)
	}
	return requester{node: n, granted: granted}, w.in.addFrom(n.Request, p.folder, was, p.plan.Sums[was])
}

// draft continues the last ceremony with the nodes gathered.
func (w *work) draft() error {
	last := w.chain.last()
	w.p = &plan.NewOptions{
		Name:      w.Name,
		OnlyThese: true,
		Left:      w.Left,
		Leaves:    plan.Leaves{Validity: candidate},
		People:    last.plan.People,
	}
	if w.p.Name == "" {
		w.p.Name = planName(last.Open.Cluster, last.Open.Sequence+1)
	}
	if err := w.facts(); err != nil {
		return err
	}
	if err := w.knownHosts(); err != nil {
		return err
	}
	var err error
	if w.p.Previous, err = w.chain.previous(w.in); err != nil {
		return err
	}
	if w.p.Journals, err = w.Journal.place(w.in, w.chain); err != nil {
		return err
	}
	if err := last.authorities(w.p, w.in, true); err != nil {
		return err
	}
	if err := last.release(w.p, w.in); err != nil {
		return err
	}
	if err := w.chain.serviceAccount(w.p, w.in, w.nodes); err != nil {
		return err
	}
	for _, n := range w.nodes {
		w.p.Nodes = append(w.p.Nodes, n.node)
	}
	if err := w.addOnline(); err != nil {
		return err
	}
	w.p.Grant = w.chain.grant(w.Now, w.p, w.p.Nodes, w.JournalKey)
	return nil
}

// facts are the cluster's as the last ceremony knew them, or those of another
// kubeadm file beside what only a plan can say.
func (w *work) facts() error {
	last := w.chain.last()
	w.p.Cluster = last.plan.Plan.Cluster
	w.p.Cluster.Kubeadm = ""
	if w.Kubeadm == nil {
		return nil
	}
	config, err := clusterConfig(*w.Kubeadm)
	if err != nil {
		return err
	}
	w.file = config
	c := w.p.Cluster
	w.p.Cluster = plan.Cluster{Name: c.Name, Naming: c.Naming, Overrides: c.Overrides, Extra: c.Extra}
	w.notes = append(w.notes, keep(&w.p.Cluster, config, last)...)
	if config.ClusterName != "" && config.ClusterName != c.Name {
		return refuse("%s: is of cluster %s, these ceremonies are of %s", w.Kubeadm.Name, config.ClusterName, c.Name)
	}
	w.p.Cluster.Kubeadm, err = w.in.place(*w.Kubeadm, fmt.Sprintf("kubeadm-%d.yaml", last.Open.Sequence+1))
	return err
}

// opened are the requests of the nodes gathered, which are not opened again.
func (w *work) opened() map[string]*request.Opened {
	out := map[string]*request.Opened{}
	for _, n := range w.nodes {
		if n.request != nil {
			out[n.node.Name] = n.request
		}
	}
	return out
}

// open reads the plan as it would be written, before anything is.
func (w *work) open() (*schedule.Ceremony, error) {
	text, err := plan.New(*w.p)
	if err != nil {
		return nil, err
	}
	// What was read of the ceremonies before is not read again, and what a request proved then,
	// or when the plan was opened before, it does not have to prove again.
	c, err := schedule.OpenFS(&overlay{text, w.in, w.Folder}, plan.File,
		schedule.Options{Now: w.Now, Opened: w.opened(), Past: w.chain.History, Proven: w.proven(), Lean: true})
	if err == nil {
		w.last = c
	}
	var invalid *plan.Invalid
	if !errors.As(err, &invalid) {
		return c, err
	}
	refused := &Refused{Hints: []Hint{{Way: NewRequests}, {Way: NewKubeadm}, {Way: LeaveOut}}}
	for _, problem := range invalid.Problems {
		refused.Err = errors.Join(refused.Err, errors.New(problem.Message))
	}
	return nil, refused
}

// proven are the plans that were opened so far.
func (w *work) proven() []*schedule.Ceremony {
	var plans []*schedule.Ceremony
	for _, p := range w.chain.all {
		plans = append(plans, p.plan)
	}
	if w.last != nil {
		plans = append(plans, w.last)
	}
	return plans
}

// knownHosts carries over which SSH host key is whose, for requests that were sent.
func (w *work) knownHosts() error {
	file := w.chain.knownHosts()
	if file == nil {
		return nil
	}
	asked := slices.DeleteFunc(slices.Clone(w.nodes), func(n requester) bool { return n.file == "" })
	placed, notes, err := hostKeys(w.in, *file, asked, w.chain.last().prefix+"/known_hosts")
	if err != nil {
		return err
	}
	for _, a := range asked {
		i := slices.IndexFunc(w.nodes, func(n requester) bool { return n.file == a.file })
		w.nodes[i] = a
	}
	w.p.KnownHosts, w.notes = placed, append(w.notes, notes...)
	return nil
}

// leaves says how long new leaves are valid: as asked for, as the kubeadm file says, or
// as in the last ceremony.
func (w *work) leaves() {
	if w.Validity != 0 {
		w.p.Leaves.Validity = w.Validity
		return
	}
	w.p.Leaves, w.notes = leavesFor(w.file, w.chain.last().plan.Plan.Leaves, w.notes)
}

// issuers takes out of the plan the keys that sign nothing, the root's among
// them, and refuses an authority that ends before what it would issue: no
// renewal helps there.
func (w *work) issuers(all *schedule.Ceremony) error {
	renew := map[string][]string{} // by node; nil: all
	for _, n := range w.p.Nodes {
		renew[n.Name] = n.Renew
	}
	signs := map[string]bool{}
	for e := range all.All() {
		if e.Kind == schedule.AuthorityCertificate {
			signs[e.Signer] = true
		}
		names, in := renew[e.Node]
		if e.Kind == schedule.LeafCertificate && in && (names == nil || slices.Contains(names, e.Leaf.Name)) {
			signs[e.Signer] = true
		}
	}
	life := leafLife(w.file, w.p.Leaves)
	end := w.Now.Add(life)
	for i := range w.p.Authorities {
		a := &w.p.Authorities[i]
		if a.Makes() {
			continue
		}
		if !signs[a.Name] {
			a.Key = plan.Key{}
			continue
		}
		if a.Family == kubepki.Root {
			continue
		}
		if c := all.Certificates[a.Name]; end.After(c.NotAfter) {
			return &Refused{
				Err: fmt.Errorf("authority %s ends on %s, before a certificate of %s made now would: renewal cannot help there",
					a.Name, c.NotAfter.UTC().Format(time.DateOnly), plan.Duration(life)),
				Hints: append(plainly("it needs a successor, which nodes learn to trust first: officiant ceremony rollover "+
					"(docs/rollover.md)"), Hint{Way: ShorterLeaves})}
		}
	}
	return nil
}

// roots has the plan continue other clusters' ceremonies that opened the root's key
// after this cluster did, where this one opens it, too.
func (w *work) roots() error {
	var keys []fingerprint.SHA256
	for _, a := range w.p.Authorities {
		if a.Family == kubepki.Root && a.Key.Existing != (fingerprint.SHA256{}) {
			keys = append(keys, a.Key.Existing)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	others, err := w.chain.openedBy(w.in, keys...)
	w.p.Previous = append(w.p.Previous, others...)
	return err
}

// proposal is the plan as it was opened, with what people have to compare.
func (w *work) proposal(c *schedule.Ceremony) Proposal {
	out := Proposal{Document: *w.p, Files: w.in.copies, Notes: w.notes}
	for _, n := range c.Plan.Nodes {
		if c.Vouched[n.Name] == schedule.ByFingerprint {
			out.Requests = append(out.Requests, Requested{Node: n, Fingerprint: n.Fingerprint, By: Compared})
		}
	}
	return out
}
