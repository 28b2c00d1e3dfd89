package schedule

import (
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/history/historytest"
	"officiant/ceremony/plan"
	"officiant/ceremony/revocation"
	"officiant/ceremony/transcript"
)

type pastList struct {
	by  string
	der []byte
}

// list adds a revocation list to the past.
func (p *past) list(t *testing.T, by string, number int64, at time.Time, entries ...x509.RevocationListEntry) {
	t.Helper()
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(number), ThisUpdate: at, NextUpdate: at.AddDate(0, 3, 0), RevokedCertificateEntries: entries,
	}, p.certs[by], p.keys[by])
	if err != nil {
		t.Fatal(err)
	}
	p.lists = append(p.lists, pastList{by, der})
}

func entry(serial int64, reason revocation.Reason) x509.RevocationListEntry {
	return x509.RevocationListEntry{SerialNumber: big.NewInt(serial), RevocationTime: now.AddDate(0, -2, 0).UTC(), ReasonCode: reason.Code()}
}

// without takes the nodes out of a plan, and the pair of which they have a key.
func without(text string) string {
	text, _, _ = strings.Cut(text, "\n# COMPARE each")
	head, tail, _ := strings.Cut(text, "\nserviceAccount:\n")
	_, tail, _ = strings.Cut(tail, "\n\n")
	return head + "\n\n" + tail + "\nnodes: []\n"
}

// revocable is a first ceremony, of which a second one continues.
func revocable(t *testing.T) (p *past, serials map[string]string) {
	t.Helper()
	p = makePast(t, append(slices.Clone(defaultCAs), ca{"etcd-1", 0, now.AddDate(9, 0, 0), "root", true}), genesisOpen, "closed", recipients["cp-1"])
	had := p.certified(t, cp1, honest(t)["cp-1"], nil)
	serials = map[string]string{}
	for _, h := range had {
		serials[h.name] = h.certificate.SerialNumber.Text(16)
	}
	for _, name := range []string{"root", "kubernetes", "etcd"} {
		had = append(had, issued{name, p.certs[name]})
	}
	p.recorded(had...)
	return p, serials
}

// A first ceremony may make lists with nothing on them, so that etcd has one.
func TestEmptyLists(t *testing.T) {
	text := bare + "crls:\n  - {authority: etcd, nextUpdate: 1y}\n  - {authority: root, nextUpdate: 2y}\n"
	c, err := opens(text, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\n0005 crl signer=root name=\"crl root\" number=1 duration=17520h sig=ECDSA-SHA384\n",
		"\n0006 crl signer=etcd name=\"crl etcd\" number=1 duration=8760h sig=SHA256-RSA\n",
		"# certificates: 4\n# signatures: 7\n",
	} {
		if !strings.Contains(written(c), want) {
			t.Errorf("no %q in\n%s", want, written(c))
		}
	}
	if !c.Cluster.RevocationLists {
		t.Error("etcd is to have no list")
	}
	if c, err = opens(strings.Replace(text, "authority: etcd", "authority: kubernetes", 1), nil); err != nil || c.Cluster.RevocationLists {
		t.Errorf("etcd is to have a list of kubernetes: %v", err)
	}
}

func TestRevoke(t *testing.T) {
	p, serials := revocable(t)
	text := without(p.continued(t, cp1)) + "crls: [{authority: etcd, nextUpdate: 90d}]\nrevocations:\n" +
		"  - {serial: " + serials["cp-1/etcd/server"] + ", authority: etcd, reason: keyCompromise, comment: the disk was stolen}\n" +
		"  - {serial: " + strings.ToUpper(serials["cp-1/etcd/peer"]) + ", authority: etcd, reason: superseded}\n"
	c, err := opens(text, p.files)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{serials["cp-1/etcd/server"] + ":keyCompromise", serials["cp-1/etcd/peer"] + ":superseded"}
	slices.Sort(want)
	line := `0001 crl signer=etcd name="crl etcd" number=1 revoked=` + strings.Join(want, ",") +
		" duration=2160h sig=ECDSA-SHA384\n"
	if !strings.Contains(written(c), line) {
		t.Errorf("no %q in\n%s", line, written(c))
	}
	if got := c.KeysNeeded(); !slices.Equal(got, []string{"etcd", "release"}) {
		t.Errorf("opens the keys %q", got)
	}
}

