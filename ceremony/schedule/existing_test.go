package schedule

import (
	"crypto/x509"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"testing"

	"officiant/ceremony/history/historytest"
	"officiant/ceremony/plan"
	"officiant/ceremony/revocation"
	"officiant/ceremony/transcript"
)

// refused opens a plan and wants each of the texts among what is wrong with it; held,
// it is as it was when the ceremony was held, and nothing is.
func refused(t *testing.T, text string, files map[string]string, wants ...string) {
	t.Helper()
	_, err := opens(text, files)
	if err == nil {
		t.Fatalf("accepted, want %q", wants)
	}
	got := problems(t, err)
	for _, want := range wants {
		if !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("%q\nwant %q", got, want)
		}
	}
	if _, err := opensHeld(text, files); err != nil {
		t.Errorf("a ceremony that was held by it is refused: %v", err)
	}
}

var previously = regexp.MustCompile(`(?s)previous:\n.*?\n\n`)

// TestExistingKeys: whoever opens a key that exists continues the ceremony that opened
// it last, whatever the key is for.
func TestExistingKeys(t *testing.T) {
	p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
	created := strings.Replace(
		p.continued(t, cp1),
		"  sealed: previous/demo-1/sa.key.age\n  public: previous/demo-1/sa.pub\n",
		"  create: ECDSA-P256\n",
		1,
	)
	none := previously.ReplaceAllString(created, "previous: none\n\n")
	refused(t, none, p.files, "the keys of kubernetes, etcd, front-proxy, release exist, so ceremonies had them before")
	release := none
	for _, name := range []string{"root", "kubernetes", "etcd", "front-proxy"} {
		section := regexp.MustCompile(`(?s)  - name: ` + name + `\n.*?evidence: software\n`)
		release = section.ReplaceAllString(release, "  - {name: "+name+", key: {create: ECDSA-P256}, evidence: software}\n")
	}
	refused(t, release, p.files, "the key of release exists, so a ceremony had it before")
	// Other ceremonies than those that opened it are named.
	p.opened = map[string]bool{"root": true, "etcd": true, "front-proxy": true}
	p.write()
	refused(t, p.continued(t, cp1), p.files, "no ceremony named here made or opened the key of kubernetes")
	p.open = transcript.Open{
		Sequence:     2,
		Predecessors: []transcript.Predecessor{{Cluster: "demo", Sequence: 1, Head: p.head}},
	}
	p.write()
	refused(t, strings.Replace(p.continued(t, cp1), "sequence: 1", "sequence: 2", 1), p.files,
		"no ceremony named here opened the key of kubernetes", "name the earlier ones, too, from ceremony 1 on (earlier)")
	// A chain that began anew may have it from before.
	p.open = transcript.Open{Sequence: 2, Lost: &transcript.Lost{Sequence: 1, Reason: "fire"}}
	p.write()
	if _, err := opens(strings.Replace(p.continued(t, cp1), "sequence: 1", "sequence: 2", 1), p.files); err != nil {
		t.Errorf("after records were lost: %v", err)
	}
}

// TestSharedKey: the people of another cluster's ceremony that opened the root last
// approve, too.
func TestSharedKey(t *testing.T) {
	p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
	alice := plan.Person{Name: "alice", Role: "officer", Key: sshKey(t)}
	bob := plan.Person{Name: "bob", Role: "officer", Key: sshKey(t)}
	r := historytest.Begin(t, now.AddDate(0, -1, 0), transcript.Open{
		Cluster: "prod", People: []transcript.Person{transcript.Person(alice)}, Threshold: 1,
	})
	release := historytest.Key(t)
	r.Key("root", p.certs["root"].PublicKey, false)
	r.Key("release", release.Public(), true)
	prod, _ := r.Close(release, nil)
	p.files["previous/prod.jsonl"], p.files["root.crt"] = string(prod), p.files["previous/demo-1/root.crt"]
	text := strings.Replace(bare, "    key: {create: ECDSA-P384}\n",
		fmt.Sprintf("    key: {existing: %q}\n    certificate: root.crt\n", p.spki(t, "root")), 1)
	text = strings.Replace(text, "previous: none\n",
		fmt.Sprintf("previous:\n  - {cluster: prod, sequence: 1, head: %q, transcript: previous/prod.jsonl}\n",
			historytest.Predecessor(t, prod).Head), 1)
	people := func(c *Ceremony) (groups []string) {
		for _, g := range c.Approvers() {
			groups = append(groups, g.Whose)
		}
		return groups
	}
	section := func(who plan.Person) string {
		return fmt.Sprintf("approvals: 1\npeople: [{name: %s, role: %s, key: %q}]\n", who.Name, who.Role, who.Key)
	}
	for _, tt := range []struct {
		text string
		want []string
	}{
		{text, []string{"ceremony 1 of prod"}},
		{text + section(bob), []string{"the plan", "ceremony 1 of prod"}},
		{text + section(alice), []string{"the plan"}},
	} {
		c, err := opens(tt.text, p.files)
		if err != nil {
			t.Fatal(err)
		}
		if got := people(c); !slices.Equal(got, tt.want) {
			t.Errorf("%q approve, want %q", got, tt.want)
		}
		held, err := opensHeld(tt.text, p.files)
		if err != nil || slices.Contains(people(held), "ceremony 1 of prod") {
			t.Errorf("held: %q, %v", people(held), err)
		}
		if held.Judged(c); !slices.Equal(people(held), tt.want) {
			t.Errorf("about to be held: %q approve, want %q", people(held), tt.want)
		}
	}
}

