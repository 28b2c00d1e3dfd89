package policy_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/online/grant"
	"officiant/ceremony/online/onlinetest"
	"officiant/ceremony/online/policy"
)

var now = onlinetest.Start.Add(48 * time.Hour)

// TestTakes: what kubelets and people ask for, and what a certificate then says.
func TestTakes(t *testing.T) {
	w := onlinetest.New(t)
	g, key := onlinetest.Parse(t, w.Grant), onlinetest.NewKey(t, "kubelet")
	c, refusal := policy.Read(g, onlinetest.ClientRequest(t, "worker-1", key), now)
	if refusal != nil {
		t.Fatal(refusal)
	}
	if c.CommonName != "system:node:worker-1" || c.Life != 24*time.Hour || c.Begin != now.Add(-policy.Backdate) ||
		c.KeyUsage != x509.KeyUsageDigitalSignature || len(c.DNSNames) > 0 || c.Authority.Name != "kubelet-client" {
		t.Errorf("%+v", c)
	}
	// One name was asked for, and the certificate has the grant's, all of them.
	c, refusal = policy.Read(g, onlinetest.ServerRequest(t, "worker-1", key, nil, "10.0.0.11"), now)
	if refusal != nil || !slices.Equal(c.DNSNames, []string{"worker-1"}) || len(c.IPAddresses) != 1 {
		t.Errorf("%+v, %v", c, refusal)
	}
	first := onlinetest.ClientRequest(t, "worker-1", key)
	first.Username, first.Groups = "system:bootstrap:07401b", []string{"system:bootstrappers"}
	c, refusal = policy.Read(g, first, now)
	if refusal != nil || c.Bootstrap != first.Username {
		t.Errorf("%+v, %v", c, refusal)
	}
	if refusal := c.Allow(policy.State{}); refusal != nil {
		t.Error(refusal)
	}
	person := policy.Request{SignerName: grant.Client, Username: "kubernetes-admin", Usages: []string{"client auth",
		"digital signature", "key encipherment"},
		Seconds: 3600, CSR: onlinetest.CSR(t, key, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "ann",
			Organization: []string{"operators"}}})}
	c, refusal = policy.Read(g, person, now)
	if refusal != nil || c.Subject != "user ann" || c.Life != time.Hour ||
		c.KeyUsage&x509.KeyUsageKeyEncipherment == 0 {
		t.Errorf("%+v, %v", c, refusal)
	}
}

// TestContent: the same key and wish, signed anew, is the same; anything else is not.
func TestContent(t *testing.T) {
	w := onlinetest.New(t)
	g, key := onlinetest.Parse(t, w.Grant), onlinetest.NewKey(t, "kubelet")
	content := func(r policy.Request) fingerprint.SHA256 {
		c, refusal := policy.Read(g, r, now)
		if refusal != nil {
			t.Fatal(refusal)
		}
		return c.Content
	}
	a, b := onlinetest.ClientRequest(t, "worker-1", key), onlinetest.ClientRequest(t, "worker-1", key)
	if string(a.CSR) == string(b.CSR) || content(a) != content(b) {
		t.Error("the same content, signed twice, is not the same")
	}
	b.Seconds = 3600
	if content(a) == content(b) || content(a) == content(onlinetest.ClientRequest(t, "worker-1",
		onlinetest.NewKey(t, "k"))) {
		t.Error("another wish, or another key, is the same")
	}
}

// lesson is a request that an approver or signer elsewhere let pass, or should have.
type lesson struct {
	from   string // where it was learned
	want   policy.Reason
	change func(t *testing.T, w *onlinetest.World, r *policy.Request)
	server bool // it is a serving certificate that is asked for
}

func csrOf(t *testing.T, template *x509.CertificateRequest) []byte {
	return onlinetest.CSR(t, onlinetest.NewKey(t, "kubelet"), template)
}

