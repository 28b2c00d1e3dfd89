package audit

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"net/netip"
	"strings"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/history"
	"officiant/ceremony/history/historytest"
	"officiant/ceremony/plan"
	"officiant/ceremony/revocation"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

// began is a view of a record that begins at some time.
func began(at time.Time, open transcript.Open) *view {
	open.Cluster = "demo"
	return &view{
		t:      newRecord(&transcript.Transcript{Lines: []transcript.Line{{Seq: 1, Time: at, Record: open}}}),
		ledger: &ledger{},
		tree:   &tree{},
		past:   &past{records: map[string]*history.Record{}},
		plan:   &schedule.Ceremony{Plan: &plan.Plan{}, Cluster: kubepki.Cluster{Name: "demo"}},
	}
}

// found wants problems of a check, or of a record from before what is not checked.
func found(t *testing.T, what string, c *Check, old bool, says string) {
	t.Helper()
	said, other := c.Problems, c.Unchecked
	if old {
		said, other = other, said
	}
	if len(other) > 0 || (says == "") != (len(said) == 0) || !strings.Contains(strings.Join(said, "\n"), says) {
		t.Errorf("%s: problems %q, unchecked %q; want %q", what, c.Problems, c.Unchecked, says)
	}
}

// TestContinued: an existing key is continued from the ceremony that had it, and its
// people approved; for records from before it was asked, it is told as unchecked.
func TestContinued(t *testing.T) {
	key, other := historytest.Key(t), historytest.Key(t)
	people := []transcript.Person{
		{
			Name: "alice",
			Role: "officer",
			Key:  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB5MCyyyqZbTtKsIDKYMA8VbBYNXBPkdNxIWgqXgP2ZK",
		},
	}
	record := func(cluster string, opens crypto.PublicKey, people []transcript.Person) *history.Record {
		o := transcript.Open{Cluster: cluster, People: people, Threshold: len(people)}
		r := historytest.Begin(t, time.Now(), o)
		r.Key("root", opens, true)
		r.CloseIssuing(nil)
		data, _ := r.Close(historytest.Key(t), nil)
		return must(history.Read(history.Text("before", data)))
	}
	spki := func(k crypto.Signer) fingerprint.SHA256 { return must(fingerprint.SPKI(k.Public())) }
	for what, tt := range map[string]struct {
		opened crypto.Signer
		before *history.Record
		lost   *transcript.Lost
		says   string
	}{
		"as the record before has it": {key, record("demo", key.Public(), nil), nil, ""},
		"another cluster's record":    {key, record("port", key.Public(), nil), nil, ""},
		"no record": {key, nil, nil,
			"the root key was there before, and no ceremony that this one continues had it"},
		"a record of another key": {other, record("demo", key.Public(), nil), nil,
			"no ceremony that this one continues had it"},
		"records that are lost": {key, nil, &transcript.Lost{Sequence: 3, Reason: "fire"}, ""},
		"people who did not approve": {key, record("demo", key.Public(), people), nil,
			"too few of those who had these keys last approved: 0 of the 1 approval"},
		"another cluster's people": {key, record("port", key.Public(), people), nil, "ceremony 1 of port asks for"},
	} {
		for _, old := range []bool{false, true} {
			at := since
			if old {
				at = since.Add(-time.Second)
			}
			a := began(at, transcript.Open{Lost: tt.lost})
			a.ledger.keyLines = []keyLine{{7, transcript.Key{Name: "root", SPKI: spki(tt.opened)}}}
			if tt.before != nil {
				a.past.records["before"] = tt.before
				if tt.before.Open.Cluster == "demo" {
					a.past.own = []*history.Record{tt.before}
				}
			}
			if !(&holderAudit{a}).reopens() {
				t.Fatalf("%s: opens nothing", what)
			}
			var c Check
			(&holderAudit{a}).continued(&c)
			found(t, what, &c, old, tt.says)
		}
	}
	a := began(since, transcript.Open{})
	a.ledger.keyLines = []keyLine{
		{7, transcript.Key{Name: "root", SPKI: spki(key), Made: true}},
		{9, transcript.Key{Name: "root", SPKI: spki(key)}},
	}
	if (&holderAudit{a}).reopens() {
		t.Error("a key that was made here, and found by the process after, is no key of before")
	}
}

