package schedule

import (
	"bytes"
	"crypto/x509"
	"errors"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/request"
	"officiant/ceremony/plan"
)

// requestFacts are what the nodes sent in, and why it is taken for theirs.
type requestFacts struct {
	requests map[string]*Request                     // by node
	vouched  map[string]Vouch                        // by node
	carried  map[string]map[string]*x509.Certificate // by node and Leaf.Name: what the bundle keeps
	unproven map[string]bool                         // nodes whose requests are to be proven later
}

// requestPass opens the nodes' requests, finds who vouches for each, and holds them
// against the plan.
type requestPass struct {
	base
	facts  *clusterFacts
	past   *records
	cas    *cas
	nodes  *nodeFacts
	sent   *requestFacts
	opened map[string]*request.Opened  // by this process, with their files
	before *Ceremony                   // nil when this process has not read the plan before
	proven map[fingerprint.SHA256]bool // files whose signatures this process has verified
	later  bool                        // others' are left for Prove
	hosts  *KnownHosts                 // nil when the plan names none
	byHost map[string]string           // nodes by their names in knownHosts, in lower case
	// SSH keys that vouched for a node, in wire format
	hostKeys map[string]string
	wrong    causes // what requests say and the plan does not, by which they ask for something else
	other    causes // the same, where they ask for nothing else
}

func requestsOf(b base, facts *clusterFacts, past *records, cas *cas, nodes *nodeFacts,
	o Options) *requestFacts {
	pass := &requestPass{base: b, facts: facts, past: past, cas: cas, nodes: nodes, opened: o.Opened,
		hostKeys: map[string]string{},
		sent: &requestFacts{map[string]*Request{}, map[string]Vouch{}, map[string]map[string]*x509.Certificate{},
			map[string]bool{}},
		proven: provenIn(o.Proven), later: o.Later && !b.p.Adopts()}
	pass.knownHosts()
	if o.Before != nil && sameInputs(o.Before.Sums, b.files.sums) {
		pass.before = o.Before
	}
	pass.check()
	return pass.sent
}

// sameInputs says whether what was read so far, the plan and the records among it, is
// what was read before: then each request of the same digest comes to the same.
func sameInputs(before, now map[string]fingerprint.SHA256) bool {
	for name, sum := range now {
		if before[name] != sum {
			return false
		}
	}
	return true
}

// recipient is the age recipient to which a control-plane node's, or one whose keys
// are made here, its secrets are sealed.
func (s *requestFacts) recipient(p *plan.Plan, node string) string {
	if o := s.requests[node]; o != nil {
		return o.Recipient
	}
	i := slices.IndexFunc(p.Nodes, func(n plan.Node) bool { return n.Name == node })
	if i < 0 {
		return ""
	}
	return p.Nodes[i].Keys.Recipient
}

// atOnce is how many requests are in memory at a time.
const atOnce = 64

// check opens the nodes' requests and holds them against the plan, some at a time:
// each is read, proven, reduced to what the schedule needs, and let go.
func (b *requestPass) check() {
	seen := keyUses{}
	for name, c := range b.cas.certificates {
		if spki, err := fingerprint.SPKI(c.PublicKey); err == nil {
			seen[spki] = "authority " + name
		}
	}
	if f := b.p.Release.Key.Existing; f != (fingerprint.SHA256{}) {
		seen[f] = "the release key"
	}
	for some := range slices.Chunk(b.nodes.expanded, atOnce) {
		opened, errs := b.open(some)
		for k, i := range some {
			switch known := b.kept(i); {
			case errs[k] != nil:
				b.refuseRequest(i, errs[k])
			case known != nil:
				b.again(i, known, seen)
			case opened[k] != nil && b.claims(i, opened[k]):
				b.asked(i, opened[k], seen)
				b.adoptNode(i, opened[k])
				b.sent.requests[b.p.Nodes[i].Name] = b.reduced(i, opened[k])
				if b.postponed(i) {
					b.sent.unproven[b.p.Nodes[i].Name] = true
				}
			}
		}
	}
	b.wrong.refuse(b.base)
	b.other.warn(b.base)
}

