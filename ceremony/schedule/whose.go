package schedule

import (
	"net/netip"
	"slices"
	"strings"

	"officiant/bundle/kubepki"
)

// whose says to whom names and addresses belong: who serves under one that is
// another's can be taken for him. Names are compared in one spelling.
type whose struct {
	nodes    map[string][]string // nodes by a name or address of theirs
	below    map[string][]string // names and nodes' names by the domain above them, for wildcards
	labels   map[string][]string // nodes by the first label of their name
	shared   map[string]string   // what all servers of one kind have: of which kind
	subnets  []netip.Prefix      // of services
	domain   string              // of services
	endpoint string
}

// Kinds of servers that share names.
const (
	theAPIServer = "the API server"
	etcdItself   = "etcd"
)

// reached is a node and what it is reached by, from the plan or from a record.
type reached struct {
	node  string
	names []string
}

// whoseNames gathers the names of a cluster: those that all API servers or all
// members of etcd share, and those of each node.
func whoseNames(c kubepki.Cluster, nodes []reached) *whose {
	w := &whose{nodes: map[string][]string{}, below: map[string][]string{}, labels: map[string][]string{},
		shared: map[string]string{}, domain: spelling(c.DNSDomain), endpoint: spelling(hostOf(c.ControlPlaneEndpoint))}
	for s := range strings.SplitSeq(c.ServiceSubnet, ",") {
		if p, err := netip.ParsePrefix(strings.TrimSpace(s)); err == nil {
			w.subnets = append(w.subnets, p.Masked())
		}
	}
	api := []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster",
		"kubernetes.default.svc." + c.DNSDomain, hostOf(c.ControlPlaneEndpoint)}
	w.share(theAPIServer, api, c.CertSANs, c.Overrides["kube-apiserver"].ExtraSANs)
	w.share(etcdItself, c.EtcdServerCertSANs, c.EtcdPeerCertSANs,
		c.Overrides["kube-etcd"].ExtraSANs, c.Overrides["kube-etcd-peer"].ExtraSANs)
	for _, n := range nodes {
		for _, name := range append([]string{n.node}, n.names...) {
			w.hold(spelling(name), n.node)
		}
		label, _, _ := strings.Cut(spelling(n.node), ".")
		w.labels[label] = append(w.labels[label], n.node)
	}
	return w
}

// share notes names that all servers of a kind have. The first kind keeps a name.
func (w *whose) share(kind string, lists ...[]string) {
	for _, list := range lists {
		for _, name := range list {
			s := spelling(name)
			if s == "" || loopback(s) || w.shared[s] != "" {
				continue
			}
			w.shared[s] = kind
			w.under(s)
		}
	}
}

func (w *whose) hold(name, node string) {
	if name == "" || loopback(name) {
		return
	}
	for _, other := range w.nodes[name] {
		if other == node {
			return
		}
	}
	w.nodes[name] = append(w.nodes[name], node)
	w.under(name)
}

// under files a name below its domain, where a wildcard finds it.
func (w *whose) under(name string) {
	if _, err := netip.ParseAddr(name); err == nil {
		return
	}
	if _, domain, ok := strings.Cut(name, "."); ok {
		w.below[domain] = append(w.below[domain], name)
	}
}

// another names a node other than this one that has a name; empty: none has.
func (w *whose) another(name, node string) string {
	for _, other := range w.nodes[name] {
		if other != node {
			return other
		}
	}
	return ""
}

// service says what kind of service's a name or an address is, or may be; empty: none's.
func (w *whose) service(s string) string {
	if a, err := netip.ParseAddr(s); err == nil {
		for _, p := range w.subnets {
			if p.Contains(a) {
				return "an address of services (" + p.String() + ")"
			}
		}
		return ""
	}
	s = strings.TrimPrefix(s, "*.")
	for _, domain := range []string{"svc", "svc." + w.domain, "pod." + w.domain} {
		if s == domain || strings.HasSuffix(s, "."+domain) {
			return "a name of services"
		}
	}
	return ""
}

// apiService says whether a service's name or address is of the one that the API
// servers are behind, or of the endpoint, which may lie in the services' domain.
func (w *whose) apiService(s string) bool {
	if a, err := netip.ParseAddr(s); err == nil {
		return slices.ContainsFunc(w.subnets, func(p netip.Prefix) bool { return p.Addr().Next() == a })
	}
	return s == w.endpoint || strings.HasPrefix(s, "kubernetes.default.svc")
}

// foreign says why a serving certificate of a node may not have a name; empty when
// it may. Some names may be meant all the same: the plan has to allow those by name.
func (w *whose) foreign(n kubepki.Node, san string) (why string, allowable bool) {
	s := spelling(san)
	_, err := netip.ParseAddr(s)
	address := err == nil
	own := s == spelling(n.Name) || address && n.Address.IsValid() && s == n.Address.Unmap().String()
	kind := w.shared[s]
	serves := kind == theAPIServer && n.Has(kubepki.ControlPlane) || kind == etcdItself && n.Has(kubepki.Etcd)
	service, other := w.service(s), w.another(s, n.Name)
	switch {
	case loopback(s):
		return "is loopback, at which everybody reaches a server of his own", false
	case kind != "" && !(own && serves):
		return "is a name of " + kind, false
	case address && service != "":
		return "is " + service, false
	case other != "":
		return "is a name of node " + other, false
	case own:
		return "", false
	}
	if domain, is := strings.CutPrefix(s, "*."); is {
		for _, name := range w.below[domain] {
			if w.shared[name] != "" {
				return "covers " + name + ", a name of " + w.shared[name], false
			}
			if other := w.another(name, n.Name); other != "" {
				return "covers " + name + ", a name of node " + other, false
			}
		}
	}
	if service != "" {
		return "is " + service, true
	}
	if label, _, _ := strings.Cut(s, "."); !address {
		for _, other := range w.labels[label] {
			if other != n.Name {
				return "begins with the name of node " + other, true
			}
		}
	}
	return "", false
}

// spelling is the one spelling of a name or an address: lower case, no dot at the
// end, and IPv4 as such, also where it was written as IPv6.
func spelling(name string) string {
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	if a, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return a.WithZone("").Unmap().String()
	}
	return name
}

// loopback says whether a name in its one spelling is of whoever asks.
func loopback(s string) bool {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.IsLoopback() || a.IsUnspecified()
	}
	s = strings.TrimPrefix(s, "*.")
	for _, l := range []string{"localhost", "localhost.localdomain", "localhost6", "localhost6.localdomain6"} {
		if s == l || strings.HasSuffix(s, "."+l) {
			return true
		}
	}
	return s == "ip6-localhost" || s == "ip6-loopback" || s == "localdomain"
}

// hostOf is the host of an endpoint, host or host:port; validation has read it before.
func hostOf(endpoint string) string {
	if a, err := netip.ParseAddr(strings.Trim(endpoint, "[]")); err == nil {
		return a.String()
	}
	if i := strings.LastIndexByte(endpoint, ':'); i >= 0 {
		endpoint = endpoint[:i]
	}
	return strings.Trim(endpoint, "[]")
}
