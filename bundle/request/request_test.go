package request

import (
	"archive/tar"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/limittest"
)

func TestMakeParse(t *testing.T) {
	for _, node := range []kubepki.Node{
		controlPlane(), worker(),
		{Name: "etcd-1", Roles: []kubepki.Role{kubepki.Etcd}, Address: netip.MustParseAddr("fd00::1")},
	} {
		m := makeRequest(t, node)
		o, err := Parse("f", m.data)
		check(t, err)
		if d := cmp.Diff(testCluster(), o.Cluster); d != "" {
			t.Errorf("%s: cluster: %s", node.Name, d)
		}
		if d := cmp.Diff(node, o.Node, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
			t.Errorf("%s: node: %s", node.Name, d)
		}
		if o.Recipient != m.recipient || !o.Created.Equal(created) || !bytes.Equal(o.Raw, m.data) {
			t.Errorf("%s: recipient %s, created %s", node.Name, o.Recipient, o.Created)
		}
		if want := fingerprint.Of(entries(t, m.data)[requestFile]); o.Fingerprint != want {
			t.Errorf("%s: fingerprint %s, want %s", node.Name, o.Fingerprint, want)
		}
		if len(o.CSR) != len(m.leaves) {
			t.Errorf("%s: %d CSRs, want %d", node.Name, len(o.CSR), len(m.leaves))
		}
		for _, l := range m.leaves {
			csr := o.CSR[l.Name]
			if extra := asksBeyond(csr, l); len(extra) > 0 || len(csr.DNSNames) != len(l.DNSNames) || len(csr.IPAddresses) != len(l.IPAddresses) {
				t.Errorf("%s: %s asks for %v %v, %v", node.Name, l.Name, csr.DNSNames, csr.IPAddresses, extra)
			}
			for _, e := range csr.Extensions { // as kubeadm's: alternative names or nothing
				if e.Id.String() != "2.5.29.17" {
					t.Errorf("%s: %s asks for extension %s", node.Name, l.Name, e.Id)
				}
			}
		}
		if strings.Contains(string(m.data), "PRIVATE") || strings.Contains(string(m.data), "SECRET") {
			t.Errorf("%s: a secret is in it", node.Name)
		}
	}
}

