package audit

import (
	"crypto/x509"
	"net"
	"net/netip"
	"slices"
	"strings"

	"officiant/ceremony/history"
	"officiant/ceremony/schedule"
)

// nameAudit proves that extra certificates have nobody else's names.
type nameAudit struct{ *view }

// othersNames wants each extra certificate that serves to have names of its own
// node alone, or of nobody: none of another node, of the API server or of etcd, of a
// service, and no loopback address. Whoever has its key could pass for them.
func (a *nameAudit) othersNames(c *Check) {
	var owners []owner
	for e := range a.plan.All() {
		if e.Kind != schedule.LeafCertificate || e.Leaf.Extra == nil || !serves(e.ExtKeyUsage) {
			continue
		}
		if owners == nil {
			owners = a.owners()
		}
		for _, name := range append(slices.Clone(e.DNSNames), e.CommonName) {
			if whose := a.nameOf(name, e.Node, owners); whose != "" {
				a.requires(c, "%s: line %d, %s: the name %s is %s", scheduleFile, e.N, e.Name, name, whose)
			}
		}
		for _, ip := range e.IPAddresses {
			if whose := a.addressOf(ip, e.Node, owners); whose != "" {
				a.requires(c, "%s: line %d, %s: the address %s is %s", scheduleFile, e.N, e.Name, ip, whose)
			}
		}
	}
}

func serves(usages []x509.ExtKeyUsage) bool {
	return len(usages) == 0 || slices.Contains(usages, x509.ExtKeyUsageServerAuth) ||
		slices.Contains(usages, x509.ExtKeyUsageAny)
}

// owner has names and addresses.
type owner struct {
	node  string // empty: the cluster itself
	what  string // "another node's, cp-1"
	names []string
	ips   []netip.Addr
}

// owners are the nodes of the plan and those on record, and what stands before the
// API servers.
func (a *nameAudit) owners() []owner {
	cluster := owner{what: "the API server's or etcd's"}
	host := a.plan.Cluster.ControlPlaneEndpoint
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	cluster.add(host)
	for _, sans := range [][]string{a.plan.Cluster.CertSANs, a.plan.Cluster.EtcdServerCertSANs,
		a.plan.Cluster.EtcdPeerCertSANs} {
		for _, s := range sans {
			cluster.add(s)
		}
	}
	for _, o := range a.plan.Cluster.Overrides {
		for _, s := range o.ExtraSANs {
			cluster.add(s)
		}
	}
	all := []owner{cluster}
	for _, n := range a.plan.Nodes {
		node := owner{node: n.Name, what: "another node's, " + n.Name, names: []string{n.Name}}
		if n.Address.IsValid() {
			node.ips = append(node.ips, n.Address.Unmap())
		}
		all = append(all, node)
	}
	return append(all, a.before()...)
}

// before are the nodes on record that have not left: by their names, and by those in
// their newest serving certificates. A node of the plan is among them, too, by what it
// had before.
func (a *nameAudit) before() (all []owner) {
	known := map[string]bool{}
	for _, n := range a.plan.Plan.Left {
		known[n] = true
	}
	for _, r := range a.past.own {
		for _, n := range r.Left {
			known[n] = true
		}
		for cert := range r.Certificates() {
			n := cert.Node()
			if n == "" || known[n] {
				continue
			}
			known[n] = true
			o := owner{node: n, what: "another node's, " + n, names: []string{n}}
			for _, file := range []string{"apiserver", "etcd/server", "etcd/peer"} {
				if serving := a.past.certificate(n+"/"+file, history.Issued, history.Adopted); serving != nil {
					o.serves(serving)
				}
			}
			all = append(all, o)
		}
	}
	return all
}

func (o *owner) serves(c *x509.Certificate) {
	o.names = append(o.names, c.DNSNames...)
	for _, raw := range c.IPAddresses {
		if ip, ok := netip.AddrFromSlice(raw); ok {
			o.ips = append(o.ips, ip.Unmap())
		}
	}
}

func (o *owner) add(name string) {
	if ip, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		o.ips = append(o.ips, ip.Unmap())
	} else if name != "" {
		o.names = append(o.names, name)
	}
}

// nameOf says whose a DNS name is, when it is neither the node's nor nobody's. A
// common name is looked at as well: old clients take it for one.
func (a *nameAudit) nameOf(name, node string, owners []owner) string {
	if ip, err := netip.ParseAddr(name); err == nil {
		return a.addressOf(ip, node, owners)
	}
	plain := canonical(name)
	domain := canonical(a.plan.Cluster.DNSDomain)
	switch {
	case plain == "*" || strings.HasPrefix(plain, "*.") && !strings.Contains(plain[2:], "."):
		return "everybody's"
	case under(plain, "localhost") || under(plain, "localhost.localdomain") || plain == "ip6-localhost" ||
		plain == "ip6-loopback":
		return "this machine's on every machine"
	case plain == "kubernetes" || plain == "kubernetes.default" || under(plain, "svc") || under(plain, "svc.cluster") ||
		domain != "" && under(plain, domain):
		return "a service's"
	}
	for _, o := range owners {
		if o.node == node && node != "" {
			continue
		}
		for _, theirs := range o.names {
			if meets(plain, canonical(theirs)) {
				return o.what
			}
		}
	}
	return ""
}

// addressOf is nameOf for addresses, whichever family they are written in.
func (a *nameAudit) addressOf(ip netip.Addr, node string, owners []owner) string {
	ip = ip.Unmap().WithZone("")
	if ip.IsLoopback() || ip.IsUnspecified() {
		return "this machine's on every machine"
	}
	for cidr := range strings.SplitSeq(a.plan.Cluster.ServiceSubnet, ",") {
		if subnet, err := netip.ParsePrefix(strings.TrimSpace(cidr)); err == nil && subnet.Contains(ip) {
			return "a service's"
		}
	}
	for _, o := range owners {
		if (o.node != node || node == "") && slices.Contains(o.ips, ip) {
			return o.what
		}
	}
	return ""
}

// canonical is a DNS name as names are compared: in lower case, without the dot at
// its end.
func canonical(name string) string { return strings.TrimSuffix(strings.ToLower(name), ".") }

// under says whether a name is a domain, or below it.
func under(name, domain string) bool { return name == domain || strings.HasSuffix(name, "."+domain) }

// meets says whether some name fits both: they are the same, or one has a wildcard
// in the place of the other's first label.
func meets(x, y string) bool {
	if x == y {
		return true
	}
	_, restX, _ := strings.Cut(x, ".")
	_, restY, _ := strings.Cut(y, ".")
	return restX != "" && restX == restY && (strings.HasPrefix(x, "*.") || strings.HasPrefix(y, "*."))
}
