package schedule

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"

	"officiant/bundle/kubepki"
	"officiant/bundle/request"
	"officiant/ceremony/transcript"
)

// certified is what a first ceremony made by a request: every certificate it asks for.
var firstSerial = map[string]int{"cp-1": 100, "cp-2": 200, "worker-1": 300}

func (p *past) certified(
	t *testing.T,
	n kubepki.Node,
	o *request.Opened,
	change func(leaf string, c *x509.Certificate),
) []issued {
	t.Helper()
	leaves, err := kubepki.Leaves(facts, n)
	if err != nil {
		t.Fatal(err)
	}
	var out []issued
	for i, l := range leaves {
		c := &x509.Certificate{
			SerialNumber: big.NewInt(int64(firstSerial[n.Name] + i)),
			Subject:      pkix.Name{CommonName: l.CommonName, Organization: l.Organization},
			NotBefore: now.AddDate(
				-1,
				0,
				1,
			),
			NotAfter:    now.AddDate(0, 0, 20),
			KeyUsage:    l.KeyUsage,
			ExtKeyUsage: l.ExtKeyUsage,
			DNSNames:    l.DNSNames,
		}
		for _, a := range l.IPAddresses {
			c.IPAddresses = append(c.IPAddresses, a.AsSlice())
		}
		by := string(l.Authority)
		if change != nil {
			change(l.Name, c)
		}
		if c.Issuer.CommonName != "" {
			by = c.Issuer.CommonName
		}
		der, err := x509.CreateCertificate(rand.Reader, c, p.certs[by], o.CSR[l.Name].PublicKey, p.keys[by])
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, issued{n.Name + "/" + l.Name, parsed})
	}
	return out
}

// renewing is the plan of a second ceremony that renews some of a node's certificates.
func (p *past) renewing(t *testing.T, n kubepki.Node, names string) string {
	t.Helper()
	return unwritten(p.continued(t, n)) + "    renew: [" + names + "]\n"
}

func TestRenew(t *testing.T) {
	p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
	had := p.certified(t, cp1, honest(t)["cp-1"], nil)
	p.recorded(had...)
	c, err := opens(p.renewing(t, cp1, "apiserver, kubelet.conf"), p.files)
	if err != nil {
		t.Fatal(err)
	}
	var made []string
	for _, e := range c.Entries {
		made = append(made, e.Name)
		if e.Kind == LeafCertificate && e.SPKI == (Entry{}).SPKI {
			t.Errorf("%s: no key", e.Name)
		}
	}
	if want := []string{"cp-1/apiserver", "cp-1/kubelet.conf", "bundle cp-1", "transcript"}; !slices.Equal(made, want) {
		t.Errorf("signs %q, not %q", made, want)
	}
	if got := c.KeysNeeded(); !slices.Equal(got, []string{"kubernetes", "release"}) {
		t.Errorf("opens the keys %q", got)
	}
	kept := c.Carried["cp-1"]
	if len(kept) != len(had)-2 || kept["apiserver"] != nil {
		t.Errorf("carries %q over", c.CarriedNames("cp-1"))
	}
	for _, h := range had {
		if k := kept[strings.TrimPrefix(h.name, "cp-1/")]; k != nil && !k.Equal(h.certificate) {
			t.Errorf("%s is another", h.name)
		}
	}
	if line := ` vouched=record carried=admin.conf,apiserver-etcd-client,`; !strings.Contains(written(c), line) {
		t.Errorf("no %q in\n%s", line, written(c))
	}
}

// With an empty renew the bundle holds what the node has, and no authority signs.
func TestRenewNothing(t *testing.T) {
	p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
	had := p.certified(t, cp1, honest(t)["cp-1"], nil)
	p.recorded(had...)
	c, err := opens(withoutKeys(p.renewing(t, cp1, "")), p.files)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.KeysNeeded(); !slices.Equal(got, []string{"release"}) || len(c.Entries) != 2 {
		t.Errorf("opens the keys %q for\n%s", got, written(c))
	}
	if kept := c.Carried["cp-1"]; len(kept) != len(had) || c.Vouched["cp-1"] != ByRecord {
		t.Errorf("carries %q over, vouched for by %q", c.CarriedNames("cp-1"), c.Vouched["cp-1"])
	}
}

