package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/request"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
	"officiant/cmd/internal/exit"
)

// sharedSuffix ends the name of the file that `officiant-node share` makes for a
// node; it lies beside the node's request.
const sharedSuffix = ".sa.key.age"

// sender is a node with the request it sent.
type sender struct {
	node     plan.Node
	request  *request.Opened
	compared bool // the request's fingerprint stood in the list of nodes
}

// recipient is to whom the node's secrets are sealed.
func (s sender) recipient() string {
	if s.request == nil { // its keys are made for it
		return s.node.Keys.Recipient
	}
	return s.request.Recipient
}

// nodes reads the requests of a folder and takes what each claims to be.
func (o *newOptions) nodes(in *inputs) ([]sender, error) {
	entries, err := os.ReadDir(o.requests)
	if err != nil {
		return nil, err
	}
	var nodes []sender
	from := map[string]string{}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".req") {
			continue
		}
		file := filepath.Join(o.requests, e.Name())
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		opened, err := request.Parse(file, data)
		if err != nil {
			return nil, refusedRequest(err)
		}
		name := opened.Node.Name
		if other, ok := from[name]; ok {
			return nil, &exit.Error{Code: exit.Refused, Err: fmt.Errorf("%s and %s are both requests of node %s; keep the one whose fingerprint the node shows", other, file, name)}
		}
		from[name] = file
		n := plan.Node{
			Name: name, Roles: opened.Node.Roles, BindPort: opened.Node.BindPort, First: opened.Node.First,
			Fingerprint: opened.Fingerprint,
		}
		for _, c := range opened.CSRs {
			if _, err := kubepki.ExtraLeaf(c.Name); err == nil {
				n.Extra = append(n.Extra, plan.Extra{Name: c.Name})
			}
		}
		if opened.Node.Address.IsValid() {
			n.Address = opened.Node.Address.String()
		}
		if n.Request, err = in.place(file, data, "requests/"+e.Name()); err != nil {
			return nil, err
		}
		shared := strings.TrimSuffix(e.Name(), ".req") + sharedSuffix
		if data, err := os.ReadFile(filepath.Join(o.requests, shared)); err == nil {
			if n.Sealed, err = in.place(filepath.Join(o.requests, shared), data, "requests/"+shared); err != nil {
				return nil, err
			}
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		nodes = append(nodes, sender{node: n, request: opened})
	}
	if len(nodes) == 0 {
		return nil, &exit.Error{Code: exit.Refused, Err: fmt.Errorf("%s: no request (*.req) in it", o.requests), Hints: []string{"requests are made on the nodes, by officiant-node request"}}
	}
	slices.SortFunc(nodes, func(a, b sender) int {
		return cmp.Or(cmp.Compare(rank(a.node), rank(b.node)), cmp.Compare(a.node.Name, b.node.Name))
	})
	return nodes, nil
}

// hostKeys places the known_hosts file, and drops the fingerprints of requests
// that nodes signed with a host key it has for them. check looks again.
func (o *newOptions) hostKeys(in *inputs, nodes []sender) (string, error) {
	data, err := os.ReadFile(o.knownHosts)
	if err != nil {
		return "", fmt.Errorf("--known-hosts: %w", err)
	}
	known, err := schedule.ReadKnownHosts(data)
	if err != nil {
		return "", &exit.Error{Code: exit.Refused, Err: fmt.Errorf("%s: %w", o.knownHosts, err)}
	}
	hosts := map[string]string{} // all are known by their own names yet
	for _, n := range nodes {
		hosts[n.node.Name] = n.node.Name
	}
	for i := range nodes {
		n := &nodes[i]
		if n.request.HostKey == nil || n.compared {
			continue
		}
		if err := known.Vouches(n.node.Name, n.request.HostKey); err != nil {
			fmt.Fprintf(o.Stderr, "node %s: an SSH key signed its request, but in %s %v\n", n.node.Name, o.knownHosts, err)
			continue
		}
		if other := known.Shared(n.node.Name, n.request.HostKey, hosts); other != "" {
			fmt.Fprintf(o.Stderr, "node %s: an SSH key signed its request, but in %s that key is %s's, too\n", n.node.Name, o.knownHosts, other)
			continue
		}
		n.node.Fingerprint = fingerprint.SHA256{}
	}
	return in.place(o.knownHosts, data, "known_hosts")
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
		return &exit.Error{Code: exit.Refused, Err: err}
	}
	return err
}
