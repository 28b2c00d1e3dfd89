package policy_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/ceremony/online/grant"
	"officiant/ceremony/online/onlinetest"
	"officiant/ceremony/online/policy"
)

// attribute is one of a subject, with any value.
func attribute(oid asn1.ObjectIdentifier, value any) pkix.AttributeTypeAndValue {
	return pkix.AttributeTypeAndValue{Type: oid, Value: value}
}

var (
	oidCN = asn1.ObjectIdentifier{2, 5, 4, 3}
	oidO  = asn1.ObjectIdentifier{2, 5, 4, 10}
)

// sans is a list of alternative names as it is written.
func sans(t *testing.T, names ...asn1.RawValue) pkix.Extension {
	der, err := asn1.Marshal(names)
	if err != nil {
		t.Fatal(err)
	}
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: der}
}

func context(tag int, value string) asn1.RawValue {
	return asn1.RawValue{Class: 2, Tag: tag, Bytes: []byte(value)}
}

// TestVariants: lessons once more, each in other clothes. What is refused is so for the
// reason that its lesson has; what means the same is taken, and the certificate says what
// the grant does.
func TestVariants(t *testing.T) {
	type change func(t *testing.T, r *policy.Request)
	subject := func(n pkix.Name) change {
		return func(t *testing.T, r *policy.Request) { r.CSR = csrOf(t, &x509.CertificateRequest{Subject: n}) }
	}
	named := func(cn string) change {
		return subject(pkix.Name{CommonName: cn, Organization: []string{"system:nodes"}})
	}
	raw := func(attributes ...pkix.AttributeTypeAndValue) change {
		return subject(pkix.Name{ExtraNames: attributes})
	}
	server := func(names ...asn1.RawValue) change {
		return func(t *testing.T, r *policy.Request) {
			*r = onlinetest.ServerRequest(t, "worker-1", onlinetest.NewKey(t, "k"), []string{"worker-1"})
			r.CSR = csrOf(t, &x509.CertificateRequest{Subject: onlinetest.NodeSubject("worker-1"),
				ExtraExtensions: []pkix.Extension{sans(t, names...)}})
		}
	}
	usages := func(list ...string) change {
		return func(_ *testing.T, r *policy.Request) { r.Usages = list }
	}
	block := func(edit func(*pem.Block)) change {
		return func(_ *testing.T, r *policy.Request) {
			b, _ := pem.Decode(r.CSR)
			edit(b)
			r.CSR = pem.EncodeToMemory(b)
		}
	}
	const dns, mail, uri, ip = 2, 1, 6, 7
	for name, v := range map[string]struct {
		change change
		want   policy.Reason
	}{
		"usages in another order": {
			usages("client auth", "digital signature"), "",
		},
		"key encipherment in the middle": {
			usages("client auth", "key encipherment", "digital signature"), "",
		},
		"key encipherment twice": {
			usages("client auth", "key encipherment", "key encipherment", "digital signature"), policy.Usages,
		},
		"a usage in other letters": {
			usages("Client Auth", "digital signature"), policy.Usages,
		},
		"a usage with a space": {
			usages("client auth ", "digital signature"), policy.Usages,
		},
		"no usages": {usages(), policy.Usages},
		"client and server": {
			usages("client auth", "digital signature", "server auth"), policy.Usages,
		},
		"a node's name with a dot behind": {
			named("system:node:worker-1."), policy.Unknown,
		},
		"a node's name in capitals": {
			named("system:node:WORKER-1"), policy.Unknown,
		},
		"a node's name and a line": {
			named("system:node:worker-1\n"), policy.Unknown,
		},
		"a node's name and a zero": {
			named("system:node:worker-1\x00"), policy.Unknown,
		},
		"a node without a name": {named("system:node:"), policy.Unknown},
		"a prefix in capitals": {
			named("System:node:worker-1"), policy.Subject,
		},
		"a prefix twice": {
			named("system:node:system:node:worker-1"), policy.Unknown,
		},
		"a common name that is a number": {
			raw(attribute(oidO, "system:nodes"), attribute(oidCN, 7)), policy.Subject,
		},
		"a group that is a number, beside it": {
			raw(attribute(oidO, "system:nodes"), attribute(oidO, 7),
				attribute(oidCN, "system:node:worker-1")), policy.Subject,
		},
		"the group twice": {
			raw(attribute(oidO, "system:nodes"), attribute(oidO, "system:nodes"),
				attribute(oidCN, "system:node:worker-1")), policy.Subject,
		},
		"a group in capitals": {
			subject(pkix.Name{CommonName: "system:node:worker-1",
				Organization: []string{"System:Nodes"}}), policy.Subject,
		},
		"no group": {
			subject(pkix.Name{CommonName: "system:node:worker-1"}), policy.Subject,
		},
		"a serial number in the subject": {
			subject(pkix.Name{CommonName: "system:node:worker-1",
				Organization: []string{"system:nodes"}, SerialNumber: "1"}), policy.Subject,
		},
		"a DNS name with a dot behind": {
			server(context(dns, "worker-1.")), policy.SANName,
		},
		"a DNS name and a zero": {
			server(context(dns, "worker-1\x00.example")), policy.SANName,
		},
		"a DNS name that is the address": {
			server(context(dns, "10.0.0.11")), policy.SANName,
		},
		"an empty DNS name": {server(context(dns, "")), policy.SANName},
		"a wildcard alone":  {server(context(dns, "*")), policy.SANName},
		"a wildcard of the node's name": {
			server(context(dns, "*.worker-1")), policy.SANName,
		},
		"the same DNS name many times": {
			server(slices.Repeat([]asn1.RawValue{context(dns, "worker-1")}, 100)...), "",
		},
		"its address as IPv6": {
			server(context(ip, string(net.ParseIP("10.0.0.11").To16()))), "",
		},
		"another's address as IPv6": {
			server(context(ip, string(net.ParseIP("10.0.0.12").To16()))), policy.SANName,
		},
		"its address as IPv4-compatible IPv6": {
			server(context(ip, "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x0a\x00\x00\x0b")), policy.SANName,
		},
		"a network": {
			server(context(ip, "\x0a\x00\x00\x0b\xff\xff\xff\xff")), policy.Malformed,
		},
		"a URI beside its name": {
			server(context(dns, "worker-1"), context(uri, "https://worker-1")), policy.SANKind,
		},
		"mail beside its name": {
			server(context(dns, "worker-1"), context(mail, "root@worker-1")), policy.SANKind,
		},
		"a DNS name of another class": {
			server(context(dns, "worker-1"),
				asn1.RawValue{Class: 1, Tag: dns, Bytes: []byte("worker-2")}), policy.SANKind,
		},
		"a list of no names": {server(), policy.SANMissing},
		"PEM headers": {
			block(func(b *pem.Block) { b.Headers = map[string]string{"a": "b"} }), policy.Malformed,
		},
		"the older name of a request": {
			block(func(b *pem.Block) { b.Type = "NEW CERTIFICATE REQUEST" }), policy.Malformed,
		},
		"bytes behind the request in its block": {
			block(func(b *pem.Block) { b.Bytes = append(b.Bytes, 0) }), policy.Malformed,
		},
		"blank lines around it": {func(_ *testing.T, r *policy.Request) {
			r.CSR = slices.Concat([]byte("\n\n"), r.CSR, []byte("\n \n"))
		}, ""},
		"as long as may be": {func(_ *testing.T, r *policy.Request) {
			r.CSR = append(r.CSR, bytes.Repeat([]byte("\n"), policy.MaxCSR-len(r.CSR))...)
		}, ""},
		"one byte longer": {func(_ *testing.T, r *policy.Request) {
			r.CSR = append(r.CSR, bytes.Repeat([]byte("\n"), policy.MaxCSR-len(r.CSR)+1)...)
		}, policy.Size},
		"a requester in capitals": {
			func(_ *testing.T, r *policy.Request) { r.Username = "System:node:worker-1" }, policy.Requester,
		},
		"a requester with a space": {
			func(_ *testing.T, r *policy.Request) { r.Username += " " }, policy.Requester,
		},
		"a requester in groups beside": {
			func(_ *testing.T, r *policy.Request) { r.Groups = append(r.Groups, "system:masters") }, "",
		},
		"a requester of a group alike": {
			func(_ *testing.T, r *policy.Request) { r.Groups = []string{"system:nodes "} }, policy.Group,
		},
		"a bootstrap user as a node": {
			func(_ *testing.T, r *policy.Request) { r.Username = "system:bootstrap:07401b" }, policy.Group,
		},
		"a signer name with a slash": {
			func(_ *testing.T, r *policy.Request) { r.SignerName += "/" }, policy.SignerName,
		},
		"a life of the least": {
			func(_ *testing.T, r *policy.Request) { r.Seconds = 60 }, "",
		},
		"a life of one second less": {
			func(_ *testing.T, r *policy.Request) { r.Seconds = 59 }, policy.Lifetime,
		},
		"a life that was said to be 0": {
			func(_ *testing.T, r *policy.Request) { r.Seconds = -1 }, policy.Lifetime,
		},
		"a life of as long as there are": {
			func(_ *testing.T, r *policy.Request) { r.Seconds = 1<<63 - 1 }, "",
		},
	} {
		g := onlinetest.Parse(t, onlinetest.New(t).Grant)
		r := onlinetest.ClientRequest(t, "worker-1", onlinetest.NewKey(t, "kubelet"))
		v.change(t, &r)
		c, refusal := policy.Read(g, r, now)
		switch {
		case v.want == "" && refusal != nil, v.want != "" && (refusal == nil || refusal.Reason != v.want):
			t.Errorf("%s: %v, want %q", name, refusal, v.want)
		case refusal != nil && refusal.Later:
			t.Errorf("%s: it is asked again", name)
		case refusal != nil && strings.ContainsAny(refusal.Detail, "\n\x00"):
			t.Errorf("%s: the detail %q goes to a terminal", name, refusal.Detail)
		case refusal == nil:
			theGrants(t, name, g, c)
		}
	}
}