// TestOthersNames: what an extra certificate that serves may not say.
func TestOthersNames(t *testing.T) {
	for name, says := range map[string]string{
		"web.example.com": "",
		"left-1":          "",
		"gone-2":          "another node's, gone-2",
		"only-there":      "another node's, gone-2", "worker-1": "", "10.0.0.21": "", "worker-1.example.com": "",
		"xlocalhost": "",
		"cp-1":       "another node's, cp-1", "CP-1.": "another node's, cp-1", "gone-1": "another node's, gone-1",
		"10.0.0.11":        "another node's, cp-1",
		"::ffff:10.0.0.11": "another node's, cp-1",
		"fd00::11":         "another node's, cp-6",
		"localhost":        "this machine's",
		"LOCALHOST.":       "this machine's",
		"a.localhost":      "this machine's",
		"127.0.0.1":        "this machine's",
		"127.9.9.9":        "this machine's",
		"::1":              "this machine's",
		"::ffff:127.0.0.1": "this machine's",
		"0.0.0.0":          "this machine's",
		"kubernetes":       "a service's", "kubernetes.default": "a service's", "metrics.monitoring.svc": "a service's",
		"metrics.monitoring.svc.cluster.local": "a service's", "10.96.0.1": "a service's", "fd01::1": "a service's",
		"api.demo.test":  "the API server's or etcd's",
		"10.0.0.9":       "the API server's or etcd's",
		"etcd.demo.test": "the API server's or etcd's",
		"*.demo.test":    "the API server's or etcd's",
		"b.wild.test":    "the API server's or etcd's",
		"*":              "everybody's",
		"*.test":         "everybody's",
	} {
		for _, old := range []bool{false, true} {
			at := since
			if old {
				at = since.Add(-time.Second)
			}
			a := began(at, transcript.Open{})
			a.plan.Cluster = kubepki.Cluster{
				Name:                 "demo",
				ControlPlaneEndpoint: "api.demo.test:6443",
				CertSANs:             []string{"10.0.0.9", "*.wild.test"},
				EtcdServerCertSANs:   []string{"etcd.demo.test"},
				ServiceSubnet:        "10.96.0.0/12, fd01::/108",
				DNSDomain:            "cluster.local",
			}
			a.plan.Nodes = []kubepki.Node{
				{Name: "worker-1", Address: netip.MustParseAddr("10.0.0.21")},
				{Name: "cp-1", Address: netip.MustParseAddr("10.0.0.11")},
				{Name: "cp-6", Address: netip.MustParseAddr("fd00::11")},
			}
			ca := historytest.Root(t, time.Now())
			r := historytest.Begin(t, time.Now(), transcript.Open{})
			r.Issue("gone-1/kubelet.conf", "root", ca.Leaf(t, "gone-1", time.Now(), historytest.Key(t).Public()))
			r.Issue("gone-2/apiserver", "root", servesAs(t, ca, "only-there"))
			r.Issue("left-1/kubelet.conf", "root", ca.Leaf(t, "left-1", time.Now(), historytest.Key(t).Public()))
			a.plan.Plan.Left = []string{"left-1"}
			a.past.own = []*history.Record{must(history.Read(history.Text("before", r.Unfinished())))}
			e := schedule.Entry{
				N:          5,
				Kind:       schedule.LeafCertificate,
				Name:       "worker-1/web",
				Node:       "worker-1",
				CommonName: "web",
				Leaf: &kubepki.Leaf{
					Extra: &kubepki.Extra{Name: "web"},
				},
				ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
			}
			if ip, err := netip.ParseAddr(name); err == nil {
				e.IPAddresses = []netip.Addr{ip}
			} else {
				e.DNSNames = []string{name}
			}
			client := e
			client.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
			a.plan.Entries = []schedule.Entry{e, client}
			var c Check
			(&nameAudit{a}).othersNames(&c)
			found(t, name, &c, old, says)
		}
	}
}

