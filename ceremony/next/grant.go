package next

import (
	"net/netip"
	"slices"
	"time"

	"officiant/ceremony/plan"
)

// grant is the chain's newest, for a plan with these nodes: who has left is in it no
// more, who is new has its name and address. There is none where an authority of the
// online signer has ended: nothing could be signed by it.
func (c Chain) grant(now time.Time, nodes []plan.Node, left []string) plan.Grant {
	i := slices.IndexFunc(c.all, func(p *Previous) bool { return p.plan.Plan.Grant.Given() })
	if i < 0 {
		return plan.Grant{}
	}
	for _, a := range c.last().plan.Plan.Authorities {
		if !a.Family.Online() || a.Use != plan.Issue {
			continue
		}
		if cert := c.last().certificate(a.Name); cert == nil || now.After(cert.NotAfter) {
			return plan.Grant{}
		}
	}
	g := c.all[i].plan.Plan.Grant
	g.Nodes = slices.DeleteFunc(slices.Clone(g.Nodes), func(n plan.GrantNode) bool {
		_, gone := c.Left(n.Name)
		return gone || slices.Contains(left, n.Name)
	})
	for _, n := range nodes {
		at := slices.IndexFunc(g.Nodes, func(in plan.GrantNode) bool { return in.Name == n.Name })
		if at < 0 {
			g.Nodes = append(g.Nodes, plan.GrantNode{Name: n.Name, DNSNames: []string{n.Name}})
			at = len(g.Nodes) - 1
		}
		in := &g.Nodes[at]
		in.Roles = n.Roles
		if a, err := netip.ParseAddr(n.Address); err == nil && !slices.Contains(in.IPAddresses, a) {
			in.IPAddresses = append(slices.Clone(in.IPAddresses), a)
		}
	}
	return g
}