// open reads and proves some requests: one that is nil has none, or could not be had.
func (b *requestPass) open(some []int) ([]*request.Opened, []error) {
	raw, opened, errs := make([][]byte, len(some)), make([]*request.Opened, len(some)), make([]error, len(some))
	for k, i := range some {
		if b.p.Nodes[i].Keys.Create == "" {
			raw[k] = b.passing(maxInput, b.p.Nodes[i].Request, plan.At{"nodes", i, "request"})
		}
	}
	parallel(len(some), func(k int) {
		in := b.p.Nodes[some[k]]
		switch o := b.opened[in.Name]; {
		case raw[k] == nil:
		case o != nil && bytes.Equal(o.Raw, raw[k]):
			opened[k] = o
		case b.kept(some[k]) != nil:
		default:
			opened[k], errs[k] = b.parser(some[k])(b.Show(in.Request), raw[k])
		}
	})
	return opened, errs
}

// kept is a node's request as this process has read it before, by the same plan and
// the same other inputs; nil when it has not, or it was another.
func (b *requestPass) kept(i int) *Request {
	in := b.p.Nodes[i]
	if b.before == nil || b.before.Sums[in.Request] != b.files.sums[in.Request] {
		return nil
	}
	return b.before.Requests[in.Name]
}

// again takes over what was found of a request before. A key that was another's by now
// is refused as ever.
func (b *requestPass) again(i int, known *Request, seen keyUses) {
	in := b.p.Nodes[i]
	for _, k := range known.Keys {
		b.used(i, k.Name, fingerprint.Of(k.SPKI), seen)
	}
	b.sent.requests[in.Name], b.sent.vouched[in.Name] = known, b.before.Vouched[in.Name]
	if b.before.unproven[in.Name] {
		b.sent.unproven[in.Name] = true
	}
	if carried, ok := b.before.Carried[in.Name]; ok {
		b.sent.carried[in.Name] = carried
	}
}

// refuseRequest notes why a request file is not one.
func (b *requestPass) refuseRequest(i int, err error) {
	var r *request.Refusal
	if !errors.As(err, &r) {
		b.RefuseInput(b.p.Nodes[i].Request, "%v", err)
		return
	}
	what := r.Reason
	if r.Part != "" {
		what = r.Part + ": " + what
	}
	b.RefuseInput(b.p.Nodes[i].Request, "%s", what)
}

// claims holds what a request says of its node against the plan.
func (b *requestPass) claims(i int, o *request.Opened) bool {
	in := b.p.Nodes[i]
	if !b.vouched(i, o) {
		return false
	}
	before := len(b.Problems)
	bad := func(format string, args ...any) { b.RefuseInput(in.Request, "request.json: "+format, args...) }
	if o.Node.Name != in.Name {
		bad("is of node %s, and the plan gives it for %s", o.Node.Name, in.Name)
	}
	if o.Cluster.Name != b.facts.cluster.Name {
		bad("is for cluster %s, not %s", o.Cluster.Name, b.facts.cluster.Name)
	}
	if claimed, planned := roles(o.Node.Roles), roles(in.Roles); claimed != planned {
		bad("claims the roles %s, and the plan gives node %s %s", claimed, in.Name, planned)
	}
	n := b.nodes.list[i]
	if o.Node.Address != n.Address && len(b.Problems) == before {
		b.Warn(plan.At{"nodes", i}, "node %s: its request claims the address %s, the plan says %s", in.Name,
			address(o.Node.Address), address(n.Address))
	}
	return len(b.Problems) == before
}

// asked holds a request's CSRs against the plan. Where it says other facts than the
// plan, and so asks for other certificates, those facts are what is wrong with it.
func (b *requestPass) asked(i int, o *request.Opened, seen keyUses) {
	before := len(b.Problems)
	b.csrs(i, o, seen)
	in := b.p.Nodes[i]
	why, other := differs(o, b.facts.cluster, b.nodes.list[i], i)
	switch found := b.Problems[before:]; {
	case !other:
	case len(found) > 0 && !in.Renews():
		b.wrong.add(why, in.Name, in.Request+": "+found[0].Message)
		b.Problems = b.Problems[:before]
	case why.field == "kubernetesVersion":
		b.other.add(why, in.Name, "")
	}
}

func roles(r []kubepki.Role) string {
	s := make([]string, len(r))
	for i := range r {
		s[i] = string(r[i])
	}
	slices.Sort(s)
	return strings.Join(s, ",")
}

func address(a netip.Addr) string {
	if !a.IsValid() {
		return "(none)"
	}
	return a.String()
}

// parallel calls f for each of n numbers, on all processors.
func parallel(n int, f func(int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}