func serving(node string, dns []string, ips ...net.IP) *x509.CertificateRequest {
	return &x509.CertificateRequest{Subject: onlinetest.NodeSubject(node), DNSNames: dns, IPAddresses: ips}
}

var lessons = map[string]lesson{
	"a signer name the grant does not have": {from: "deckhouse#22901", want: policy.SignerName,
		change: func(_ *testing.T, _ *onlinetest.World, r *policy.Request) {
			r.SignerName = "kubernetes.io/legacy-unknown"
		}},
	"a client's usages at the serving signer": {from: "deckhouse#22901", want: policy.Usages, server: true,
		change: func(_ *testing.T, _ *onlinetest.World, r *policy.Request) {
			r.Usages = []string{"digital signature", "client auth"}
		}},
	"a usage more": {from: "deckhouse#22901", want: policy.Usages,
		change: func(_ *testing.T, _ *onlinetest.World, r *policy.Request) {
			r.Usages = append(r.Usages, "cert sign")
		}},
	"a usage twice": {from: "deckhouse#22901", want: policy.Usages,
		change: func(_ *testing.T, _ *onlinetest.World, r *policy.Request) {
			r.Usages = append(r.Usages, "client auth")
		}},
	"any usage": {from: "deckhouse#22901", want: policy.Usages,
		change: func(_ *testing.T, _ *onlinetest.World, r *policy.Request) { r.Usages = []string{"any"} }},
	"a node asks in another's name": {from: "k0s#8333", want: policy.Requester,
		change: func(_ *testing.T, _ *onlinetest.World, r *policy.Request) { r.Username = "system:node:worker-2" }},
	"a requester without the nodes' group": {from: "k0s#8333", want: policy.Group,
		change: func(_ *testing.T, _ *onlinetest.World, r *policy.Request) {
			r.Groups = []string{"system:authenticated"}
		}},
	"a service account asks for a node": {from: "k0s#8333", want: policy.Requester,
		change: func(_ *testing.T, _ *onlinetest.World, r *policy.Request) {
			r.Username = "system:serviceaccount:default:x"
		}},
	"a node that joined the API and not the grant": {from: "k0s#8333: Node.status is no source", want: policy.Unknown,
		change: func(t *testing.T, _ *onlinetest.World, r *policy.Request) {
			*r = onlinetest.ClientRequest(t, "worker-3", onlinetest.NewKey(t, "k"))
		}},
	"the second of two DNS names is another's": {from: "kubelet-csr-approver#337", want: policy.SANName, server: true,
		change: func(t *testing.T, _ *onlinetest.World, r *policy.Request) {
			r.CSR = csrOf(t, serving("worker-1", []string{"worker-1", "worker-2"}))
		}},
	"an address that Node.status could have": {from: "k0s#8333", want: policy.SANName, server: true,
		change: func(t *testing.T, _ *onlinetest.World, r *policy.Request) {
			r.CSR = csrOf(t, serving("worker-1", []string{"worker-1"}, net.ParseIP("10.0.0.99")))
		}},
	"the API server's name": {from: "GHSA-87pw-5j2g-6376", want: policy.SANName, server: true,
		change: func(t *testing.T, _ *onlinetest.World, r *policy.Request) {
			r.CSR = csrOf(t, serving("worker-1", []string{"worker-1", "kubernetes.default.svc"}))
		}},
	"the service network's first address": {from: "GHSA-87pw-5j2g-6376", want: policy.SANName, server: true,
		change: func(t *testing.T, _ *onlinetest.World, r *policy.Request) {
			r.CSR = csrOf(t, serving("worker-1", nil, net.ParseIP("10.96.0.1")))
		}},
	"another node's address": {from: "cloud-provider-gcp#185", want: policy.SANName, server: true,
		change: func(t *testing.T, _ *onlinetest.World, r *policy.Request) {
			r.CSR = csrOf(t, serving("worker-1", nil, net.ParseIP("10.0.0.12")))
		}},
	"a wildcard": {from: "kubelet-csr-approver#337", want: policy.SANName, server: true,
		change: func(t *testing.T, _ *onlinetest.World, r *policy.Request) {
			r.CSR = csrOf(t, serving("worker-1", []string{"*.example"}))
		}},
	"a name in other letters": {from: "kubelet-csr-approver#337", want: policy.SANName, server: true,
		change: func(t *testing.T, _ *onlinetest.World, r *policy.Request) {
			r.CSR = csrOf(t, serving("worker-1", []string{"Worker-1"}))
		}},
	"a URI": {from: "kubelet-csr-approver#337", want: policy.SANKind, server: true,
		change: func(t *testing.T, _ *onlinetest.World, r *policy.Request) {
			c := serving("worker-1", []string{"worker-1"})
			c.URIs = []*url.URL{{Scheme: "spiffe", Host: "demo"}}
			r.CSR = csrOf(t, c)
		}},
	"an e-mail address": {from: "kubelet-csr-approver#337", want: policy.SANKind, server: true,
		change: func(t *testing.T, _ *onlinetest.World, r *policy.Request) {
			c := serving("worker-1", []string{"worker-1"})
			c.EmailAddresses = []string{"root@demo.example"}
			r.CSR = csrOf(t, c)
		}},
	"a kind of name that x509 passes over": {from: "kubelet-csr-approver#337", want: policy.SANKind, server: true,
		change: func(t *testing.T, _ *onlinetest.World, r *policy.Request) {
			der, err := asn1.Marshal([]asn1.RawValue{{Class: 2, Tag: 2, Bytes: []byte("worker-1")}, {Class: 2,
				Tag: 8, Bytes: []byte{0x2a}}})
			if err != nil {
				t.Fatal(err)
			}
			c := serving("worker-1", nil)
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: der}}
			r.CSR = csrOf(t, c)
		}},
	"a server without names": {from: "cloud-provider-gcp#185", want: policy.SANMissing, server: true,
		change: func(t *testing.T, _ *onlinetest.World, r *policy.Request) {
			r.CSR = csrOf(t, serving("worker-1", nil))
		}},
	"a client with names": {from: "GHSA-87pw-5j2g-6376", want: policy.SANClient,
		change: func(t *testing.T, _ *onlinetest.World, r *policy.Request) {
			r.CSR = csrOf(t, serving("worker-1", []string{"worker-1"}))
		}},
	"a group more": {from: "kubernetes: system:masters cannot be undone", want: policy.Subject,
		change: func(t *testing.T, _ *onlinetest.World, r *policy.Request) {
			n := onlinetest.NodeSubject("worker-1")
			n.Organization = append(n.Organization, "system:masters")
			r.CSR = csrOf(t, &x509.CertificateRequest{Subject: n})
		}},
	"another attribute": {from: "kubernetes: UID in a subject", want: policy.Subject,
		change: func(t *testing.T, _ *onlinetest.World, r *policy.Request) {
			n := onlinetest.NodeSubject("worker-1")
			n.ExtraNames = []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{2, 5, 4, 11}, Value: "x"}}
			r.CSR = csrOf(t, &x509.CertificateRequest{Subject: n})
		}},
	"two common names": {from: "kubernetes reads the last", want: policy.Subject,
		change: func(t *testing.T, _ *onlinetest.World, r *policy.Request) {
			n := pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{
				{Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: "system:nodes"},
				{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "system:node:worker-1"},
				{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "system:node:worker-2"}}}
			r.CSR = csrOf(t, &x509.CertificateRequest{Subject: n})
		}},
	"the CA flag": {from: "a request asks to be a CA", want: policy.Extension,
		change: func(t *testing.T, _ *onlinetest.World, r *policy.Request) {
			r.CSR = csrOf(t, &x509.CertificateRequest{Subject: onlinetest.NodeSubject("worker-1"),
				ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 19}, Value: []byte{0x30,
					0x03, 0x01, 0x01, 0xff}}}})
		}},
	"no proof of possession": {from: "a key that somebody else has", want: policy.Signature,
		change: func(t *testing.T, _ *onlinetest.World, r *policy.Request) {
			lines := strings.Split(strings.TrimSpace(string(r.CSR)), "\n")
			last := []byte(lines[len(lines)-2])
			if last[0]++; last[0] > 'z' || last[0] == '[' || last[0] == ':' {
				last[0] = 'A'
			}
			lines[len(lines)-2] = string(last)
			r.CSR = []byte(strings.Join(lines, "\n") + "\n")
		}},
	"an RSA key": {from: "the grant's algorithms", want: policy.KeyAlgorithm,
		change: func(t *testing.T, _ *onlinetest.World, r *policy.Request) {
			key, err := rsa.GenerateKey(rand.Reader, 2048)
			if err != nil {
				t.Fatal(err)
			}
			r.CSR = onlinetest.CSR(t, key, &x509.CertificateRequest{Subject: onlinetest.NodeSubject("worker-1")})
		}},
	"a curve of 224 bits": {from: "the grant's algorithms", want: policy.KeyAlgorithm,
		change: func(t *testing.T, _ *onlinetest.World, r *policy.Request) {
			key, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			r.CSR = onlinetest.CSR(t, key, &x509.CertificateRequest{Subject: onlinetest.NodeSubject("worker-1")})
		}},
	"the authority's own key": {from: "a key that signs", want: policy.KeyRefused,
		change: func(t *testing.T, w *onlinetest.World, r *policy.Request) {
			r.CSR = onlinetest.CSR(t, w.Client, &x509.CertificateRequest{Subject: onlinetest.NodeSubject("worker-1")})
		}},
	"a revoked key": {from: "a key revoked elsewhere", want: policy.KeyRefused,
		change: func(t *testing.T, w *onlinetest.World, r *policy.Request) {
			key := onlinetest.NewKey(t, "kubelet")
			spki, err := fingerprint.SPKI(key.Public())
			if err != nil {
				t.Fatal(err)
			}
			w.Grant.RefusedKeys = []fingerprint.SHA256{spki}
			r.CSR = onlinetest.CSR(t, key, &x509.CertificateRequest{Subject: onlinetest.NodeSubject("worker-1")})
		}},
	"a request of megabytes": {from: "size", want: policy.Size,
		change: func(_ *testing.T, _ *onlinetest.World, r *policy.Request) { r.CSR = make([]byte, policy.MaxCSR+1) }},
	"two requests in one": {from: "readers that take the first", want: policy.Malformed,
		change: func(_ *testing.T, _ *onlinetest.World, r *policy.Request) { r.CSR = append(r.CSR, r.CSR...) }},
	"text before it": {from: "readers that take the first", want: policy.Malformed,
		change: func(_ *testing.T, _ *onlinetest.World, r *policy.Request) { r.CSR = append([]byte("x\n"), r.CSR...) }},
	"no time": {from: "expirationSeconds", want: policy.Lifetime,
		change: func(_ *testing.T, _ *onlinetest.World, r *policy.Request) { r.Seconds = 1 }},
	"a bootstrap user that is another node's": {from: "bootstrap tokens are any node's", want: policy.Requester,
		change: func(t *testing.T, _ *onlinetest.World, r *policy.Request) {
			*r = onlinetest.ClientRequest(t, "worker-2", onlinetest.NewKey(t, "k"))
			r.Username, r.Groups = "system:bootstrap:07401b", []string{"system:bootstrappers"}
		}},
	"a bootstrap user asks for a server": {from: "bootstrap is for the first client certificate",
		want: policy.Requester, server: true,
		change: func(_ *testing.T, _ *onlinetest.World, r *policy.Request) { r.Username = "system:bootstrap:07401b" }},
	"a person whom the grant does not have": {from: "KubeUser", want: policy.Unknown,
		change: func(t *testing.T, _ *onlinetest.World, r *policy.Request) {
			r.SignerName = grant.Client
			r.CSR = csrOf(t, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "bob"}})
		}},
	"a person with a group more": {from: "KubeUser", want: policy.Subject,
		change: func(t *testing.T, _ *onlinetest.World, r *policy.Request) {
			r.SignerName, r.Username = grant.Client, "kubernetes-admin"
			r.CSR = csrOf(t, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "ann",
				Organization: []string{"operators", "admins"}}})
		}},
	"a person asks for himself": {from: "KubeUser", want: policy.Requester,
		change: func(t *testing.T, _ *onlinetest.World, r *policy.Request) {
			r.SignerName, r.Username = grant.Client, "ann"
			r.CSR = csrOf(t, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "ann",
				Organization: []string{"operators"}}})
		}},
	"a node's name at the people's signer": {from: "kubernetes.io/kube-apiserver-client", want: policy.Unknown,
		change: func(_ *testing.T, _ *onlinetest.World, r *policy.Request) { r.SignerName = grant.Client }},
	"after the grant's end": {from: "grant expired", want: policy.GrantTime,
		change: func(_ *testing.T, w *onlinetest.World, _ *policy.Request) { w.Grant.NotAfter = now }},
	"before its beginning": {from: "clock back", want: policy.GrantTime,
		change: func(_ *testing.T, w *onlinetest.World, _ *policy.Request) { w.Grant.NotBefore = now.Add(time.Hour) }},
	"after the authority's end": {from: "an authority of 90 days", want: policy.AuthorityEnds,
		change: func(t *testing.T, w *onlinetest.World, _ *policy.Request) {
			c := onlinetest.Certify(t, w.Client, "kubelet-client", x509.ExtKeyUsageClientAuth, onlinetest.Start, now)
			w.Grant.Authorities[0].Certificate = onlinetest.PEM(c)
		}},
}