func TestEveryKeyKind(t *testing.T) {
	m := makeRequest(t, worker())
	r2048, err := rsa.GenerateKey(rand.Reader, 2048)
	check(t, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	check(t, err)
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	check(t, err)
	for _, keys := range []Keys{{"kubelet.conf": r2048}, {"kubelet.conf": p384}, {"kubelet.conf": p521}} {
		data, err := Make(testCluster(), worker(), m.leaves, keys, m.recipient, created, rand.Reader)
		if err == nil {
			_, err = Parse("f", data)
		}
		if err != nil {
			t.Errorf("%T: %v", keys["kubelet.conf"], err)
		}
	}
}

func TestMakeRefuses(t *testing.T) {
	m := makeRequest(t, worker())
	other := newKey(t)
	for name, try := range map[string]func() ([]byte, error){
		"without keys": func() ([]byte, error) {
			return Make(testCluster(), worker(), m.leaves, nil, m.recipient, created, rand.Reader)
		},
		"without leaves": func() ([]byte, error) {
			return Make(testCluster(), worker(), nil, m.keys, m.recipient, created, rand.Reader)
		},
		"a bad recipient": func() ([]byte, error) {
			return Make(testCluster(), worker(), m.leaves, m.keys, "age1x", created, rand.Reader)
		},
		"a bad node": func() ([]byte, error) {
			return Make(testCluster(), kubepki.Node{Name: "A b"}, m.leaves, m.keys, m.recipient, created, rand.Reader)
		},
		"another's key": func() ([]byte, error) {
			csrs := map[string][]byte{"kubelet.conf": csrPEMOf(t, m.keys["kubelet.conf"], nil)}
			return Pack(testCluster(), worker(), csrs, Keys{"kubelet.conf": other}, m.recipient, created, rand.Reader)
		},
	} {
		if _, err := try(); err == nil {
			t.Errorf("%s: made", name)
		}
	}
}

// The archive is a format others may have to write: its bytes are pinned.
func TestPackIsPinned(t *testing.T) {
	data, err := pack(map[string][]byte{"request.json": []byte("{}\n"), "csr/etcd/server.csr": []byte("x"), "empty": nil})
	check(t, err)
	const want = "1b0c094a6405ae35eeb38004d793038b68de9326f6e8a48143e380171ea77759"
	if got := fmt.Sprintf("%x", sha256.Sum256(data)); got != want || len(data) != 3*512+2*512+2*512 {
		t.Errorf("%d bytes with SHA-256 %s, want %s", len(data), got, want)
	}
}

func TestDocExample(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	check(t, err)
	raw := string(entries(t, makeRequest(t, controlPlane()).data)[requestFile])
	for _, field := range []string{"apiVersion", "kind", "cluster", "node", "created", "recipient", "csrs", "name", "file", "sha256", "spki", "kubernetesVersion", "roles", "address", "first"} {
		quoted := `"` + field + `":`
		if !strings.Contains(raw, quoted) || !strings.Contains(string(doc), quoted) {
			t.Errorf("%s is not both in request.json and in doc.go", quoted)
		}
	}
}

func FuzzParse(f *testing.F) {
	m := kept(f)
	f.Add(m.data)
	f.Add(rawTar(f))
	f.Add(rawTar(f, entry{tar.Header{Typeflag: tar.TypeReg, Name: requestFile}, "{}\n"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		defer limittest.Budget(t)()
		o, err := Parse("f", data)
		if err != nil {
			if _, ok := err.(*Refusal); !ok {
				t.Errorf("%T: %v", err, err)
			}
			if s := err.Error(); strings.ContainsFunc(s, func(r rune) bool { return r < ' ' }) {
				t.Errorf("the error has control characters: %q", s)
			}
			return
		}
		// Nobody but the holder of the key can make another request, so what
		// is accepted is what was there, but for the signature's bytes.
		if want := fingerprint.Of(entries(t, m.data)[requestFile]); o.Fingerprint != want {
			t.Errorf("accepted a request with fingerprint %s", o.Fingerprint)
		}
	})
}

// FuzzRequestJSON changes the one file, under signatures that fit.
// FuzzRequestJSON: what is accepted is written as encode writes it. FuzzParse has the
// whole file, whose signatures take a thousand times as long as this part of it.
func FuzzRequestJSON(f *testing.F) {
	m := kept(f)
	f.Add(entries(f, m.data)[requestFile])
	f.Add([]byte(`{"apiVersion":"officiant/v1","kind":"Request"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		defer limittest.Budget(t)()
		var r Request
		if r.decode(raw) != nil || r.check() != nil {
			return
		}
		again, err := r.encode()
		if err != nil || !bytes.Equal(again, raw) {
			t.Errorf("%v: accepted\n%s\nread as\n%s", err, raw, again)
		}
	})
}

func FuzzCSR(f *testing.F) {
	key := newKey(f)
	block, _ := pem.Decode(csrPEMOf(f, key, nil))
	f.Add(block.Bytes)
	der, err := base64.StdEncoding.DecodeString("MAA=")
	check(f, err)
	f.Add(der)
	f.Fuzz(func(t *testing.T, der []byte) {
		defer limittest.Budget(t)()
		csr, err := parseCSR(pem.EncodeToMemory(&pem.Block{Type: csrPEM, Bytes: der}))
		if err != nil {
			return
		}
		if err := csr.CheckSignature(); err != nil {
			t.Error(err)
		}
	})
}

// A ceremony reads thousands of them.
func BenchmarkParse(b *testing.B) {
	data := kept(b).data
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := Parse("f", data); err != nil {
			b.Fatal(err)
		}
	}
}
