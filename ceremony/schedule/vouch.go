package schedule

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/request"
	"officiant/ceremony/history"
	"officiant/ceremony/plan"
)

// Vouch says why a request is taken for its node's own.
type Vouch string

const (
	ByFingerprint Vouch = "fingerprint" // a person compared it
	ByPrevious    Vouch = "previous"    // the key of a certificate of this cluster's last ceremony signed it
	ByRecord      Vouch = "record"      // its keys are those certified for this node before: renewal without a request
	ByHostKey     Vouch = "host-key"    // the node's SSH host key signed it, and a known_hosts file says whose it is
)

// vouched finds who vouches for a request: the fingerprint in the plan; without
// one, a key that is known already. What does neither is refused: it is the
// gate that matters most.
func (b *requestPass) vouched(i int, o *request.Opened) bool {
	in := b.p.Nodes[i]
	if in.Renews() {
		return b.renewal(i, o)
	}
	if in.Fingerprint != (fingerprint.SHA256{}) {
		if o.Fingerprint != in.Fingerprint {
			b.Refuse(plan.At{"nodes", i, "fingerprint"}, "node %s: the fingerprint of %s is %s, not this: it was altered, "+
				"or belongs to another run of `officiant-node request`", in.Name, in.Request, o.Fingerprint)
			return false
		}
		b.sent.vouched[in.Name] = ByFingerprint
		return true
	}
	var reasons []string
	for _, way := range []struct {
		how   Vouch
		signs bool
		check func(plan.Node, *request.Opened) error
	}{
		{ByPrevious, o.Present != nil, b.previousVouches},
		{ByHostKey, o.HostKey != nil, b.hostVouches},
	} {
		if !way.signs {
			continue
		}
		err := way.check(in, o)
		if err == nil {
			if late := b.fresh(o.Created); late != nil {
				err = fmt.Errorf("a key signed it (%s), but %w", way.how, late)
			}
		}
		if err == nil {
			b.sent.vouched[in.Name] = way.how
			return true
		}
		reasons = append(reasons, err.Error())
	}
	text := fmt.Sprintf(
		"node %s: the fingerprint of its request is missing; it comes by another way than the request",
		in.Name,
	)
	if len(reasons) > 0 {
		text += ", and no key vouches for it: " + strings.Join(reasons, "; ")
	}
	b.Refuse(plan.At{"nodes", i}, "%s", text)
	return false
}

// previousVouches says why the signature by the node's present key does not
// vouch for it. The certificate has to be valid, and the one that this
// cluster's last ceremony issued to that very node, in the roles it has now.
func (b *requestPass) previousVouches(in plan.Node, o *request.Opened) error {
	c, last := o.Present[0], b.past.Last()
	what := fmt.Sprintf("%s signed it", o.Request.Previous.Name)
	switch {
	case last == nil:
		return fmt.Errorf("%s, but the plan names no previous ceremony of cluster %s", what, b.p.Cluster.Name)
	case b.now.After(c.NotAfter) || b.now.Before(c.NotBefore):
		return fmt.Errorf("%s, but that certificate is valid from %s to %s", what,
			c.NotBefore.UTC().Format(time.RFC3339), c.NotAfter.UTC().Format(time.RFC3339))
	}
	ceremony := fmt.Sprintf("ceremony %d", last.Open.Sequence)
	switch on, issued := last.WithSHA256(fingerprint.Of(c.Raw)); {
	case !issued || on.State == history.Received:
		return fmt.Errorf(
			"%s, but that certificate (serial number %x) is none that %s issued",
			what,
			c.SerialNumber,
			ceremony,
		)
	case on.Name != in.Name+"/"+o.Request.Previous.Name:
		return fmt.Errorf("%s, but %s issued that certificate as %s", what, ceremony, on.Name)
	}
	if role := newRole(last, in); role != "" {
		return fmt.Errorf("%s, but in %s the node was not %s", what, ceremony, role)
	}
	err := b.notBelieved(b.past, func(d *distrust) error {
		if how, left := b.past.Left(in.Name); left {
			return fmt.Errorf("the node has left the cluster (%s)", how)
		}
		return d.vouches(in.Name, c)
	})
	if err != nil {
		return fmt.Errorf("%s, but %w", what, err)
	}
	return nil
}

// hostVouches says why the signature by an SSH key does not vouch for a node.
func (b *requestPass) hostVouches(in plan.Node, o *request.Opened) error {
	const what = "an SSH key signed it"
	if b.p.KnownHosts == "" {
		return errors.New(what + ", but the plan names no knownHosts")
	}
	if b.hosts == nil {
		return fmt.Errorf("%s, but %s does not read", what, b.p.KnownHosts)
	}
	if err := b.hosts.Vouches(in.KnownAs(), o.HostKey); err != nil {
		return fmt.Errorf("%s, but in %s %w", what, b.p.KnownHosts, err)
	}
	// A machine that joins is what the plan says; one that is known stays what it was.
	if known := b.knew(in.Name); known != nil {
		if role := newRole(known, in); role != "" {
			return fmt.Errorf("%s, but in ceremony %d the node was not %s", what, known.Open.Sequence, role)
		}
	}
	if err := b.notBelieved(b.past, func(d *distrust) error { return d.secret(in.Name) }); err != nil {
		return fmt.Errorf("%s, but %w", what, err)
	}
	// Machines that were cloned with their host key cannot be told apart by it.
	if other := b.hosts.Shared(in.KnownAs(), o.HostKey, b.byHost); other != "" {
		return fmt.Errorf("%s, but in %s that key is %s's, too", what, b.p.KnownHosts, other)
	}
	wire := string(o.HostKey.Marshal())
	if other, ok := b.hostKeys[wire]; ok {
		return fmt.Errorf("%s, but the same key signed the request of %s", what, other)
	}
	b.hostKeys[wire] = in.Name
	return nil
}

// knownHosts reads the file that says which SSH key is whose.
func (b *requestPass) knownHosts() {
	if b.p.KnownHosts == "" {
		return
	}
	data := b.input(b.p.KnownHosts, plan.At{"knownHosts"})
	if data == nil {
		return
	}
	var err error
	if b.hosts, err = ReadKnownHosts(data); err != nil {
		b.hosts = nil
		b.RefuseInput(b.p.KnownHosts, "%v", err)
	}
	b.byHost = map[string]string{}
	for _, n := range b.p.Nodes {
		b.byHost[strings.ToLower(n.KnownAs())] = n.Name
	}
}

// markOf names a certificate that every node of a role has.
var markOf = map[kubepki.Role]string{
	kubepki.ControlPlane: "apiserver", kubepki.Etcd: "etcd/server", kubepki.Worker: "kubelet.conf",
}

// newRole is a role the node did not have in a ceremony: more than its keys could
// open so far.
func newRole(r *history.Record, n plan.Node) kubepki.Role {
	for _, role := range n.Roles {
		if !has(r, n.Name+"/"+markOf[role]) {
			return role
		}
	}
	return ""
}

// has says whether a ceremony issued a certificate of that name, or adopted it.
func has(r *history.Record, name string) bool {
	for c := range r.Named(name) {
		if c.State != history.Abandoned {
			return true
		}
	}
	return false
}

// knew is the newest ceremony that knew a node in some role; nil when none did. Of
// one that was held, only the last ceremony is asked, as it was then.
func (b *requestPass) knew(node string) *history.Record {
	for i, r := range b.past.Records() {
		if i > 0 && b.held {
			return nil
		}
		for _, mark := range markOf {
			if has(r, node+"/"+mark) {
				return r
			}
		}
	}
	return nil
}