// TestLessons replays each. What is changed is one thing of a request that is right.
func TestLessons(t *testing.T) {
	met := map[policy.Reason]bool{}
	for name, l := range lessons {
		w := onlinetest.New(t)
		r := onlinetest.ClientRequest(t, "worker-1", onlinetest.NewKey(t, "kubelet"))
		if l.server {
			r = onlinetest.ServerRequest(t, "worker-1", onlinetest.NewKey(t, "kubelet"), []string{"worker-1"},
				"10.0.0.11")
		}
		if _, refusal := policy.Read(onlinetest.Parse(t, w.Grant), r, now); refusal != nil {
			t.Fatalf("%s: is refused without the change: %v", name, refusal)
		}
		l.change(t, w, &r)
		c, refusal := policy.Read(onlinetest.Parse(t, w.Grant), r, now)
		if refusal == nil || refusal.Reason != l.want || c != nil {
			t.Errorf("%s (%s): %v, want %s", name, l.from, refusal, l.want)
			continue
		}
		if later := l.want == policy.GrantTime || l.want == policy.AuthorityEnds; refusal.Later != later {
			t.Errorf("%s: Later is %t", name, refusal.Later)
		}
		met[l.want] = true
	}
	for _, s := range states {
		met[s.want] = true
	}
	for _, r := range policy.Reasons() {
		if !met[r] {
			t.Errorf("no lesson ends in %s", r)
		}
	}
}