// A revoked authority that signs nothing is told of: nodes trust it still.
func TestRevokedAuthority(t *testing.T) {
	p, _ := revocable(t)
	text := strings.Replace(without(p.continued(t, cp1)), "nodes: []", "crls: [{authority: root, nextUpdate: 90d}]\nnodes: []", 1)
	at := strings.Index(text, "  - name: etcd\n")
	key := strings.Index(text[at:], "    key:\n")
	end := strings.Index(text[at:], "    certificate:")
	text = text[:at+key] + text[at+end:] + "revocations: [{serial: 3, authority: root, reason: cACompromise}]\n"
	c, err := opens(text, p.files)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(c.Warnings, func(w plan.Problem) bool {
		return strings.Contains(w.Message, "authority etcd is revoked; nodes look at no list")
	}) {
		t.Errorf("%v", c.Warnings)
	}
	if got := c.KeysNeeded(); !slices.Equal(got, []string{"root", "release"}) {
		t.Errorf("opens the keys %q", got)
	}
}

// The next list has all the former had, under the dates it had them.
func TestRevokeMore(t *testing.T) {
	p, serials := revocable(t)
	former := entry(0, revocation.Superseded)
	former.SerialNumber, _ = new(big.Int).SetString(serials["cp-1/etcd/peer"], 16)
	gone := entry(0xabc, revocation.KeyCompromise) // of a ceremony that is not named
	p.list(t, "etcd", 4, now.AddDate(0, -2, 0), former, gone)
	p.list(t, "root", 9, now.AddDate(0, -2, 0))
	p.recorded(p.certified(t, cp1, honest(t)["cp-1"], func(_ string, c *x509.Certificate) {})...)
	text := without(p.continued(t, cp1)) + "crls: [{authority: etcd, nextUpdate: 90d}]\nrevocations:\n" +
		"  - {serial: abc, authority: etcd, reason: keyCompromise}\n" +
		"  - {serial: " + serials["cp-1/etcd/server"] + ", authority: etcd, reason: cessationOfOperation}\n" +
		"  - {serial: " + serials["cp-1/etcd/peer"] + ", authority: etcd, reason: superseded}\n"
	c, err := opens(text, p.files)
	if err != nil {
		t.Fatal(err)
	}
	e := c.Entries[0]
	if e.Number.Int64() != 5 || len(e.Revoked) != 3 {
		t.Fatalf("%s", c.Line(e))
	}
	for _, r := range e.Revoked {
		new := r.Serial.Text(16) == serials["cp-1/etcd/server"]
		if new != r.Date.IsZero() || !new && !r.Date.Equal(former.RevocationTime) {
			t.Errorf("%x is dated %s", r.Serial, r.Date)
		}
	}
	if len(c.Lists) != 1 || c.FormerList("root") == nil || c.FormerList("root").List.Number.Int64() != 9 || c.FormerList("etcd") != nil {
		t.Errorf("carries %d lists over", len(c.Lists))
	}
	// A renewal without lists of its own carries both.
	if c, err = opens(p.renewing(t, cp1, "apiserver, etcd/peer"), p.files); err != nil {
		t.Fatal(err)
	}
	if len(c.Lists) != 2 || !c.Cluster.RevocationLists || strings.Contains(written(c), " crl ") {
		t.Errorf("carries %d lists over; etcd has one: %t", len(c.Lists), c.Cluster.RevocationLists)
	}
	// What had ended when the previous list was made has been on one after its end.
	ended := p.certified(t, cp1, honest(t)["cp-1"], func(_ string, c *x509.Certificate) { c.NotAfter = now.AddDate(0, -3, 0) })
	p.recorded(ended...)
	short := without(p.continued(t, cp1)) + "crls: [{authority: etcd, nextUpdate: 90d}]\nrevocations:\n  - {serial: abc, authority: etcd, reason: keyCompromise}\n"
	if c, err = opens(short, p.files); err != nil || len(c.Entries[0].Revoked) != 1 {
		t.Errorf("what had ended has to stay: %v", err)
	}
}

