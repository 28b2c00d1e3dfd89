package ceremonytest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"officiant/bundle/kubepki"
	"officiant/bundle/request"
	"officiant/bundle/seal"
)

// Running is a cluster that kubeadm created, with its CA keys on disk, before a ceremony
// adopts it.
type Running struct {
	Cluster     kubepki.Cluster
	Authorities map[kubepki.Authority]*x509.Certificate // self-signed, as kubeadm makes them
	Keys        map[kubepki.Authority]crypto.Signer
	account     crypto.Signer
}

// NewRunning makes its authorities and its service-account key.
func NewRunning(t testing.TB) *Running {
	t.Helper()
	r := &Running{
		Cluster: kubepki.Cluster{
			Name:                 "demo",
			KubernetesVersion:    kubepki.Newest(),
			ControlPlaneEndpoint: "api.demo.test:6443",
		}.Complete(),
		Authorities: map[kubepki.Authority]*x509.Certificate{}, Keys: map[kubepki.Authority]crypto.Signer{}, account: newKey(t),
	}
	for _, spec := range kubepki.Authorities(r.Cluster)[1:] {
		key := newKey(t)
		c := &x509.Certificate{
			SerialNumber: serial(t), Subject: pkix.Name{CommonName: spec.CommonName}, DNSNames: []string{spec.CommonName},
			NotBefore: time.Now().
				AddDate(-1, 0, 0),
			NotAfter: time.Now().AddDate(9, 0, 0), IsCA: true, BasicConstraintsValid: true,
			KeyUsage: x509.KeyUsageKeyEncipherment | x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		}
		r.Keys[spec.Authority] = key
		r.Authorities[spec.Authority] = sign(t, c, c, key.Public(), key)
	}
	return r
}

// Leaf makes a certificate of a node as the cluster's own authority does.
func (r *Running) Leaf(t testing.TB, l kubepki.Leaf, public crypto.PublicKey) *x509.Certificate {
	t.Helper()
	return r.LeafUntil(t, l, public, time.Now().AddDate(0, 11, 0))
}

// LeafUntil is Leaf with another end.
func (r *Running) LeafUntil(
	t testing.TB, l kubepki.Leaf, public crypto.PublicKey, end time.Time,
) *x509.Certificate {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: serial(
			t,
		), Subject: pkix.Name{CommonName: l.CommonName, Organization: l.Organization}, DNSNames: l.DNSNames,
		NotBefore: time.Now().
			AddDate(0, -1, 0),
		NotAfter: end, KeyUsage: l.KeyUsage, ExtKeyUsage: l.ExtKeyUsage,
		BasicConstraintsValid: true,
	}
	for _, a := range l.IPAddresses {
		c.IPAddresses = append(c.IPAddresses, a.AsSlice())
	}
	return sign(t, c, r.Authorities[l.Authority], public, r.Keys[l.Authority])
}

// Adoption is what a node of the cluster has.
func (r *Running) Adoption(t testing.TB, n kubepki.Node, keys request.Keys, recipient string) *request.Adoption {
	t.Helper()
	a := &request.Adoption{Authorities: map[kubepki.Authority]*x509.Certificate{}, Leaves: map[string]*x509.Certificate{}}
	leaves, err := kubepki.Leaves(r.Cluster, n)
	check(t, err)
	for _, l := range leaves {
		a.Leaves[l.Name] = r.Leaf(t, l, keys[l.Name].Public())
	}
	files, err := kubepki.Files(r.Cluster, n)
	check(t, err)
	for _, f := range files {
		if f.Kind == kubepki.TrustFile {
			a.Authorities[f.Authority] = r.Authorities[f.Authority]
		}
	}
	if !n.Has(kubepki.ControlPlane) {
		return a
	}
	secret, err := x509.MarshalPKCS8PrivateKey(r.account)
	check(t, err)
	a.AccountSealed, err = seal.Seal(
		[]string{recipient},
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}),
	)
	check(t, err)
	public, err := x509.MarshalPKIXPublicKey(r.account.Public())
	check(t, err)
	a.AccountPublic = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	return a
}

// Adopting makes a fixture whose plan adopts the cluster: cp-1 with etcd, and
// workers. Without tokens: Tokens makes them. change may spoil what a node sends.
func (r *Running) Adopting(t testing.TB, workers int, change func(node string, a *request.Adoption)) *Fixture {
	t.Helper()
	return r.AdoptingShape(t, Shape{Workers: workers}, change)
}