var states = map[string]struct {
	state policy.State
	want  policy.Reason
}{
	"the key is another node's, whatever the object's name (KubeUser#114)": {policy.State{KeySubject: "node worker-2",
		KeySigner: grant.KubeletClient}, policy.KeyOfAnother},
	"the key has a serving certificate": {policy.State{KeySubject: "node worker-1",
		KeySigner: grant.KubeletServer}, policy.KeyOfAnother},
	"even where the content is the same": {policy.State{KeySubject: "node worker-2",
		KeySigner: grant.KubeletClient, Again: true}, policy.KeyOfAnother},
	"as many signatures as a day has":         {policy.State{Today: 4}, policy.Rate},
	"a bootstrap user's second":               {policy.State{Bootstrapped: true}, policy.BootstrapSpent},
	"the same again, however many there were": {policy.State{Again: true, Today: 99, Bootstrapped: true}, ""},
	"a renewal with the key of the one before": {policy.State{KeySubject: "node worker-1",
		KeySigner: grant.KubeletClient, Today: 3}, ""},
}

func TestAllow(t *testing.T) {
	w := onlinetest.New(t)
	r := onlinetest.ClientRequest(t, "worker-1", onlinetest.NewKey(t, "kubelet"))
	for name, s := range states {
		if s.state.Bootstrapped {
			r.Username, r.Groups = "system:bootstrap:07401b", []string{"system:bootstrappers"}
		}
		c, refusal := policy.Read(onlinetest.Parse(t, w.Grant), r, now)
		if refusal != nil {
			t.Fatal(refusal)
		}
		refusal = c.Allow(s.state)
		if (refusal == nil) != (s.want == "") || refusal != nil && refusal.Reason != s.want {
			t.Errorf("%s: %v", name, refusal)
		}
		if refusal != nil && refusal.Later != (s.want == policy.Rate) {
			t.Errorf("%s: Later is %t", name, refusal.Later)
		}
	}
}

