package next

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/request"
	"officiant/ceremony/history"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
)

var notInName = regexp.MustCompile(`[^a-z0-9]+`)

// Requests is the folder that nodes' requests came in.
type Requests struct {
	Dir   string // its name, for messages
	Files []File // all that lie in it, each under its own name in Dir
}

// MaxRequest is above any request file, in bytes.
const MaxRequest = 1 << 20

// unused looks at what lies beside the requests: a request under another ending is
// refused, since its node would be missing without a word; the rest is named.
func (r Requests) unused(nodes []requester) (notes []string, err error) {
	used := map[string]bool{}
	for _, n := range nodes {
		used[n.file] = true
		used[strings.TrimSuffix(n.file, ".req")+SharedSuffix] = true
	}
	var names []string
	for _, f := range r.Files {
		if used[f.Name] {
			continue
		}
		if o, err := request.Parse(f.Name, f.Data); err == nil {
			return nil, &Refused{
				Err: fmt.Errorf("%s: is a request of node %s, and its name does not end in .req", f.Name, o.Node.Name),
				Hints: plainly(
					"to have the node in the plan: mv "+f.Name+" "+strings.TrimSuffix(f.Name, filepath.Ext(f.Name))+".req",
					"to leave it out: keep it in another folder",
				),
			}
		}
		names = append(names, filepath.Base(f.Name))
	}
	if len(names) > 0 {
		notes = append(notes, fmt.Sprintf("not used, of what lies in %s: %s", r.Dir, oneLine(Some(names))))
	}
	return notes, nil
}

// requester is a node with the request it sent, or that it was granted before.
type requester struct {
	node     plan.Node
	request  *request.Opened   // that it sent now; nil: none
	granted  *schedule.Request // what is kept of the one it has its certificates by
	file     string            // as it was given; empty: it was granted before
	compared bool              // the request's fingerprint stood in the list of nodes
}

// recipient is to whom the node's secrets are sealed.
func (r requester) recipient() string {
	switch {
	case r.request != nil:
		return r.request.Recipient
	case r.granted != nil:
		return r.granted.Recipient
	}
	return r.node.Keys.Recipient // its keys are made for it
}

func (r requester) controlPlane() bool { return slices.Contains(r.node.Roles, kubepki.ControlPlane) }

// requesters takes what each request claims its node to be.
func (r Requests) requesters(in *inputs) (nodes []requester, notes []string, err error) {
	from := map[string]string{}
	for _, f := range r.Files {
		base := filepath.Base(f.Name)
		if !strings.HasSuffix(base, ".req") {
			continue
		}
		opened, err := request.Parse(f.Name, f.Data)
		if err != nil {
			return nil, nil, refusedRequest(err)
		}
		name := opened.Node.Name
		if other, ok := from[name]; ok {
			return nil, nil, refuse(
				"%s and %s are both requests of node %s; keep the one whose fingerprint the node shows",
				other,
				f.Name,
				name,
			)
		}
		from[name] = f.Name
		n := asRequested(opened)
		if n.Request, err = in.place(f, "requests/"+base); err != nil {
			return nil, nil, err
		}
		shared := strings.TrimSuffix(base, ".req") + SharedSuffix
		if i := slices.IndexFunc(r.Files, func(f File) bool { return filepath.Base(f.Name) == shared }); i >= 0 {
			if n.Sealed, err = in.place(r.Files[i], "requests/"+shared); err != nil {
				return nil, nil, err
			}
		}
		nodes = append(nodes, requester{node: n, request: opened, file: f.Name})
	}
	if notes, err = r.unused(nodes); err != nil {
		return nil, nil, err
	}
	if len(nodes) == 0 {
		return nil, nil, &Refused{Err: fmt.Errorf("%s: no request (*.req) in it", r.Dir),
			Hints: plainly("requests are made on the nodes, by officiant-node request")}
	}
	slices.SortFunc(nodes, func(a, b requester) int {
		return cmp.Or(cmp.Compare(rank(a.node), rank(b.node)), cmp.Compare(a.node.Name, b.node.Name))
	})
	return nodes, notes, nil
}

