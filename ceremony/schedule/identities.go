package schedule

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
)

// identities is the pass over what certificates say of who somebody is: names that
// belong to others, in any serving certificate that the plan adds to, and subjects
// that are another's.
type identities struct {
	base
	cluster kubepki.Cluster
	nodes   *nodeFacts
	record  []reached // nodes on previous records, which the plan may leave out
}

func identitiesOf(b base, facts *clusterFacts, past *records, nodes *nodeFacts) {
	record, err := reachedOn(past, nodes.list)
	if err != nil {
		b.Refuse(plan.At{"previous"}, "%v", err)
		return
	}
	identities{b, facts.cluster, nodes, record}.check()
}

func (d identities) check() {
	var all []reached
	for i, n := range d.nodes.list {
		k := reached{n.Name, []string{d.p.Nodes[i].KnownAs()}}
		if n.Address.IsValid() {
			k.names = append(k.names, n.Address.String())
		}
		all = append(all, k)
	}
	w := whoseNames(d.cluster, append(all, d.record...))
	d.extras(w)
	d.lists(w)
	d.overrides()
}

// extras refuses names that are another's in the serving certificates beyond
// Kubernetes' own.
func (d identities) extras(w *whose) {
	for i, n := range d.nodes.list {
		var places []plan.At
		for j, e := range n.Extra {
			if e.Profile != kubepki.Serving || !d.nodes.leaves.good[i] { // else it is refused already
				continue
			}
			if places == nil {
				_, places = extraCertificates(d.p, i, n)
			}
			where := append(slices.Clone(places[j]), "sans")
			for _, san := range e.SANs {
				switch why, allowable := w.foreign(n, san); {
				case why == "" || allowable && slices.Contains(e.Allow, san):
				case allowable:
					d.afterwards(where, "node %s: extra certificate %s: %s %s; if it is meant, say allow: [%q]", n.Name, e.Name, san,
						why, san)
				default:
					d.afterwards(where, "node %s: extra certificate %s: %s %s", n.Name, e.Name, san, why)
				}
			}
		}
	}
}

// nameList is one of the plan's lists of further names of Kubernetes' own servers.
type nameList struct {
	field string
	where plan.At
	names []string
	role  kubepki.Role // of the nodes that get them
	allow []string
	must  bool // the plan itself adds them, and has to allow what is another's by name
}

func (d identities) nameLists() []nameList {
	c := d.cluster
	lists := []nameList{
		{"certSANs", plan.At{"cluster", "certSANs"}, c.CertSANs, kubepki.ControlPlane, nil, false},
		{"etcdServerCertSANs", plan.At{"cluster", "etcdServerCertSANs"}, c.EtcdServerCertSANs, kubepki.Etcd, nil, false},
		{"etcdPeerCertSANs", plan.At{"cluster", "etcdPeerCertSANs"}, c.EtcdPeerCertSANs, kubepki.Etcd, nil, false},
	}
	roles := map[string]kubepki.Role{"kube-apiserver": kubepki.ControlPlane, "kube-etcd": kubepki.Etcd,
		"kube-etcd-peer": kubepki.Etcd}
	for _, id := range slices.Sorted(maps.Keys(roles)) {
		o := d.p.Cluster.Overrides[id]
		lists = append(lists, nameList{"overrides." + id + ".extraSANs", plan.At{"cluster", "overrides", id, "extraSANs"},
			o.ExtraSANs, roles[id], o.Allow, true})
	}
	return lists
}

// lists looks for others' names among those that the plan or its kubeadm file gives
// to all API servers, or to all of etcd. Nodes of the same role share them.
func (d identities) lists(w *whose) {
	role := map[string]kubepki.Node{}
	for _, n := range d.nodes.list {
		role[n.Name] = n
	}
	for _, l := range d.nameLists() {
		for _, name := range l.names {
			why := d.misplaced(w, role, l.role, name)
			switch {
			case why == "" || slices.Contains(l.allow, name):
			case l.must:
				d.afterwards(l.where, "cluster %s: %s %s; if it is meant, say allow: [%q] beside it", l.field, name, why, name)
			default:
				d.Warn(l.where, "cluster %s: %s %s", l.field, name, why)
			}
		}
	}
}

