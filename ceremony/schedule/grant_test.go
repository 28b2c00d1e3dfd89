package schedule

import (
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/plan"
	"officiant/signer"
)

const journalKey = "51d0c6c9f5a4e1c0b7a3d2e1f00112233445566778899aabbccddeeff0011223"

// granting is a plan with an online signer's authorities and a grant.
func granting(grant string) string {
	return strings.Replace(bare, "release:\n", onlineCAs+"release:\n", 1) + "grant:\n" + grant
}

// TestGrant: what a plan does not say of a grant has defaults, and the grant has a line of
// the schedule before the record's.
func TestGrant(t *testing.T) {
	c, err := opens(granting("  journal: "+journalKey+"\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	g := &c.Plan.Grant
	if time.Duration(g.Validity) != 90*24*time.Hour || time.Duration(g.Life) != 24*time.Hour ||
		g.SignaturesPerDay != 4 || len(g.KeyAlgorithms) != 1 || g.KeyAlgorithms[0] != signer.ECDSAP256 {
		t.Errorf("%+v", g)
	}
	want := "0007 grant signer=release name=grant journal=sha256:" + journalKey +
		" keys=ECDSA-P256 life=24h nodes=0 users=0 duration=2160h sig=ECDSA-SHA256\n0008 transcript "
	if !strings.Contains(written(c), want) {
		t.Errorf("the schedule has no line %q:\n%s", want, written(c))
	}
	const summary = "0 nodes, 0 users; certificates live 1d at most, 4 a day for a node; the grant holds for 90d"
	if got := c.GrantSummary(); got != summary {
		t.Errorf("%s, want %s", got, summary)
	}
	names, networks := c.Reserved()
	if len(names) != 0 || len(networks) != 1 || networks[0].String() != "10.96.0.0/12" {
		t.Errorf("reserved are %v and %v", names, networks)
	}
	if g.Journal == (fingerprint.SHA256{}) {
		t.Error("no journal key")
	}
	more, err := opens(granting("  journal: "+journalKey+"\n  life: 12h\n"), nil)
	if err != nil || more.Digest == c.Digest {
		t.Errorf("another grant has the same digest: %v", err)
	}
}

// TestGrantRefused: what contradicts the rest of the plan.
func TestGrantRefused(t *testing.T) {
	const journal = "  journal: " + journalKey + "\n"
	for want, text := range map[string]string{
		"the plan has no authority of one": bare + "grant:\n" + journal,
		"the grant names no journal key":   granting("  life: 12h\n"),
		"worker-9 has left the cluster, and the grant has it": granting(journal+
			"  nodes: [{name: worker-9, roles: [worker]}]\n") + "left: [worker-9]\n",
		"users get certificates of kubelet-client": strings.Replace(bare, "release:\n",
			"  - {name: kubelet-serving"+withNewKey+"release:\n", 1) + "grant:\n" + journal +
			"  users: [{name: ann, requester: ann}]\n",
		"a key is named grant": strings.Replace(granting(journal), "name: front-proxy\n",
			"name: grant\n    family: front-proxy\n", 1),
	} {
		if _, err := opens(text, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
	for path, own := range map[string]bool{"grant.json": true, "grant.json.sig": true, "grants.json": false} {
		text := strings.Replace(granting(journal), "  name: demo\n", "  name: demo\n  kubeadm: "+path+"\n", 1)
		const want = " is a file of the ceremony directory itself"
		_, err := opens(text, map[string]string{path: kubeadmFile})
		if said := err != nil && strings.Contains(err.Error(), path+want); said != own {
			t.Errorf("an input %s: %v", path, err)
		}
	}
	p := makePast(t, append(defaultCAs[:len(defaultCAs):len(defaultCAs)],
		ca{"kubelet-client", 0, now.AddDate(0, 0, 1), "root", true}), genesisOpen, "closed", recipients["cp-1"])
	p.recorded(p.certified(t, cp1, honest(t)["cp-1"], nil)...)
	authorities := p.entry(t, "root", "") + p.entry(t, "kubernetes", "") + p.entry(t, "etcd", "") +
		p.entry(t, "front-proxy", "") + p.entry(t, "kubelet-client", "")
	plan := withAuthorities(p.renewing(t, cp1, ""), authorities)
	for want, nodes := range map[string]string{
		"list every node of the cluster":                 "",
		"node cp-1 is not in the grant":                  "  nodes: [{name: worker-1, roles: [worker]}]\n",
		"node cp-1 has the roles [worker] in the grant":  "  nodes: [{name: cp-1, roles: [worker]}]\n",
		"node cp-1 has the address 10.0.0.11, which the": "  nodes: [{name: cp-1, roles: [etcd, control-plane]}]\n",
	} {
		if _, err := opens(plan+"grant:\n"+journal+nodes, p.files); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
	good := "  nodes: [{name: cp-1, roles: [etcd, control-plane], ipAddresses: [10.0.0.11]}]\n"
	if _, err := opens(plan+"grant:\n"+journal+good, p.files); err != nil {
		t.Error(err)
	}
	ends := p.certs["kubelet-client"].NotAfter.Add(time.Hour)
	if _, err := opensAt(ends, plan+"grant:\n"+journal+good, p.files); err == nil ||
		!strings.Contains(err.Error(), "has expired, so that nothing could be signed by the grant") {
		t.Errorf("of an authority that has ended: %v", err)
	}
}

// TestGrantOfRevokedKeys: a grant that could certify the key of what the plan revokes is a
// warning that names it; one that refuses the key is none.
func TestGrantOfRevokedKeys(t *testing.T) {
	p := makePast(t, append(defaultCAs[:len(defaultCAs):len(defaultCAs)],
		ca{"kubelet-client", 0, now.AddDate(0, 2, 0), "root", true}), genesisOpen, "closed", recipients["cp-1"])
	had := p.certified(t, cp1, honest(t)["cp-1"], nil)
	p.recorded(had...)
	serial, key := "", fingerprint.SHA256{}
	for _, h := range had {
		if h.name == "cp-1/etcd/peer" {
			serial, key = h.certificate.SerialNumber.Text(16), fingerprint.Of(h.certificate.RawSubjectPublicKeyInfo)
		}
	}
	authorities := p.entry(t, "root", "") + p.entry(t, "kubernetes", "") + p.entry(t, "etcd", p.key(t, "etcd")) +
		p.entry(t, "front-proxy", "") + p.entry(t, "kubelet-client", "")
	text := withAuthorities(without(p.continued(t, cp1)), authorities) +
		"crls: [{authority: etcd, nextUpdate: 30d}]\n" +
		"revocations: [{serial: " + serial + ", authority: etcd, reason: keyCompromise}]\n" +
		"grant:\n  journal: " + journalKey + "\n  nodes: [{name: cp-1, roles: [etcd, control-plane]}]\n"
	for refused, warns := range map[string]bool{"": true, "  refusedKeys: [" + key.String() + "]\n": false} {
		c, err := opens(text+refused, p.files)
		if err != nil {
			t.Fatal(err)
		}
		said := slices.ContainsFunc(c.Warnings, func(w plan.Problem) bool {
			return strings.Contains(w.Message, "the grant does not refuse the key of cp-1/etcd/peer")
		})
		if said != warns {
			t.Errorf("with %q: %v", refused, c.Warnings)
		}
	}
}
