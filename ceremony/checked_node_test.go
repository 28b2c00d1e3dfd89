package ceremony_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"officiant/bundle"
	"officiant/bundle/durable"
	"officiant/bundle/install"
	"officiant/bundle/kubepki"
	"officiant/ceremony/ceremonytest"
)

// checkedNode is an installed node that is held against the facts.
type checkedNode struct {
	*testing.T
	facts         *facts
	release, kind string
	node          kubepki.Node
	root          string
	bundle        *bundle.Bundle
	expected      map[string]bool // files that were looked for
	problems      []string
}

// problem takes the place of Errorf, so that a test can show what is found.
func (n *checkedNode) problem(format string, args ...any) {
	n.problems = append(n.problems, fmt.Sprintf(format, args...))
}

func (n *checkedNode) install(f *ceremonytest.Fixture, dir string) {
	n.Helper()
	disk := &durable.Disk{}
	state := install.OpenState(n.root, disk)
	must(n.T, state.Init())
	must(n.T, state.WriteIdentity(f.Identities[n.node.Name], recipientOf(n.T, f, n.node.Name)))
	for name, key := range f.Keys[n.node.Name] {
		must(n.T, state.WriteKey(name, key))
	}
	release, err := os.ReadFile(filepath.Join(dir, "release.pub"))
	must(n.T, err)
	pub, err := bundle.ParseReleaseKey("release.pub", release)
	must(n.T, err)
	n.bundle, err = bundle.Open(filepath.Join(dir, "bundles", n.node.Name+".tar"))
	must(n.T, err)
	_, err = (&install.Node{Root: n.root, Disk: disk, Now: time.Now}).Install(n.bundle, install.Options{Release: pub})
	must(n.T, err)
}

// judge says in what the node is not as the facts have it.
func (n *checkedNode) judge() []string {
	n.expected, n.problems = map[string]bool{}, nil
	for _, file := range n.facts.Files[n.kind] {
		n.expect(file)
	}
	for _, row := range n.facts.Certificates {
		if row.here(n.kind, n.release) {
			n.expect(row.File + ".crt")
			n.expect(row.File + ".key")
			n.certificate(row.File+".crt", n.read(row.File+".crt"), n.read(row.File+".key"), row)
		}
	}
	for _, row := range n.facts.Kubeconfigs {
		if row.here(n.kind, n.release) {
			n.expect(row.File)
			n.kubeconfig(row)
		}
	}
	n.trust()
	n.nothingElse()
	n.bindings()
	return n.problems
}

// expect wants a file to be there with the mode of its kind.
func (n *checkedNode) expect(file string) {
	n.expected[file] = true
	info, err := os.Lstat(filepath.Join(n.root, "etc/kubernetes", file))
	if err != nil {
		n.problem("%v", err)
		return
	}
	want := n.facts.Modes[strings.TrimPrefix(filepath.Ext(file), ".")]
	if got := fmt.Sprintf("%04o", info.Mode()); got != want {
		n.problem("%s: mode is %s, the facts say %s", file, got, want)
	}
}

func (n *checkedNode) read(file string) []byte {
	n.Helper()
	data, err := os.ReadFile(filepath.Join(n.root, "etc/kubernetes", file))
	if err != nil {
		n.Fatal(err)
	}
	return data
}

func (n *checkedNode) nothingElse() {
	base := filepath.Join(n.root, "etc/kubernetes")
	must(n.T, filepath.WalkDir(base, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if rel, _ := filepath.Rel(base, path); !n.expected[filepath.ToSlash(rel)] {
			n.problem("%s is there, and the facts do not know it", rel)
		}
		return nil
	}))
}

// fill puts the node into a text of the facts.
func (n *checkedNode) fill(list ...string) []string {
	var out []string
	for _, s := range list {
		out = append(out, strings.NewReplacer("NODE", n.node.Name, "ADDRESS", n.node.Address.String()).Replace(s))
	}
	slices.Sort(out)
	return out
}

func (n *checkedNode) same(file, what string, got, want []string) {
	got = slices.Sorted(slices.Values(got))
	if !slices.Equal(got, want) {
		n.problem("%s: %s %q, the facts say %q", file, what, got, want)
	}
}