// TestRevokedVouchesForNothing: neither by the key of a revoked certificate nor by
// another of that node is a request taken, however it is revoked.
func TestRevokedVouchesForNothing(t *testing.T) {
	const kubelet, apiserver = "worker-1/kubelet.conf", "worker-1/kubelet-client"
	revoke := func(authority string, serial *big.Int, reason string) string {
		return fmt.Sprintf(
			"crls: [{authority: %s, nextUpdate: 90d}]\nrevocations: [{serial: %q, authority: %s, reason: %s}]\n",
			authority,
			serial.Text(16),
			authority,
			reason,
		)
	}
	for name, tt := range map[string]struct {
		lists  func(p *past, cert, other *x509.Certificate)
		plan   func(p *past, cert, other *x509.Certificate) string
		ssh    bool
		wanted string
	}{
		"in this plan": {plan: func(_ *past, cert, _ *x509.Certificate) string {
			return revoke("kubernetes", cert.SerialNumber, "superseded")
		}, wanted: "kubelet.conf signed it, but that certificate (serial number 7) is revoked: superseded"},
		"on a list": {lists: func(p *past, cert, _ *x509.Certificate) {
			p.list(t, "kubernetes", 1, now.AddDate(0, -1, 0), x509.RevocationListEntry{SerialNumber: cert.SerialNumber,
				RevocationTime: now.AddDate(0, -1, 0), ReasonCode: revocation.PrivilegeWithdrawn.Code()})
		}, wanted: "is revoked: privilegeWithdrawn"},
		"another of the node's": {plan: func(_ *past, _, other *x509.Certificate) string {
			return revoke("kubernetes", other.SerialNumber, "keyCompromise")
		}, wanted: apiserver + " is revoked as compromised, and who has one key of a node may have all"},
		"its SSH key": {ssh: true, plan: func(_ *past, _, other *x509.Certificate) string {
			return revoke("kubernetes", other.SerialNumber, "keyCompromise")
		}, wanted: "an SSH key signed it, but " + apiserver + " is revoked as compromised"},
		"its authority": {lists: func(p *past, _, _ *x509.Certificate) {
			p.list(t, "root", 1, now.AddDate(0, -1, 0), x509.RevocationListEntry{
				SerialNumber:   p.certs["kubernetes-0"].SerialNumber,
				RevocationTime: now.AddDate(0, -1, 0), ReasonCode: revocation.CACompromise.Code()})
		}, wanted: "the authority that signed that certificate, CN=kubernetes-0,O=demo, is revoked"},
	} {
		t.Run(name, func(t *testing.T) {
			cas := append(slices.Clone(defaultCAs), ca{"kubernetes-0", 0, now.AddDate(9, 0, 0), "root", true})
			p, by := makePast(t, cas, genesisOpen, "closed", recipients["cp-1"]), "kubernetes"
			if name == "its authority" {
				by = "kubernetes-0"
			}
			mine := p.leaf(t, by, 7, "system:node:worker-1")
			other := p.leaf(t, by, 8, "system:node:worker-1")
			if tt.lists != nil {
				tt.lists(p, mine.certificate, other.certificate)
			}
			p.recorded(
				issued{"kubernetes-0", p.certs["kubernetes-0"]},
				issued{kubelet, mine.certificate},
				issued{apiserver, other.certificate},
			)
			text := unwritten(p.continued(t, work))
			o, key := signedBy(t, work, mine), hostKey(t)
			if tt.ssh {
				o = signedOnHost(t, "worker-1", key)
				p.files["known_hosts"] = known("worker-1", key)
				text = strings.Replace(text, "\nnodes:\n", "\nknownHosts: known_hosts\nnodes:\n", 1)
			}
			p.files["requests/worker-1.req"] = string(o.Raw)
			if _, err := opens(text, p.files); tt.lists == nil && err != nil {
				t.Fatalf("before it is revoked: %v", err)
			}
			if tt.plan != nil {
				text += tt.plan(p, mine.certificate, other.certificate)
			}
			refused(t, text, p.files, tt.wanted)
			compared := strings.Replace(text, "    request: requests/worker-1.req\n",
				"    request: requests/worker-1.req\n    fingerprint: \""+o.Fingerprint.String()+"\"\n", 1)
			if _, err := opens(compared, p.files); err != nil {
				t.Errorf("compared by people: %v", err)
			}
		})
	}
}