// misplaced says why servers of a role should not share a name; empty when they may.
func (d identities) misplaced(w *whose, nodes map[string]kubepki.Node, role kubepki.Role, name string) string {
	s := spelling(name)
	names := []string{s}
	if domain, is := strings.CutPrefix(s, "*."); is {
		names = w.below[domain]
	}
	for _, s := range names {
		for _, node := range w.nodes[s] {
			if n, planned := nodes[node]; planned && !n.Has(role) {
				return fmt.Sprintf("is a name of node %s, which has not the role %s", node, role)
			}
		}
		if role == kubepki.Etcd && w.shared[s] == theAPIServer && d.etcdAlone() {
			return "is a name of the API server"
		}
	}
	if what := w.service(s); what != "" && !w.apiService(s) {
		return "is " + what
	}
	return ""
}

// etcdAlone says whether etcd runs on a node without an API server.
func (d identities) etcdAlone() bool {
	return slices.ContainsFunc(d.nodes.list, func(n kubepki.Node) bool {
		return n.Has(kubepki.Etcd) && !n.Has(kubepki.ControlPlane)
	})
}

// overrides refuses subjects by which a component would be somebody else, unless
// the plan allows them by name.
func (d identities) overrides() {
	if len(d.p.Cluster.Overrides) == 0 {
		return
	}
	plain := d.cluster
	plain.Overrides = nil
	usual, others := map[string]kubepki.Leaf{}, map[string][]string{} // by the certificate's ID; IDs by common name
	for i, n := range d.nodes.list {
		leaves, err := kubepki.Leaves(plain, n)
		if err != nil {
			continue // said already
		}
		for _, l := range append(leaves, d.nodes.leaves.at(i)...) {
			if _, ok := usual[l.ID]; !ok {
				usual[l.ID] = l // leaves come first
			}
			if !slices.Contains(others[l.CommonName], l.ID) {
				others[l.CommonName] = append(others[l.CommonName], l.ID)
			}
		}
		others[n.Name] = append(others[n.Name], "node "+d.p.Nodes[i].Name)
	}
	for _, id := range slices.Sorted(maps.Keys(d.p.Cluster.Overrides)) {
		if l, ok := usual[id]; ok {
			d.override(id, l, others)
		}
	}
}

func (d identities) override(id string, usual kubepki.Leaf, others map[string][]string) {
	o, where := d.p.Cluster.Overrides[id], plan.At{"cluster", "overrides", id}
	meant := func(field, name, why string) {
		if !slices.Contains(o.Allow, name) {
			d.afterwards(append(slices.Clone(where), field), "cluster overrides.%s: %s would have the name %s, which is %s; if "+
				"it is meant, say allow: [%q]",
				id, id, name, why, name)
		}
	}
	if cn := o.CommonName; cn != "" {
		i := slices.IndexFunc(others[cn], func(other string) bool { return other != id })
		switch {
		case i >= 0:
			meant("commonName", cn, "that of "+others[cn][i])
		case own(cn) && cn != usual.CommonName:
			meant("commonName", cn, "Kubernetes' own")
		case cn == "root" && usual.Authority == kubepki.EtcdAuthority:
			meant("commonName", cn, "etcd's, of who may do everything")
		}
	}
	if o.Organization == nil {
		return
	}
	for _, name := range *o.Organization {
		if own(name) && !slices.Contains(usual.Organization, name) {
			meant("organization", name, "Kubernetes' own")
		}
	}
}

// own says whether a user's or a group's name is one that Kubernetes or kubeadm
// gives rights to, or could.
func own(name string) bool {
	return strings.HasPrefix(name, "system:") || strings.HasPrefix(name, "kubeadm:")
}

// servedAs are the certificates by which others know a node: Kubernetes' own servers,
// and the kubelet. What else a node serves may be shared by several.
var servedAs = []string{"apiserver", "etcd/server", "etcd/peer", "kubelet-server"}

// reachedOn are the nodes on record that the plan leaves out and that have not left.
func reachedOn(past *records, nodes []kubepki.Node) ([]reached, error) {
	serves := func(e kubepki.Extra) bool { return e.Profile == kubepki.Serving }
	if !slices.ContainsFunc(nodes, func(n kubepki.Node) bool { return slices.ContainsFunc(n.Extra, serves) }) {
		return nil, nil
	}
	planned := map[string]bool{}
	for _, n := range nodes {
		planned[n.Name] = true
	}
	var all []reached
	for _, node := range past.Members() {
		if planned[node] {
			continue
		}
		one := reached{node: node}
		for _, name := range servedAs {
			on, ok := past.Newest(node + "/" + name)
			if !ok {
				continue
			}
			c, err := on.Parse()
			if err != nil {
				return nil, err
			}
			one.names = append(one.names, c.DNSNames...)
			for _, ip := range c.IPAddresses {
				one.names = append(one.names, ip.String())
			}
		}
		all = append(all, one)
	}
	return all, nil
}