// asRequested is a node as its request has it.
func asRequested(o *request.Opened) plan.Node {
	n := plan.Node{
		Name:        o.Node.Name,
		Roles:       o.Node.Roles,
		BindPort:    o.Node.BindPort,
		First:       o.Node.First,
		Fingerprint: o.Fingerprint,
	}
	for _, c := range o.CSRs {
		if _, err := kubepki.ExtraLeaf(c.Name); err == nil {
			n.Extra = append(n.Extra, plan.Extra{Name: c.Name})
		}
	}
	if o.Node.Address.IsValid() {
		n.Address = o.Node.Address.String()
	}
	return n
}

// rank orders nodes as they are set up: the first one, other control-plane
// nodes, etcd, workers.
func rank(n plan.Node) int {
	switch {
	case n.First:
		return 0
	case slices.Contains(n.Roles, kubepki.ControlPlane):
		return 1
	case slices.Contains(n.Roles, kubepki.Etcd):
		return 2
	}
	return 3
}

// refusedRequest says that a request is not one, as a refusal and not a failure.
func refusedRequest(err error) error {
	var r *request.Refusal
	if errors.As(err, &r) {
		return &Refused{Err: err}
	}
	return err
}

// hostKeys places the known_hosts file, and drops the fingerprints of requests
// that nodes signed with a host key it has for them. check looks again. Notes say
// which keys vouch for nobody, and why.
func hostKeys(in *inputs, file File, nodes []requester, want string) (placed string, notes []string, err error) {
	known, err := schedule.ReadKnownHosts(file.Data)
	if err != nil {
		return "", nil, refuse("%s: %w", file.Name, err)
	}
	hosts := map[string]string{}
	for _, n := range nodes {
		hosts[strings.ToLower(n.node.KnownAs())] = n.node.Name
	}
	for i := range nodes {
		n := &nodes[i]
		if n.request == nil || n.request.HostKey == nil || n.compared {
			continue
		}
		if err := known.Vouches(n.node.KnownAs(), n.request.HostKey); err != nil {
			notes = append(
				notes,
				fmt.Sprintf("node %s: an SSH key signed its request, but in %s %v", n.node.Name, file.Name, err),
			)
			continue
		}
		if other := known.Shared(n.node.KnownAs(), n.request.HostKey, hosts); other != "" {
			notes = append(
				notes,
				fmt.Sprintf(
					"node %s: an SSH key signed its request, but in %s that key is %s's, too",
					n.node.Name,
					file.Name,
					other,
				),
			)
			continue
		}
		n.node.Fingerprint = fingerprint.SHA256{}
	}
	placed, err = in.place(file, want)
	return placed, notes, err
}

// vouch drops the fingerprints of requests that nodes signed with the key of the
// certificate they had from the last ceremony, in the same roles. check looks again,
// and closer.
func (c Chain) vouch(nodes []requester) {
	last := c.last()
	roles := map[string][]kubepki.Role{}
	for _, n := range last.plan.Nodes {
		roles[n.Name] = slices.Sorted(slices.Values(n.Roles))
	}
	for i := range nodes {
		n, o := &nodes[i].node, nodes[i].request
		if o == nil || o.Present == nil || nodes[i].compared || c.revoked(o.Present[0]) {
			continue
		}
		had, ok := last.WithSHA256(fingerprint.Of(o.Present[0].Raw))
		if ok && had.Name == n.Name+"/"+o.Request.Previous.Name && had.State == history.Issued &&
			slices.Equal(roles[n.Name], slices.Sorted(slices.Values(n.Roles))) {
			n.Fingerprint = fingerprint.SHA256{}
		}
	}
}
