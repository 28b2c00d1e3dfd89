package schedule

import (
	"strings"
	"testing"

	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
)

// TestExternalMembers: whoever adopts a cluster without its etcd's members is told that
// they have to learn of the new authority by another way.
func TestExternalMembers(t *testing.T) {
	adopted := []plan.Authority{{Name: "etcd-former", Family: kubepki.EtcdAuthority, Adopted: true}}
	alone := []kubepki.Node{{Name: "cp-1", Roles: []kubepki.Role{kubepki.ControlPlane}, First: true}}
	member := kubepki.Node{Name: "etcd-1", Roles: []kubepki.Role{kubepki.Etcd}}
	for name, c := range map[string]struct {
		authorities []plan.Authority
		external    bool
		nodes       []kubepki.Node
		want        bool
	}{
		"members are no nodes":   {adopted, true, alone, true},
		"a member is":            {adopted, true, append(alone[:1:1], member), false},
		"etcd is not external":   {adopted, false, alone, false},
		"the cluster is made so": {[]plan.Authority{{Name: "etcd", Family: kubepki.EtcdAuthority}}, true, alone, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := &plan.Plan{Authorities: c.authorities}
			p.Cluster.ExternalEtcd = c.external
			b := &nodePass{base: base{Report: &plan.Report{}, p: p}, facts: &clusterFacts{},
				past:  &records{sequence: 1},
				nodes: &nodeFacts{list: c.nodes}}
			b.together()
			told := false
			for _, w := range b.Warnings {
				told = told || strings.Contains(w.String(), "no member of etcd is a node of this plan")
			}
			if told != c.want {
				t.Errorf("%v, want told: %t", b.Warnings, c.want)
			}
		})
	}
}
