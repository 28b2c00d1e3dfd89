package main

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"officiant/bundle/kubepki"
	"officiant/ceremony/schedule"
)

// foldFrom is how many nodes have to be alike to be shown as one.
const foldFrom = 4

// nodeGroup is nodes that get the same, but for their names and addresses.
type nodeGroup struct {
	sign    string // what stands for each: "{worker}"
	nodes   []string
	members []kubepki.Node
}

// nodeGroups finds the nodes that can be shown as one, by node; a node that differs
// from its like in anything else stands alone, where it is seen. So does one with
// a name or address that the certificates of another have as well.
func nodeGroups(c *schedule.Ceremony) (all []*nodeGroup, of map[string]*nodeGroup) {
	entries := map[string][]schedule.Entry{}
	for e := range c.All() {
		if e.Kind == schedule.LeafCertificate {
			entries[e.Node] = append(entries[e.Node], e)
		}
	}
	says := claims(entries)
	byShape := map[string]*nodeGroup{}
	var order []*nodeGroup
	roles := map[*nodeGroup]string{}
	for _, n := range c.Nodes {
		s := shape(c, n, entries[n.Name])
		if says.ofOthers(n) {
			s += n.Name
		}
		g := byShape[s]
		if g == nil {
			g = &nodeGroup{}
			byShape[s], roles[g] = g, roleNames(n)
			order = append(order, g)
		}
		g.nodes, g.members = append(g.nodes, n.Name), append(g.members, n)
	}
	of = map[string]*nodeGroup{}
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
		slices.SortFunc(g.members, func(a, b kubepki.Node) int { // worker-9 before worker-10
			stem := func(n kubepki.Node) string { return strings.TrimRight(n.Name, "0123456789") }
			return cmp.Or(cmp.Compare(stem(a), stem(b)), cmp.Compare(len(a.Name), len(b.Name)), cmp.Compare(a.Name, b.Name))
		})
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
func shape(c *schedule.Ceremony, n kubepki.Node, entries []schedule.Entry) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %t %s\n", roleNames(n), n.First, c.Vouched[n.Name])
	fmt.Fprintln(&b, c.CarriedNames(n.Name))
	for _, e := range entries {
		fmt.Fprintf(&b, "%s %s %s %s %d\n", e.Signer, e.Leaf.Name, content(c, e, standIn{n.Name, n.Address, "{}"}), e.SignatureAlgorithm, e.Duration)
	}
	return b.String()
}

// claimed is which nodes' certificates have a name or an address.
type claimed map[string]map[string]bool

func claims(entries map[string][]schedule.Entry) claimed {
	c := claimed{}
	for node, all := range entries {
		for _, e := range all {
			said := append([]string{e.CommonName}, e.DNSNames...)
			for _, ip := range e.IPAddresses {
				said = append(said, ip.String())
			}
			for _, s := range said {
				if c[s] == nil {
					c[s] = map[string]bool{}
				}
				c[s][node] = true
			}
		}
	}
	return c
}

func (c claimed) ofOthers(n kubepki.Node) bool {
	for _, s := range []string{n.Name, n.Address.String()} {
		if by := c[s]; len(by) > 1 || len(by) == 1 && !by[n.Name] {
			return true
		}
	}
	return false
}

// String says whom a sign stands for: everyone, those with consecutive numbers
// and addresses from the first to the last.
func (g *nodeGroup) String() string {
	var told []string
	for i := 0; i < len(g.members); {
		last := i
		for last+1 < len(g.members) && follows(g.members[last], g.members[last+1]) {
			last++
		}
		if last-i < 2 {
			last = i
		}
		text := named(g.members[i])
		if last > i {
			text += " … " + named(g.members[last])
		}
		told = append(told, text)
		i = last + 1
	}
	return fmt.Sprintf("%s stands for %d nodes that differ only in name and address: %s", g.sign, len(g.nodes),
		strings.Join(told, ", "))
}

func named(n kubepki.Node) string {
	if n.Address.IsValid() {
		return n.Name + " " + n.Address.String()
	}
	return n.Name
}

// follows says whether b has the number and the address after a's.
func follows(a, b kubepki.Node) bool {
	stem := strings.TrimRight(a.Name, "0123456789")
	number, err := strconv.ParseUint(a.Name[len(stem):], 10, 63)
	if err != nil || b.Name != fmt.Sprintf("%s%0*d", stem, len(a.Name)-len(stem), number+1) {
		return false
	}
	return a.Address == b.Address && !a.Address.IsValid() || a.Address.IsValid() && a.Address.Next() == b.Address
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
