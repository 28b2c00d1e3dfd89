package schedule

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"officiant/bundle/kubepki"
	"officiant/bundle/request"
	"officiant/ceremony/plan"
)

// cause is a fact of the cluster, or a node's address, that a request says and the
// plan does not. What its CSRs ask for follows from it, name by name; people are
// told the cause, and not each of its effects.
type cause struct {
	field, claimed, planned string
	node                    int // whose address it is; of a fact of the cluster -1
}

// causes are gathered over all requests: most often all nodes have the same.
type causes struct {
	list  []cause
	nodes map[cause][]string
	first map[cause]string // an effect of each
}

func (c *causes) add(why cause, node, effect string) {
	if c.nodes == nil {
		c.nodes, c.first = map[cause][]string{}, map[cause]string{}
	}
	if c.nodes[why] == nil {
		c.list, c.first[why] = append(c.list, why), effect
	}
	c.nodes[why] = append(c.nodes[why], node)
}

// refuse notes each cause once.
func (c *causes) refuse(b base) {
	for _, why := range c.list {
		where := plan.At{"cluster", why.field}
		if why.node >= 0 {
			where = plan.At{"nodes", why.node, why.field}
		}
		b.Refuse(where, "%s: %s %s, and the plan says %s, so that other certificates are asked for than it gives; "+
			"change the plan, "+
			"or have the requests made anew (%s)", why.field, saying(c.nodes[why]), why.claimed, why.planned, c.first[why])
	}
}

// warn notes once, and for all nodes, what changes nothing that is asked for.
func (c *causes) warn(b base) {
	for _, why := range c.list {
		b.Warn(plan.At{"cluster", why.field}, "%s: %s %s, the plan says %s", why.field, saying(c.nodes[why]), why.claimed,
			why.planned)
	}
}

// saying names at most three nodes.
func saying(nodes []string) string {
	if len(nodes) == 1 {
		return "the request of node " + nodes[0] + " says"
	}
	return "the requests of nodes " + few(nodes) + " say"
}

// few names at most three of many.
func few(names []string) string {
	shown, more := names, ""
	if len(names) > 3 {
		shown, more = names[:3], fmt.Sprintf(" and %d more", len(names)-3)
	}
	return strings.Join(shown, ", ") + more
}

// differs finds the first fact that a request has otherwise than the plan, as far
// as it says anything: the one that the most follows from comes first.
func differs(o *request.Opened, planned kubepki.Cluster, n kubepki.Node, i int) (cause, bool) {
	said := o.Cluster
	texts := func(list []string) string { return strings.Join(slices.Sorted(slices.Values(list)), ", ") }
	for _, f := range []cause{
		{"naming", string(cmp.Or(said.Naming, kubepki.NamingKubeadm)), string(planned.Naming), -1},
		{"kubernetesVersion", version(said.KubernetesVersion), version(planned.KubernetesVersion), -1},
		{"dnsDomain", said.DNSDomain, planned.DNSDomain, -1},
		{"serviceSubnet", said.ServiceSubnet, planned.ServiceSubnet, -1},
		{"controlPlaneEndpoint", said.ControlPlaneEndpoint, planned.ControlPlaneEndpoint, -1},
		{"certSANs", texts(said.CertSANs), texts(planned.CertSANs), -1},
		{"etcdServerCertSANs", texts(said.EtcdServerCertSANs), texts(planned.EtcdServerCertSANs), -1},
		{"etcdPeerCertSANs", texts(said.EtcdPeerCertSANs), texts(planned.EtcdPeerCertSANs), -1},
		{"address", address(o.Node.Address), address(n.Address), i},
	} {
		if f.claimed != "" && f.claimed != f.planned && (f.field != "address" || o.Node.Address.IsValid()) {
			f.planned = cmp.Or(f.planned, "(none)")
			return f, true
		}
	}
	return cause{}, false
}

func version(v kubepki.Version) string {
	if v == (kubepki.Version{}) {
		return ""
	}
	return v.String()
}
