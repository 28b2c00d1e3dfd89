package kubepki

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// Profile says what an extra certificate is for.
type Profile string

const (
	Client  Profile = "client"  // logs in with it
	Serving Profile = "serving" // is known by it
)

// Extra is a certificate of a node beyond those that Kubernetes' own parts
// need everywhere: a kubelet's serving certificate, a monitoring client for
// etcd, a named admin. The plan says what is in it.
type Extra struct {
	Name         string    `json:"name"` // "kubelet-server", "etcd/monitoring"; "alice.conf" is a kubeconfig
	Profile      Profile   `json:"profile"`
	Authority    Authority `json:"authority"`
	CommonName   string    `json:"commonName"`
	Organization []string  `json:"organization,omitempty"`
	SANs         []string  `json:"sans,omitempty"`  // of a serving certificate
	Allow        []string  `json:"allow,omitempty"` // names of Kubernetes' own in its subject that are meant: "system:masters"
}

// maxExtras is far above what a node needs, and below what a request can hold.
const maxExtras = 32

// known are extras whose name says the rest; {node} and {address} are the node's.
var known = map[string]struct {
	Extra
	cert, key []Consumer
}{
	"kubelet-server": {
		Extra: Extra{Profile: Serving, Authority: KubernetesAuthority, CommonName: "system:node:{node}",
			Organization: []string{groupNodes}, SANs: []string{"{node}", "{address}"}},
		// It picks them up by itself since 1.31.
		cert: reads("kubelet", Restart, "tlsCertFile"), key: reads("kubelet", Restart, "tlsPrivateKeyFile"),
	},
	"kube-proxy.conf": {
		Extra: Extra{Profile: Client, Authority: KubernetesAuthority, CommonName: "system:kube-proxy",
			Organization: []string{"system:node-proxier"}},
		cert: reads("kube-proxy", Restart, "clientConnection.kubeconfig"),
	},
}

// For fills in what the name alone determines, and replaces {node} and {address} with the
// node's name and address. A node without an address has no such name.
func (e Extra) For(n Node) Extra {
	if k, ok := known[e.Name]; ok && e.Profile == "" && e.CommonName == "" {
		k.Extra.Name, k.Allow = e.Name, e.Allow
		if len(e.SANs) > 0 {
			k.SANs = e.SANs
		}
		e = k.Extra
	}
	e.Authority = cmp.Or(e.Authority, KubernetesAuthority)
	e.CommonName = strings.ReplaceAll(e.CommonName, nodeName, n.Name)
	var names []string
	for _, s := range e.SANs {
		if s == "{address}" {
			if !n.Address.IsValid() {
				continue
			}
			s = n.Address.String()
		}
		names = append(names, strings.ReplaceAll(s, nodeName, n.Name))
	}
	e.SANs = names
	return e
}

