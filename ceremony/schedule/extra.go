package schedule

import (
	"errors"
	"fmt"
	"slices"

	"officiant/bundle/kubepki"
	"officiant/bundle/nearest"
	"officiant/ceremony/plan"
)

// extraCertificates puts a node's extra certificates together: the cluster's for its
// roles, then its own. places says where the plan has each.
func extraCertificates(p *plan.Plan, i int, n kubepki.Node) (list []kubepki.Extra, places []plan.At) {
	add := func(e plan.Extra, where plan.At) {
		x := kubepki.Extra{Name: e.Name, Profile: e.Profile, Authority: e.Authority,
			CommonName: e.Subject.CommonName, SANs: e.SANs, Allow: e.Allow}
		if e.Subject.Organization != nil {
			x.Organization = *e.Subject.Organization
		}
		list, places = append(list, x.For(n)), append(places, where)
	}
	for j, e := range p.Cluster.Extra {
		if len(e.Roles) == 0 || slices.ContainsFunc(e.Roles, n.Has) {
			add(e, plan.At{"cluster", "extra", j})
		}
	}
	for j, e := range p.Nodes[i].Extra {
		add(e, plan.At{"nodes", i, "extra", j})
	}
	return list, places
}

// extraRoles checks which nodes the cluster's extras are for.
func (b *nodePass) extraRoles() {
	for j, e := range b.p.Cluster.Extra {
		for k, r := range e.Roles {
			if r != kubepki.ControlPlane && r != kubepki.Etcd && r != kubepki.Worker {
				b.Refuse(plan.At{"cluster", "extra", j, "roles", k},
					"extra %s: %q is not a role; a node is %s, %s or %s%s", e.Name, r,
					kubepki.ControlPlane, kubepki.Etcd, kubepki.Worker,
					nearest.Among(r, kubepki.ControlPlane, kubepki.Etcd, kubepki.Worker))
			}
		}
	}
	for i, n := range b.p.Nodes {
		for j, e := range n.Extra {
			if len(e.Roles) > 0 {
				b.Refuse(plan.At{"nodes", i, "extra", j, "roles"},
					"node %s: roles are of extras under cluster; this one is the node's own", n.Name)
			}
		}
	}
}

// refuseFacts notes what is wrong with a node's facts at its place. What the
// cluster's extras have wrong is said once, and not for each node.
func (b *nodePass) refuseFacts(i int, err error, extras []plan.At) {
	name, where := b.p.Nodes[i].Name, plan.At{"nodes", i}
	var f *kubepki.FieldError
	if !errors.As(err, &f) {
		b.Refuse(where, "node %s: %v", name, err)
		return
	}
	place := places(b.p, f.Field)
	if len(place) > 1 && place[0] == "extra" {
		if k, ok := place[1].(int); ok && k < len(extras) {
			origin := extras[k]
			field := slices.Clone(origin)
			if len(place) > 2 && (place[2] == "commonName" || place[2] == "organization") {
				field = append(field, "subject")
			}
			field = append(field, place[2:]...)
			if origin[0] == "cluster" {
				key := fmt.Sprint(field, f.Problem)
				if b.said[key] {
					return
				}
				b.said[key] = true
			}
			b.Refuse(field, "node %s: extra certificate: %s", name, f.Problem)
			return
		}
	}
	b.Refuse(append(where, place...), "node %s: %v", name, f)
}

// servedOnline warns of kubelets that would serve with a certificate of the ceremony's in a
// cluster whose API servers know kubelets by the online signer's authority alone.
func (b *nodePass) servedOnline() {
	if !b.facts.cluster.KubeletServing {
		return
	}
	var names []string
	for _, n := range b.nodes.list {
		if slices.ContainsFunc(n.Extra, func(e kubepki.Extra) bool {
			return e.Name == "kubelet-server" && e.Authority == kubepki.KubernetesAuthority
		}) {
			names = append(names, n.Name)
		}
	}
	if len(names) == 0 {
		return
	}
	b.Warn(plan.At{"nodes"}, "%s: API servers know kubelets by kubelet-serving alone "+
		"(--kubelet-certificate-authority), and would reach none that serves with the extra certificate "+
		"kubelet-server; leave the extra out, and "+
		"tlsCertFile out of the kubelet's configuration", few(names))
}
