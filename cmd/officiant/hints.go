package main

import (
	"fmt"

	"officiant/ceremony"
	"officiant/ceremony/next"
)

// ways says with which options of a command people go what package next calls a way.
var ways = map[next.Way]string{
	next.NameCluster: "say whose the plan is: --cluster NAME",
	next.NewRequests: "a node that gained names, roles or certificates, or that returns, sends a new request:" +
		" officiant-node request, and --requests DIR",
	next.NewKubeadm: "the cluster's current names come from its kubeadm file: --kubeadm FILE",
	next.UpgradeFirst: "upgrade the cluster to v1.31.0 or later first, and put the new version into a plan: " +
		"officiant ceremony renew --kubeadm FILE",
	next.EtcdFirst:  "etcd and front-proxy are in no kubeconfig, and can be replaced now: --authority etcd",
	next.GiveGrants: "grants that the release key signed without a ceremony: --grant FILE",
	next.LeaveOut:   "a node that is to wait, such as for a new request after its key was compromised: --without NODE",
	next.WayOfLaggards: "a node that is gone for good: --left NODE; one that is away: --without NODE; one that has to go" +
		" straight to this stage: --lagging NODE",
	next.ShareKey: "on a control-plane node: officiant-node share --to %s --out %s, then put that file beside its " +
		"request",
	next.ShareJoining: "for a node that joins: on a control-plane node, officiant-node share --to %s --out %s, then put" +
		" that file beside its request",
	next.AddPublic:      "a control-plane node has it in etc/kubernetes/pki/sa.pub; add that file: --from FILE",
	next.AddRoot:        "a control-plane node has it in etc/kubernetes/pki/server-ca.crt; add the folder: --from DIR",
	next.AddAuthorities: "nodes trust it, so they have it: add etc/kubernetes of a control-plane node with --from DIR",
	next.WithRoot:       "replace the root, and all below it: --authority root",
	next.SameKeyLater:   "or give it a later end: --authority %s --same-key",
	next.ShorterLeaves:  "until then, certificates that end sooner: --validity TIME",
	next.AdoptRequest:   "on the node: officiant-node request --adopt …",
	next.ReuseKeys: "on each control-plane node: officiant-node request --reuse-keys …, which its present key " +
		"vouches for; then --requests DIR, with a request of every one",
	next.TokensHaveEnded: "count from when the last control-plane node was restarted with it; --token-life is " +
		"--service-account-max-token-expiration of kube-apiserver, " +
		"or 1y while it extends tokens (--service-account-extend-token-expiration, its default); 0 when " +
		"every such token was replaced, and none is left that was written down",
	next.NextStage:   "this stage comes first: --stage %s",
	next.ReleaseLost: "when %s is lost: --lost",
}

// wants says with which option people give what a run was refused for want of.
var wants = map[ceremony.Want]string{
	ceremony.TheHead:      "--head HEX; or --head-file FILE, from the beginning",
	ceremony.BothHeads:    "to accept it, give its current head as a second one: --head %s --head %s",
	ceremony.AnotherPlace: "put --head-file on another file system",
	ceremony.AWaiver:      "--waive CHECK --reason TEXT --by NAME --by OTHER",
	ceremony.KnownHead:    "--head HEX",
	ceremony.AReason:      "--reason TEXT",
	ceremony.TwoPeople:    "--by NAME --by OTHER",
	ceremony.SameRecords:  "give the same --reason and --previous; or remove %s and start again",
}

// hintLines are the lines people see.
func hintLines(hints []next.Hint) []string {
	var lines []string
	for _, h := range hints {
		if h.Way == "" {
			lines = append(lines, h.Text)
			continue
		}
		lines = append(lines, filled(ways[h.Way], h.Of))
	}
	return lines
}

func filled(words string, of []string) string {
	var args []any
	for _, a := range of {
		args = append(args, a)
	}
	return fmt.Sprintf(words, args...)
}
