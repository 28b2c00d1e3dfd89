package main

import (
	"fmt"
	"net/netip"
	"strings"

	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
)

// foldFrom is how many nodes have to be alike to be shown as one.
const foldFrom = 4

// crowd is nodes that get the same, but for their names and addresses.
type crowd struct {
	sign  string // what stands for each: "{worker}"
	nodes []string
}

// crowds finds the nodes that can be shown as one, by node; a node that differs
// from its like in anything else stands alone, where it is seen.
func crowds(c *plan.Ceremony) (all []*crowd, of map[string]*crowd) {
	entries := map[string][]plan.Entry{}
	for _, e := range c.Entries {
		if e.Kind == plan.LeafCertificate {
			entries[e.Node] = append(entries[e.Node], e)
		}
	}
	byShape := map[string]*crowd{}
	var order []*crowd
	roles := map[*crowd]string{}
	for _, n := range c.Nodes {
		s := shape(c, n, entries[n.Name])
		g := byShape[s]
		if g == nil {
			g = &crowd{}
			byShape[s], roles[g] = g, roleNames(n)
			order = append(order, g)
		}
		g.nodes = append(g.nodes, n.Name)
	}
	of = map[string]*crowd{}
	signs := map[string]int{}
	for _, g := range order {
		if len(g.nodes) < foldFrom {
			continue
		}
		signs[roles[g]]++
		if g.sign = "{" + roles[g] + "}"; signs[roles[g]] > 1 {
			g.sign = fmt.Sprintf("{%s %d}", roles[g], signs[roles[g]])
		}
		all = append(all, g)
		for _, name := range g.nodes {
			of[name] = g
		}
	}
	return all, of
}

func roleNames(n kubepki.Node) string {
	names := make([]string, len(n.Roles))
	for i, r := range n.Roles {
		names[i] = string(r)
	}
	return strings.Join(names, ",")
}

// shape is all that a node's certificates say, with its own name and address
// taken out.
func shape(c *plan.Ceremony, n kubepki.Node, entries []plan.Entry) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %t %s\n", roleNames(n), n.First, c.Vouched[n.Name])
	for _, e := range entries {
		fmt.Fprintf(&b, "%s %s %s %s %d\n", e.Signer, e.Leaf.Name, content(c, e, standIn{n.Name, n.Address, "{}"}), e.SignatureAlgorithm, e.Duration)
	}
	return b.String()
}

// String says whom a sign stands for.
func (g *crowd) String() string {
	shown := strings.Join(g.nodes[:3], ", ")
	return fmt.Sprintf("%s stands for %d nodes that differ in name and address alone: %s … %s", g.sign, len(g.nodes), shown, g.nodes[len(g.nodes)-1])
}

// standIn puts a sign in the place of a node's name and address; the zero value
// leaves everything as it is.
type standIn struct {
	node    string
	address netip.Addr
	sign    string
}

func (s standIn) commonName(cn string) string {
	const kubelet = "system:node:"
	switch {
	case s.sign == "":
	case cn == s.node:
		return s.sign
	case cn == kubelet+s.node:
		return kubelet + s.sign
	}
	return cn
}

func (s standIn) dnsName(name string) string {
	if s.sign != "" && name == s.node {
		return s.sign
	}
	return name
}

func (s standIn) ip(a netip.Addr) string {
	if s.sign != "" && a == s.address {
		return "its address"
	}
	return a.String()
}