func TestRevokeRefused(t *testing.T) {
	p, serials := revocable(t)
	peer, server, kubelet := serials["cp-1/etcd/peer"], serials["cp-1/etcd/server"], serials["cp-1/kubelet.conf"]
	crls := "crls: [{authority: etcd, nextUpdate: 90d}]\n"
	one := func(serial, authority, reason string) string {
		return "revocations: [{serial: " + serial + ", authority: " + authority + ", reason: " + reason + "}]\n"
	}
	alone := without(p.continued(t, cp1))
	rootKey := strings.Replace(alone, "nodes: []", "crls: [{authority: root, nextUpdate: 90d}]\nnodes: []", 1)
	listed := func(entries ...x509.RevocationListEntry) func(*past) {
		return func(p *past) { p.list(t, "etcd", 1, now.AddDate(0, -2, 0), entries...) }
	}
	for name, tt := range map[string]struct {
		past func(*past)
		text string
		want string
	}{
		"no list":                   {nil, alone + one(peer, "etcd", "superseded"), "the plan makes no revocation list of etcd: name it under crls"},
		"no such authority":         {nil, alone + crls + one(peer, "etc", "superseded"), `no authority "etc" in the plan`},
		"a list of nobody":          {nil, alone + "crls: [{authority: etc, nextUpdate: 90d}]\n", `no authority "etc" in the plan`},
		"two lists":                 {nil, alone + "crls: [{authority: etcd, nextUpdate: 90d}, {authority: etcd, nextUpdate: 80d}]\n", "two revocation lists of etcd"},
		"no next update":            {nil, alone + "crls: [{authority: etcd}]\n", "nextUpdate is missing"},
		"a list beyond the issuer":  {nil, alone + "crls: [{authority: etcd, nextUpdate: 10y}]\n", "the revocation list of etcd would be valid until"},
		"another authority":         {nil, alone + crls + one(kubelet, "etcd", "superseded"), "authority etcd did not issue cp-1/kubelet.conf"},
		"never issued":              {nil, alone + crls + one("abcd", "etcd", "superseded"), "abcd: no ceremony named here issued it"},
		"no serial":                 {nil, alone + crls + "revocations: [{authority: etcd, reason: superseded}]\n", "serial number of the certificate is missing"},
		"not a serial":              {nil, alone + crls + one("5b:2f", "etcd", "superseded"), `serial: serial number "5b:2f" is not one in hex`},
		"twice":                     {nil, alone + crls + strings.Replace(one(peer, "etcd", "superseded"), "]", ", {serial: "+strings.ToUpper(peer)+", authority: etcd, reason: keyCompromise}]", 1), peer + " is there twice"},
		"unspecified":               {nil, alone + crls + one(peer, "etcd", "unspecified"), "reason unspecified says nothing"},
		"a hold":                    {nil, alone + crls + one(peer, "etcd", "certificateHold"), "certificateHold can be undone"},
		"no reason":                 {nil, alone + crls + "revocations: [{serial: " + peer + ", authority: etcd}]\n", `reason "" is none of RFC 5280's: keyCompromise`},
		"an authority's reason":     {nil, alone + crls + one(peer, "etcd", "cACompromise"), "cp-1/etcd/peer is no authority: say keyCompromise"},
		"a leaf's reason":           {nil, rootKey + one("3", "root", "keyCompromise"), "of an authority, as etcd is, the reason is called cACompromise"},
		"the root":                  {nil, rootKey + one("1", "root", "superseded"), "root is a root, and cannot say of itself"},
		"a revoked authority signs": {nil, strings.Replace(rootKey, "crls: [", "crls: [{authority: etcd, nextUpdate: 9d}, ", 1) + one("3", "root", "cACompromise"), "authority etcd is revoked, and may sign nothing"},
		"one dropped":               {listed(entry(0xabc, revocation.Superseded)), alone + crls, "list 1 of etcd revokes abc (a certificate), which has not ended: it has to be under revocations again"},
		"another reason":            {listed(entry(0xabc, revocation.Superseded)), alone + crls + one("abc", "etcd", "keyCompromise"), "abc: it was revoked on 2026-09-23 for superseded, and stays so"},
		"moved to another list": {listed(entry(0xabc, revocation.Superseded)), alone + "crls: [{authority: kubernetes, nextUpdate: 90d}]\n" + one("abc", "kubernetes", "superseded"),
			"authority kubernetes did not issue it: it is on a list of etcd"},
		"a carried certificate": {nil, p.renewing(t, cp1, "apiserver") + crls + one(server, "etcd", "superseded"), "node cp-1: its certificate etcd/server (serial number " + server + ") is revoked, and cannot be carried over"},
		"a carried certificate of a previous list": {func(p *past) {
			serial, _ := new(big.Int).SetString(server, 16)
			p.list(t, "etcd", 1, now.AddDate(0, -2, 0), x509.RevocationListEntry{SerialNumber: serial, RevocationTime: now, ReasonCode: 4})
		}, p.renewing(t, cp1, "apiserver"), "is revoked, and cannot be carried over"},
		"a compromised key": {nil, p.renewing(t, cp1, "etcd/server") + crls + one(server, "etcd", "keyCompromise"), "node cp-1: the key of etcd/server in its request is compromised"},
		"no list for etcd any more": {func(p *past) { p.list(t, "etcd-1", 1, now.AddDate(0, -2, 0)) }, p.renewing(t, cp1, "etcd/server, etcd/peer, etcd/healthcheck-client, apiserver-etcd-client"),
			"etcd has been given a revocation list so far, and turns everybody away without one; none is of an authority of this plan: name etcd under crls"},
	} {
		t.Run(name, func(t *testing.T) {
			again := *p
			again.files = map[string]string{}
			for k, v := range p.files {
				again.files[k] = v
			}
			text := tt.text
			if tt.past != nil {
				tt.past(&again)
				had := p.certified(t, cp1, honest(t)["cp-1"], nil)
				again.recorded(had...)
				text = strings.ReplaceAll(text, p.head.String(), again.head.String())
			}
			_, err := opens(text, again.files)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v\nwant %q", err, tt.want)
			}
		})
	}
	// A bundle of the same certificates and another list is another bundle.
	c, err := opens(p.renewing(t, cp1, "")+crls, p.files)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(c.Carried["cp-1"]); n != len(serials) || len(c.Entries) != 3 {
		t.Errorf("%d carried over, %d signatures", n, len(c.Entries))
	}
}

