package main

import (
	"strings"
	"testing"

	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
)

// ceremonyOf is a ceremony whose plan has these authorities.
func ceremonyOf(names ...string) *predecessor {
	p := &plan.Plan{}
	for _, name := range names {
		p.Authorities = append(p.Authorities, plan.Authority{Name: name})
	}
	return &predecessor{plan: &schedule.Ceremony{Plan: p}}
}

// TestSuccessor names generations; a name that any ceremony had is not used again.
func TestSuccessor(t *testing.T) {
	for name, c := range map[string]struct {
		chain []*predecessor
		want  string
	}{
		"kubernetes":   {nil, "kubernetes-2"},
		"kubernetes-2": {nil, "kubernetes-3"},
		"etcd":         {[]*predecessor{ceremonyOf("etcd"), ceremonyOf("etcd", "etcd-2")}, "etcd-3"},
		"front-proxy":  {nil, "front-proxy-2"},
		"ca-0":         {nil, "ca-0-2"},
	} {
		if got := successor(c.chain, name); got != c.want {
			t.Errorf("%s is followed by %s, want %s", name, got, c.want)
		}
	}
}

// TestMadeBefore: who comes and who goes is told by the first ceremony that has them.
func TestMadeBefore(t *testing.T) {
	last := ceremonyOf("kubernetes", "kubernetes-2")
	chain := []*predecessor{last, ceremonyOf("kubernetes")} // newest first
	if !last.madeBefore(chain, "kubernetes", "kubernetes-2") || last.madeBefore(chain, "kubernetes-2", "kubernetes") {
		t.Error("kubernetes is the older one")
	}
}

// TestMayLag: any number of workers, one other node, and whoever likes at first.
func TestMayLag(t *testing.T) {
	nodes := []kubepki.Node{
		{Name: "cp-1", Roles: []kubepki.Role{kubepki.ControlPlane}}, {Name: "etcd-1", Roles: []kubepki.Role{kubepki.Etcd}},
		{Name: "worker-1", Roles: []kubepki.Role{kubepki.Worker}}, {Name: "worker-2", Roles: []kubepki.Role{kubepki.Worker}},
	}
	for _, c := range []struct {
		stage string
		late  string
		may   bool
	}{
		{stageIssue, "worker-1 worker-2", true}, {stageDrop, "cp-1 worker-1 worker-2", true}, {stageDrop, "etcd-1", true},
		{stageIssue, "cp-1 etcd-1", false}, {stageDrop, "cp-1 etcd-1 worker-1", false}, {stageTrust, "cp-1 etcd-1", true},
	} {
		o := &rolloverOptions{stage: c.stage}
		if err := o.mayLag(nodes, strings.Fields(c.late)); (err == nil) != c.may {
			t.Errorf("%s, %s lag: %v", c.stage, c.late, err)
		}
	}
}
