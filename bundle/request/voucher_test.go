package request

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"maps"
	"math/big"
	"slices"
	"testing"
	"time"

	"officiant/bundle/kubepki"
)

// present is a certificate by an authority, and the authority's.
func present(t testing.TB, key crypto.Signer) []*x509.Certificate {
	t.Helper()
	ca := newKey(t)
	template := func(n int64, isCA bool) *x509.Certificate {
		return &x509.Certificate{SerialNumber: big.NewInt(n), Subject: pkix.Name{CommonName: "c"}, NotBefore: created, NotAfter: created.Add(time.Hour),
			IsCA: isCA, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	}
	make := func(c, by *x509.Certificate, pub crypto.PublicKey) *x509.Certificate {
		der, err := x509.CreateCertificate(rand.Reader, c, by, pub, ca)
		check(t, err)
		c, err = x509.ParseCertificate(der)
		check(t, err)
		return c
	}
	issuer := make(template(1, true), template(1, true), ca.Public())
	return []*x509.Certificate{make(template(2, false), issuer, key.Public()), issuer}
}

// vouchedRequest is a worker's request signed by its present key.
func vouchedRequest(t testing.TB) (m *made, p *Present) {
	t.Helper()
	m = makeRequest(t, worker())
	key := newKey(t)
	p = &Present{Leaf: "kubelet.conf", Chain: present(t, key), Key: key}
	var err error
	m.data, err = Make(testCluster(), m.node, m.leaves, m.keys, m.recipient, created, rand.Reader, p)
	check(t, err)
	return m, p
}

func TestPresentKeySigns(t *testing.T) {
	m, p := vouchedRequest(t)
	o, err := Parse("f", m.data)
	check(t, err)
	if len(o.Present) != 2 || !o.Present[0].Equal(p.Chain[0]) || o.Previous.Name != "kubelet.conf" {
		t.Errorf("read as %+v", o.Previous)
	}
	plain, err := Parse("f", makeRequest(t, worker()).data)
	check(t, err)
	if plain.Present != nil || plain.Previous != nil {
		t.Error("a request nobody vouches for has a voucher")
	}
	// The signature is part of what is exact, too.
	for i := range m.data {
		changed := bytes.Clone(m.data)
		changed[i] ^= 1 << (i % 8)
		if _, err := Parse("f", changed); err == nil {
			t.Errorf("bit %d of byte %d changed: accepted", i%8, i)
		}
	}
}

func TestPresentKeyRefused(t *testing.T) {
	m, _ := vouchedRequest(t)
	other, _ := vouchedRequest(t)
	e, theirs := entries(t, m.data), entries(t, other.data)
	with := func(change func(map[string][]byte)) []byte {
		c := maps.Clone(e)
		change(c)
		return repack(t, c)
	}
	for _, name := range []string{previousFile, previousSigFile} {
		refused(t, name+" removed", with(func(c map[string][]byte) { delete(c, name) }), name, "is missing")
	}
	refused(t, "another certificate", with(func(c map[string][]byte) { c[previousFile] = theirs[previousFile] }), previousFile, "SHA-256")
	refused(t, "another's signature", with(func(c map[string][]byte) { c[previousSigFile] = theirs[previousSigFile] }), previousSigFile, "is not the signature of request.json by the key of previous.crt")
	refused(t, "both of another's", with(func(c map[string][]byte) {
		c[previousFile], c[previousSigFile] = theirs[previousFile], theirs[previousSigFile]
	}), previousFile, "SHA-256")
	refused(t, "not base64", with(func(c map[string][]byte) { c[previousSigFile] = []byte("%\n") }), previousSigFile, "base64")
	refused(t, "the CSR's signature", with(func(c map[string][]byte) { c[previousSigFile] = c["sig/kubelet.conf.sig"] }), previousSigFile, "is not the signature")
}

// Whoever makes a request of his own can announce what he likes.
func TestPresentClaimsRefused(t *testing.T) {
	key := newKey(t)
	chain := present(t, key)
	strange := present(t, newKey(t))[1]
	weak := slices.Clone(chain)
	for _, row := range []struct {
		name, part, reason string
		p                  *Present
	}{
		{"admin.conf is on laptops", requestFile, "previous.name", &Present{"admin.conf", chain, key}},
		{"not of this node", requestFile, "previous.name", &Present{"etcd/server", chain, key}},
		{"no certificate", previousFile, "is empty", &Present{"kubelet.conf", nil, key}},
		{"another key", previousSigFile, "is not the signature", &Present{"kubelet.conf", chain, newKey(t)}},
		{"an authority's", previousFile, "certificate of an authority", &Present{"kubelet.conf", chain[1:], key}},
		{"a strange issuer", previousFile, "certificate 1 is not by certificate 2", &Present{"kubelet.conf", []*x509.Certificate{chain[0], strange}, key}},
		{"too many", previousFile, "more than 4", &Present{"kubelet.conf", append(weak, chain[1], chain[1], chain[1]), key}},
	} {
		m := makeRequest(t, worker())
		e := entries(t, m.data)
		r, err := Parse("f", m.data)
		check(t, err)
		row.p.announce(&r.Request, e)
		raw, err := r.Request.encode()
		check(t, err)
		e[requestFile] = raw
		m.signAll(t, e)
		file, content, err := row.p.vouch(rand.Reader, raw)
		check(t, err)
		e[file] = content
		refused(t, row.name, repack(t, e), row.part, row.reason)
		if _, err := Make(testCluster(), m.node, m.leaves, m.keys, m.recipient, created, rand.Reader, row.p); err == nil {
			t.Errorf("%s: Make makes what Parse refuses", row.name)
		}
	}
	refusedPEM := append([]byte("# mine\n"), pem.EncodeToMemory(&pem.Block{Type: certificatePEM, Bytes: chain[0].Raw})...)
	if _, err := parseChain(refusedPEM); err == nil {
		t.Error("text before the certificates is read")
	}
}

// What is in a certificate beyond Kubernetes' own, a node has no say in.
func TestNodeSaysNothingOfExtras(t *testing.T) {
	m := makeRequest(t, worker())
	csrs := map[string][]byte{}
	for name, c := range entries(t, m.data) {
		if name == "csr/kubelet.conf.csr" {
			csrs["kubelet.conf"] = c
		}
	}
	data := m.forge(t, csrs, func(r *Request) {
		r.Node.Extra = []kubepki.Extra{{Name: "kubelet-server"}}
		r.Node.Extra[0] = r.Node.Extra[0].For(r.Node)
		r.Node.Extra[0].SANs = []string{"worker-1"}
	})
	refused(t, "extra", data, requestFile, "node.extra")
}

func TestVouchingLeaves(t *testing.T) {
	etcd := kubepki.Node{Name: "e", Roles: []kubepki.Role{kubepki.Etcd}}
	if got := VouchingLeaves(etcd); !slices.Equal(got, []string{"etcd/server", "etcd/peer"}) {
		t.Errorf("%q", got)
	}
	for _, n := range []kubepki.Node{worker(), controlPlane()} {
		if got := VouchingLeaves(n); !slices.Equal(got, []string{"kubelet.conf"}) {
			t.Errorf("%q", got)
		}
	}
}
