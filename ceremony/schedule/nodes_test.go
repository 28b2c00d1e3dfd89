package schedule

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"maps"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"officiant/bundle/kubepki"
	"officiant/bundle/request"
	"officiant/ceremony/plan"
	"officiant/signer"
)

const kubeadmFile = `apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
clusterName: demo
kubernetesVersion: v1.37.2
controlPlaneEndpoint: api.demo.test:6443
`

// recipients are age recipients whose identities nobody has.
var recipients = map[string]string{
	"cp-1":     "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj",
	"cp-2":     "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg",
	"worker-1": "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj",
}

var (
	facts = kubepki.Cluster{Name: "demo", KubernetesVersion: kubepki.Newest(), ControlPlaneEndpoint: "api.demo.test:6443"}.Complete()
	cp1   = kubepki.Node{Name: "cp-1", Roles: []kubepki.Role{kubepki.ControlPlane, kubepki.Etcd}, Address: netip.MustParseAddr("10.0.0.11"), First: true}
	cp2   = kubepki.Node{Name: "cp-2", Roles: []kubepki.Role{kubepki.ControlPlane, kubepki.Etcd}, Address: netip.MustParseAddr("10.0.0.12")}
	work  = kubepki.Node{Name: "worker-1", Roles: []kubepki.Role{kubepki.Worker}}
)

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// makeRequest makes a node's request; change may spoil the CSRs and their keys.
func makeRequest(t testing.TB, c kubepki.Cluster, n kubepki.Node, change func(csrs map[string]*x509.CertificateRequest, keys request.Keys)) *request.Opened {
	t.Helper()
	leaves, err := kubepki.Leaves(c, n)
	if err != nil {
		t.Fatal(err)
	}
	templates, keys := map[string]*x509.CertificateRequest{}, request.Keys{}
	for _, l := range leaves {
		template := &x509.CertificateRequest{Subject: pkix.Name{CommonName: l.CommonName, Organization: l.Organization}, DNSNames: l.DNSNames}
		for _, a := range l.IPAddresses {
			template.IPAddresses = append(template.IPAddresses, a.AsSlice())
		}
		templates[l.Name], keys[l.Name] = template, newKey(t)
	}
	if change != nil {
		change(templates, keys)
	}
	csrs := map[string][]byte{}
	for name, template := range templates {
		der, err := x509.CreateCertificateRequest(rand.Reader, template, keys[name])
		if err != nil {
			t.Fatal(err)
		}
		csrs[name] = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
	}
	data, err := request.Pack(c, n, csrs, keys, recipients[n.Name], now, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	o, err := request.Parse(n.Name+".req", data)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// sent are honest requests of the nodes, made once.
var sent = struct {
	sync.Once
	by map[string]*request.Opened
}{by: map[string]*request.Opened{}}

func honest(t testing.TB) map[string]*request.Opened {
	t.Helper()
	sent.Do(func() {
		for _, n := range []kubepki.Node{cp1, cp2, work} {
			sent.by[n.Name] = makeRequest(t, facts, n, nil)
		}
	})
	return maps.Clone(sent.by)
}

// planFor writes the plan `ceremony new` would write, and its inputs.
func planFor(t testing.TB, requests map[string]*request.Opened, nodes ...kubepki.Node) (string, map[string]string) {
	t.Helper()
	o := plan.NewOptions{Name: "demo-1", Cluster: plan.Cluster{Kubeadm: "kubeadm.yaml"}, Evidence: signer.Software}
	inputs := map[string]string{"kubeadm.yaml": kubeadmFile}
	for _, n := range nodes {
		in := plan.Node{Name: n.Name, Roles: n.Roles, First: n.First, Request: "requests/" + n.Name + ".req",
			Fingerprint: requests[n.Name].Fingerprint}
		if n.Address.IsValid() {
			in.Address = n.Address.String()
		}
		o.Nodes = append(o.Nodes, in)
		inputs[in.Request] = string(requests[n.Name].Raw)
	}
	text, err := plan.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), inputs
}

// TestGenesis expands the plan that New writes, whole.
func TestGenesis(t *testing.T) {
	text, inputs := planFor(t, honest(t), cp1, work)
	c, err := opens(text, inputs)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "genesis.schedule.txt", []byte(shorten(written(c))))
	if len(c.Warnings) > 0 {
		t.Errorf("warnings: %v", c.Warnings)
	}
	if c.Plan.ServiceAccount.Create != signer.ECDSAP256 {
		t.Errorf("service account: %+v", c.Plan.ServiceAccount)
	}
	for _, e := range c.Entries {
		if e.Kind == LeafCertificate && e.SPKI.String() == "" || e.N == 0 {
			t.Errorf("entry %+v", e)
		}
	}
	if got, want := slices.Sorted(maps.Keys(c.Sums)), []string{"kubeadm.yaml", "plan.yaml", "requests/cp-1.req",
		"requests/worker-1.req"}; !slices.Equal(got, want) {
		t.Errorf("inputs %q", got)
	}
}

