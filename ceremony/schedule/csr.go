package schedule

import (
	"crypto/x509"
	"encoding/asn1"
	"net"
	"net/netip"
	"slices"

	"officiant/bundle/certfile"
	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/request"
)

// keyUses says who has a public key already. A key stands in one certificate
// only: whoever has it for one use would have it for the other.
type keyUses map[fingerprint.SHA256]string

// csrs checks that a request has exactly the CSRs its node needs, and that
// none asks for more than the plan gives.
func (b *requestPass) csrs(i int, o *request.Opened, seen keyUses) {
	in := b.p.Nodes[i]
	want := map[string]kubepki.Leaf{}
	for _, l := range b.nodes.leaves.at(i) {
		want[l.Name] = l
		if o.CSR[l.Name] == nil {
			b.RefuseInput(in.Request, "csr/%s.csr: missing; node %s needs it", l.Name, in.Name)
		}
	}
	for _, part := range o.CSRs {
		bad := func(format string, args ...any) { b.RefuseInput(in.Request, part.File+": "+format, args...) }
		l, ok := want[part.Name]
		if !ok {
			bad("node %s has no such certificate in the plan", in.Name)
			continue
		}
		csr := o.CSR[part.Name]
		if csr == nil {
			continue // said above
		}
		// The request of a renewal was granted before; by now the plan may give less.
		if !in.Renews() {
			b.asks(csr, l, in.Name, bad)
		}
		spki, err := fingerprint.SPKI(csr.PublicKey)
		if err != nil {
			bad("%v", err)
			continue
		}
		b.used(i, part.Name, spki, seen)
	}
}

// used notes whose a key is, and refuses one that is another's already.
func (b *requestPass) used(i int, name string, spki fingerprint.SHA256, seen keyUses) {
	in := b.p.Nodes[i]
	if other, ok := seen[spki]; ok {
		b.RefuseInput(in.Request, "csr/%s.csr: its key is that of %s; every certificate has a key of its own", name, other)
	}
	seen[spki] = in.Name + "/" + name
}

// The extensions a CSR may ask for; what they ask is not taken over, and names
// beyond the plan's are refused.
var csrExtensions = []asn1.ObjectIdentifier{
	{2, 5, 29, 14}, // subject key identifier
	{2, 5, 29, 15}, // key usage
	{2, 5, 29, 17}, // subject alternative name
	{2, 5, 29, 19}, // basic constraints; CA:TRUE is refused with the request
	{2, 5, 29, 37}, // extended key usage
}

// asks refuses a CSR that asks for a name the plan does not give.
func (b *requestPass) asks(csr *x509.CertificateRequest, l kubepki.Leaf, node string, bad func(string, ...any)) {
	not := func(what, name string) { bad("asks for %s %q, which the plan does not give node %s", what, name, node) }
	for _, attribute := range csr.Subject.Names {
		value, _ := attribute.Value.(string)
		switch {
		case attribute.Type.Equal(asn1.ObjectIdentifier{2, 5, 4, 3}):
			if value != l.CommonName {
				not("the common name", value)
			}
		case attribute.Type.Equal(asn1.ObjectIdentifier{2, 5, 4, 10}):
			if !slices.Contains(l.Organization, value) {
				not("the organization", value)
			}
		default:
			not("the subject attribute "+attribute.Type.String(), value)
		}
	}
	for _, name := range csr.DNSNames {
		if !l.Grants(name) {
			not("the DNS name", name)
		}
	}
	for _, ip := range csr.IPAddresses {
		if !contains(l.IPAddresses, ip) {
			not("the IP address", ip.String())
		}
	}
	for _, email := range csr.EmailAddresses {
		not("the email address", email)
	}
	for _, u := range csr.URIs {
		not("the URI", u.String())
	}
	known := len(csr.DNSNames) + len(csr.IPAddresses) + len(csr.EmailAddresses) + len(csr.URIs)
	if certfile.CountAltNames(csr.Extensions) != known {
		bad("asks for alternative names that are neither DNS names nor IP addresses")
	}
	for _, e := range csr.Extensions {
		if !slices.ContainsFunc(csrExtensions, e.Id.Equal) {
			bad("asks for the extension %s, which no certificate has", e.Id)
		}
	}
}

func contains(list []netip.Addr, ip net.IP) bool {
	a, ok := netip.AddrFromSlice(ip)
	return ok && slices.Contains(list, a.Unmap())
}