// AdoptingShape is Adopting for other nodes.
func (r *Running) AdoptingShape(
	t testing.TB, shape Shape, change func(node string, a *request.Adoption),
) *Fixture {
	t.Helper()
	f := &Fixture{
		Folder:     t.TempDir(),
		SSH:        map[string]ssh.Signer{},
		Identities: map[string]string{},
		Keys:       map[string]request.Keys{},
	}
	f.PlanFile = filepath.Join(f.Folder, "plan.yaml")
	var list strings.Builder
	for _, n := range shape.nodes() {
		list.WriteString(f.adoptedNode(t, r, n, change))
	}
	var authorities strings.Builder
	for _, spec := range kubepki.Authorities(r.Cluster)[1:] {
		name := string(spec.Authority)
		write(t, filepath.Join(f.Folder, "adopted", name+".crt"), string(PEM(r.Authorities[spec.Authority])))
		fmt.Fprintf(
			&authorities,
			"  - {name: %s-former, family: %s, adopted: true, certificate: adopted/%s.crt}\n",
			name,
			name,
			name,
		)
		fmt.Fprintf(
			&authorities,
			"  - {name: %s, use: trust, key: {create: ECDSA-P256}, evidence: software, validity: 10y}\n",
			name,
		)
	}
	write(t, f.PlanFile, fmt.Sprintf(adoptedPlan, r.Cluster.KubernetesVersion, authorities.String())+list.String())
	return f
}

const adoptedPlan = `apiVersion: officiant/v1
kind: Plan
name: demo-1
cluster:
  name: demo
  kubernetesVersion: %s
  controlPlaneEndpoint: api.demo.test:6443
previous: none
authorities:
  - {name: root, key: {create: ECDSA-P384}, evidence: software, validity: 20y}
%srelease: {key: {create: ECDSA-P256}, evidence: software}
serviceAccount: {sealed: adopted/cp-1.sa.key.age, public: adopted/sa.pub}
leaves: {validity: 1y}
nodes:
`

// adoptedNode makes a node's request with what it has, and returns its entry.
func (f *Fixture) adoptedNode(
	t testing.TB,
	r *Running,
	n kubepki.Node,
	change func(string, *request.Adoption),
) string {
	t.Helper()
	leaves, err := kubepki.Leaves(r.Cluster, n)
	check(t, err)
	keys := request.Keys{}
	for _, l := range leaves {
		keys[l.Name] = newKey(t)
	}
	identity, recipient, err := seal.NewIdentity()
	check(t, err)
	a := r.Adoption(t, n, keys, recipient)
	if change != nil {
		change(n.Name, a)
	}
	data, err := request.Make(
		r.Cluster,
		n,
		leaves,
		keys,
		recipient,
		time.Now().UTC().Truncate(time.Second),
		rand.Reader,
		a,
	)
	check(t, err)
	opened, err := request.Parse(n.Name+".req", data)
	check(t, err)
	f.Identities[n.Name], f.Keys[n.Name] = identity, keys
	write(t, filepath.Join(f.Folder, "requests", n.Name+".req"), string(data))
	if a.AccountSealed != nil {
		write(t, filepath.Join(f.Folder, "adopted", n.Name+".sa.key.age"), string(a.AccountSealed))
		write(t, filepath.Join(f.Folder, "adopted", "sa.pub"), string(a.AccountPublic))
	}
	entry := fmt.Sprintf(
		"  - name: %s\n    roles: [%s]\n    request: requests/%s.req\n    fingerprint: %s\n",
		n.Name,
		roles(n),
		n.Name,
		opened.Fingerprint,
	)
	if n.Address.IsValid() {
		entry += fmt.Sprintf("    address: %s\n", n.Address)
	}
	if n.First {
		entry += "    first: true\n"
	}
	return entry
}

// PEM renders a certificate.
func PEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func newKey(t testing.TB) crypto.Signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	return k
}

func serial(t testing.TB) *big.Int {
	t.Helper()
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 62))
	check(t, err)
	return n
}

func sign(
	t testing.TB,
	template, parent *x509.Certificate,
	public crypto.PublicKey,
	key crypto.Signer,
) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	check(t, err)
	c, err := x509.ParseCertificate(der)
	check(t, err)
	return c
}