// What is newest counts, from as far back as the plan goes.
func TestRenewEarlier(t *testing.T) {
	p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
	o := honest(t)
	first := p.certified(t, cp1, o["cp-1"], nil)
	p.recorded(append(first, p.certified(t, work, o["worker-1"], nil)...)...)
	p.files["previous/demo-0.jsonl"] = p.files["previous/demo-1.jsonl"]
	genesis := p.head
	second := p.certified(t, cp1, o["cp-1"], func(_ string, c *x509.Certificate) { c.SerialNumber = big.NewInt(999) })[:1]
	p.open = transcript.Open{
		Sequence:     2,
		Predecessors: []transcript.Predecessor{{Cluster: "demo", Sequence: 1, Head: genesis}},
	}
	p.recorded(second...)
	text := strings.Replace(p.renewing(t, cp1, "kubelet.conf"), "sequence: 1", "sequence: 2", 1)
	with := strings.Replace(
		text,
		"    transcript: previous/demo-1.jsonl\n",
		"    transcript: previous/demo-1.jsonl\n    earlier: [previous/demo-0.jsonl]\n",
		1,
	)
	c, err := opens(with, p.files)
	if err != nil {
		t.Fatal(err)
	}
	if c.Sequence != 3 || !c.Carried["cp-1"][strings.TrimPrefix(second[0].name, "cp-1/")].Equal(second[0].certificate) {
		t.Errorf("sequence %d, carries not the newest of %s", c.Sequence, second[0].name)
	}
	if !c.Streamed["previous/demo-0.jsonl"] || c.Inputs["previous/demo-0.jsonl"] != nil {
		t.Error("the earlier transcript is no input, so it is not in the digest")
	}
	if _, err := opens(
		text,
		p.files,
	); err == nil ||
		!strings.Contains(err.Error(), "no ceremony named here issued its certificate") {
		t.Errorf("without the earlier transcript: %v", err)
	}
	// One that is not of the chain, and one of which a byte is another.
	for what, spoil := range map[string]func(string) string{
		"a byte of its last line": func(s string) string {
			return s[:strings.LastIndex(s, "closed")] + "Closed" + s[strings.LastIndex(s, "closed")+6:]
		},
		"a cluster that is another": func(s string) string { return strings.Replace(s, `"demo"`, `"dem0"`, 1) },
		"a line in the middle":      func(s string) string { return strings.Replace(s, "cp-1/", "cp-2/", 1) },
	} {
		files := maps.Clone(p.files)
		files["previous/demo-0.jsonl"] = spoil(files["previous/demo-0.jsonl"])
		if _, err := opens(with, files); err == nil || !strings.Contains(err.Error(), "demo-0.jsonl") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestRenewRefused(t *testing.T) {
	for what, tt := range map[string]struct {
		change func(leaf string, c *x509.Certificate)
		plan   func(text string) string
		names  string
		says   string
	}{
		"another authority's": {change: func(l string, c *x509.Certificate) {
			if l == "admin.conf" {
				c.Issuer.CommonName = "etcd"
			}
		}, says: "admin.conf cannot be carried over: the present authority kubernetes did not sign it"},
		"one that ended": {change: func(l string, c *x509.Certificate) {
			if l == "admin.conf" {
				c.NotAfter = now.AddDate(0, 0, -1)
			}
		}, says: "admin.conf cannot be carried over: it ended on 2026-11-22"},
		"a group it has not any more": {change: func(l string, c *x509.Certificate) {
			if l == "admin.conf" {
				c.Subject.Organization = []string{"system:masters"}
			}
		}, says: "admin.conf cannot be carried over: organization [system:masters], the plan says [kubeadm:cluster-admins]"},
		"a name that is new": {plan: func(text string) string {
			return strings.Replace(text, "  kubeadm: kubeadm.yaml\n", "  kubeadm: kubeadm.yaml\n  certSANs: [api.example.com]\n", 1)
		}, says: "apiserver cannot be carried over: DNS names ["},
		"a usage": {change: func(l string, c *x509.Certificate) {
			if l == "etcd/server" {
				c.ExtKeyUsage = c.ExtKeyUsage[:1]
			}
		}, says: "etcd/server cannot be carried over: usages ["},
		"a certificate it has not": {names: "kubelet.conf, flannel", says: "node cp-1 has no certificate flannel"},
		"one twice":                {names: "kubelet.conf, kubelet.conf", says: "kubelet.conf is there twice"},
		"a fingerprint":            {plan: func(text string) string { return text + "    fingerprint: \"" + strings.Repeat("1", 64) + "\"\n" }, says: "it has no fingerprint"},
		"keys that are made":       {plan: func(text string) string { return text + "    keys: {create: ECDSA-P256, recipient: x}\n" }, says: "keys that the ceremony makes are new"},
		"an authority without key": {plan: withoutKeys, says: "authority kubernetes is to sign 1 certificates, but the plan does not name its key"},
		"earlier ones of elsewhere": {plan: func(text string) string {
			return strings.Replace(text, "cluster: demo\n    sequence", "cluster: harbour\n    earlier: [x]\n    sequence", 1)
		}, says: "only of this cluster's own ceremonies"},
	} {
		t.Run(what, func(t *testing.T) {
			p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
			p.recorded(p.certified(t, cp1, honest(t)["cp-1"], tt.change)...)
			names := "kubelet.conf"
			if tt.names != "" {
				names = tt.names
			}
			text := p.renewing(t, cp1, names)
			if tt.plan != nil {
				text = tt.plan(text)
			}
			if _, err := opens(text, p.files); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v\nwant %q", err, tt.says)
			}
		})
	}
}

// Another request than the one the node has its certificates by has no voucher.
func TestRenewOtherRequest(t *testing.T) {
	p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
	p.recorded(p.certified(t, work, honest(t)["worker-1"], nil)...)
	text := p.renewing(t, work, "kubelet.conf")
	text = strings.Replace(text, "serviceAccount:\n  create: ECDSA-P256\n", "", 1)
	if _, err := opens(text, p.files); err != nil {
		t.Fatal(err)
	}
	p.files["requests/worker-1.req"] = string(makeRequest(t, facts, work, nil).Raw)
	_, err := opens(text, p.files)
	if err == nil ||
		!strings.Contains(
			err.Error(),
			"the key kubelet.conf in requests/worker-1.req is not the one of its certificate on record",
		) {
		t.Error(err)
	}
	// Nor has one of a node that was never in a ceremony.
	p.recorded()
	text = strings.Replace(p.renewing(t, work, "kubelet.conf"), "serviceAccount:\n  create: ECDSA-P256\n", "", 1)
	if _, err = opens(
		text,
		p.files,
	); err == nil ||
		!strings.Contains(err.Error(), "no ceremony named here issued its certificate kubelet.conf") {
		t.Error(err)
	}
	// At a cluster's beginning there is nothing to renew.
	first, inputs := planFor(t, honest(t), cp1)
	if _, err = opens(
		unwritten(first)+"    renew: [kubelet.conf]\n",
		inputs,
	); err == nil ||
		!strings.Contains(err.Error(), "there is nothing to renew") {
		t.Error(err)
	}
}

// The record vouches for the keys of a renewal's request, and not for whom its
// secrets are sealed to: who has the keys of the node's certificates could have
// written another recipient beside them, and would get a new sa.key.
func TestRenewOtherRecipient(t *testing.T) {
	p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
	leaves, err := kubepki.Leaves(facts, cp1)
	if err != nil {
		t.Fatal(err)
	}
	keys := request.Keys{}
	for _, l := range leaves {
		keys[l.Name] = newKey(t)
	}
	write := func(recipient string) *request.Opened {
		data, err := request.Make(facts, cp1, leaves, keys, recipient, now, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		o, err := request.Parse("cp-1.req", data)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	own := write(recipients["cp-1"])
	p.recorded(p.certified(t, cp1, own, nil)...)
	for what, o := range map[string]*request.Opened{"its own": own, "another": write(recipients["cp-2"])} {
		text := p.renewing(t, cp1, "apiserver")
		p.files["requests/cp-1.req"] = string(o.Raw)
		c, err := opens(withCreate(text), p.files)
		if err == nil {
			t.Fatalf("%s: a new service-account key would be sealed to %s:\n%s", what, c.Recipient("cp-1"), written(c))
		}
		want := "node cp-1: a new service-account key needs a new request: the record vouches for the keys in the old one, and not for its recipient"
		if got := problems(t, err); len(got) != 1 || !strings.HasSuffix(got[0], want) {
			t.Errorf("%s: %q", what, got)
		}
	}
}

// withCreate has a plan make a new service-account pair.
func withCreate(text string) string {
	before, after, _ := strings.Cut(text, "serviceAccount:\n")
	_, nodes, _ := strings.Cut(after, "\nnodes:\n")
	return before + "serviceAccount:\n  create: ECDSA-P256\nnodes:\n" + nodes
}

// withoutKeys takes the authorities' keys out of a plan; the release key stays.
func withoutKeys(text string) string {
	before, after, _ := strings.Cut(text, "\nrelease:")
	var out strings.Builder
	for line := range strings.Lines(before) {
		if !strings.HasPrefix(line, "    key:") && !strings.HasPrefix(line, "      existing:") {
			out.WriteString(line)
		}
	}
	return out.String() + "\nrelease:" + after
}
