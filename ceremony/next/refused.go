package next

import (
	"fmt"
	"strings"
)

// Refused says why there is no such plan, and what helps.
type Refused struct {
	Err   error
	Hints []Hint
}

// Hint is advice, a line for people. If it needs an option of a command, it has
// a Way, which the command's own package spells out; otherwise it has a Text.
type Hint struct {
	Text string
	Way  Way
	Of   []string // what the way is about: names, in the order of the constant's comment
}

// Way is what people may do with an option of a command.
type Way string

const (
	NameCluster     Way = "name the cluster"
	NewRequests     Way = "send new requests"
	NewKubeadm      Way = "take the cluster's names from its kubeadm file"
	UpgradeFirst    Way = "upgrade first, and renew with the new kubeadm file"
	EtcdFirst       Way = "replace etcd and front-proxy now"
	GiveGrants      Way = "give the grants that were signed without a ceremony"
	LeaveOut        Way = "leave a node out for now"
	WayOfLaggards   Way = "say of each node behind what it is"
	ShareKey        Way = "have the service-account key sealed" // to the node's request, as a file
	ShareJoining    Way = "have the service-account key sealed to a node that joins"
	AddPublic       Way = "add sa.pub"
	AddRoot         Way = "add the root's certificate"
	AddAuthorities  Way = "add the authorities of a node"
	WithRoot        Way = "replace the root with all below it"
	SameKeyLater    Way = "give an authority a later end" // its name
	ShorterLeaves   Way = "have certificates that end sooner"
	AdoptRequest    Way = "make the request with what the node has"
	ReuseKeys       Way = "send a request for the keys there are"
	TokensHaveEnded Way = "count how long tokens live"
	NextStage       Way = "go on with another stage" // its name
	ReleaseLost     Way = "the release key is lost"
)

// Ways are all there are.
func Ways() []Way {
	return []Way{NameCluster, NewRequests, NewKubeadm, UpgradeFirst, EtcdFirst, GiveGrants, LeaveOut, WayOfLaggards,
		ShareKey, ShareJoining, AddPublic, AddRoot, AddAuthorities, WithRoot, SameKeyLater, ShorterLeaves, AdoptRequest,
		ReuseKeys, TokensHaveEnded, NextStage, ReleaseLost}
}

// plainly are hints without any option.
func plainly(lines ...string) []Hint {
	hints := make([]Hint, len(lines))
	for i, l := range lines {
		hints[i].Text = l
	}
	return hints
}

// by are hints of one way.
func by(w Way, of ...string) []Hint { return []Hint{{Way: w, Of: of}} }

func (r *Refused) Error() string { return r.Err.Error() }
func (r *Refused) Unwrap() error { return r.Err }

func refuse(format string, args ...any) error {
	return &Refused{Err: fmt.Errorf(format, args...)}
}

// oneLine keeps what others named within its line.
func oneLine(s string) string { return lineEnds.Replace(s) }

var lineEnds = strings.NewReplacer("\n", `\n`, "\r", `\r`, "\t", `\t`)

// Some names a few of many.
func Some(names []string) string {
	const few = 8
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
}
