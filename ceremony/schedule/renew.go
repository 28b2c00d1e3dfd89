package schedule

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/request"
	"officiant/ceremony/plan"
)

// renewNames checks what a node's renewal asks for, as far as the plan alone says.
func (b *nodePass) renewNames(i int) {
	in, where := b.p.Nodes[i], plan.At{"nodes", i, "renew"}
	switch {
	case !in.Renews():
		return
	case b.past.genesis() || b.p.Previous.Lost != nil:
		b.Refuse(where, "node %s: there is nothing to renew: the plan names no previous ceremony of this cluster",
			in.Name)
	case in.Keys != plan.NodeKeys{}:
		b.Refuse(where, "node %s: keys that the ceremony makes are new, and so are all its certificates", in.Name)
	case in.Fingerprint != fingerprint.SHA256{}:
		b.Refuse(append(plan.At{"nodes", i}, "fingerprint"), "node %s: renewal takes the request it was granted before, "+
			"for which the record vouches; it has no fingerprint", in.Name)
	}
	for j, name := range in.Renew {
		if slices.Contains(in.Renew[:j], name) {
			b.Refuse(append(where, j), "node %s: %s is there twice", in.Name, name)
		}
	}
}

// renewal holds the request of a node whose certificates are renewed against
// the record: every key in it has to be that of the certificate the node has
// now. So the node proved that it has them, and the record vouches that they
// are its own. Certificates that are not renewed are carried over, if they are
// still what the plan asks for.
func (b *requestPass) renewal(i int, o *request.Opened) bool {
	in, where := b.p.Nodes[i], plan.At{"nodes", i, "renew"}
	before := len(b.Problems)
	if err := b.notBelieved(b.past, func(*distrust) error { return stays(b.past, in.Name) }); err != nil {
		b.Refuse(where, "node %s: %v", in.Name, err)
		return false
	}
	known, carried := map[string]bool{}, map[string]*x509.Certificate{}
	for _, l := range b.nodes.leaves.at(i) {
		known[l.Name] = true
		c, err := b.past.newest(in.Name + "/" + l.Name)
		csr := o.CSR[l.Name]
		switch {
		case err != nil:
			b.Refuse(where, "node %s: %v", in.Name, err)
		case c == nil:
			b.Refuse(where, "node %s: no ceremony named here issued its certificate %s; a node that gets more than it had "+
				"needs a new request", in.Name, l.Name)
		case csr == nil: // said where requests are looked into
		case !equalKeys(csr.PublicKey, c.PublicKey):
			b.Refuse(where, "node %s: the key %s in %s is not the one of its certificate on record (serial number %x): "+
				"this is not the request it has its certificates by", in.Name, l.Name, in.Request, c.SerialNumber)
		case in.Makes(l.Name):
			if err := b.notBelieved(b.past, func(d *distrust) error { return d.renews(c) }); err != nil {
				b.Refuse(where, "node %s: %s: %v", in.Name, l.Name, err)
			}
		default:
			if why := b.carries(c, b.nodes.list[i], l); why != "" {
				b.Refuse(where, "node %s: its certificate %s cannot be carried over: %s; name it under renew", in.Name, l.Name, why)
			}
			carried[l.Name] = c
		}
	}
	for j, name := range in.Renew {
		if !known[name] {
			b.Refuse(append(where, j), "node %s has no certificate %s", in.Name, name)
		}
	}
	b.sent.carried[in.Name], b.sent.vouched[in.Name] = carried, ByRecord
	return len(b.Problems) == before
}

// newest is what nodes have now: the newest certificate of a name on this cluster's
// records; nil when there is none.
func (r *records) newest(name string) (*x509.Certificate, error) {
	c, ok := r.Newest(name)
	if !ok {
		return nil, nil
	}
	return c.Parse()
}

// carries says why a certificate cannot stay; empty when it can.
func (b *requestPass) carries(c *x509.Certificate, n kubepki.Node, l kubepki.Leaf) string {
	authority := b.p.Issuing(l.Authority)
	if authority == nil {
		return "the plan has no authority of its family"
	}
	issuer := b.cas.present(authority.Name)
	switch {
	case issuer == nil:
		return "its authority is made anew"
	case authority.Adopted:
		return strings.Join(unfit(c, issuer, b.now, n, l), "; ")
	case c.CheckSignatureFrom(issuer) != nil:
		return "the present authority " + authority.Name + " did not sign it"
	case b.now.After(c.NotAfter):
		return "it ended on " + c.NotAfter.UTC().Format(time.DateOnly)
	}
	return strings.Join(Differences(c, l), "; ")
}

// Differences lists what a certificate says otherwise than the facts it was to
// be made from; its key, issuer and dates are others' business.
func Differences(c *x509.Certificate, l kubepki.Leaf) []string {
	var out []string
	differ := func(what string, has, wants []string) {
		if !slices.Equal(slices.Sorted(slices.Values(has)), slices.Sorted(slices.Values(wants))) {
			out = append(out, fmt.Sprintf("%s [%s], the plan says [%s]", what, strings.Join(has, " "), strings.Join(wants, " ")))
		}
	}
	differ("common name", []string{c.Subject.CommonName}, []string{l.CommonName})
	differ("organization", c.Subject.Organization, l.Organization)
	differ("DNS names", c.DNSNames, l.DNSNames)
	var ips, wantIPs []string
	for _, ip := range c.IPAddresses {
		a, _ := netip.AddrFromSlice(ip)
		ips = append(ips, a.Unmap().String())
	}
	for _, ip := range l.IPAddresses {
		wantIPs = append(wantIPs, ip.Unmap().String())
	}
	differ("IP addresses", ips, wantIPs)
	differ("usages", Usages(Entry{KeyUsage: c.KeyUsage, ExtKeyUsage: c.ExtKeyUsage}),
		Usages(Entry{KeyUsage: l.KeyUsage, ExtKeyUsage: l.ExtKeyUsage}))
	return out
}

// CarriedNames names the certificates a node keeps.
func (c *Ceremony) CarriedNames(node string) []string {
	var names []string
	for name := range c.Carried[node] {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
