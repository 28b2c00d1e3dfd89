package next_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle/kubepki"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/history"
	"officiant/ceremony/next"
	"officiant/ceremony/plan"
	"officiant/signer"
)

const kubeadmFile = `apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
clusterName: demo
kubernetesVersion: v1.37.2
controlPlaneEndpoint: api.demo.test:6443
`

const grantText = `grant:
  journal: 51d0c6c9f5a4e1c0b7a3d2e1f00112233445566778899aabbccddeeff0011223
  validity: 60d
  life: 12h
  signaturesPerDay: 9
  keyAlgorithms: [ECDSA-P256, ECDSA-P384]
  reserved: {dnsNames: [lb.demo.example], networks: [192.0.2.0/24]}
  refusedKeys: [61d0c6c9f5a4e1c0b7a3d2e1f00112233445566778899aabbccddeeff0011223]
  nodes:
    - {name: cp-1, roles: [control-plane, etcd], ipAddresses: [10.0.0.11], signaturesPerDay: 2}
    - {name: worker-1, roles: [worker], dnsNames: [worker-1], signaturesPerDay: 3, bootstrap: "system:bootstrap:0a"}
    - {name: worker-2, roles: [worker], signaturesPerDay: 3}
  users: [{name: ann, groups: [team], requester: ann, signaturesPerDay: 1}]`

// settings are what a plan says beyond the fixture's: a plan that follows may not
// forget any of it.
var settings = [][2]string{
	{"  externalEtcd: false\n", "  externalEtcd: false\n  naming: kubeadm\n  certSANs: [api.demo.example]\n" +
		"  dnsDomain: corp.example\n  serviceSubnet: 10.50.0.0/16\n  etcdServerCertSANs: [etcd.demo.example]\n" +
		"  etcdPeerCertSANs: [peer.demo.example]\n" +
		"  overrides: {kube-apiserver: {extraSANs: [10.0.0.99]}}\n"},
	{"leaves: {validity: 1y}", "leaves: {validity: 90d}\nknownHosts: known_hosts\n" + grantText},
	{"- {name: etcd, key: {create: ECDSA-P256}, evidence: software, validity: 10y}",
		"- {name: etcd, key: {create: ECDSA-P256}, evidence: software, validity: 6y, subject: {organization: [ops]}}"},
}

// held is a ceremony that was held by a plan with these settings.
func held(t *testing.T) (f *ceremonytest.Fixture, archive *history.Archive) {
	t.Helper()
	f = ceremonytest.New(
		t,
		ceremonytest.Shape{
			Workers:       2,
			Online:        true,
			DNSDomain:     "corp.example",
			ServiceSubnet: "10.50.0.0/16",
			People:        []string{"alice officer", "bob officer"},
			Approvals:     1,
		},
	)
	text, err := os.ReadFile(f.PlanFile)
	must(t, err)
	for _, s := range settings {
		if !strings.Contains(string(text), s[0]) {
			t.Fatalf("%q is not in the fixture's plan\n%s", s[0], text)
		}
		text = []byte(strings.Replace(string(text), s[0], s[1], 1))
	}
	must(t, os.WriteFile(f.PlanFile, text, 0o644))
	must(t, os.WriteFile(filepath.Join(f.Folder, "known_hosts"), []byte(hostKey), 0o644))
	f.Approve(t, "alice")
	dir, _ := f.Run(t)
	archive, err = history.Find(dir)
	must(t, err)
	return f, archive
}

const hostKey = "worker-1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ+M5KbGeKDmT6oSVQ2S3Eyd3FhPBvWcQ8cEOUqUqzGk\n"

func report() *plan.Report {
	return &plan.Report{File: "plan.yaml", Show: func(name string) string { return name }}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func desk(t *testing.T) next.Desk {
	dir := t.TempDir()
	return next.Desk{Folder: os.DirFS(dir), Dir: dir, Now: time.Now()}
}

// requestsOf are the fixture's requests, as they lie in a folder; more are files beside.
func requestsOf(t *testing.T, f *ceremonytest.Fixture, more ...next.File) next.Requests {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(f.Folder, "requests", "*.req"))
	must(t, err)
	r := next.Requests{Dir: "requests", Files: more}
	for _, name := range names {
		data, err := os.ReadFile(name)
		must(t, err)
		r.Files = append(r.Files, next.File{Name: "requests/" + filepath.Base(name), Data: data})
	}
	return r
}

