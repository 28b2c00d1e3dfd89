package kubepki

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	"officiant/bundle/nearest"
	"officiant/bundle/visible"
)

// kubeadm's defaults, the same in v1beta3 and v1beta4.
const (
	defaultName          = "kubernetes"
	defaultServiceSubnet = "10.96.0.0/12"
	defaultDNSDomain     = "cluster.local"
	defaultBindPort      = 6443
)

const (
	// RFC 5280 appendix A.1: ub-common-name and ub-organization-name. The
	// cluster's name becomes the organization of its authorities.
	maxAttribute = 64

	minServiceAddresses = 10 // kubeadm's MinimumAddressesInServiceSubnet
	maxServiceBits      = 20 // kubeadm's and the API server's upper limit
)

// Complete replaces zero values with kubeadm's defaults. There is no
// default for the Kubernetes version, because what is signed depends on it.
func (c Cluster) Complete() Cluster {
	if c.Name == "" {
		c.Name = defaultName
	}
	if c.Naming == "" {
		c.Naming = NamingKubeadm
	}
	if c.ServiceSubnet == "" {
		c.ServiceSubnet = defaultServiceSubnet
	}
	if c.DNSDomain == "" {
		c.DNSDomain = defaultDNSDomain
	}
	return c
}

// Validate says everything that is wrong with the cluster's facts, defaults
// put in, as joined *FieldError.
func (c Cluster) Validate() error {
	c = c.Complete()
	var p problems
	if !isClusterName(c.Name) {
		p.add("name", "%q is not 1 to %d letters, digits, dots, dashes or underscores with a letter or digit at both ends", c.Name, maxAttribute)
	}
	c.checkVersion(&p)
	if c.Naming != NamingKubeadm && c.Naming != NamingDocs {
		p.add("naming", "%q is neither %s nor %s", c.Naming, NamingKubeadm, NamingDocs)
	}
	if c.ControlPlaneEndpoint != "" {
		if _, _, err := splitEndpoint(c.ControlPlaneEndpoint); err != nil {
			p.add("controlPlaneEndpoint", "%v", err)
		}
	}
	if _, err := serviceVIP(c.ServiceSubnet); err != nil {
		p.add("serviceSubnet", "%v", err)
	}
	if !isSubdomain(c.DNSDomain) {
		p.add("dnsDomain", "%q is not a lower-case DNS name", c.DNSDomain)
	}
	checkSANs(&p, "certSANs", c.CertSANs)
	checkSANs(&p, "etcdServerCertSANs", c.EtcdServerCertSANs)
	checkSANs(&p, "etcdPeerCertSANs", c.EtcdPeerCertSANs)
	for _, id := range slices.Sorted(maps.Keys(c.Overrides)) {
		checkOverride(&p, id, c.Overrides[id])
	}
	p = append(p, c.Places.problems()...)
	return p.err()
}

func (c Cluster) checkVersion(p *problems) {
	switch v := c.KubernetesVersion; {
	case v == Version{}:
		p.add("kubernetesVersion", "missing; what certificates look like depends on it")
	case v.Major != Oldest().Major || v.Compare(Oldest()) < 0:
		p.add("kubernetesVersion", "%s is not supported, the oldest release is %s", v, Oldest())
	}
}

func checkSANs(p *problems, field string, sans []string) {
	for i, s := range sans {
		if err := checkSAN(s); err != nil {
			p.add(fmt.Sprintf("%s[%d]", field, i), "%v", err)
		}
	}
}

func isClusterName(s string) bool {
	if s == "" || len(s) > maxAttribute {
		return false
	}
	for i, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		inner := i > 0 && i < len(s)-1 && strings.IndexByte("._-", c) >= 0
		if !letter && !inner {
			return false
		}
	}
	return true
}

// serviceVIP checks the service subnet and returns the address of the
// "kubernetes" service: the first of the first subnet.
func serviceVIP(subnets string) (netip.Addr, error) {
	parts := strings.Split(subnets, ",")
	if len(parts) > 2 {
		return netip.Addr{}, fmt.Errorf("%q has more than two subnets", subnets)
	}
	var prefixes []netip.Prefix
	for _, s := range parts {
		prefix, err := parseSubnet(s)
		if err != nil {
			return netip.Addr{}, err
		}
		prefixes = append(prefixes, prefix)
	}
	if len(prefixes) == 2 && prefixes[0].Addr().Is4() == prefixes[1].Addr().Is4() {
		return netip.Addr{}, fmt.Errorf("%q has two subnets of the same address family", subnets)
	}
	return prefixes[0].Addr().Next(), nil
}

func parseSubnet(s string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is not a subnet such as %s", s, defaultServiceSubnet)
	}
	bits := prefix.Addr().BitLen() - prefix.Bits()
	switch {
	case prefix.Masked() != prefix:
		return netip.Prefix{}, fmt.Errorf("%s names a host, the subnet is %s", prefix, prefix.Masked())
	case prefix.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("write %s as an IPv4 subnet", prefix)
	case bits > maxServiceBits:
		return netip.Prefix{}, fmt.Errorf("%s is too large, Kubernetes takes at most /%d", prefix, prefix.Addr().BitLen()-maxServiceBits)
	case 1<<bits < minServiceAddresses:
		return netip.Prefix{}, fmt.Errorf("%s is too small, kubeadm wants %d addresses", prefix, minServiceAddresses)
	}
	return prefix, nil
}

// checkOverride refuses what would make certificates that cannot work, or
// that reach further than their authority should.
func checkOverride(p *problems, id string, o Override) {
	field := "overrides." + id
	r := findRow(id)
	if r == nil {
		p.add(field, "no such certificate; known are %s%s", strings.Join(AllLeafIDs(), ", "),
			nearest.Among(id, AllLeafIDs()...))
		return
	}
	if o.CommonName != "" {
		switch {
		case id == kubeletConf:
			p.add(field+".commonName", "cannot be changed, the API server knows a kubelet's node by it")
		case r.authority != FrontProxyAuthority && o.CommonName == frontProxyClient:
			p.add(field+".commonName", "%q belongs to the front-proxy authority: whoever has it may speak for every user", o.CommonName)
		default:
			checkAttribute(p, field+".commonName", o.CommonName)
		}
	}
	if o.Organization != nil {
		for i, s := range *o.Organization {
			checkAttribute(p, fmt.Sprintf("%s.organization[%d]", field, i), s)
		}
		if id == kubeletConf && !slices.Contains(*o.Organization, groupNodes) {
			p.add(field+".organization", "must have %s, or the kubelet may do nothing", groupNodes)
		}
	}
	if len(o.ExtraSANs) > 0 && !r.usage.serves() {
		p.add(field+".extraSANs", "%s is a client certificate, no one looks at its names", id)
		return
	}
	checkSANs(p, field+".extraSANs", o.ExtraSANs)
}

// checkAttribute checks the text of a subject attribute.
func checkAttribute(p *problems, field, s string) {
	_, printable := visible.Hidden(s)
	switch {
	case s == "" || strings.TrimSpace(s) != s || !printable:
		p.add(field, "%q is empty, begins or ends with a space, or has characters that cannot be seen", s)
	case utf8.RuneCountInString(s) > maxAttribute:
		p.add(field, "has more than %d characters (RFC 5280 appendix A.1)", maxAttribute)
	}
}