// certificate holds a leaf, its issuer and its key against its row.
func (n *checkedNode) certificate(file string, chain, key []byte, row factRow) {
	certs := parseCertificates(n.T, file, chain)
	if len(certs) != 2 {
		n.Fatalf("%s holds %d certificates", file, len(certs))
	}
	leaf := certs[0]
	n.same(file, "CN", []string{leaf.Subject.CommonName}, n.fill(row.CN))
	n.same(file, "O", leaf.Subject.Organization, n.fill(value(row.Organization, n.release)...))
	n.same(file, "DNS names", leaf.DNSNames, n.fill(row.DNS...))
	var addresses []string
	for _, ip := range leaf.IPAddresses {
		addresses = append(addresses, ip.String())
	}
	n.same(file, "addresses", addresses, n.fill(row.IP...))
	var usages []string
	for _, u := range leaf.ExtKeyUsage {
		usages = append(usages, map[x509.ExtKeyUsage]string{x509.ExtKeyUsageServerAuth: "serverAuth", x509.ExtKeyUsageClientAuth: "clientAuth"}[u])
	}
	n.same(file, "usages", usages, n.fill(row.Usages...))
	if leaf.KeyUsage != x509.KeyUsageDigitalSignature|x509.KeyUsageKeyEncipherment || leaf.IsCA || !leaf.BasicConstraintsValid {
		n.problem("%s: key usage %b, CA %t", file, leaf.KeyUsage, leaf.IsCA)
	}
	authority := n.facts.Authorities[row.Authority]
	if trusted := parseCertificates(n.T, authority.File, n.read(authority.File)); !certs[1].Equal(trusted[0]) {
		n.problem("%s: its second certificate is not that of %s", file, authority.File)
	}
	if certs[1].Subject.CommonName != authority.CN {
		n.problem("%s: is issued by %q, the facts say %q", file, certs[1].Subject.CommonName, authority.CN)
	}
	if err := leaf.CheckSignatureFrom(certs[1]); err != nil {
		n.problem("%s: %v", file, err)
	}
	if leaf.NotAfter.After(certs[1].NotAfter) {
		n.problem("%s: outlives its authority", file)
	}
	block, _ := pem.Decode(key)
	if block == nil {
		n.Fatalf("%s: its key is no PEM", file)
	}
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	must(n.T, err)
	if public := private.(crypto.Signer).Public(); !leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool }).Equal(public) {
		n.problem("%s: the key is not the certificate's", file)
	}
}

// kubeconfig reads one with a YAML reader and nothing of package kubeconfig.
func (n *checkedNode) kubeconfig(row factRow) {
	var k struct {
		APIVersion     string `yaml:"apiVersion"`
		Kind           string
		CurrentContext string `yaml:"current-context"`
		Preferences    any
		Clusters       []struct {
			Name    string
			Cluster struct {
				Server string
				CA     string `yaml:"certificate-authority-data"`
			}
		}
		Contexts []struct {
			Name    string
			Context struct{ Cluster, User string }
		}
		Users []struct {
			Name string
			User struct {
				Certificate string `yaml:"client-certificate-data"`
				Key         string `yaml:"client-key-data"`
			}
		}
	}
	if err := yaml.UnmarshalWithOptions(n.read(row.File), &k, yaml.Strict()); err != nil {
		n.Fatalf("%s: %v", row.File, err)
	}
	if len(k.Clusters) != 1 || len(k.Contexts) != 1 || len(k.Users) != 1 || k.APIVersion != "v1" || k.Kind != "Config" {
		n.Fatalf("%s: is not one cluster, one user and one context", row.File)
	}
	user := n.fill(row.CN)[0]
	context := k.Contexts[0]
	n.same(row.File, "user, cluster and contexts", []string{k.Users[0].Name, context.Context.User, k.Clusters[0].Name, context.Context.Cluster, context.Name, k.CurrentContext},
		slices.Sorted(slices.Values([]string{user, user, "demo", "demo", user + "@demo", user + "@demo"})))
	kind := n.kind
	if kind == "external" {
		kind = "first"
	}
	want := map[string]string{"cluster": "https://api.demo.test:6443", "local": "https://" + n.node.Address.String() + ":6443"}[value(row.Server[kind], n.release)]
	if k.Clusters[0].Cluster.Server != want {
		n.problem("%s: server is %s, the facts say %s", row.File, k.Clusters[0].Cluster.Server, want)
	}
	decode := func(s string) []byte {
		data, err := base64.StdEncoding.DecodeString(s)
		must(n.T, err)
		return data
	}
	if !bytes.Equal(decode(k.Clusters[0].Cluster.CA), n.read("pki/ca.crt")) {
		n.problem("%s: its authority is not pki/ca.crt", row.File)
	}
	row.Authority, row.Usages = "kubernetes", []string{"clientAuth"}
	n.certificate(row.File, decode(k.Users[0].User.Certificate), decode(k.Users[0].User.Key), row)
}