func asked(t *testing.T, f *ceremonytest.Fixture) next.Asked {
	return next.Asked{Desk: desk(t), Kubeadm: next.File{Name: "kubeadm.yaml", Data: []byte(kubeadmFile)},
		Requests: requestsOf(t, f), Evidence: signer.Software}
}

// TestRefused: what there is no plan for, and why.
func TestRefused(t *testing.T) {
	f, archive := held(t)
	chain, err := next.OpenChain(archive, "", os.DirFS)
	must(t, err)
	request, err := os.ReadFile(filepath.Join(f.Folder, "requests", "worker-2.req"))
	must(t, err)
	with := func(change func(*next.Asked)) func() error {
		return func() error {
			a := asked(t, f)
			change(&a)
			_, err := next.First(a, next.FirstOptions{})
			return err
		}
	}
	renew := func(c next.Changes) func() error {
		return func() error {
			c.Desk = desk(t)
			_, err := next.Renew(chain, 0, c)
			return err
		}
	}
	revoke := func(o next.RevokeOptions) func() error {
		return func() error {
			_, err := next.Revoke(chain, o, next.Changes{Desk: desk(t)})
			return err
		}
	}
	var root string
	for c := range chain.Records()[0].Certificates() {
		if c.CA && c.SelfIssued {
			root = c.Serial.String()
		}
	}
	one := []string{"worker-1"}
	for name, tt := range map[string]struct {
		plan func() error
		want string
	}{
		"left out and left": {renew(next.Changes{Without: one, Left: one}),
			"is to be left out for now, and has left for good"},
		"left and asked for": {renew(next.Changes{Nodes: one, Left: one}),
			"worker-1 has left for good, and is asked for as well"},
		"left out, asked for": {renew(next.Changes{Nodes: one, Without: one}),
			"worker-1 is to be left out, and asked for as well"},
		"another cluster's file": {renew(next.Changes{Kubeadm: &next.File{Name: "kubeadm.yaml",
			Data: []byte(strings.Replace(kubeadmFile, "clusterName: demo", "clusterName: port", 1))}}),
			"kubeadm.yaml: is of cluster port, these ceremonies are of demo"},
		"a serial of none": {revoke(next.RevokeOptions{Serials: []string{"abcdef"}}),
			"abcdef: no certificate of that on these records"},
		"the root": {revoke(next.RevokeOptions{Serials: []string{root}}),
			"root (" + root + ") is a root: no list can say that of it"},
		"a request under another ending": {with(func(a *next.Asked) {
			a.Requests = requestsOf(t, f, next.File{Name: "requests/again.csrs", Data: request})
		}), "requests/again.csrs: is a request of node worker-2, and its name does not end in .req"},
		"two requests of a node": {with(func(a *next.Asked) {
			a.Requests = requestsOf(t, f, next.File{Name: "requests/again.req", Data: request})
		}), "are both requests of node worker-2"},
		"no request": {with(func(a *next.Asked) { a.Requests.Files = nil }), "no request (*.req) in it"},
		"no cluster": {with(func(a *next.Asked) {
			a.Kubeadm.Data = []byte("apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\n")
		}), "has no ClusterConfiguration"},
		"a node that is none": {func() error {
			_, err := next.Renew(chain, 0, next.Changes{Desk: desk(t), Nodes: []string{"worker-9"}})
			return err
		}, "no node worker-9 in these ceremonies"},
		"a slip in a node's name": {func() error {
			_, err := next.Renew(chain, 0, next.Changes{Desk: desk(t), Nodes: []string{"wroker-1"}})
			return err
		}, "no node wroker-1 in these ceremonies; did you mean worker-1?"},
		"a cluster that is none": {func() error {
			_, err := next.OpenChain(archive, "port", os.DirFS)
			return err
		}, "there is no ceremony of cluster port here; there are of demo"},
		"a stage too early": {func() error {
			o := next.RolloverOptions{Authority: "etcd", Stage: next.Issue}
			_, err := next.RolloverStage(chain, o, next.Changes{Desk: desk(t)})
			return err
		}, "the first stage is trust"},
		"no statuses": {func() error {
			o := next.RolloverOptions{Authority: "etcd", Stage: next.Trust}
			_, err := next.RolloverStage(chain, o, next.Changes{Desk: desk(t)})
			return err
		}, "node worker-1: no status of it"},
		"nothing to refresh": {func() error {
			_, err := next.Revoke(chain, next.RevokeOptions{Refresh: true}, next.Changes{Desk: desk(t)})
			return err
		}, "there is no revocation list on these records"},
		"no lists where there is a chain": {func() error {
			_, err := next.Continue(asked(t, f), archive, os.DirFS, plan.Duration(time.Hour))
			return err
		}, "lists of its authorities are made by officiant ceremony revoke"},
	} {
		err := tt.plan()
		var refused *next.Refused
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r, err := next.Renew(chain, 0, next.Changes{Desk: desk(t)})
	if err != nil || r.Ceremony != nil || r.Quiet != 3 {
		t.Errorf("nothing ends: %v, %+v", err, r)
	}
}

// TestTheFileSays: what the kubeadm file says of lives, no plan says again.
func TestTheFileSays(t *testing.T) {
	f, archive := held(t)
	a := asked(t, f)
	a.Kubeadm.Data = []byte(
		kubeadmFile + "caCertificateValidityPeriod: 219000h\ncertificateValidityPeriod: 4380h\nencryptionAlgorithm: " +
			"RSA-3072\n",
	)
	a.Requests.Files = append(a.Requests.Files, next.File{Name: "requests/notes.txt", Data: []byte("call bob")})
	a.Naming = kubepki.NamingDocs
	p, err := next.First(a, next.FirstOptions{})
	must(t, err)
	text, err := plan.New(p.Document)
	must(t, err)
	for _, a := range plan.Read(report(), text).Authorities {
		if want := map[bool]time.Duration{true: 219000 * time.Hour}[a.Name == "root"]; time.Duration(a.Validity) != want {
			t.Errorf("%s: validity %s is said, want %s", a.Name, a.Validity, want)
		}
	}
	for _, want := range []string{"encryptionAlgorithm, RSA-3072", "the requests of cp-1, worker-1, worker-2 were " +
		"made for others", "not used, of what lies in requests: notes.txt"} {
		if !slices.ContainsFunc(p.Notes, func(n string) bool { return strings.Contains(n, want) }) {
			t.Errorf("nobody was told %q: %q", want, p.Notes)
		}
	}
	a.Desk, a.Naming = desk(t), ""
	p, err = next.Continue(a, archive, os.DirFS, 0)
	must(t, err)
	if p.Document.Leaves.Validity != 0 {
		t.Errorf("the plan says %s of leaves, and so does the kubeadm file", p.Document.Leaves.Validity)
	}
	for _, want := range []string{"cluster.certSANs: api.demo.example carries on",
		"cluster.dnsDomain: corp.example carries on",
		"in the last ceremony it was 90d"} {
		if !slices.ContainsFunc(p.Notes, func(n string) bool { return strings.Contains(n, want) }) {
			t.Errorf("nobody was told %q: %q", want, p.Notes)
		}
	}
}

// TestSuccessorIsAlike: an authority that follows another is made as that was.
func TestSuccessorIsAlike(t *testing.T) {
	f, archive := held(t)
	chain, err := next.OpenChain(archive, "", os.DirFS)
	must(t, err)
	r, err := next.RolloverStage(
		chain,
		stages(t, f, archive)["etcd"],
		next.Changes{Desk: desk(t)},
	)
	must(t, err)
	i := slices.IndexFunc(r.Document.Authorities, func(a plan.Authority) bool { return a.Name == "etcd-2" })
	a := r.Document.Authorities[i]
	if a.Validity.String() != "6y" || !slices.Equal(*a.Subject.Organization, []string{"ops"}) ||
		a.Key.Create != signer.ECDSAP256 {
		t.Errorf("etcd was valid for 6y, of O=ops and ECDSA-P256: %+v", a)
	}
	if got := *r.Ceremony.Entry(1); !slices.Equal(got.Organization, []string{"ops"}) {
		t.Errorf("the schedule has another subject: %+v", got)
	}
}

// TestLeft: a node that has left is in no plan from then on, and comes back by a request.
func TestLeft(t *testing.T) {
	f, archive := held(t)
	chain, err := next.OpenChain(archive, "", os.DirFS)
	must(t, err)
	folder := t.TempDir()
	r, err := next.Renew(
		chain,
		0,
		next.Changes{Desk: next.Desk{Folder: os.DirFS(folder), Dir: folder, Now: time.Now()}, Left: []string{"worker-1"}},
	)
	must(t, err)
	if len(r.Document.Nodes) > 0 || !slices.Equal(r.Document.Left, []string{"worker-1"}) {
		t.Fatalf("the plan has nodes %v, left %v", r.Document.Nodes, r.Document.Left)
	}
	for _, c := range r.Files {
		full := filepath.Join(folder, c.Path)
		must(t, os.MkdirAll(filepath.Dir(full), 0o755))
		must(t, os.WriteFile(full, content(t, c), 0o644))
	}
	text, err := plan.New(r.Document)
	must(t, err)
	f.Folder, f.PlanFile = folder, filepath.Join(folder, "plan.yaml")
	must(t, os.WriteFile(f.PlanFile, text, 0o644))
	f.Approve(t, "alice")
	dir, _ := f.Run(t)
	after, err := history.Find(dir, archive.Found[0].Dir)
	must(t, err)
	if chain, err = next.OpenChain(after, "", os.DirFS); err != nil {
		t.Fatal(err)
	}
	all, err := next.Renew(chain, 400*24*time.Hour, next.Changes{Desk: desk(t)})
	must(t, err)
	for _, n := range all.Document.Nodes {
		if n.Name == "worker-1" {
			t.Error("who has left is certified again")
		}
	}
	if len(all.Document.Nodes) != 2 {
		t.Errorf("%d nodes are renewed, want cp-1 and worker-2", len(all.Document.Nodes))
	}
	_, err = next.Renew(chain, 0, next.Changes{Desk: desk(t), Nodes: []string{"worker-1"}})
	if err == nil || !strings.Contains(err.Error(), "node worker-1 has left the cluster: named as gone by ceremony 2") {
		t.Errorf("asked for by name: %v", err)
	}
	_, err = next.Renew(chain, 0, next.Changes{Desk: desk(t), Left: []string{"worker-1"}})
	if err == nil || !strings.Contains(err.Error(), "has left already") {
		t.Errorf("a second time: %v", err)
	}
}

// TestListsReachEtcd: a new list of etcd's authority comes with bundles for its nodes,
// which keep what they have.
func TestListsReachEtcd(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{Workers: 1, Lists: []string{"etcd"}})
	dir, _ := f.Run(t)
	archive, err := history.Find(dir)
	must(t, err)
	chain, err := next.OpenChain(archive, "", os.DirFS)
	must(t, err)
	r, err := next.Revoke(chain, next.RevokeOptions{Refresh: true}, next.Changes{Desk: desk(t)})
	must(t, err)
	if n := r.Document.Nodes; len(n) != 1 || n[0].Name != "cp-1" || !n[0].Renews() {
		t.Errorf("bundles for %+v, want cp-1's", n)
	}
}

// content is what a copy would hold.
func content(t *testing.T, c next.Copy) []byte {
	t.Helper()
	var b bytes.Buffer
	_, err := c.WriteTo(&b)
	must(t, err)
	return b.Bytes()
}