// TestOneListForEtcd: of two authorities that are trusted, etcd gets the list that
// says something, and never goes without one.
func TestOneListForEtcd(t *testing.T) {
	cas := append(slices.Clone(defaultCAs), ca{"etcd-2", 0, now.AddDate(9, 0, 0), "root", true})
	for name, tt := range map[string]struct {
		lists map[string]int64 // by authority: a serial number on its list, 0: nothing
		crls  string
		want  string
		warns bool
	}{
		"none":                     {nil, "", "", false},
		"the old one's":            {map[string]int64{"etcd": 0}, "", "etcd", false},
		"nothing on either":        {map[string]int64{"etcd": 0}, "etcd-2", "etcd-2", false},
		"something on the old":     {map[string]int64{"etcd": 0xabc}, "etcd-2", "etcd", false},
		"something on both":        {map[string]int64{"etcd": 0xabc, "etcd-2": 0xdef}, "", "etcd-2", true},
		"something on the new":     {map[string]int64{"etcd": 0, "etcd-2": 0xdef}, "", "etcd-2", false},
		"only one of another kind": {map[string]int64{"kubernetes": 0xabc}, "", "", false},
	} {
		p := makePast(t, cas, genesisOpen, "closed", recipients["cp-1"])
		for _, by := range []string{"etcd", "etcd-2", "kubernetes"} {
			if serial, ok := tt.lists[by]; ok {
				var entries []x509.RevocationListEntry
				if serial > 0 {
					entries = append(entries, entry(serial, revocation.Superseded))
				}
				p.list(t, by, 1, now.AddDate(0, -1, 0), entries...)
			}
		}
		p.recorded(p.certified(t, cp1, honest(t)["cp-1"], nil)...)
		spki, err := fingerprint.SPKI(p.certs["etcd-2"].PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		text := without(p.continued(t, cp1))
		at := strings.Index(text, "  - name: etcd\n")
		text = text[:at] + "  - {name: etcd-2, family: etcd, certificate: previous/demo-1/etcd-2.crt, evidence: software, key: {existing: \"" + spki.String() + "\"}}\n" +
			"  - name: etcd\n    use: trust\n" + text[at+len("  - name: etcd\n"):]
		if tt.crls != "" {
			text += "crls: [{authority: " + tt.crls + ", nextUpdate: 90d}]\n"
		}
		c, err := opens(text, p.files)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		warned := slices.ContainsFunc(c.Warnings, func(w plan.Problem) bool {
			return strings.Contains(w.Message, "etcd heeds one list alone, that of etcd-2")
		})
		if c.EtcdList != tt.want || c.Cluster.RevocationLists != (tt.want != "") || warned != tt.warns {
			t.Errorf("%s: etcd gets the list of %q, warned %t", name, c.EtcdList, warned)
		}
	}
}

// TestForkedLists: the root's list of this cluster's record and that of another one's
// have one number and are two lists.
func TestForkedLists(t *testing.T) {
	p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
	p.list(t, "root", 1, now.AddDate(0, -2, 0), entry(0xabc, revocation.Superseded))
	p.recorded()
	root := &historytest.CA{Certificate: p.certs["root"], Key: p.keys["root"]}
	r := historytest.Begin(t, now.AddDate(0, -1, 0), transcript.Open{Cluster: "prod"})
	release := historytest.Key(t)
	r.Key("root", root.PublicKey, false)
	r.Key("release", release.Public(), true)
	r.List("root", "root", root.Revoke(t, 1, now.AddDate(0, -1, 0), 4))
	prod, _ := r.Close(release, nil)
	p.files["previous/prod.jsonl"] = string(prod)
	named := fmt.Sprintf("previous:\n  - {cluster: prod, sequence: 1, head: %q, transcript: previous/prod.jsonl}\n",
		historytest.Predecessor(t, prod).Head)
	text := strings.Replace(p.continued(t, cp1), "previous:\n", named, 1)
	const want = "two revocation lists of root have the number 1: the chain of its ceremonies was forked"
	if _, err := opens(text, p.files); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v", err)
	}
}
