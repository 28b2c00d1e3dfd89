package next

import (
	"net/netip"
	"slices"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/history"
	"officiant/ceremony/plan"
)

// grant is the chain's newest, for a plan with these authorities and nodes: who has left is
// in it no more, who is new has its name and address, and what was revoked has its key
// refused. A journal key in place of the one before, or of none, has every member
// granted. There is none where an authority of the online signer has ended and gets no
// other certificate: nothing could be signed by it.
func (c Chain) grant(now time.Time, p *plan.NewOptions, nodes []plan.Node, journal fingerprint.SHA256) plan.Grant {
	i := slices.IndexFunc(c.all, func(p *Previous) bool { return p.plan.Plan.Grant.Given() })
	if i < 0 && journal == (fingerprint.SHA256{}) || c.ended(now, p.Authorities) {
		return plan.Grant{}
	}
	var g plan.Grant
	if i >= 0 {
		g = c.all[i].plan.Plan.Grant
	}
	if journal != (fingerprint.SHA256{}) {
		g.Journal = journal
	}
	g.Nodes = slices.DeleteFunc(slices.Clone(g.Nodes), func(n plan.GrantNode) bool {
		_, gone := c.Left(n.Name)
		return gone || slices.Contains(p.Left, n.Name)
	})
	if i < 0 {
		nodes = slices.Concat(c.members(p.Left), nodes)
	}
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
	return refusing(g, c.revokedKeys(now))
}

// ended says whether an authority of the online signer that issues has ended, and gets no
// other certificate.
func (c Chain) ended(now time.Time, authorities []plan.Authority) bool {
	return slices.ContainsFunc(authorities, func(a plan.Authority) bool {
		if !a.Family.Online() || a.Use == plan.Trust || a.Makes() {
			return false
		}
		cert := c.last().certificate(a.Name)
		return cert == nil || now.After(cert.NotAfter)
	})
}

// members are the nodes that the cluster has, each as its newest ceremony knew it.
func (c Chain) members(left []string) (list []plan.Node) {
	seen := map[string]bool{}
	for _, p := range c.all {
		for _, n := range p.plan.Plan.Nodes {
			if _, gone := c.Left(n.Name); !gone && !seen[n.Name] && !slices.Contains(left, n.Name) {
				list = append(list, n)
			}
			seen[n.Name] = true
		}
	}
	return list
}

// revokedKeys are those of certificates on record that were revoked and have not ended.
func (c Chain) revokedKeys(now time.Time) (keys []fingerprint.SHA256) {
	if c.History == nil {
		return nil
	}
	revoked := map[history.Serial]bool{}
	for s := range c.Revocations() {
		revoked[s] = true
	}
	if len(revoked) == 0 {
		return nil
	}
	for _, p := range slices.Concat(c.all, c.given) {
		for is := range p.Certificates() {
			if revoked[is.Serial] && !is.CA && now.Before(is.NotAfter) {
				keys = append(keys, is.SPKI)
			}
		}
	}
	return keys
}

// refusing is a grant that refuses these keys, too. No API server looks at a revocation
// list, and whoever has such a key would ask for a certificate with it.
func refusing(g plan.Grant, keys []fingerprint.SHA256) plan.Grant {
	g.RefusedKeys = slices.Clone(g.RefusedKeys)
	for _, key := range keys {
		if !slices.Contains(g.RefusedKeys, key) {
			g.RefusedKeys = append(g.RefusedKeys, key)
		}
	}
	return g
}