// TestVouchers: what is revoked vouches for no request, here or on any list before.
func TestVouchers(t *testing.T) {
	ca := historytest.Root(t, since.Add(-time.Hour))
	cert := ca.Leaf(t, "cp-1", since.Add(-time.Hour), historytest.Key(t).Public())
	stranger := ca.Leaf(t, "cp-1", since.Add(-time.Hour), historytest.Key(t).Public())
	record := func(revoked bool) *history.Record {
		r := historytest.Begin(t, since.Add(-time.Hour), transcript.Open{})
		r.Issue("cp-1/kubelet.conf", "root", cert)
		if revoked {
			r.List("root", "root", ca.Revoke(t, 1, since.Add(-time.Hour), revocation.KeyCompromise.Code(), cert.SerialNumber))
		}
		return must(history.Read(history.Text("before", r.Unfinished())))
	}
	revoke := []plan.Revocation{
		{Serial: plan.Serial{Int: cert.SerialNumber}, Authority: "root", Reason: revocation.CessationOfOperation},
	}
	superseded := []plan.Revocation{
		{Serial: plan.Serial{Int: cert.SerialNumber}, Authority: "root", Reason: revocation.Superseded},
	}
	asks := func(by *x509.Certificate, name string) *schedule.Request {
		serial, _ := history.SerialOf(by.SerialNumber)
		return &schedule.Request{Voucher: &schedule.Voucher{Name: name, SHA256: fingerprint.Of(by.Raw), Serial: serial}}
	}
	renews := plan.Node{Name: "cp-1", Renew: []string{"kubelet.conf"}}
	for what, tt := range map[string]struct {
		node    plan.Node
		request *schedule.Request
		revoked []plan.Revocation
		listed  bool
		says    string
	}{
		"its present certificate": {plan.Node{Name: "cp-1"}, asks(cert, "kubelet.conf"), nil, false, ""},
		"revoked in this plan": {plan.Node{Name: "cp-1"}, asks(cert, "kubelet.conf"), revoke, false,
			"vouches for its request, and is revoked (cessationOfOperation)"},
		"revoked before": {plan.Node{Name: "cp-1"}, asks(cert, "kubelet.conf"), nil, true,
			"and is revoked (keyCompromise)"},
		"superseded": {plan.Node{Name: "cp-1"}, asks(cert, "kubelet.conf"), superseded, false,
			"and is revoked (superseded)"},
		"on no record": {plan.Node{Name: "cp-1"}, asks(stranger, "kubelet.conf"), nil, false,
			"no previous record has that certificate under this name"},
		"another's": {plan.Node{Name: "cp-2"}, asks(cert, "kubelet.conf"), nil, false,
			"no previous record has that certificate under this name"},
		"nobody": {plan.Node{Name: "cp-1"}, &schedule.Request{}, nil, false,
			"nobody vouches for its request"},
		"a person": {plan.Node{Name: "cp-1", Fingerprint: fingerprint.Of(nil)}, &schedule.Request{}, nil, false,
			""},
		"renewed":                    {renews, &schedule.Request{}, nil, false, ""},
		"renewed, revoked before":    {renews, &schedule.Request{}, nil, true, "is taken from certificate"},
		"renewed, revoked by this":   {renews, &schedule.Request{}, revoke, false, "is taken from certificate"},
		"renewed, superseded before": {renews, &schedule.Request{}, superseded, false, ""},
	} {
		for _, old := range []bool{false, true} {
			at := since
			if old {
				at = since.Add(-time.Second)
			}
			a := began(at, transcript.Open{})
			r := record(tt.listed)
			a.past.own, a.past.records = []*history.Record{r}, map[string]*history.Record{"before": r}
			a.plan.Plan.Nodes, a.plan.Plan.Revocations = []plan.Node{tt.node}, tt.revoked
			a.plan.Requests = map[string]*schedule.Request{tt.node.Name: tt.request}
			a.plan.Entries = []schedule.Entry{{Kind: schedule.LeafCertificate, Name: "cp-1/kubelet.conf", Node: "cp-1"}}
			a.nodes = newNodeLines(a.plan)
			var c Check
			(&vouchAudit{a}).vouchers(&c)
			found(t, what, &c, old, tt.says)
		}
	}
}

// servesAs is a certificate of a name, with it among its DNS names.
func servesAs(t *testing.T, ca *historytest.CA, name string) *x509.Certificate {
	t.Helper()
	c := &x509.Certificate{SerialNumber: big.NewInt(0x7fffffffffffff), DNSNames: []string{name},
		NotBefore: time.Now(), NotAfter: time.Now().AddDate(1, 0, 0)}
	der := must(x509.CreateCertificate(rand.Reader, c, ca.Certificate, historytest.Key(t).Public(), ca.Key))
	return must(x509.ParseCertificate(der))
}
