package request

import (
	"archive/tar"
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/seal"
)

var created = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func testCluster() kubepki.Cluster {
	return kubepki.Cluster{Name: "demo", KubernetesVersion: kubepki.Newest(), ControlPlaneEndpoint: "api.demo.test:6443"}.Complete()
}

func controlPlane() kubepki.Node {
	return kubepki.Node{
		Name: "cp-1", Roles: []kubepki.Role{kubepki.ControlPlane, kubepki.Etcd},
		Address: netip.MustParseAddr("10.0.0.11"), First: true,
	}
}

func worker() kubepki.Node {
	return kubepki.Node{Name: "worker-1", Roles: []kubepki.Role{kubepki.Worker}}
}

func newKey(t testing.TB) crypto.Signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	return k
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// made is a request with all that went into it.
type made struct {
	node      kubepki.Node
	leaves    []kubepki.Leaf
	keys      Keys
	recipient string
	data      []byte
}

func makeRequest(t testing.TB, node kubepki.Node) *made {
	t.Helper()
	m := &made{node: node, keys: Keys{}}
	var err error
	m.leaves, err = kubepki.Leaves(testCluster(), node)
	check(t, err)
	for _, l := range m.leaves {
		m.keys[l.Name] = newKey(t)
	}
	_, m.recipient, err = seal.NewIdentity()
	check(t, err)
	m.data, err = Make(testCluster(), node, m.leaves, m.keys, m.recipient, created, rand.Reader)
	check(t, err)
	return m
}

// entries opens the archive, whatever is in it.
func entries(t testing.TB, data []byte) map[string][]byte {
	t.Helper()
	e, refusal := unpack(data)
	if refusal != nil {
		t.Fatal(refusal)
	}
	return e
}

// repack is what somebody does who has changed entries.
func repack(t testing.TB, e map[string][]byte) []byte {
	t.Helper()
	data, err := pack(e)
	check(t, err)
	return data
}

// forge is Pack by somebody who has every key and does not check what he signs.
func (m *made) forge(t testing.TB, csrs map[string][]byte, change func(r *Request)) []byte {
	t.Helper()
	e := map[string][]byte{recipientFile: []byte(m.recipient + "\n")}
	r := Request{
		APIVersion: APIVersion, Kind: Kind, Cluster: testCluster(), Node: m.node, Created: created,
		Recipient: Part{recipientFile, fingerprint.Of(e[recipientFile])},
	}
	for _, l := range m.leaves {
		c := CSR{Name: l.Name, File: csrFile(l.Name), SHA256: fingerprint.Of(csrs[l.Name])}
		if block, _ := pem.Decode(csrs[l.Name]); block != nil {
			if csr, err := x509.ParseCertificateRequest(block.Bytes); err == nil {
				c.SPKI = fingerprint.Of(csr.RawSubjectPublicKeyInfo)
			}
		}
		r.CSRs, e[c.File] = append(r.CSRs, c), csrs[l.Name]
	}
	if change != nil {
		change(&r)
	}
	raw, err := r.encode()
	check(t, err)
	e[requestFile] = raw
	m.signAll(t, e)
	return repack(t, e)
}

func (m *made) signAll(t testing.TB, e map[string][]byte) {
	t.Helper()
	for name, key := range m.keys {
		sig, err := sign(rand.Reader, key, e[requestFile])
		if err != nil {
			sig = []byte("AAAA\n") // a key that cannot sign SHA-256, such as Ed25519
		}
		e[sigFile(name)] = sig
	}
}

func csrPEMOf(t testing.TB, key crypto.Signer, change func(*x509.CertificateRequest)) []byte {
	t.Helper()
	template := &x509.CertificateRequest{Subject: pkix.Name{CommonName: "system:node:worker-1", Organization: []string{"system:nodes"}}}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	check(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: csrPEM, Bytes: der})
}

// refused checks that Parse refuses data, naming the file, the part, and the
// reason. It returns the error's text.
func refused(t testing.TB, name string, data []byte, part, reason string) string {
	t.Helper()
	o, err := Parse("node.req", data)
	var r *Refusal
	switch {
	case err == nil:
		t.Errorf("%s: accepted, with fingerprint %s", name, o.Fingerprint)
		return ""
	case !errors.As(err, &r):
		t.Errorf("%s: %T, want a *Refusal: %v", name, err, err)
	case r.File != "node.req" || r.Part != part && !strings.HasPrefix(r.Part, part+":") || !strings.Contains(r.Reason, reason):
		t.Errorf("%s: got %q, want part %q and %q", name, err, part, reason)
	}
	return err.Error()
}

type entry struct {
	header  tar.Header
	content string
}

// rawTar writes entries as they are given.
func rawTar(t testing.TB, list ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range list {
		h := e.header
		h.Size = int64(len(e.content))
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if h.ModTime.IsZero() {
			h.ModTime = time.Unix(0, 0)
		}
		check(t, w.WriteHeader(&h))
		_, err := w.Write([]byte(e.content))
		check(t, err)
	}
	check(t, w.Close())
	return b.Bytes()
}
