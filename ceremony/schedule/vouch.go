package schedule

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/request"
	"officiant/ceremony/plan"
)

// Vouch says why a request is taken for its node's own.
type Vouch string

const (
	ByFingerprint Vouch = "fingerprint" // a person compared it
	ByPrevious    Vouch = "previous"    // the key of a certificate that this cluster's last ceremony gave the node signed it
	ByRecord      Vouch = "record"      // its keys are those former ceremonies certified for this node: a renewal without a new request
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
		// An old request, whose keys may be anywhere by now, is signed as well as
		// ever. Those of the last ceremony were all made before it began.
		if err == nil && o.Created.Before(b.past.began) {
			err = fmt.Errorf("a key signed it (%s), but it was made at %s, before the last ceremony began at %s, and may have been sent before",
				way.how, o.Created.Format(time.RFC3339), b.past.began.UTC().Format(time.RFC3339))
		}
		if err == nil {
			b.sent.vouched[in.Name] = way.how
			return true
		}
		reasons = append(reasons, err.Error())
	}
	text := fmt.Sprintf("node %s: the fingerprint of its request is missing; it comes by another way than the request", in.Name)
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
	c := o.Present[0]
	what := fmt.Sprintf("%s signed it", o.Request.Previous.Name)
	names, ceremony, err := b.past.formerly()
	switch {
	case err != nil:
		return fmt.Errorf("%s, but %w", what, err)
	case names == nil:
		return fmt.Errorf("%s, but the plan names no former ceremony of cluster %s", what, b.p.Cluster.Name)
	case b.now.After(c.NotAfter) || b.now.Before(c.NotBefore):
		return fmt.Errorf("%s, but that certificate is valid from %s to %s", what, c.NotBefore.UTC().Format(time.RFC3339), c.NotAfter.UTC().Format(time.RFC3339))
	}
	name, issued := names.of[fingerprint.Of(c.Raw)]
	switch {
	case !issued:
		return fmt.Errorf("%s, but that certificate (serial number %x) is none that %s issued", what, c.SerialNumber, ceremony)
	case name != in.Name+"/"+o.Request.Previous.Name:
		return fmt.Errorf("%s, but %s issued that certificate as %s", what, ceremony, name)
	}
	if role := names.newRole(in); role != "" {
		return fmt.Errorf("%s, but in %s the node was not %s", what, ceremony, role)
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
	switch names, ceremony, err := b.past.formerly(); {
	case err != nil:
		return fmt.Errorf("%s, but %w", what, err)
	case names != nil && names.knows(in):
		if role := names.newRole(in); role != "" {
			return fmt.Errorf("%s, but in %s the node was not %s", what, ceremony, role)
		}
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

// former is what this cluster's last ceremony issued.
type former struct {
	of   map[fingerprint.SHA256]string // the schedule's names, by SHA-256 of the certificate
	has  map[string]bool               // these names
	der  map[string][]byte             // certificates by name, of those that are wanted
	want func(name string) bool
}

// newRole is a role the node did not have: more than its keys could open so far.
func (f *former) newRole(n plan.Node) kubepki.Role {
	for _, r := range n.Roles {
		if !f.has[n.Name+"/"+markOf[r]] {
			return r
		}
	}
	return ""
}

// knows says whether the node was there, in whatever role.
func (f *former) knows(n plan.Node) bool {
	for _, mark := range markOf {
		if f.has[n.Name+"/"+mark] {
			return true
		}
	}
	return false
}

// formerly reads what this cluster's predecessor issued, once. Here the chain
// of its record matters before the ceremony begins: what it says decides whose
// request this is.
func (b *records) formerly() (*former, string, error) {
	for _, p := range b.p.Previous.Ceremonies {
		if p.Cluster != b.p.Cluster.Name {
			continue
		}
		ceremony := fmt.Sprintf("ceremony %d", p.Sequence)
		if b.issued == nil && b.issuedErr == nil {
			b.issued, b.issuedErr = readFormer(b.files.read[p.Transcript], func(string) bool { return false })
		}
		if b.issuedErr != nil {
			return nil, ceremony, fmt.Errorf("%s: %w", p.Transcript, b.issuedErr)
		}
		return b.issued, ceremony, nil
	}
	return nil, "", nil
}

func readFormer(data []byte, want func(name string) bool) (*former, error) {
	f := &former{of: map[fingerprint.SHA256]string{}, has: map[string]bool{}, der: map[string][]byte{}, want: want}
	names := map[int]string{} // of intents, by seq
	var head fingerprint.SHA256
	n := 0
	for raw := range bytes.Lines(data) {
		n++
		if !bytes.Contains(raw, []byte(`,"prev":"`+head.String()+`",`)) {
			return nil, fmt.Errorf("line %d does not follow from the line before it", n)
		}
		head = fingerprint.Of(raw)
		if err := f.take(raw, n, names); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	return f, nil
}

// take reads the lines of intents and certificates.
func (f *former) take(raw []byte, n int, names map[int]string) error {
	var intent struct {
		Name string `json:"name"`
	}
	var issued struct {
		Intent      int    `json:"intent"`
		Certificate []byte `json:"certificate"`
	}
	switch {
	case bytes.Contains(raw, []byte(`"type":"intent"`)):
		if err := record(raw, "intent", &intent); err != nil {
			return err
		}
		names[n] = intent.Name
	case bytes.Contains(raw, []byte(`"type":"issued"`)):
		if err := record(raw, "issued", &issued); err != nil {
			return err
		}
		name, ok := names[issued.Intent]
		if !ok {
			return errors.New("a certificate without intent")
		}
		f.of[fingerprint.Of(issued.Certificate)] = name
		f.has[name] = true
		if f.want(name) {
			f.der[name] = issued.Certificate
		}
	case bytes.Contains(raw, []byte(`"type":"adopted"`)):
		var r adoptedRecord
		if err := record(raw, "adopted", &r); err != nil {
			return err
		}
		f.of[fingerprint.Of(r.Certificate)] = r.Name
		f.has[r.Name] = true
		if f.want(r.Name) {
			f.der[r.Name] = r.Certificate
		}
	}
	return nil
}
