package schedule

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/history"
	"officiant/ceremony/plan"
	"officiant/signer"
)

// GrantFile is the grant's name in a ceremony directory, and that of its entry in the
// schedule is GrantName.
const (
	GrantFile = "grant.json"
	GrantName = "grant"
)

// perDay is how often a node may have a certificate signed: each of its two, twice.
const perDay = 4

// grantPass completes a plan's grant, and refuses what contradicts the rest of the plan.
// What no grant may say, the check with throw-away keys finds out: it makes one.
type grantPass struct {
	base
	facts *clusterFacts
	past  *records
	cas   *cas
	nodes *nodeFacts
}

func grantOf(b base, facts *clusterFacts, past *records, cas *cas, nodes *nodeFacts) {
	if b.p.Grant.Given() {
		(&grantPass{b, facts, past, cas, nodes}).check()
	}
}

func (b *grantPass) check() {
	g, where := &b.p.Grant, plan.At{"grant"}
	if !b.facts.cluster.KubeletServing && !b.facts.cluster.KubeletClient {
		b.Refuse(where, "a grant is for an online signer, and the plan has no authority of one: kubelet-serving or "+
			"kubelet-client")
		return
	}
	if g.Journal == (fingerprint.SHA256{}) {
		b.Refuse(where, "the grant names no journal key: say journal: FINGERPRINT, the SHA-256 of its "+
			"SubjectPublicKeyInfo, as officiant signer inspect prints it")
	}
	if b.p.Named(GrantName) != nil || b.p.Release.Name == GrantName {
		b.Refuse(where, "a key is named %s, and so is the schedule's line of the grant: give the key another name",
			GrantName)
	}
	for path := range b.files.sums {
		if lower := strings.ToLower(path); lower == GrantFile || lower == GrantFile+".sig" {
			b.RefuseInput(path, "%s is a file of the ceremony directory itself", lower)
		}
	}
	if len(g.Users) > 0 && !b.facts.cluster.KubeletClient {
		b.Refuse(append(where, "users"), "users get certificates of kubelet-client, which the plan does not have")
	}
	b.authorities(where)
	b.defaults(g)
	b.members(g, where)
	b.revoked(g, where)
}

// revoked warns of keys that a grant would certify again although a certificate for them
// is revoked: no API server looks at a list.
func (b *grantPass) revoked(g *plan.Grant, where plan.At) {
	if b.past.genesis() || b.past.broken {
		return
	}
	revoked := map[history.Serial]bool{}
	for s := range b.past.Revocations() {
		revoked[s] = true
	}
	for _, r := range b.p.Revocations {
		if s, ok := history.SerialOf(r.Serial.Int); ok {
			revoked[s] = true
		}
	}
	var names []string
	for s := range revoked {
		for is := range b.past.Find(s) {
			if !is.CA && b.now.Before(is.NotAfter) && !slices.Contains(g.RefusedKeys, is.SPKI) {
				names = append(names, is.Name)
			}
		}
	}
	if slices.Sort(names); len(names) > 0 {
		b.Warn(append(where, "refusedKeys"), "the grant does not refuse the key of %s, whose certificate is revoked: "+
			"whoever has it could ask the online signer for another; `officiant ceremony renew` writes such keys into "+
			"the plan", few(slices.Compact(names)))
	}
}

// authorities refuses a grant of authorities that have ended.
func (b *grantPass) authorities(where plan.At) {
	for _, f := range plan.Families {
		a := b.p.Issuing(f)
		if a == nil || !f.Online() {
			continue
		}
		if c := b.cas.certificates[a.Name]; c != nil && b.now.After(c.NotAfter) {
			b.Refuse(where, "authority %s has expired, so that nothing could be signed by the grant: renew it in the "+
				"same ceremony (renews)", a.Name)
		}
	}
}

func (b *grantPass) defaults(g *plan.Grant) {
	validity(&g.Validity, 0, plan.OnlineLife)
	if g.Life == 0 {
		g.Life = plan.Life(24 * time.Hour)
	}
	if g.SignaturesPerDay == 0 {
		g.SignaturesPerDay = perDay
	}
	if g.KeyAlgorithms == nil {
		g.KeyAlgorithms = []signer.Algorithm{signer.ECDSAP256}
	}
	if g.Nodes == nil && b.past.genesis() {
		for _, n := range b.nodes.list {
			node := plan.GrantNode{Name: n.Name, Roles: n.Roles, DNSNames: []string{n.Name}}
			if n.Address.IsValid() {
				node.IPAddresses = []netip.Addr{n.Address}
			}
			g.Nodes = append(g.Nodes, node)
		}
	}
	for i := range g.Nodes {
		if g.Nodes[i].SignaturesPerDay == 0 {
			g.Nodes[i].SignaturesPerDay = g.SignaturesPerDay
		}
	}
	for i := range g.Users {
		if g.Users[i].SignaturesPerDay == 0 {
			g.Users[i].SignaturesPerDay = g.SignaturesPerDay
		}
	}
}