// TestTemplate holds the text people review.
func TestTemplate(t *testing.T) {
	o := honest(t)
	text, _ := planFor(t, o, cp1, work)
	for _, n := range []string{"cp-1", "worker-1"} {
		for _, l := range o[n].Fingerprint.Lines() {
			if strings.ContainsAny(l, "0123456789") {
				continue
			}
			if !strings.Contains(text, "#   "+l+"\n") {
				t.Errorf("the words of %s are not in the plan: %s", n, l)
			}
			text = strings.Replace(text, "    #   "+l+"\n", "", 1)
		}
	}
	for line := range strings.Lines(text) {
		if len([]rune(line)) > 90 {
			t.Errorf("a line of %d columns: %s", len(line), line)
		}
	}
	golden(t, "template.yaml", []byte(shorten(text)))
}

// TestDigest computes the digest as docs/formats/plan.md shows it.
func TestDigest(t *testing.T) {
	text, inputs := planFor(t, honest(t), cp1, work)
	dir := t.TempDir()
	inputs["plan.yaml"] = text
	for name, data := range inputs {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Open(filepath.Join(dir, "plan.yaml"), Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ScheduleFile), []byte(written(c)), 0o644); err != nil {
		t.Fatal(err)
	}
	sh := exec.Command("sh", "-c", "sha256sum plan.yaml schedule.txt kubeadm.yaml requests/*.req | LC_ALL=C sort | sha256sum")
	sh.Dir = dir
	out, err := sh.Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Fields(string(out))[0]; got != c.Digest.String() {
		t.Errorf("the shell computes %s, Open %s", got, c.Digest)
	}
	// A link out of the folder is not below it.
	if err := os.Remove(filepath.Join(dir, "kubeadm.yaml")); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "kubeadm.yaml")
	if err := os.WriteFile(outside, []byte(kubeadmFile), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "kubeadm.yaml")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(dir, "plan.yaml"), Options{Now: now}); err == nil {
		t.Error("followed a link out of the plan's folder")
	}
}

