package schedule

import (
	"bytes"
	"errors"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/request"
	"officiant/ceremony/plan"
)

// nodes checks the nodes and what they sent in. Certificates are expanded
// only when the cluster's facts hold.
func (b *builder) nodes(facts bool) {
	var kubeadm time.Duration
	if b.kubeadm != nil {
		kubeadm = b.kubeadm.Validity
	}
	validity(&b.p.Leaves.Validity, kubeadm, plan.Year)
	b.extraRoles()
	names := map[string]bool{}
	var good []int
	for i := range b.p.Nodes {
		n, ok := b.node(i)
		if names[n.Name] {
			b.Refuse(plan.At{"nodes", i, "name"}, "two nodes are named %s", n.Name)
			ok = false
		}
		names[n.Name] = true
		b.c.Nodes = append(b.c.Nodes, n)
		if ok && facts {
			good = append(good, i)
		}
	}
	b.together()
	b.requests(b.issuers(good))
}

// node reads one node's facts.
func (b *builder) node(i int) (kubepki.Node, bool) {
	in := &b.p.Nodes[i]
	where := plan.At{"nodes", i}
	before := len(b.Problems)
	n := kubepki.Node{Name: in.Name, Roles: in.Roles, BindPort: in.BindPort, First: in.First}
	if in.Address != "" {
		a, err := netip.ParseAddr(in.Address)
		if err != nil {
			b.Refuse(append(where, "address"), "node %s: %q is not an IP address", in.Name, in.Address)
			return n, false
		}
		n.Address = a
	}
	var extras []plan.At
	n.Extra, extras = extraCertificates(b.p, i, n)
	wrong := list(n.Validate())
	for _, err := range wrong {
		b.refuseFacts(i, err, extras)
	}
	switch {
	case in.Host == "":
	case b.p.KnownHosts == "":
		b.Refuse(append(where, "host"), "node %s: host is its name in a known_hosts file, and the plan names none "+
			"(knownHosts)", in.Name)
	case strings.ContainsAny(in.Host, "*?!|, \t"):
		b.Refuse(append(where, "host"), "node %s: host %q is not one host's name", in.Name, in.Host)
	}
	b.source(i)
	return n, len(b.Problems) == before && len(wrong) == 0
}

// together checks what only all nodes show.
func (b *builder) together() {
	var first, controlPlane, etcd []string
	addresses := map[netip.Addr]string{}
	names := map[string]bool{}
	for _, n := range b.c.Nodes {
		names[n.Name] = true
	}
	for i, n := range b.c.Nodes {
		if base, is := strings.CutSuffix(n.Name, ".tar"); is && names[base] { // bundles/NAME and bundles/NAME.tar
			b.Refuse(plan.At{"nodes", i, "name"}, "node %s has the name of node %s's bundle", n.Name, base)
		}
		if n.First {
			first = append(first, n.Name)
		}
		if n.Has(kubepki.ControlPlane) {
			controlPlane = append(controlPlane, n.Name)
		}
		if n.Has(kubepki.Etcd) {
			etcd = append(etcd, n.Name)
		}
		if other, ok := addresses[n.Address]; ok && n.Address.IsValid() {
			b.Warn(plan.At{"nodes", i, "address"}, "nodes %s and %s have the same address", other, n.Name)
		}
		addresses[n.Address] = n.Name
	}
	switch {
	case len(first) > 1:
		b.Refuse(plan.At{"nodes"}, "%s are all marked first; one control-plane node is", strings.Join(first, ", "))
	case len(first) == 0 && len(controlPlane) > 0 && b.genesis():
		b.Refuse(plan.At{"nodes"}, "no node is marked first: say first: true for the control-plane node that runs "+
			"kubeadm init (%s)", strings.Join(controlPlane, ", "))
	}
	if len(controlPlane) > 0 && len(etcd) == 0 && b.genesis() && !b.p.Cluster.ExternalEtcd {
		b.Warn(plan.At{"nodes"}, "no node has the role etcd, and externalEtcd is not said")
	}
	if len(b.c.Nodes) == 0 && len(b.p.CRLs) == 0 {
		b.Warn(plan.At{"nodes"}, "there are no nodes; the ceremony makes authorities only")
	}
}

