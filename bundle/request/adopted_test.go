package request

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"maps"
	"math/big"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/seal"
)

// adoptionOf is what a node of a running cluster would have.
func adoptionOf(t testing.TB, m *made) *Adoption {
	t.Helper()
	a := &Adoption{Authorities: map[kubepki.Authority]*x509.Certificate{}, Leaves: map[string]*x509.Certificate{}}
	sign := func(cn string, ca bool, key any) *x509.Certificate {
		signer := newKey(t)
		template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: cn}, NotAfter: created.Add(time.Hour),
			IsCA: ca, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
		if key == nil {
			key = signer.Public()
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key, signer)
		check(t, err)
		c, err := x509.ParseCertificate(der)
		check(t, err)
		return c
	}
	for _, l := range m.leaves {
		if a.Authorities[l.Authority] == nil {
			a.Authorities[l.Authority] = sign(string(l.Authority), true, nil)
		}
		a.Leaves[l.Name] = sign(l.CommonName, false, m.keys[l.Name].Public())
	}
	if m.node.Has(kubepki.ControlPlane) {
		var err error
		a.AccountSealed, err = seal.Seal([]string{m.recipient}, []byte("sa.key"))
		check(t, err)
		der, err := x509.MarshalPKIXPublicKey(newKey(t).Public())
		check(t, err)
		a.AccountPublic = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	}
	return a
}

func TestAdoption(t *testing.T) {
	for _, node := range []kubepki.Node{controlPlane(), worker()} {
		m := makeRequest(t, node)
		a := adoptionOf(t, m)
		data, err := Make(testCluster(), node, m.leaves, m.keys, m.recipient, created, rand.Reader, a)
		check(t, err)
		o, err := Parse("node.req", data)
		check(t, err)
		same := func(x, y *x509.Certificate) bool { return x.Equal(y) }
		if !maps.EqualFunc(o.Adoption.Authorities, a.Authorities, same) || !maps.EqualFunc(o.Adoption.Leaves, a.Leaves, same) ||
			!bytes.Equal(o.Adoption.AccountSealed, a.AccountSealed) || !bytes.Equal(o.Adoption.AccountPublic, a.AccountPublic) {
			t.Errorf("%s: read otherwise than made", node.Name)
		}
		// No file of it can be exchanged: the fingerprint stands for all.
		for name, content := range entries(t, data) {
			if len(name) < 8 || name[:8] != "adopted/" {
				continue
			}
			e := entries(t, data)
			e[name] = append(bytes.Clone(content), '\n')
			refused(t, name+" changed", repack(t, e), name, "its SHA-256 is not the one")
			delete(e, name)
			refused(t, name+" taken away", repack(t, e), name, "is missing")
		}
	}
	if o, err := Parse("node.req", makeRequest(t, worker()).data); err != nil || o.Adoption != nil || o.Adopted != nil {
		t.Errorf("a request without an adoption has one: %v", err)
	}
}

// Each gate fails once, though every key signs what is wrong.
func TestAdoptionRefused(t *testing.T) {
	m := makeRequest(t, controlPlane())
	a := adoptionOf(t, m)
	data, err := Make(testCluster(), m.node, m.leaves, m.keys, m.recipient, created, rand.Reader, a)
	check(t, err)
	authority := func(c *x509.Certificate) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: certificatePEM, Bytes: c.Raw})
	}
	for name, tt := range map[string]struct {
		change       func(r *Request, e map[string][]byte)
		part, reason string
	}{
		"no authority":        {func(r *Request, e map[string][]byte) { r.Adopted.Authorities = nil }, requestFile, "adopted.authorities is empty"},
		"a root":              {func(r *Request, e map[string][]byte) { r.Adopted.Authorities[0].Name = "root" }, requestFile, "no family with a trust file"},
		"authorities swapped": {func(r *Request, e map[string][]byte) { as := r.Adopted.Authorities; as[0], as[1] = as[1], as[0] }, requestFile, "they are sorted"},
		"another file":        {func(r *Request, e map[string][]byte) { r.Adopted.Authorities[0].File = "adopted/x.crt" }, requestFile, "adopted.authorities[0].file"},
		"a leaf too few":      {func(r *Request, e map[string][]byte) { r.Adopted.Leaves = r.Adopted.Leaves[1:] }, requestFile, "adopted.leaves are not"},
		"leaves swapped":      {func(r *Request, e map[string][]byte) { l := r.Adopted.Leaves; l[0], l[1] = l[1], l[0] }, requestFile, "adopted.leaves are not"},
		"no account":          {func(r *Request, e map[string][]byte) { r.Adopted.Account = nil }, requestFile, "adopted.account: a control-plane node"},
		"half an account":     {func(r *Request, e map[string][]byte) { r.Adopted.Account = r.Adopted.Account[:1] }, requestFile, "adopted.account is not"},
		"not sealed":          {replaced(adoptedAccountFile, []byte("in the clear")), adoptedAccountFile, "not an armored age file"},
		"no public key":       {replaced(adoptedPublicFile, []byte("x")), adoptedPublicFile, "not PEM of one public key"},
		"a leaf as authority": {replaced(adoptedAuthorityFile("etcd"), authority(a.Leaves["apiserver"])), adoptedAuthorityFile("etcd"), "is not a CA certificate"},
		"two certificates":    {replaced(adoptedAuthorityFile("etcd"), bytes.Repeat(authority(a.Authorities["etcd"]), 2)), adoptedAuthorityFile("etcd"), "not PEM of one certificate"},
		"another key's leaf":  {replaced(adoptedLeafFile("apiserver"), authority(a.Leaves["admin.conf"])), adoptedLeafFile("apiserver"), "is not for the key of"},
		"an authority as leaf": {replaced(adoptedLeafFile("apiserver"), authority(a.Authorities["etcd"])), adoptedLeafFile("apiserver"),
			"is the certificate of an authority"},
	} {
		e := entries(t, data)
		var r Request
		if refusal := r.decode(e[requestFile]); refusal != nil {
			t.Fatal(refusal)
		}
		tt.change(&r, e)
		raw, err := r.encode()
		check(t, err)
		e[requestFile] = raw
		listed := map[string]bool{}
		for _, p := range r.Adopted.parts() {
			listed[p.File] = true
		}
		maps.DeleteFunc(e, func(name string, _ []byte) bool { return len(name) > 8 && name[:8] == "adopted/" && !listed[name] })
		m.signAll(t, e)
		refused(t, name, repack(t, e), tt.part, tt.reason)
	}
}

// replaced exchanges a file and its hash.
func replaced(file string, content []byte) func(*Request, map[string][]byte) {
	return func(r *Request, e map[string][]byte) {
		e[file] = content
		sum := fingerprint.Of(content)
		for _, list := range [][]Named{r.Adopted.Authorities, r.Adopted.Leaves} {
			for i := range list {
				if list[i].File == file {
					list[i].SHA256 = sum
				}
			}
		}
		for i := range r.Adopted.Account {
			if r.Adopted.Account[i].File == file {
				r.Adopted.Account[i].SHA256 = sum
			}
		}
	}
}