// TestRequestsRefused spoils one thing of an honest set of requests and plan.
func TestRequestsRefused(t *testing.T) {
	type csrs = map[string]*x509.CertificateRequest
	spoilCSR := func(n kubepki.Node, change func(c csrs, k request.Keys)) func(testing.TB, map[string]*request.Opened) {
		return func(t testing.TB, o map[string]*request.Opened) { o[n.Name] = makeRequest(t, facts, n, change) }
	}
	claim := func(c kubepki.Cluster, n kubepki.Node, as string) func(testing.TB, map[string]*request.Opened) {
		return func(t testing.TB, o map[string]*request.Opened) { o[as] = makeRequest(t, c, n, nil) }
	}
	other := facts
	other.Name = "prod"
	tests := []struct {
		name     string
		requests func(testing.TB, map[string]*request.Opened)
		old, new string // in the plan
		want     []string
	}{
		{name: "organization", requests: spoilCSR(work, func(c csrs, _ request.Keys) {
			c["kubelet.conf"].Subject.Organization = []string{"system:nodes", "system:masters"}
		}),
			want: []string{`requests/worker-1.req: csr/kubelet.conf.csr: asks for the organization "system:masters", which the plan does not give node worker-1`}},
		{name: "common name", requests: spoilCSR(work, func(c csrs, _ request.Keys) { c["kubelet.conf"].Subject.CommonName = "system:node:cp-1" }),
			want: []string{`requests/worker-1.req: csr/kubelet.conf.csr: asks for the common name "system:node:cp-1", which the plan does not give node worker-1`}},
		{name: "other attribute", requests: spoilCSR(work, func(c csrs, _ request.Keys) { c["kubelet.conf"].Subject.OrganizationalUnit = []string{"x"} }),
			want: []string{`requests/worker-1.req: csr/kubelet.conf.csr: asks for the subject attribute 2.5.4.11 "x", which the plan does not give node worker-1`}},
		{name: "DNS name", requests: spoilCSR(cp1, func(c csrs, _ request.Keys) {
			c["apiserver"].DNSNames = append(c["apiserver"].DNSNames, "bank.example")
		}),
			want: []string{`requests/cp-1.req: csr/apiserver.csr: asks for the DNS name "bank.example", which the plan does not give node cp-1`}},
		{name: "IP address", requests: spoilCSR(cp1, func(c csrs, _ request.Keys) {
			c["etcd/peer"].IPAddresses = append(c["etcd/peer"].IPAddresses, []byte{10, 0, 0, 12})
		}),
			want: []string{`requests/cp-1.req: csr/etcd/peer.csr: asks for the IP address "10.0.0.12", which the plan does not give node cp-1`}},
		{name: "a name of another kind", requests: spoilCSR(work, func(c csrs, _ request.Keys) {
			// registeredID 1.2.3
			c["kubelet.conf"].ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: []byte{0x30, 4, 0x88, 2, 42, 3}}}
		}), want: []string{`requests/worker-1.req: csr/kubelet.conf.csr: asks for alternative names that are neither DNS names nor IP addresses`}},
		{name: "URI and email", requests: spoilCSR(work, func(c csrs, _ request.Keys) {
			c["kubelet.conf"].URIs = []*url.URL{{Scheme: "spiffe", Host: "x"}}
			c["kubelet.conf"].EmailAddresses = []string{"a@b.example"}
		}), want: []string{
			`requests/worker-1.req: csr/kubelet.conf.csr: asks for the email address "a@b.example", which the plan does not give node worker-1`,
			`requests/worker-1.req: csr/kubelet.conf.csr: asks for the URI "spiffe://x", which the plan does not give node worker-1`}},
		{name: "an extension", requests: spoilCSR(work, func(c csrs, _ request.Keys) {
			odd := pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: []byte{5, 0}}
			c["kubelet.conf"].ExtraExtensions = []pkix.Extension{odd}
		}), want: []string{
			`requests/worker-1.req: csr/kubelet.conf.csr: asks for the extension 1.2.3, which no certificate has`,
		}},
		{name: "missing CSR", requests: spoilCSR(cp1, func(c csrs, _ request.Keys) { delete(c, "scheduler.conf") }),
			want: []string{`requests/cp-1.req: csr/scheduler.conf.csr: missing; node cp-1 needs it`}},
		{name: "superfluous CSR", requests: spoilCSR(work, func(c csrs, k request.Keys) {
			c["admin.conf"], k["admin.conf"] = &x509.CertificateRequest{Subject: pkix.Name{CommonName: "kubernetes-admin"}}, newKey(t)
		}), want: []string{`requests/worker-1.req: csr/admin.conf.csr: node worker-1 has no such certificate in the plan`}},
		{name: "one key on two nodes", requests: func(t testing.TB, o map[string]*request.Opened) {
			shared := newKey(t)
			for _, n := range []kubepki.Node{cp1, work} {
				o[n.Name] = makeRequest(t, facts, n, func(_ csrs, k request.Keys) { k["kubelet.conf"] = shared })
			}
		}, want: []string{`requests/worker-1.req: csr/kubelet.conf.csr: its key is that of cp-1/kubelet.conf; every certificate has a key of its own`}},
		{name: "swapped requests", requests: func(_ testing.TB, o map[string]*request.Opened) { o["cp-1"], o["worker-1"] = o["worker-1"], o["cp-1"] },
			want: []string{
				`requests/cp-1.req: request.json: is of node worker-1, and the plan gives it for cp-1`,
				`requests/cp-1.req: request.json: claims the roles worker, and the plan gives node cp-1 control-plane,etcd`,
				`requests/worker-1.req: request.json: is of node cp-1, and the plan gives it for worker-1`,
				`requests/worker-1.req: request.json: claims the roles control-plane,etcd, and the plan gives node worker-1 worker`}},
		{name: "another cluster", requests: claim(other, work, "worker-1"),
			want: []string{`requests/worker-1.req: request.json: is for cluster prod, not demo`}},
		{name: "another role", requests: claim(facts, kubepki.Node{Name: "worker-1", Roles: []kubepki.Role{kubepki.Worker, kubepki.Etcd}, Address: netip.MustParseAddr("10.0.0.9")}, "worker-1"),
			want: []string{`requests/worker-1.req: request.json: claims the roles etcd,worker, and the plan gives node worker-1 worker`}},
		{name: "another request than the one compared", old: "fingerprint: \"", new: "fingerprint: \"" + strings.Repeat("1", 64) + "\" # ",
			want: []string{"plan.yaml:67:18: node cp-1: the fingerprint of requests/cp-1.req is …, not this: it was altered, or belongs to another run of `officiant-node request`"}},
		{name: "altered request", requests: func(_ testing.TB, o map[string]*request.Opened) {
			spoiled := *o["cp-1"]
			spoiled.Raw = slices.Clone(spoiled.Raw)
			i := strings.Index(string(spoiled.Raw), "10.0.0.11")
			spoiled.Raw[i+8] = '2'
			o["cp-1"] = &spoiled
		}, want: []string{"requests/cp-1.req: …"}},
		{name: "name of the plan's node", old: "- name: worker-1", new: "- name: worker-9", want: []string{
			`requests/worker-1.req: request.json: is of node worker-1, and the plan gives it for worker-9`}},
		{name: "address of the plan's node", old: "10.0.0.11", new: "10.0.0.21", want: []string{`plan.yaml:64:14: ` +
			`address: the request of node cp-1 says 10.0.0.11, and the plan says 10.0.0.21, ` +
			`so that other certificates are asked for than it gives; change the plan, or have the requests made anew ` +
			`(requests/cp-1.req: csr/apiserver.csr: asks for the IP address "10.0.0.11", which the plan does not give ` +
			`node cp-1)`}},
		{name: "a node named like another's bundle", old: "- name: worker-1", new: "- name: cp-1.tar", want: []string{
			`plan.yaml:68:11: node cp-1.tar has the name of node cp-1's bundle`,
			`requests/worker-1.req: request.json: is of node worker-1, and the plan gives it for cp-1.tar`}},
		{name: "two nodes of one name", old: "- name: worker-1", new: "- name: cp-1", want: []string{`plan.yaml:68:11: two nodes are named cp-1`}},
		{name: "no first node", old: "    first: true\n", new: "", want: []string{
			`plan.yaml:62:3: no node is marked first: say first: true for the control-plane node that runs kubeadm init (cp-1)`,
			`requests/cp-1.req: csr/super-admin.conf.csr: node cp-1 has no such certificate in the plan`}},
		{name: "leaves outlive their issuer", old: "# leaves:\n#   validity: 1y", new: "leaves:\n  validity: 11y", want: []string{
			`plan.yaml:56:13: a leaf would be valid for 11y, longer than its issuer kubernetes (10y)`,
			`plan.yaml:56:13: a leaf would be valid for 11y, longer than its issuer etcd (10y)`,
			`plan.yaml:56:13: a leaf would be valid for 11y, longer than its issuer front-proxy (10y)`}},
		{name: "an authority is missing", old: "  - name: front-proxy\n    key: {create: ECDSA-P256}\n    validity: 10y\n    evidence: software\n\n", new: "", want: []string{
			`plan.yaml:26:3: no authority of family front-proxy, which node cp-1 needs`}},
		{name: "service-account algorithm", old: "  create: ECDSA-P256\n", new: "  create: ECDSA-P384\n", want: []string{
			`plan.yaml:51:11: the service-account key is ECDSA-P256, RSA-2048, RSA-3072 or RSA-4096, not ECDSA-P384`}},
		{name: "service account half carried over", old: "  create: ECDSA-P256\n", new: "  sealed: sa.age\n", want: []string{
			`plan.yaml:51:3: a service-account pair is carried over as two files, sealed and public`}},
		{name: "request by two cases of a name", old: "requests/worker-1.req", new: "requests/CP-1.req", want: []string{
			`plan.yaml:70:14: "requests/CP-1.req" and "requests/cp-1.req" differ in case only, which not every file system can tell apart`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			requests := honest(t)
			if tt.requests != nil {
				tt.requests(t, requests)
			}
			text, inputs := planFor(t, requests, cp1, work)
			// Words differ from run to run, and are comments.
			text = withoutWords(text)
			changed := strings.Replace(text, tt.old, tt.new, 1)
			if tt.requests == nil && changed == text {
				t.Fatalf("the test changes nothing:\n%s", text)
			}
			c, err := opens(changed, inputs)
			if err == nil {
				t.Fatalf("accepted:\n%s", written(c))
			}
			got := problems(t, err)
			if len(tt.want) == 1 && strings.HasSuffix(tt.want[0], ": …") && len(got) == 1 {
				got[0] = got[0][:strings.Index(got[0], ": ")] + ": …"
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func withoutWords(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "    #   ") {
			out.WriteString(line)
		}
	}
	return out.String()
}

// TestAllowedCSR takes only the key from a CSR that asks for less.
func TestAllowedCSR(t *testing.T) {
	requests := honest(t)
	requests["cp-1"] = makeRequest(t, facts, cp1, func(c map[string]*x509.CertificateRequest, _ request.Keys) {
		for name := range c {
			c[name] = &x509.CertificateRequest{}
		}
	})
	text, inputs := planFor(t, requests, cp1, work)
	c, err := opens(text, inputs)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range c.Entries {
		if e.Name == "cp-1/apiserver" && (e.CommonName != "kube-apiserver" || len(e.DNSNames) < 5) {
			t.Errorf("the plan's names are gone: %+v", e)
		}
	}
}