// members holds the grant's nodes against the plan's: a grant replaces the one before.
func (b *grantPass) members(g *plan.Grant, where plan.At) {
	if g.Nodes == nil && !b.past.genesis() {
		b.Refuse(where, "the grant replaces the one before: list every node of the cluster (nodes)")
		return
	}
	granted := map[string]*plan.GrantNode{}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		granted[n.Name] = n
		if slices.Contains(b.p.Left, n.Name) {
			b.Refuse(append(where, "nodes", i), "node %s has left the cluster, and the grant has it", n.Name)
		}
	}
	for _, n := range b.nodes.list {
		in := granted[n.Name]
		switch {
		case in == nil:
			b.Refuse(append(where, "nodes"), "node %s is not in the grant, which replaces the one before", n.Name)
		case !sameRoles(in.Roles, n.Roles):
			b.Refuse(append(where, "nodes"), "node %s has the roles %v in the grant, and %v in the plan", n.Name,
				in.Roles, n.Roles)
		case n.Address.IsValid() && !slices.Contains(in.IPAddresses, n.Address):
			b.Refuse(append(where, "nodes"), "node %s has the address %s, which the grant does not give it", n.Name,
				n.Address)
		}
	}
}

func sameRoles(a, b []kubepki.Role) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(r kubepki.Role) bool { return !slices.Contains(b, r) })
}

// Reserved are the DNS names and networks that the grant gives to no node, sorted: the
// API server's where they are no node's own, those of services, and what the plan adds.
func (c *Ceremony) Reserved() (names []string, networks []netip.Prefix) {
	own := map[string]bool{}
	for _, n := range c.Plan.Grant.Nodes {
		for _, name := range n.DNSNames {
			own[name] = true
		}
		for _, a := range n.IPAddresses {
			own[a.String()] = true
		}
	}
	names = slices.Clone(c.Plan.Grant.Reserved.DNSNames)
	networks = slices.Clone(c.Plan.Grant.Reserved.Networks)
	api := slices.Concat([]string{hostOf(c.Cluster.ControlPlaneEndpoint)}, c.Cluster.CertSANs,
		c.Cluster.Overrides["kube-apiserver"].ExtraSANs)
	for _, s := range api {
		a, err := netip.ParseAddr(s)
		switch a = a.Unmap(); {
		case s == "" || own[strings.ToLower(s)] || own[a.String()]:
		case err == nil:
			networks = append(networks, netip.PrefixFrom(a, a.BitLen()))
		default:
			names = append(names, strings.ToLower(s))
		}
	}
	for s := range strings.SplitSeq(c.Cluster.ServiceSubnet, ",") {
		if p, err := netip.ParsePrefix(s); err == nil {
			networks = append(networks, p.Masked())
		}
	}
	slices.Sort(names)
	slices.SortFunc(networks, func(a, b netip.Prefix) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(names), slices.Compact(networks)
}

// grantFields are those of the schedule's line of the grant.
func (c *Ceremony) grantFields(put func(key, value string)) {
	g := &c.Plan.Grant
	algorithms := make([]string, len(g.KeyAlgorithms))
	for i, a := range g.KeyAlgorithms {
		algorithms[i] = string(a)
	}
	put("journal", "sha256:"+g.Journal.String())
	put("keys", strings.Join(algorithms, ","))
	put("life", plan.Hours(time.Duration(g.Life)))
	put("nodes", strconv.Itoa(len(g.Nodes)))
	put("users", strconv.Itoa(len(g.Users)))
	put("duration", plan.Hours(time.Duration(g.Validity)))
}

// GrantSummary is the grant on one line, for whoever reviews the plan.
func (c *Ceremony) GrantSummary() string {
	g := &c.Plan.Grant
	return fmt.Sprintf("%d nodes, %d users; certificates live %s at most, %d a day for a node; the grant holds for %s",
		len(g.Nodes), len(g.Users), g.Life, g.SignaturesPerDay, g.Validity)
}