// TestLife: never longer than the grant says, nor than the authority lives.
func TestLife(t *testing.T) {
	w := onlinetest.New(t)
	g := onlinetest.Parse(t, w.Grant)
	r := onlinetest.ClientRequest(t, "worker-1", onlinetest.NewKey(t, "kubelet"))
	for seconds, want := range map[int64]time.Duration{0: 24 * time.Hour, 600: 10 * time.Minute, 1e9: 24 * time.Hour} {
		r.Seconds = seconds
		c, refusal := policy.Read(g, r, now)
		if refusal != nil || c.Life != want || !c.Begin.Before(now) {
			t.Errorf("%d: %+v, %v", seconds, c, refusal)
		}
	}
	r.Seconds = 0
	end := g.NotAfter.Add(-time.Hour)
	c, refusal := policy.Read(g, r, end)
	if refusal != nil || c.Begin.Add(c.Life).After(g.NotAfter) || c.Begin.Add(c.Life).Before(end.Add(time.Hour)) {
		t.Errorf("at the end: %+v, %v", c, refusal)
	}
}

// TestExtensions: what a request asks for besides its names is told by what it is.
func TestExtensions(t *testing.T) {
	w := onlinetest.New(t)
	g := onlinetest.Parse(t, w.Grant)
	san := func(value ...byte) pkix.Extension {
		return pkix.Extension{Id: []int{2, 5, 29, 17}, Value: value}
	}
	name := []byte{0x30, 10, 0x82, 8, 'w', 'o', 'r', 'k', 'e', 'r', '-', '1'}
	for want, extensions := range map[string][]pkix.Extension{
		"": {san(name...)},
		"the request has the extension 2.5.29.19; it may have alternative names alone": {
			san(name...), {Id: []int{2, 5, 29, 19}, Value: []byte{0x30, 0}}},
		"contains duplicate requested extensions":    {san(name...), san(name...)},
		"the alternative names are no list of names": {san(append(name, 5, 0)...)},
	} {
		template := serving("worker-1", nil)
		template.ExtraExtensions = extensions
		r := onlinetest.ServerRequest(t, "worker-1", onlinetest.NewKey(t, "kubelet"), []string{"worker-1"})
		r.CSR = csrOf(t, template)
		_, refusal := policy.Read(g, r, now)
		if (refusal == nil) != (want == "") || refusal != nil && !strings.Contains(refusal.Error(), want) {
			t.Errorf("%q: %v", want, refusal)
		}
	}
}