// issuers checks that each certificate of the nodes has an authority that can
// issue it and lives long enough, and that trust files can be filled. It
// returns the nodes whose certificates expand.
func (b *builder) issuers(good []int) (expanded []int) {
	signs := map[kubepki.Authority]int{}
	trusts := map[kubepki.Authority]string{} // a node that needs it
	for _, i := range good {
		n := b.c.Nodes[i]
		leaves, err := kubepki.Leaves(b.c.Cluster, n)
		if err == nil {
			b.leaves[n.Name] = leaves
			var files []kubepki.File
			files, err = kubepki.Files(b.c.Cluster, n)
			for _, f := range files {
				if f.Authority != "" {
					trusts[f.Authority] = n.Name
				}
			}
		}
		if err != nil {
			b.Refuse(plan.At{"nodes", i}, "%v", err) // it names the node
			continue
		}
		expanded = append(expanded, i)
		for _, l := range leaves {
			if b.p.Nodes[i].Makes(l.Name) && !b.brings(i, l) {
				signs[l.Authority]++
			}
			trusts[l.Authority] = n.Name
		}
	}
	for _, f := range plan.Families[1:] {
		if trusts[f] == "" {
			continue
		}
		a := b.p.Issuing(f)
		switch {
		case a == nil:
			b.Refuse(plan.At{"authorities"}, "no authority of family %s, which node %s needs", f, trusts[f])
		case signs[f] == 0:
		case a.Adopted:
			b.Refuse(b.authorityPlace(a.Name), "authority %s is adopted and signs nothing, and %d certificates would be "+
				"its: a node joins before its cluster is brought in, or once the successor issues", a.Name, signs[f])
		case a.Key == plan.Key{}:
			b.Refuse(b.authorityPlace(a.Name), "authority %s is to sign %d certificates, but the plan does not name its key",
				a.Name, signs[f])
		default:
			b.outlives(plan.At{"leaves"}, "a leaf", b.p.Leaves.Validity, a)
			if root := b.p.RootOf(a); root != nil && root.External && a.Makes() {
				b.outlives(plan.At{"leaves"}, "a leaf", b.p.Leaves.Validity, root)
			}
		}
	}
	return expanded
}

func (b *builder) authorityPlace(name string) plan.At {
	i := slices.IndexFunc(b.p.Authorities, func(a plan.Authority) bool { return a.Name == name })
	return plan.At{"authorities", i}
}

// requests opens the nodes' requests and holds them against the plan.
func (b *builder) requests(good []int) {
	raw := make([][]byte, len(good))
	for k, i := range good {
		if b.p.Nodes[i].Keys.Create == "" {
			raw[k] = b.input(b.p.Nodes[i].Request, plan.At{"nodes", i, "request"})
		}
	}
	opened := make([]*request.Opened, len(good))
	errs := make([]error, len(good))
	parallel(len(good), func(k int) {
		if raw[k] == nil {
			return
		}
		in := b.p.Nodes[good[k]]
		if o := b.before[in.Name]; o != nil && bytes.Equal(o.Raw, raw[k]) {
			opened[k], raw[k] = o, o.Raw // one copy of the bytes is enough
			return
		}
		opened[k], errs[k] = request.Parse(b.Show(in.Request), raw[k])
	})
	seen := keyUses{}
	for name, c := range b.c.Certificates {
		if spki, err := fingerprint.SPKI(c.PublicKey); err == nil {
			seen[spki] = "authority " + name
		}
	}
	if f := b.p.Release.Key.Existing; f != (fingerprint.SHA256{}) {
		seen[f] = "the release key"
	}
	for k, i := range good {
		switch {
		case errs[k] != nil:
			b.refuseRequest(i, errs[k])
		case opened[k] != nil && b.claims(i, opened[k]):
			b.csrs(i, opened[k], seen)
			b.bringIn(i, opened[k])
			b.c.Inputs[b.p.Nodes[i].Request] = raw[k]
			b.c.Requests[b.p.Nodes[i].Name] = opened[k]
		}
	}
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

// refuseRequest notes why a request file is not one.
func (b *builder) refuseRequest(i int, err error) {
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
func (b *builder) claims(i int, o *request.Opened) bool {
	in := b.p.Nodes[i]
	if !b.vouched(i, o) {
		return false
	}
	before := len(b.Problems)
	bad := func(format string, args ...any) { b.RefuseInput(in.Request, "request.json: "+format, args...) }
	if o.Node.Name != in.Name {
		bad("is of node %s, and the plan gives it for %s", o.Node.Name, in.Name)
	}
	if o.Cluster.Name != b.c.Cluster.Name {
		bad("is for cluster %s, not %s", o.Cluster.Name, b.c.Cluster.Name)
	}
	if claimed, planned := roles(o.Node.Roles), roles(in.Roles); claimed != planned {
		bad("claims the roles %s, and the plan gives node %s %s", claimed, in.Name, planned)
	}
	n := b.c.Nodes[i]
	if o.Node.Address != n.Address {
		b.Warn(plan.At{"nodes", i}, "node %s: its request claims the address %s, the plan says %s", in.Name,
			address(o.Node.Address), address(n.Address))
	}
	if v := o.Cluster.KubernetesVersion; v != b.c.Cluster.KubernetesVersion {
		b.Warn(plan.At{"nodes", i}, "node %s: its request claims Kubernetes %s, the plan says %s", in.Name, v,
			b.c.Cluster.KubernetesVersion)
	}
	return len(b.Problems) == before
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
