package kubepki

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// AllLeafIDs returns the ID of every row of the fact table, sorted. They are
// the keys Cluster.Overrides may have.
func AllLeafIDs() []string {
	ids := make([]string, 0, len(rows))
	for _, r := range rows {
		ids = append(ids, r.id)
	}
	slices.Sort(ids)
	return ids
}

// Leaves returns every certificate the node needs, fully expanded, sorted by
// Name. It puts defaults in, and fails where Validate of cluster or node does,
// and where the two do not fit together.
func Leaves(c Cluster, n Node) ([]Leaf, error) {
	c = c.Complete()
	if err := check(c, n); err != nil {
		return nil, err
	}
	var leaves []Leaf
	for i := range rows {
		r := &rows[i]
		if !r.applies(c, n) {
			continue
		}
		leaf, err := r.leaf(c, n)
		if err != nil {
			return nil, fmt.Errorf("node %s: %s: %w", n.Name, r.id, err)
		}
		leaves = append(leaves, leaf)
	}
	for _, e := range n.Extra {
		leaf, err := e.leaf(c, n)
		if err != nil {
			return nil, fmt.Errorf("node %s: %s: %w", n.Name, e.Name, err)
		}
		leaves = append(leaves, leaf)
	}
	slices.SortFunc(leaves, func(a, b Leaf) int { return cmp.Compare(a.Name, b.Name) })
	for i, l := range leaves {
		leaves[i] = c.Placed(n, l)
	}
	return leaves, nil
}

// Placed is a leaf with its places on a node.
func (c Cluster) Placed(n Node, l Leaf) Leaf {
	l.Place = c.Place(n, l.File)
	if l.KeyFile != "" {
		l.KeyPlace = c.Place(n, l.KeyFile)
	}
	return l
}

// check validates the facts, alone and together. c is complete.
func check(c Cluster, n Node) error {
	if err := c.Validate(); err != nil {
		return c.wrong(err)
	}
	if err := n.Validate(); err != nil {
		return n.wrong(err)
	}
	if n.Has(ControlPlane) && !n.Has(Etcd) && !c.ExternalEtcd {
		return n.wrong(&FieldError{"roles",
			"control-plane without etcd needs a cluster with externalEtcd; a stacked node has both roles"})
	}
	if !n.Has(ControlPlane) && n.Has(Worker) && c.ControlPlaneEndpoint == "" {
		return c.wrong(&FieldError{"controlPlaneEndpoint",
			fmt.Sprintf("missing; worker %s has no other way to know where the API server is", n.Name)})
	}
	for _, e := range n.Extra {
		if err := e.checkServing(c, n); err != nil {
			return n.wrong(err)
		}
	}
	return nil
}

func (r *row) applies(c Cluster, n Node) bool {
	return slices.ContainsFunc(r.roles, n.Has) &&
		r.since.reached(c.KubernetesVersion) && (n.First || !r.firstOnly)
}

func (r *row) leaf(c Cluster, n Node) (Leaf, error) {
	cn, orgs := r.cn, at(r.orgs, c.KubernetesVersion)
	if c.Naming == NamingDocs {
		cn, orgs = cmp.Or(r.docsCN, r.cn), r.docsOrgs
	}
	// A node's name goes into the table's common names only: one that the plan
	// sets is the same on every node.
	cn = strings.ReplaceAll(cn, nodeName, n.Name)
	o := c.Overrides[r.id]
	if o.Organization != nil {
		orgs = *o.Organization
	}
	l := Leaf{
		ID: r.id, Name: r.name, Authority: r.authority,
		CommonName:   cmp.Or(o.CommonName, cn),
		Organization: slices.Clone(orgs),
		KeyUsage:     leafKeyUsage,
		ExtKeyUsage:  r.usage.extKeys(),
		Consumers:    slices.Clone(r.cert),
	}
	if r.config != nil {
		l.File = r.name
		l.Kubeconfig = r.kubeconfig(c, n)
	} else {
		l.File = pkiDir + r.name + ".crt"
		l.KeyFile = pkiDir + r.name + ".key"
	}
	if r.names != nil {
		names, err := r.names(c, n)
		if err != nil {
			return Leaf{}, err
		}
		l.addNames(names)
		l.addNames(o.ExtraSANs)
	}
	return l, nil
}

