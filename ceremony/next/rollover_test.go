package next

import (
	"strings"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/history"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
)

// ceremonyOf is a ceremony whose plan has these authorities.
func ceremonyOf(names ...string) *Previous {
	p := &plan.Plan{}
	for _, name := range names {
		p.Authorities = append(p.Authorities, plan.Authority{Name: name})
	}
	return &Previous{plan: &schedule.Ceremony{Plan: p}}
}

// TestSuccessor names generations; a name that any ceremony had is not used again.
func TestSuccessor(t *testing.T) {
	for name, c := range map[string]struct {
		chain Chain
		want  string
	}{
		"kubernetes":   {Chain{}, "kubernetes-2"},
		"kubernetes-2": {Chain{}, "kubernetes-3"},
		"etcd":         {Chain{all: []*Previous{ceremonyOf("etcd"), ceremonyOf("etcd", "etcd-2")}}, "etcd-3"},
		"front-proxy":  {Chain{}, "front-proxy-2"},
		"ca-0":         {Chain{}, "ca-0-2"},
	} {
		if got := c.chain.successor(name); got != c.want {
			t.Errorf("%s is followed by %s, want %s", name, got, c.want)
		}
	}
}

// TestMadeBefore: who comes and who goes is told by the first ceremony that has them.
func TestMadeBefore(t *testing.T) {
	last := ceremonyOf("kubernetes", "kubernetes-2")
	chain := Chain{all: []*Previous{last, ceremonyOf("kubernetes")}} // newest first
	if !chain.madeBefore("kubernetes", "kubernetes-2") || chain.madeBefore("kubernetes-2", "kubernetes") {
		t.Error("kubernetes is the older one")
	}
}

// TestMayLag: any number of workers, one other node, and whoever likes at first.
func TestMayLag(t *testing.T) {
	nodes := []kubepki.Node{
		{Name: "cp-1", Roles: []kubepki.Role{kubepki.ControlPlane}}, {Name: "etcd-1", Roles: []kubepki.Role{kubepki.Etcd}},
		{Name: "worker-1", Roles: []kubepki.Role{kubepki.Worker}}, {Name: "worker-2", Roles: []kubepki.Role{kubepki.Worker}},
	}
	// No node shows another one what an online signer issues.
	online := generation{moves: []Move{{Family: kubepki.KubeletClientAuthority}}}
	for _, c := range []struct {
		stage stage
		late  string
		may   bool
	}{
		{issueGeneration{}, "worker-1 worker-2", true},
		{dropGeneration{}, "cp-1 worker-1 worker-2", true},
		{dropGeneration{}, "etcd-1", true},
		{issueGeneration{}, "cp-1 etcd-1", false},
		{dropGeneration{}, "cp-1 etcd-1 worker-1", false},
		{trustGeneration{}, "cp-1 etcd-1", true},
		{sameKey{}, "cp-1 etcd-1", true}, {issueAccount{}, "cp-1 etcd-1", false}, {trustAccount{}, "cp-1 etcd-1", true},
		{issueGeneration{online}, "cp-1 etcd-1", true}, {dropGeneration{online}, "cp-1 etcd-1", true},
		{dropAccount{}, "worker-1", false}, {dropAccount{}, "", true}, {issueRelease{}, "cp-1 etcd-1", true},
	} {
		may := true
		if l, ok := c.stage.(limited); ok {
			may = l.mayLag(nodes, strings.Fields(c.late)) == nil
		}
		if may != c.may {
			t.Errorf("%T, %s lag: %t", c.stage, c.late, may)
		}
	}
}

// TestGrantFollows: the next plan's grant has who is new, and has not who has left.
func TestGrantFollows(t *testing.T) {
	c := ceremonyOf("root")
	c.plan.Plan.Grant = plan.Grant{SignaturesPerDay: 4, Nodes: []plan.GrantNode{
		{Name: "cp-1", DNSNames: []string{"cp-1.lab.test"}}, {Name: "worker-1"}, {Name: "worker-2"}}}
	last := ceremonyOf("root")
	last.Record = &history.Record{}
	chain := Chain{History: &history.History{}, all: []*Previous{last, c}}
	nodes := []plan.Node{
		{Name: "cp-1", Roles: []kubepki.Role{kubepki.ControlPlane}, Address: "10.0.0.11"},
		{Name: "worker-3", Roles: []kubepki.Role{kubepki.Worker}},
	}
	left := &plan.NewOptions{Left: []string{"worker-1"}}
	g := chain.grant(time.Now(), left, nodes, fingerprint.SHA256{})
	var names []string
	for _, n := range g.Nodes {
		names = append(names, n.Name)
	}
	if got := strings.Join(names, " "); got != "cp-1 worker-2 worker-3" || g.SignaturesPerDay != 4 {
		t.Errorf("the grant has %s", got)
	}
	if n := g.Nodes[0]; len(n.IPAddresses) != 1 || n.DNSNames[0] != "cp-1.lab.test" || len(n.Roles) != 1 {
		t.Errorf("cp-1 is %+v", n)
	}
	if len(c.plan.Plan.Grant.Nodes) != 3 || len(c.plan.Plan.Grant.Nodes[0].Roles) != 0 {
		t.Error("the former grant was changed")
	}
	none := Chain{all: []*Previous{ceremonyOf("root")}}
	if g := none.grant(time.Now(), &plan.NewOptions{}, nil, fingerprint.SHA256{}); g.Given() {
		t.Error("a grant out of nothing")
	}
	key := fingerprint.Of([]byte("journal"))
	if g := chain.grant(time.Now(), left, nodes, key); g.Journal != key || len(g.Nodes) != 3 {
		t.Errorf("with another journal key: %+v", g)
	}
	ended := &plan.NewOptions{Authorities: []plan.Authority{{Name: "kubelet-client",
		Family: kubepki.KubeletClientAuthority}}}
	if g := chain.grant(time.Now(), ended, nodes, key); g.Given() {
		t.Error("a grant of an authority that is not there any more")
	}
	ended.Authorities[0].Renews = "kubelet-client.crt"
	if g := chain.grant(time.Now(), ended, nodes, fingerprint.SHA256{}); !g.Given() {
		t.Error("no grant of an authority that gets another certificate")
	}
}