// trust: a file that says who may log in holds its own authority alone; the one
// for pods holds that and the root.
func (n *checkedNode) trust() {
	root := parseCertificates(n.T, bundle.RootFile, n.bundle.Files[bundle.RootFile])[0]
	seen := map[string]string{}
	for _, a := range n.facts.Authorities {
		if !slices.Contains(n.facts.Files[n.kind], a.File) {
			continue
		}
		certs := parseCertificates(n.T, a.File, n.read(a.File))
		if len(certs) != 1 || !certs[0].IsCA || certs[0].Subject.CommonName != a.CN || certs[0].CheckSignatureFrom(root) != nil || certs[0].Equal(root) {
			n.problem("%s: holds %d certificates, the first of %q", a.File, len(certs), certs[0].Subject)
		}
		if other, ok := seen[string(certs[0].RawSubjectPublicKeyInfo)]; ok {
			n.problem("%s and %s have the same key", a.File, other)
		}
		seen[string(certs[0].RawSubjectPublicKeyInfo)] = a.File
	}
	const server = "pki/server-ca.crt"
	if !slices.Contains(n.facts.Files[n.kind], server) {
		return
	}
	certs := parseCertificates(n.T, server, n.read(server))
	if len(certs) != 2 || !certs[1].Equal(root) || !bytes.Equal(n.read("pki/ca.crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certs[0].Raw})) {
		n.problem("%s: does not hold pki/ca.crt and the root", server)
	}
}

// bindings reads officiant/rbac.yaml.
func (n *checkedNode) bindings() {
	var want, got []string
	if strings.Contains("first joined external", n.kind) {
		for _, b := range n.facts.Bindings {
			if b.holds(n.release) {
				want = append(want, strings.Join(b.Value, " "))
			}
		}
	}
	text := n.bundle.Files[bundle.BindingsFile]
	for document := range strings.SplitSeq(string(text), "---\n") {
		if document == "" {
			continue
		}
		var b struct {
			APIVersion string `yaml:"apiVersion"`
			Kind       string
			Metadata   struct{ Name string }
			RoleRef    struct {
				APIGroup   string `yaml:"apiGroup"`
				Kind, Name string
			} `yaml:"roleRef"`
			Subjects []struct {
				APIGroup   string `yaml:"apiGroup"`
				Kind, Name string
			}
		}
		if err := yaml.UnmarshalWithOptions([]byte(document), &b, yaml.Strict()); err != nil {
			n.Fatal(err)
		}
		const group = "rbac.authorization.k8s.io"
		if len(b.Subjects) != 1 || b.Subjects[0].APIGroup != group || b.APIVersion != group+"/v1" || b.Kind != "ClusterRoleBinding" ||
			b.RoleRef.APIGroup != group || b.RoleRef.Kind != "ClusterRole" {
			n.problem("%s: a document is no binding of one subject:\n%s", bundle.BindingsFile, document)
			continue
		}
		got = append(got, strings.Join([]string{b.Metadata.Name, b.RoleRef.Name, b.Subjects[0].Kind, b.Subjects[0].Name}, " "))
	}
	if !slices.Equal(got, want) {
		n.problem("%s binds %q, the facts say %q", bundle.BindingsFile, got, want)
	}
}

func parseCertificates(t *testing.T, file string, data []byte) []*x509.Certificate {
	t.Helper()
	var certs []*x509.Certificate
	for len(data) > 0 {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		must(t, err)
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		t.Fatalf("%s holds no certificate", file)
	}
	return certs
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// recipientOf reads a node's recipient from its request.
func recipientOf(t *testing.T, f *ceremonytest.Fixture, node string) string {
	t.Helper()
	c := f.Config(t, t.TempDir())
	r := c.Plan.Requests[node]
	if r == nil {
		t.Fatalf("no request of %s among %q", node, slices.Sorted(maps.Keys(c.Plan.Requests)))
	}
	return r.Recipient
}