// addNames adds IP addresses as such and everything else as DNS names, once each.
func (l *Leaf) addNames(names []string) {
	for _, s := range names {
		if a, err := netip.ParseAddr(s); err == nil {
			if !slices.Contains(l.IPAddresses, a) {
				l.IPAddresses = append(l.IPAddresses, a)
			}
		} else if !slices.Contains(l.DNSNames, s) {
			l.DNSNames = append(l.DNSNames, s)
		}
	}
}

// Grants says whether a leaf carries what a CSR asks for as a DNS name. kubeadm asks
// so for the node's name, also when that is an IP address; the leaf then has the
// address as such, which is where clients look (RFC 6125 section 6.4.2).
func (l Leaf) Grants(name string) bool {
	if a, err := netip.ParseAddr(name); err == nil {
		return slices.Contains(l.IPAddresses, a.Unmap())
	}
	return slices.ContainsFunc(l.DNSNames, func(s string) bool { return strings.EqualFold(s, name) })
}

// apiServerNames are those of kubeadm's GetAPIServerAltNames, in its order.
func apiServerNames(c Cluster, n Node) ([]string, error) {
	vip, err := serviceVIP(c.ServiceSubnet)
	if err != nil {
		return nil, err
	}
	names := []string{n.Name, "kubernetes", "kubernetes.default", "kubernetes.default.svc"}
	if c.Naming == NamingDocs {
		names = append(names, "kubernetes.default.svc.cluster") // listed there, never made by kubeadm
	}
	names = append(names, "kubernetes.default.svc."+c.DNSDomain, vip.String(), n.Address.String())
	if c.ControlPlaneEndpoint != "" {
		host, _, err := splitEndpoint(c.ControlPlaneEndpoint)
		if err != nil {
			return nil, err
		}
		names = append(names, host)
	}
	return append(names, c.CertSANs...), nil
}

func etcdServerNames(c Cluster, n Node) ([]string, error) {
	return append(etcdNames(c, n), c.EtcdServerCertSANs...), nil
}

func etcdPeerNames(c Cluster, n Node) ([]string, error) {
	return append(etcdNames(c, n), c.EtcdPeerCertSANs...), nil
}

func etcdNames(c Cluster, n Node) []string {
	names := []string{n.Name, "localhost", n.Address.String(), "127.0.0.1"}
	if c.Naming == NamingDocs {
		return names
	}
	return append(names, "::1")
}

func (r *row) kubeconfig(c Cluster, n Node) *Kubeconfig {
	k := &Kubeconfig{
		Cluster: c.Name,
		User:    strings.ReplaceAll(r.cn, nodeName, n.Name),
		Server:  serverURL(c, n, at(r.config.endpoint, c.KubernetesVersion)),
	}
	k.Context = k.User + "@" + k.Cluster
	if c.Naming == NamingDocs {
		k.Cluster, k.User, k.Context = "default-cluster", r.config.docsUser, "default-system"
	}
	return k
}

// serverURL follows kubeadm's GetControlPlaneEndpoint and GetLocalAPIEndpoint.
// c is valid, and so is its endpoint.
func serverURL(c Cluster, n Node, e endpoint) string {
	host, port := n.Address.String(), n.bindPort()
	shared := e == controlPlaneEndpoint || !n.Has(ControlPlane) || e == kubeletEndpoint && n.First && c.SharedFirstKubelet
	if c.ControlPlaneEndpoint != "" && shared {
		var given int
		host, given, _ = splitEndpoint(c.ControlPlaneEndpoint)
		port = cmp.Or(given, port)
	}
	return "https://" + net.JoinHostPort(host, strconv.Itoa(port))
}