// extraName is kubeadm's form of a name, with one folder at most.
var extraName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?/)?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.conf)?$`)

// ExtraLeaf is what an extra's name alone says of its leaf: where certificate
// and key go. A node that asks for it need not know more.
func ExtraLeaf(name string) (Leaf, error) {
	config := strings.HasSuffix(name, ".conf")
	switch {
	case !extraName.MatchString(name) || config && strings.Contains(name, "/"):
		return Leaf{}, fmt.Errorf("%q is no name of an extra certificate, such as kubelet-server, etcd/monitoring or alice.conf", name)
	case slices.ContainsFunc(rows, func(r row) bool { return r.name == name }), slices.ContainsFunc(fileRows, func(r fileRow) bool {
		base := strings.TrimPrefix(r.path, pkiDir)
		return base == name+".crt" || base == name+".key"
	}):
		return Leaf{}, fmt.Errorf("%s is the name of a file every such node has", name)
	}
	l := Leaf{ID: name, Name: name, File: pkiDir + name + ".crt", KeyFile: pkiDir + name + ".key"}
	if config {
		l.File, l.KeyFile, l.Kubeconfig = name, "", &Kubeconfig{}
	}
	l.Consumers = slices.Clone(known[name].cert)
	return Cluster{}.Placed(Node{}, l), nil
}

// leaf expands an extra that was checked.
func (e Extra) leaf(c Cluster, n Node) (Leaf, error) {
	l, err := ExtraLeaf(e.Name)
	if err != nil {
		return Leaf{}, err
	}
	l.Extra = &e
	l.Authority, l.CommonName, l.Organization = e.Authority, e.CommonName, slices.Clone(e.Organization)
	l.KeyUsage, l.ExtKeyUsage = leafKeyUsage, client.extKeys()
	if e.Profile == Serving {
		l.ExtKeyUsage = server.extKeys()
		l.addNames(e.SANs)
	}
	if l.Kubeconfig != nil {
		l.Kubeconfig = &Kubeconfig{Cluster: c.Name, User: e.CommonName, Context: e.CommonName + "@" + c.Name,
			Server: serverURL(c, n, controlPlaneEndpoint)}
	}
	return l, nil
}

// checkExtras says what is wrong with a node's extras, as far as the node shows it.
func (n Node) checkExtras(p *problems) {
	if len(n.Extra) > maxExtras {
		p.add("extra", "more than %d", maxExtras)
		return
	}
	for i, e := range n.Extra {
		field := fmt.Sprintf("extra[%d]", i)
		if slices.ContainsFunc(n.Extra[:i], func(o Extra) bool { return o.Name == e.Name }) {
			p.add(field+".name", "%s is there twice", e.Name)
		}
		e.check(p, field, n)
	}
}

func (e Extra) check(p *problems, field string, n Node) {
	l, err := ExtraLeaf(e.Name)
	if err != nil {
		p.add(field+".name", "%v", err)
		return
	}
	if e.Authority != KubernetesAuthority && e.Authority != EtcdAuthority {
		p.add(field+".authority", "%q is not kubernetes or etcd; whoever has a certificate of the front-proxy authority may speak for every user", e.Authority)
	}
	if l.Kubeconfig != nil && (e.Profile != Client || e.Authority != KubernetesAuthority) {
		p.add(field, "%s is a kubeconfig, which takes a client certificate of the kubernetes authority", e.Name)
	}
	if l.Kubeconfig != nil && !n.Has(ControlPlane) && !n.Has(Worker) {
		p.add(field, "%s is a kubeconfig, and the node has nothing to do with the API server", e.Name)
	}
	switch {
	case e.Profile == Client && len(e.SANs) > 0:
		p.add(field+".sans", "%s is a client certificate, no one looks at its names", e.Name)
	case e.Profile == Serving && len(e.SANs) == 0:
		p.add(field+".sans", "%s is a serving certificate, known by its names alone, and has none", e.Name)
	case e.Profile != Client && e.Profile != Serving:
		p.add(field+".profile", "%q is not client or serving", e.Profile)
	}
	checkSANs(p, field+".sans", e.SANs)
	e.checkSubject(p, field, n)
}

// checkSubject refuses names that open more than they look: a certificate says
// who somebody is, and Kubernetes' own names are somebody already.
func (e Extra) checkSubject(p *problems, field string, n Node) {
	checkAttribute(p, field+".commonName", e.CommonName)
	for i, o := range e.Organization {
		checkAttribute(p, fmt.Sprintf("%s.organization[%d]", field, i), o)
	}
	if e.CommonName == frontProxyClient {
		p.add(field+".commonName", "%q belongs to the front-proxy authority: whoever has it may speak for every user", e.CommonName)
	}
	isNode := strings.HasPrefix(e.CommonName, "system:node:") || slices.Contains(e.Organization, groupNodes)
	itself := e.CommonName == "system:node:"+n.Name && slices.Equal(e.Organization, []string{groupNodes})
	if isNode && (e.Profile != Serving || !itself) {
		p.add(field+".commonName", "a node's name is in its own kubelet.conf, and in its own serving certificate as CN=system:node:%s, O=%s", n.Name, groupNodes)
	}
	if e.Profile == Serving {
		return // it lets nobody in
	}
	for _, name := range e.guarded() {
		if !slices.Contains(e.Allow, name) {
			p.add(field, "%s has the name %s, which is Kubernetes' own; if it is meant, say allow: [%q]", e.Name, name, name)
		}
	}
}

// harmless are names of Kubernetes' own that are meant for such certificates.
var harmless = []string{"system:kube-proxy", "system:node-proxier", "system:monitoring"}

// guarded lists the names in the subject that somebody has already: of system:
// and kubeadm: users and groups, of the certificates every cluster has, and
// etcd's root user.
func (e Extra) guarded() []string {
	var list []string
	for i, s := range append([]string{e.CommonName}, e.Organization...) {
		if s == "" || s == frontProxyClient {
			continue // refused already, allowed or not
		}
		own := strings.HasPrefix(s, "system:") || strings.HasPrefix(s, "kubeadm:")
		taken := i == 0 && slices.ContainsFunc(rows, func(r row) bool { return r.cn == s || r.docsCN == s })
		if (own || taken || i == 0 && e.Authority == EtcdAuthority && s == "root") && !slices.Contains(harmless, s) {
			list = append(list, s)
		}
	}
	return list
}

// checkServing refuses a serving certificate that could stand in for the API
// server: by one of the names all of them share.
func (e Extra) checkServing(c Cluster, n Node) error {
	if e.Profile != Serving || e.Authority != KubernetesAuthority {
		return nil
	}
	names, err := apiServerNames(c, Node{Name: "", Address: netip.IPv4Unspecified()})
	if err != nil {
		return err
	}
	for _, s := range e.SANs {
		own := n.Has(ControlPlane) && (s == n.Name || s == n.Address.String())
		if slices.ContainsFunc(names, func(name string) bool { return covers(s, name) }) && !own {
			return &FieldError{"extra." + e.Name + ".sans", fmt.Sprintf("%s is a name of the API server", s)}
		}
	}
	return nil
}

// covers says whether who is certified as san is taken for name: also by a
// wildcard for its first label, and by another spelling of an address.
func covers(san, name string) bool {
	a, err := netip.ParseAddr(san)
	b, otherErr := netip.ParseAddr(name)
	if err == nil && otherErr == nil {
		return a == b
	}
	_, domain, _ := strings.Cut(name, ".")
	return san == name || san == "*."+domain && domain != ""
}
