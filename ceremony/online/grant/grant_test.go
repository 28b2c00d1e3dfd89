package grant_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"officiant/bundle/fingerprint"
	"officiant/bundle/limittest"
	"officiant/ceremony/issue"
	"officiant/ceremony/online/grant"
	"officiant/ceremony/online/onlinetest"
)

// TestRead: what Marshal writes, Parse reads, also with other white space; every other
// spelling is refused, and the line named.
func TestRead(t *testing.T) {
	w := onlinetest.New(t)
	data, err := w.Grant.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	g, err := grant.Parse("grant.json", []byte(strings.ReplaceAll(text, "\n", "\n ")))
	if err != nil {
		t.Fatal(err)
	}
	n, ok := g.Node("worker-1")
	if !ok || n.SignaturesPerDay != 4 || g.Digest().IsZero() || !g.Holds(onlinetest.Start) || g.Holds(g.NotAfter) {
		t.Errorf("%+v", n)
	}
	if _, ok := g.Node("worker-9"); ok {
		t.Error("a node that there is not")
	}
	for name, c := range map[string]struct{ from, to, want string }{
		"a field that is not known":  {`"cluster"`, `"clutser"`, `unknown field "clutser"`},
		"a field twice":              {`"sequence": 1,`, "\"sequence\": 1,\n\"sequence\": 1,", "one spelling"},
		"a field in other letters":   {`"sequence"`, `"Sequence"`, "grant.json:5"},
		"another order":              {"\"sequence\": 1,\n", "", "grant.json"},
		"null":                       {`"users": [`, `"users": null, "x": [`, "unknown field"},
		"a time of another zone":     {"2026-11-30T00:00:00Z", "2026-11-30T01:00:00+01:00", "not in UTC"},
		"text after it":              {"}\n", "}\n{}", "grant.json"},
		"a number as it never is":    {`"sequence": 1,`, `"sequence": 1e0,`, "grant.json"},
		"a field that is left out":   {`"sequence": 1,`, ``, "grant.json"},
		"an escape that need not be": {`"demo"`, `"dem\u006f"`, "is not what stands here"},
	} {
		other := strings.Replace(text, c.from, c.to, 1)
		if name == "text after it" {
			other = text + "{}"
		}
		_, err := grant.Parse("grant.json", []byte(other))
		if invalid := (*grant.Invalid)(nil); !errors.As(err, &invalid) || !strings.Contains(err.Error(), c.want) ||
			other == text {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRefuses: what a grant may not say, each once.
func TestRefuses(t *testing.T) {
	until := onlinetest.Start.AddDate(0, 0, 90)
	for want, change := range map[string]func(t *testing.T, w *onlinetest.World){
		"not officiant/v1 Grant": func(_ *testing.T, w *onlinetest.World) { w.Grant.Kind = "Plan" },
		"no name of a cluster":   func(_ *testing.T, w *onlinetest.World) { w.Grant.Cluster = "Demo" },
		"sequence is below 1":    func(_ *testing.T, w *onlinetest.World) { w.Grant.Sequence = 0 },
		"one before the other":   func(_ *testing.T, w *onlinetest.World) { w.Grant.NotAfter = w.Grant.NotBefore },
		"no key could be":        func(_ *testing.T, w *onlinetest.World) { w.Grant.KeyAlgorithms = nil },
		"keyAlgorithms: ":        func(_ *testing.T, w *onlinetest.World) { w.Grant.KeyAlgorithms[0] = "RSA-1024" },
		"nobody could sign":      func(_ *testing.T, w *onlinetest.World) { w.Grant.Authorities = nil },
		`"demo.example/x" is unknown; known are kubernetes.io/`: func(_ *testing.T, w *onlinetest.World) {
			w.Grant.Authorities[0].SignerName = "demo.example/x"
		},
		"kubelet-serving is there twice": func(_ *testing.T, w *onlinetest.World) {
			w.Grant.Authorities = append(w.Grant.Authorities, w.Grant.Authorities[1])
		},
		"its certificate is no CA's": func(t *testing.T, w *onlinetest.World) {
			certified(t, w, func(c *x509.Certificate) { c.IsCA, c.MaxPathLenZero = false, false })
		},
		"its key usage does not have certSign": func(t *testing.T, w *onlinetest.World) {
			certified(t, w, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign })
		},
		"it may issue authorities; pathLen has to be 0": func(t *testing.T, w *onlinetest.World) {
			certified(t, w, func(c *x509.Certificate) { c.MaxPathLenZero = false })
		},
		"has more than 20000 nodes or users": func(_ *testing.T, w *onlinetest.World) {
			w.Grant.Users = slices.Repeat(w.Grant.Users, 20_001)
		},
		`node "kube.svc": its name is a service's`: func(_ *testing.T, w *onlinetest.World) {
			w.Grant.Nodes[0].Name = "kube.svc"
		},
		"node worker-1: it has more than 64 names or addresses": func(_ *testing.T, w *onlinetest.World) {
			w.Grant.Nodes[0].DNSNames = slices.Repeat([]string{"worker-1"}, 65)
		},
		"DNS name worker-1 is there twice": func(_ *testing.T, w *onlinetest.World) {
			w.Grant.Nodes[0].DNSNames = []string{"worker-1", "worker-1"}
		},
		"address 10.0.0.11 is there twice": func(_ *testing.T, w *onlinetest.World) {
			w.Grant.Nodes[0].IPAddresses = slices.Repeat(w.Grant.Nodes[0].IPAddresses, 2)
		},
		"role worker is there twice": func(_ *testing.T, w *onlinetest.World) {
			w.Grant.Nodes[0].Roles = []string{"worker", "worker"}
		},
		"user ann: signaturesPerDay is not from 1 to": func(_ *testing.T, w *onlinetest.World) {
			w.Grant.Users[0].SignaturesPerDay = 0
		},
		"no name of a key":    func(_ *testing.T, w *onlinetest.World) { w.Grant.Authorities[0].Name = "Kubelet" },
		"not one certificate": func(_ *testing.T, w *onlinetest.World) { w.Grant.Authorities[0].Certificate = "x" },
		"life is":             func(_ *testing.T, w *onlinetest.World) { w.Grant.Authorities[0].Life = "24h" },
		"what kubernetes.io/kubelet-serving needs": func(_ *testing.T, w *onlinetest.World) {
			w.Grant.Authorities[1].Certificate = w.Grant.Authorities[0].Certificate
		},
		"clients and of servers": func(t *testing.T, w *onlinetest.World) {
			c := onlinetest.Certify(t, w.Client, "kubelet-serving", x509.ExtKeyUsageServerAuth, onlinetest.Start, until)
			w.Grant.Authorities[1].Certificate = onlinetest.PEM(c)
		},
		"its key is the journal's": func(t *testing.T, w *onlinetest.World) {
			w.Grant.JournalKey, _ = fingerprint.SPKI(w.Client.Public())
		},
		"there twice": func(_ *testing.T, w *onlinetest.World) { w.Grant.Nodes[1].Name = "worker-1" },
		"is node worker-1's": func(_ *testing.T, w *onlinetest.World) {
			w.Grant.Nodes[1].DNSNames = []string{"worker-1"}
		},
		"another node's name": func(_ *testing.T, w *onlinetest.World) {
			w.Grant.Nodes[0].DNSNames, w.Grant.Nodes[1].DNSNames = []string{"worker-2"}, nil
		},
		"10.0.0.11 is node": func(_ *testing.T, w *onlinetest.World) {
			w.Grant.Nodes[1].IPAddresses = w.Grant.Nodes[0].IPAddresses
		},
		"is reserved": func(_ *testing.T, w *onlinetest.World) {
			w.Grant.Nodes[0].DNSNames = []string{"api.demo.example"}
		},
		"kubernetes.default.": func(_ *testing.T, w *onlinetest.World) {
			w.Grant.Nodes[0].DNSNames = []string{"kubernetes.default.svc"}
		},
		"kubernetes\" is a": func(_ *testing.T, w *onlinetest.World) {
			w.Grant.Nodes[0].DNSNames = []string{"kubernetes"}
		},
		"reserved network": func(_ *testing.T, w *onlinetest.World) {
			w.Grant.Nodes[0].IPAddresses[0] = netip.MustParseAddr("10.96.0.1")
		},
		"loopback": func(_ *testing.T, w *onlinetest.World) {
			w.Grant.Nodes[0].IPAddresses[0] = netip.MustParseAddr("127.0.0.1")
		},
		"none that a cert": func(_ *testing.T, w *onlinetest.World) {
			w.Grant.Nodes[0].IPAddresses[0] = netip.MustParseAddr("::ffff:10.0.0.1")
		},
		"taken for an address": func(_ *testing.T, w *onlinetest.World) {
			w.Grant.Nodes[0].DNSNames = []string{"10.0.0.1"}
		},
		"RFC 1123": func(_ *testing.T, w *onlinetest.World) {
			w.Grant.Nodes[0].DNSNames = []string{"*.example"}
		},
		"signaturesPerDay": func(_ *testing.T, w *onlinetest.World) { w.Grant.Nodes[0].SignaturesPerDay = 0 },
		"no roles":         func(_ *testing.T, w *onlinetest.World) { w.Grant.Nodes[0].Roles = nil },
		`role "admin" is unknown; known are control-plane, etcd, worker`: func(_ *testing.T, w *onlinetest.World) {
			w.Grant.Nodes[0].Roles = []string{"admin"}
		},
		"asks for a first": func(_ *testing.T, w *onlinetest.World) {
			w.Grant.Nodes[0].Bootstrap = "system:node:worker-2"
		},
		"own name, or none": func(_ *testing.T, w *onlinetest.World) {
			w.Grant.Users[0].Groups = []string{"system:masters"}
		},
		"requester \"\"": func(_ *testing.T, w *onlinetest.World) { w.Grant.Users[0].Requester = "" },
		"user ann is there": func(_ *testing.T, w *onlinetest.World) {
			w.Grant.Users = append(w.Grant.Users, w.Grant.Users[0])
		},
	} {
		w := onlinetest.New(t)
		change(t, w)
		data, err := w.Grant.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := grant.Parse("grant.json", data); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// certified changes the certificate of a grant's first authority.
func certified(t *testing.T, w *onlinetest.World, change func(c *x509.Certificate)) {
	t.Helper()
	c := onlinetest.Certify(t, w.Client, "kubelet-client", x509.ExtKeyUsageClientAuth, onlinetest.Start,
		onlinetest.Start.AddDate(0, 0, 90))
	change(c)
	der, err := x509.CreateCertificate(rand.Reader, c, c, w.Client.Public(), w.Client.Signer)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	w.Grant.Authorities[0].Certificate = onlinetest.PEM(c)
}

// TestTooLarge: a file beyond the limit is refused before it is read.
func TestTooLarge(t *testing.T) {
	for _, size := range []int{grant.MaxBytes, grant.MaxBytes + 1} {
		_, err := grant.Parse("grant.json", bytes.Repeat([]byte{' '}, size))
		large := err != nil && err.Error() == "grant.json: has more than 33554432 bytes"
		if large != (size > grant.MaxBytes) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// TestSigned: one byte, or another key, and the signature is none.
func TestSigned(t *testing.T) {
	w := onlinetest.New(t)
	release, other := onlinetest.NewKey(t, "release"), onlinetest.NewKey(t, "other")
	data, err := w.Grant.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	signature, err := issue.File(context.Background(), fingerprint.Of(data), release)
	if err != nil {
		t.Fatal(err)
	}
	if err := grant.Verify(release.Public(), data, signature); err != nil {
		t.Error(err)
	}
	if grant.Verify(other.Public(), data, signature) == nil {
		t.Error("another key's signature")
	}
	if grant.Verify(release.Public(), append(data, '\n'), signature) == nil {
		t.Error("a byte more")
	}
}

func FuzzParse(f *testing.F) {
	w := onlinetest.New(f)
	data, err := w.Grant.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"apiVersion":"officiant/v1"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		defer limittest.Budget(t)()
		g, err := grant.Parse("grant.json", data)
		if err != nil {
			return
		}
		again, err := g.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := grant.Parse("grant.json", again); err != nil {
			t.Errorf("what was read is not written so that it is read: %v", err)
		}
	})
}
