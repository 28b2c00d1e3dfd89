package main

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"slices"
	"testing"

	"officiant/bundle/kubepki"
	"officiant/cmd/internal/exit"
)

// TestLifecycle is a cluster's first lifecycle: what its people do month by month, with a
// clock that is moved. It begins a year ago and every certificate lives longer
// than that, so that the real kubeadm and the real etcd, which have the real
// clock, can judge what stands on the nodes after each ceremony. Etcd's members
// live through all of it: each is restarted by itself, so that those that have
// the new files speak with those that have not.
func TestLifecycle(t *testing.T) {
	y := newLifecycle(t)
	y.genesis()
	y.pass(60)
	y.workerJoins()
	y.pass(30)
	y.renewal("380d")
	y.pass(30)
	y.controlPlaneJoins()
	y.pass(30)
	y.etcdRollover()
	y.pass(30)
	y.nodeReplaced()
	y.pass(30)
	y.renewal("300d")
	y.pass(20)
	y.accountRotation()
	y.pass(20)
	former := y.clientOf("cp-1")
	y.renewal("390d")
	y.pass(10)
	y.revocation(former)
	y.wholeChain()
}

// lives is how long the leaves are valid: beyond today, when made a year ago.
const lives = "400d"

func (y *lifecycle) genesis() {
	y.add(
		kubepki.Node{Name: "cp-1", Roles: []kubepki.Role{kubepki.ControlPlane, kubepki.Etcd}, Address: first, First: true},
	)
	y.add(kubepki.Node{Name: "worker-1", Roles: []kubepki.Role{kubepki.Worker}})
	next := y.folder("genesis")
	y.ask(next, "cp-1")
	y.ask(next, "worker-1")
	y.officiant(
		"ceremony",
		"new",
		"--kubeadm",
		y.at("kubeadm.yaml"),
		"--requests",
		next+"/requests",
		"--station-grade",
		"software",
		"--out",
		next+"/plan.yaml",
	)
	y.edit(next+"/plan.yaml", "# leaves:\n#   validity: 1y", "leaves:\n  validity: "+lives)
	y.conduct(next)
	y.etcd.starts(y.nodes["cp-1"])
	y.everywhere()
}

// workerJoins adds one node, and nothing of the others is touched.
func (y *lifecycle) workerJoins() {
	y.add(kubepki.Node{Name: "worker-2", Roles: []kubepki.Role{kubepki.Worker}})
	next := y.folder("worker-joins")
	y.ask(next, "worker-2")
	y.plan("renew", next, "--within", "1d", "--requests", next+"/requests")
	y.conduct(next)
	y.only("worker-2")
	y.everywhere()
}

// renewal makes anew what ends within a time, each for the key it has.
func (y *lifecycle) renewal(within string) {
	next := y.folder("renewal")
	y.plan("renew", next, "--within", within)
	y.conduct(next)
	y.everywhere()
}

// controlPlaneJoins adds a second control-plane node, which gets the
// service-account key of the first, and a second member of etcd.
func (y *lifecycle) controlPlaneJoins() {
	y.add(kubepki.Node{Name: "cp-2", Roles: []kubepki.Role{kubepki.ControlPlane, kubepki.Etcd}, Address: second})
	next := y.folder("control-plane-joins")
	y.ask(next, "cp-2")
	y.share(next, "cp-1", "cp-2")
	y.plan("renew", next, "--within", "1d", "--requests", next+"/requests")
	y.conduct(next)
	y.only("cp-2")
	y.etcd.joins(y.nodes["cp-1"], y.nodes["cp-2"])
	y.everywhere()
}

// etcdRollover replaces etcd's authority in three stages. In the second what the
// former one has issued still lets in, in the third it does not.
func (y *lifecycle) etcdRollover() {
	y.edit(y.at("station.yaml"), "  etcd:", "  etcd-2: "+y.liesWhere("etcd")+"\n  etcd:")
	former := y.clientOf("cp-1")
	for _, stage := range []string{"trust", "issue", "drop"} {
		next := y.folder("rollover-" + stage)
		y.plan("rollover", next, "--authority", "etcd", "--stage", stage, "--status", y.statuses(next))
		y.conduct(next)
		y.everywhere()
		y.etcd.lets(former, stage != "drop")
		y.pass(5)
	}
}

// nodeReplaced gives a worker's name to another machine, with keys of its own.
func (y *lifecycle) nodeReplaced() {
	old := y.certificate("worker-2", "kubelet.conf")
	y.add(y.nodes["worker-2"].node)
	next := y.folder("node-replaced")
	y.ask(next, "worker-2")
	y.plan("renew", next, "--within", "1d", "--requests", next+"/requests")
	y.conduct(next)
	y.only("worker-2")
	y.everywhere()
	if now := y.certificate(
		"worker-2",
		"kubelet.conf",
	); bytes.Equal(
		now.RawSubjectPublicKeyInfo,
		old.RawSubjectPublicKeyInfo,
	) {
		y.t.Error("the machine that took its place has the former one's key")
	}
}

// accountRotation replaces the service-account key in three stages. The last one
// waits until no token by the former key is left.
func (y *lifecycle) accountRotation() {
	former, _, _ := y.nodes["cp-1"].accounts(y)
	for _, stage := range []string{"trust", "issue", "drop"} {
		next := y.folder("account-" + stage)
		args := []string{"--service-account", "--stage", stage, "--status", y.statuses(next)}
		switch stage {
		case "trust": // the next key is sealed to those who ask
			y.ask(next, "cp-1")
			y.ask(next, "cp-2")
			args = append(args, "--requests", next+"/requests")
		case "drop":
			y.refused(
				exit.Refused,
				"--token-life",
				slices.Concat(
					[]string{"ceremony", "rollover", y.at("ceremonies")},
					args,
					[]string{"--out", next + "/plan.yaml"},
				)...)
			y.pass(30)
			args = append(args, "--token-life", "30d")
		}
		y.plan("rollover", next, args...)
		y.conduct(next)
		y.everywhere()
		for _, name := range []string{"cp-1", "cp-2"} {
			key, public, _ := y.nodes[name].accounts(y)
			if signs := knows([]crypto.PublicKey{former.Public()}, key.Public()); signs != (stage == "trust") {
				y.t.Errorf("after stage %s the former key signs on %s: %t", stage, name, signs)
			}
			if taken := knows(public, former.Public()); taken != (stage != "drop") {
				y.t.Errorf("after stage %s tokens by the former key are taken on %s: %t", stage, name, taken)
			}
		}
	}
}

// revocation puts a certificate that was made anew since, and is good for months
// yet, on etcd's list: its members refuse it, and nobody else.
func (y *lifecycle) revocation(former tls.Certificate) {
	y.etcd.lets(former, true)
	next := y.folder("revocation")
	serial := former.Leaf.SerialNumber.Text(16)
	y.refused(
		exit.Refused,
		"its certificate apiserver-etcd-client is for a key that is compromised",
		slices.Concat(
			[]string{"ceremony", "revoke", y.at("ceremonies")},
			[]string{"--serial", serial, "--reason", "keyCompromise", "--out", next + "/plan.yaml"},
		)...)
	y.plan("revoke", next, "--serial", serial, "--reason", "superseded")
	y.conduct(next)
	y.only("cp-1", "cp-2")
	y.everywhere()
	y.etcd.lets(former, false)
	y.etcd.lets(y.clientOf("cp-1"), true)
}
