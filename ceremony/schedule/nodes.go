package schedule

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
)

// nodeFacts are a plan's nodes, and what each has.
type nodeFacts struct {
	list     []kubepki.Node // in the plan's order
	leaves   *nodeLeaves    // all that each has, made or carried over
	expanded []int          // nodes whose certificates could be expanded
}

// nodePass checks the nodes by what the plan says of them.
type nodePass struct {
	base
	facts *clusterFacts
	past  *records
	cas   *cas
	nodes *nodeFacts
	said  map[string]bool // what is wrong with the cluster's extras, said already
}

// nodesOf expands the certificates of each node that has no faults. There are none
// when the cluster's facts do not hold.
func nodesOf(b base, facts *clusterFacts, past *records, cas *cas, lean bool) *nodeFacts {
	pass := &nodePass{b, facts, past, cas, &nodeFacts{}, map[string]bool{}}
	good := pass.check()
	pass.together()
	nodes := pass.nodes
	nodes.leaves = &nodeLeaves{cluster: facts.cluster, nodes: nodes.list, good: make([]bool, len(nodes.list))}
	if !lean {
		nodes.leaves.all = make([][]kubepki.Leaf, len(nodes.list))
	}
	pass.nodes.expanded = pass.issuers(good)
	return pass.nodes
}

// check checks each node by itself, and returns the good ones.
func (b *nodePass) check() (good []int) {
	var kubeadm time.Duration
	if b.facts.kubeadm != nil {
		kubeadm = b.facts.kubeadm.Validity
	}
	validity(&b.p.Leaves.Validity, kubeadm, plan.Year)
	b.extraRoles()
	names := map[string]bool{}
	for i := range b.p.Nodes {
		n, ok := b.node(i)
		if names[n.Name] {
			b.Refuse(plan.At{"nodes", i, "name"}, "two nodes are named %s", n.Name)
			ok = false
		}
		names[n.Name] = true
		b.nodes.list = append(b.nodes.list, n)
		if ok && b.facts.hold {
			good = append(good, i)
		}
	}
	b.left(names)
	return good
}

// node reads one node's facts.
func (b *nodePass) node(i int) (kubepki.Node, bool) {
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
func (b *nodePass) together() {
	var first, controlPlane, etcd []string
	addresses := map[netip.Addr]string{}
	names := map[string]bool{}
	for _, n := range b.nodes.list {
		names[n.Name] = true
	}
	for i, n := range b.nodes.list {
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
	case len(first) == 0 && len(controlPlane) > 0 && b.past.genesis():
		b.Refuse(plan.At{"nodes"}, "no node is marked first: say first: true for the control-plane node that runs "+
			"kubeadm init (%s)", strings.Join(controlPlane, ", "))
	}
	if len(controlPlane) > 0 && len(etcd) == 0 && b.past.genesis() && !b.p.Cluster.ExternalEtcd {
		b.Warn(plan.At{"nodes"}, "no node has the role etcd, and externalEtcd is not said")
	}
	if b.p.Cluster.ExternalEtcd && len(etcd) == 0 && slices.ContainsFunc(b.p.Authorities, adoptedEtcd) {
		b.Warn(plan.At{"nodes"}, "etcd's authority is to be replaced, and no member of etcd is a node of this plan: "+
			"a member that does not learn of the new one lets no API server in after stage issue; give each a "+
			"request with the role etcd (docs/adoption.md)")
	}
	b.servedOnline()
	if len(b.nodes.list) == 0 && len(b.p.CRLs) == 0 {
		b.Warn(plan.At{"nodes"}, "there are no nodes; the ceremony makes authorities only")
	}
}

func adoptedEtcd(a plan.Authority) bool { return a.Adopted && a.Family == kubepki.EtcdAuthority }

// issuers checks that each certificate of the nodes has an authority that can
// issue it and lives long enough, and that trust files can be filled. It
// returns the nodes whose certificates expand.
func (b *nodePass) issuers(good []int) (expanded []int) {
	signs := map[kubepki.Authority]int{}
	trusts := map[kubepki.Authority]string{} // a node that needs it
	for _, i := range good {
		n := b.nodes.list[i]
		leaves, err := kubepki.Leaves(b.facts.cluster, n)
		if err == nil {
			b.nodes.leaves.keep(i, leaves)
			var files []kubepki.File
			files, err = kubepki.Files(b.facts.cluster, n)
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
			if b.p.Nodes[i].Makes(l.Name) && !brings(b.p, b.past, i, l) {
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
			b.Refuse(authorityPlace(b.p, a.Name), "authority %s is adopted and signs nothing, and %d certificates would be "+
				"its: a node joins before its cluster is adopted, or once the successor issues", a.Name, signs[f])
		case a.Key == plan.Key{}:
			b.Refuse(authorityPlace(b.p, a.Name), "authority %s is to sign %d certificates, but the plan does not name its key",
				a.Name, signs[f])
		default:
			b.outlives(b.cas, plan.At{"leaves"}, "a leaf", b.p.Leaves.Validity, a)
			if root := b.p.RootOf(a); root != nil && root.External && a.Makes() {
				b.outlives(b.cas, plan.At{"leaves"}, "a leaf", b.p.Leaves.Validity, root)
			}
		}
	}
	return expanded
}

func authorityPlace(p *plan.Plan, name string) plan.At {
	i := slices.IndexFunc(p.Authorities, func(a plan.Authority) bool { return a.Name == name })
	return plan.At{"authorities", i}
}
