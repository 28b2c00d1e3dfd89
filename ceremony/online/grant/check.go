package grant

import (
	"crypto/x509"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/signer"
)

var (
	label    = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	userName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9@._:/-]{0,252}$`)
	numbered = regexp.MustCompile(`(^|\.)[0-9]+$`) // could be taken for an address
	roles    = []string{"control-plane", "etcd", "worker"}
	usage    = map[string]x509.ExtKeyUsage{KubeletClient: x509.ExtKeyUsageClientAuth,
		Client: x509.ExtKeyUsageClientAuth, KubeletServer: x509.ExtKeyUsageServerAuth}
	ownNames  = []string{"kubernetes", "localhost"}
	ownSuffix = []string{".svc", ".cluster.local", ".default"}
)

// check says what is wrong with a grant; empty when nothing is. It fills what is looked
// up by name.
func (g *Grant) check() string {
	switch {
	case g.APIVersion != apiVersion || g.Kind != kind:
		return fmt.Sprintf("it is %q %q, not %s %s", g.APIVersion, g.Kind, apiVersion, kind)
	case !label.MatchString(g.Cluster):
		return fmt.Sprintf("cluster is %q, which is no name of a cluster", g.Cluster)
	case g.Sequence < 1:
		return "sequence is below 1"
	case !whole(g.NotBefore) || !whole(g.NotAfter) || !g.NotBefore.Before(g.NotAfter):
		return "notBefore and notAfter are not in UTC and whole seconds, one before the other"
	case len(g.Nodes) > maxNodes || len(g.Users) > maxNodes:
		return fmt.Sprintf("it has more than %d nodes or users", maxNodes)
	case len(g.KeyAlgorithms) == 0:
		return "keyAlgorithms is empty: no key could be certified"
	}
	for _, a := range g.KeyAlgorithms {
		if _, err := signer.ParseAlgorithm(string(a)); err != nil {
			return fmt.Sprintf("keyAlgorithms: %v", err)
		}
	}
	g.refused = map[fingerprint.SHA256]bool{g.JournalKey: true}
	for _, key := range g.RefusedKeys {
		g.refused[key] = true
	}
	for _, part := range []func() string{g.checkAuthorities, g.checkNodes, g.checkUsers} {
		if reason := part(); reason != "" {
			return reason
		}
	}
	return ""
}

func whole(t time.Time) bool { return t.Location() == time.UTC && t.Nanosecond() == 0 }

func (g *Grant) checkAuthorities() string {
	if len(g.Authorities) == 0 {
		return "authorities is empty: nobody could sign"
	}
	seen := map[string]bool{}
	keys := map[fingerprint.SHA256]x509.ExtKeyUsage{}
	for i := range g.Authorities {
		a := &g.Authorities[i]
		want, known := usage[a.SignerName]
		if !known {
			return fmt.Sprintf("authorities: signerName %q is unknown; known are %s", a.SignerName,
				strings.Join(slices.Sorted(maps.Keys(usage)), ", "))
		}
		if seen[a.SignerName] {
			return fmt.Sprintf("authorities: signerName %s is there twice", a.SignerName)
		}
		seen[a.SignerName] = true
		if !label.MatchString(a.Name) {
			return fmt.Sprintf("authority of %s: name is %q, which is no name of a key", a.SignerName, a.Name)
		}
		if err := a.parse(); err != nil {
			return fmt.Sprintf("authority %s: %v", a.Name, err)
		}
		c := a.cert
		switch {
		case !c.IsCA:
			return fmt.Sprintf("authority %s: its certificate is no CA's", a.Name)
		case c.KeyUsage&x509.KeyUsageCertSign == 0:
			return fmt.Sprintf("authority %s: its key usage does not have certSign", a.Name)
		case !c.MaxPathLenZero:
			return fmt.Sprintf("authority %s: it may issue authorities; pathLen has to be 0", a.Name)
		case !slices.Equal(c.ExtKeyUsage, []x509.ExtKeyUsage{want}):
			return fmt.Sprintf("authority %s: its extended key usage is not what %s needs, and nothing else", a.Name,
				a.SignerName)
		}
		spki := fingerprint.Of(c.RawSubjectPublicKeyInfo)
		if before, ok := keys[spki]; ok && before != want {
			return fmt.Sprintf("authority %s: its key is that of clients and of servers", a.Name)
		}
		if spki == g.JournalKey {
			return fmt.Sprintf("authority %s: its key is the journal's, too", a.Name)
		}
		keys[spki], g.refused[spki] = want, true
	}
	return ""
}

func (g *Grant) checkNodes() string {
	g.nodes = make(map[string]*Node, len(g.Nodes))
	owner := map[string]string{} // of a DNS name or address
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if reason := dnsName(n.Name); reason != "" {
			return fmt.Sprintf("node %q: its name %s", n.Name, reason)
		}
		if _, double := g.nodes[n.Name]; double {
			return fmt.Sprintf("node %s is there twice", n.Name)
		}
		g.nodes[n.Name] = n
		if reason := g.checkNode(n); reason != "" {
			return fmt.Sprintf("node %s: %s", n.Name, reason)
		}
		for _, name := range n.names() {
			if other, taken := owner[name]; taken {
				return fmt.Sprintf("node %s: %s is node %s's", n.Name, name, other)
			}
			owner[name] = n.Name
		}
	}
	for _, n := range g.Nodes { // a node's name is its own, whether a certificate has it or not
		if other, taken := owner[n.Name]; taken && other != n.Name {
			return fmt.Sprintf("node %s: %s is another node's name", other, n.Name)
		}
	}
	return ""
}

// names are a node's DNS names and addresses.
func (n *Node) names() []string {
	list := slices.Clone(n.DNSNames)
	for _, a := range n.IPAddresses {
		list = append(list, a.String())
	}
	return list
}

func (g *Grant) checkNode(n *Node) string {
	switch {
	case len(n.DNSNames) > maxNames || len(n.IPAddresses) > maxNames:
		return fmt.Sprintf("it has more than %d names or addresses", maxNames)
	case n.SignaturesPerDay < 1 || n.SignaturesPerDay > maxADay:
		return fmt.Sprintf("signaturesPerDay is not from 1 to %d", maxADay)
	case n.Bootstrap != "" && !userName.MatchString(n.Bootstrap), strings.HasPrefix(n.Bootstrap, "system:node:"):
		return fmt.Sprintf("bootstrap %q is no user who asks for a first certificate", n.Bootstrap)
	case len(n.Roles) == 0:
		return "it has no roles"
	}
	for i, r := range n.Roles {
		if !slices.Contains(roles, r) {
			return fmt.Sprintf("role %q is unknown; known are %s", r, strings.Join(roles, ", "))
		}
		if slices.Contains(n.Roles[:i], r) {
			return fmt.Sprintf("role %s is there twice", r)
		}
	}
	for i, d := range n.DNSNames {
		if reason := dnsName(d); reason != "" {
			return fmt.Sprintf("DNS name %q %s", d, reason)
		}
		if slices.Contains(n.DNSNames[:i], d) {
			return fmt.Sprintf("DNS name %s is there twice", d)
		}
		if slices.Contains(g.Reserved.DNSNames, d) {
			return fmt.Sprintf("DNS name %s is reserved", d)
		}
	}
	for i, a := range n.IPAddresses {
		if reason := g.address(a); reason != "" {
			return fmt.Sprintf("address %s %s", a, reason)
		}
		if slices.Contains(n.IPAddresses[:i], a) {
			return fmt.Sprintf("address %s is there twice", a)
		}
	}
	return ""
}

func (g *Grant) address(a netip.Addr) string {
	switch {
	case !a.IsValid() || a.Zone() != "" || a.Is4In6():
		return "is none that a certificate holds"
	case a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() || a.IsLinkLocalUnicast():
		return "is no node's: it is unspecified, loopback, multicast or link-local"
	}
	for _, p := range g.Reserved.Networks {
		if p.Contains(a) {
			return fmt.Sprintf("is in the reserved network %s", p)
		}
	}
	return ""
}

// dnsName says why a name is none that a node may have.
func dnsName(s string) string {
	for part := range strings.SplitSeq(s, ".") {
		if !label.MatchString(part) || len(s) > 253 {
			return "is not an RFC 1123 subdomain"
		}
	}
	if numbered.MatchString(s) {
		return "could be taken for an address"
	}
	if slices.Contains(ownNames, s) || slices.ContainsFunc(ownSuffix,
		func(x string) bool { return strings.HasSuffix(s, x) }) {
		return "is a service's"
	}
	return ""
}

func (g *Grant) checkUsers() string {
	g.users = make(map[string]*User, len(g.Users))
	for i := range g.Users {
		u := &g.Users[i]
		if _, double := g.users[u.Name]; double {
			return fmt.Sprintf("user %s is there twice", u.Name)
		}
		g.users[u.Name] = u
		for _, name := range append([]string{u.Name}, u.Groups...) {
			if !userName.MatchString(name) || strings.HasPrefix(name, "system:") || strings.HasPrefix(name,
				"kubeadm:") ||
				name == "front-proxy-client" {
				return fmt.Sprintf("user %q: %q is Kubernetes' own name, or none", u.Name, name)
			}
		}
		if !userName.MatchString(u.Requester) {
			return fmt.Sprintf("user %s: requester %q is no user's name", u.Name, u.Requester)
		}
		if u.SignaturesPerDay < 1 || u.SignaturesPerDay > maxADay {
			return fmt.Sprintf("user %s: signaturesPerDay is not from 1 to %d", u.Name, maxADay)
		}
	}
	return ""
}