// theGrants wants a claim to have nothing but what the grant has for worker-1.
func theGrants(t *testing.T, name string, g *grant.Grant, c *policy.Claim) {
	t.Helper()
	node, _ := g.Node("worker-1")
	server := c.SignerName == grant.KubeletServer
	if c.CommonName != "system:node:worker-1" || !slices.Equal(c.Organization, []string{"system:nodes"}) ||
		server != (len(c.DNSNames) > 0) || c.Life > c.Authority.LongestLife() ||
		server && (!slices.Equal(c.DNSNames, node.DNSNames) || !slices.Equal(c.IPAddresses, node.IPAddresses)) {
		t.Errorf("%s: %+v", name, c)
	}
}

// TestEdges: a grant holds from its first second to the one before its last, by the
// signer's clock alone.
func TestEdges(t *testing.T) {
	w := onlinetest.New(t)
	g := onlinetest.Parse(t, w.Grant)
	r := onlinetest.ClientRequest(t, "worker-1", onlinetest.NewKey(t, "kubelet"))
	r.Seconds = 60
	for name, edge := range map[string]struct {
		at   time.Time
		want policy.Reason
	}{
		"a moment before it begins": {
			g.NotBefore.Add(-time.Nanosecond), policy.GrantTime,
		},
		"when it begins":          {g.NotBefore, ""},
		"a minute before its end": {g.NotAfter.Add(-time.Minute), ""},
		"when less is left than a certificate has to live": {
			g.NotAfter.Add(-59 * time.Second), policy.AuthorityEnds,
		},
		"a moment before its end": {
			g.NotAfter.Add(-time.Nanosecond), policy.AuthorityEnds,
		},
		"at its end": {g.NotAfter, policy.GrantTime},
	} {
		c, refusal := policy.Read(g, r, edge.at)
		switch {
		case (refusal == nil) != (edge.want == ""), refusal != nil && (refusal.Reason != edge.want || !refusal.Later):
			t.Errorf("%s: %v, want %q and to be asked again", name, refusal, edge.want)
		case refusal == nil:
			issuer := c.Authority.X509()
			if c.Begin.Before(issuer.NotBefore) || c.Begin.After(edge.at) ||
				c.Begin.Add(c.Life).After(issuer.NotAfter) {
				t.Errorf("%s: from %s for %s", name, c.Begin, c.Life)
			}
		}
	}
}
