package main

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
	"officiant/cmd/internal/exit"
)

// readChain reads ceremonies of one cluster that continue each other, and
// returns them newest first.
func readChain(dirs []string) ([]*predecessor, error) {
	var chain []*predecessor
	for _, dir := range dirs {
		p, err := readPredecessor(dir)
		if err != nil {
			return nil, &exit.Error{Code: exit.Refused, Err: err, Hints: []string{"see what is wrong with: officiant ceremony verify " + dir}}
		}
		if !slices.ContainsFunc(chain, func(o *predecessor) bool { return o.record.Head() == p.record.Head() }) {
			chain = append(chain, p)
		}
	}
	slices.SortStableFunc(chain, func(a, b *predecessor) int { return cmp.Compare(b.open.Sequence, a.open.Sequence) })
	for i, p := range chain[1:] {
		next := chain[i]
		named := false
		for _, f := range next.open.Predecessors {
			named = named || f.Cluster == next.open.Cluster && f.Head == p.record.Head()
		}
		if p.open.Cluster != next.open.Cluster || !named {
			return nil, refuse("%s, ceremony %d of cluster %s, is not the one that %s, ceremony %d of cluster %s, continues",
				p.dir, p.open.Sequence, p.open.Cluster, next.dir, next.open.Sequence, next.open.Cluster)
		}
	}
	return chain, nil
}

// known takes out of what a node asks for beyond Kubernetes' own what the
// cluster's plan has for all, and says of the rest what the node's last plan did.
func known(chain []*predecessor, n *plan.Node) {
	named := func(name string) func(plan.Extra) bool { return func(e plan.Extra) bool { return e.Name == name } }
	n.Extra = slices.DeleteFunc(n.Extra, func(e plan.Extra) bool {
		return slices.ContainsFunc(chain[0].plan.Plan.Cluster.Extra, named(e.Name))
	})
	for _, p := range chain {
		i := slices.IndexFunc(p.plan.Plan.Nodes, func(o plan.Node) bool { return o.Name == n.Name })
		if i < 0 {
			continue
		}
		for j, e := range n.Extra {
			if k := slices.IndexFunc(p.plan.Plan.Nodes[i].Extra, named(e.Name)); k >= 0 {
				n.Extra[j] = p.plan.Plan.Nodes[i].Extra[k]
			}
		}
		return
	}
}

// senders are the nodes that the plan may be about: who sent a request, and all
// that had certificates before, each as its last ceremony knew it.
func (o *renewOptions) senders(chain []*predecessor) ([]sender, error) {
	var all []sender
	asked := map[string]bool{}
	if o.requests != "" {
		n := newOptions{options: o.options, requests: o.requests}
		var err error
		if all, err = n.nodes(o.in); err != nil {
			return nil, err
		}
		chain[0].vouch(all)
		for i := range all {
			asked[all[i].node.Name] = true
			known(chain, &all[i].node)
		}
	}
	seen := map[string]bool{}
	for _, p := range chain {
		for _, n := range p.plan.Plan.Nodes {
			if seen[n.Name] {
				continue
			}
			seen[n.Name] = true
			if asked[n.Name] || slices.Contains(o.without, n.Name) || len(o.nodes) > 0 && !slices.Contains(o.nodes, n.Name) {
				continue
			}
			s, err := o.granted(p, n)
			if err != nil {
				return nil, err
			}
			all = append(all, s)
		}
	}
	for _, name := range slices.Concat(o.nodes, o.without) {
		if !seen[name] && !asked[name] {
			return nil, refuse("no node %s in these ceremonies", name)
		}
		if slices.Contains(o.without, name) && (asked[name] || slices.Contains(o.nodes, name)) {
			return nil, refuse("node %s is to be left out (--without), and asked for as well", name)
		}
	}
	return all, nil
}

// granted is a node with the request it has its certificates by.
func (o *renewOptions) granted(p *predecessor, n plan.Node) (sender, error) {
	n.Host, n.Fingerprint, n.Sealed = "", [32]byte{}, ""
	request := p.plan.Requests[n.Name]
	if request == nil { // its keys were made for it
		return sender{node: n}, nil
	}
	n.Request = fmt.Sprintf("%s/%s.req", p.prefix, n.Name)
	n.Renew = nil
	for _, c := range request.CSRs {
		n.Renew = append(n.Renew, c.Name)
	}
	return sender{node: n, request: request}, o.in.add(n.Request, request.Raw)
}

// plan continues the last ceremony with these nodes.
func (o *renewOptions) plan(chain []*predecessor, senders []sender) (*plan.NewOptions, error) {
	last := chain[0]
	p := &plan.NewOptions{Name: o.name, OnlyThese: true, Leaves: plan.Leaves{Validity: candidate}, People: last.plan.People}
	if p.Name == "" {
		p.Name = planName(last.open.Cluster, last.open.Sequence+1)
	}
	if err := o.facts(p, last); err != nil {
		return nil, err
	}
	var files []string
	for _, l := range chain {
		files = append(files, l.prefix+".jsonl")
		if err := o.in.add(l.prefix+".jsonl", l.raw); err != nil {
			return nil, err
		}
	}
	p.Previous = []plan.Predecessor{{
		Cluster: last.open.Cluster, Sequence: last.open.Sequence, Head: last.record.Head(), Transcript: files[0], Earlier: files[1:],
	}}
	if err := last.authorities(p, o.in, true); err != nil {
		return nil, err
	}
	if err := last.release(p, o.in); err != nil {
		return nil, err
	}
	if err := serviceAccount(chain, p, o.in, senders); err != nil {
		return nil, err
	}
	for _, s := range senders {
		p.Nodes = append(p.Nodes, s.node)
	}
	return p, nil
}

// facts are the cluster's as the last ceremony knew them, or those of another
// kubeadm file beside what only a plan can say.
func (o *renewOptions) facts(p *plan.NewOptions, last *predecessor) error {
	p.Cluster = last.plan.Plan.Cluster
	p.Cluster.Kubeadm = ""
	if o.kubeadm == "" {
		return nil
	}
	data, config, err := clusterConfig(o.kubeadm)
	if err != nil {
		return err
	}
	name := p.Cluster.Name
	p.Cluster = plan.Cluster{Name: name, Naming: p.Cluster.Naming, Overrides: p.Cluster.Overrides, Extra: p.Cluster.Extra}
	if config.ClusterName != "" && config.ClusterName != name {
		return refuse("%s: is of cluster %s, these ceremonies are of %s", o.kubeadm, config.ClusterName, name)
	}
	p.Cluster.Kubeadm, err = o.in.place(o.kubeadm, data, fmt.Sprintf("kubeadm-%d.yaml", last.open.Sequence+1))
	return err
}

// present is what nodes have now: the newest certificate of each name.
func present(chain []*predecessor) map[string]*x509.Certificate {
	out := map[string]*x509.Certificate{}
	for _, p := range slices.Backward(chain) { // oldest first
		for name, c := range p.record.Adopted() {
			if strings.Contains(name, "/") {
				out[name] = c
			}
		}
		for _, c := range p.record.Certificates() {
			if strings.Contains(c.Name, "/") {
				out[c.Name] = c.Certificate
			}
		}
	}
	return out
}

// serviceAccount carries the sealed pair over from the newest ceremony that had
// it, and refuses a control-plane node that could not open it.
func serviceAccount(chain []*predecessor, p *plan.NewOptions, in *inputs, nodes []sender) error {
	if !slices.ContainsFunc(nodes, func(n sender) bool { return slices.Contains(n.node.Roles, kubepki.ControlPlane) }) {
		return nil
	}
	for _, l := range chain {
		if _, has := l.record.ServiceAccount(); has {
			return l.serviceAccount(p, in, nodes, chain)
		}
	}
	if oldest := chain[len(chain)-1]; oldest.open.Sequence > 1 && oldest.open.Lost == nil {
		return &exit.Error{Code: exit.Refused,
			Err:   fmt.Errorf("%s had no control-plane node, so it says nothing of the service-account key; an earlier ceremony may", oldest.dir),
			Hints: []string{"give the directories of the earlier ceremonies, too: officiant ceremony renew " + filepath.Clean(oldest.dir) + " DIR... --requests DIR"}}
	}
	return chain[0].serviceAccount(p, in, nodes, chain)
}

// signedBy says whether an authority of the plan signed a certificate.
func signedBy(c *x509.Certificate, issuer *x509.Certificate) bool {
	return issuer != nil && c.CheckSignatureFrom(issuer) == nil
}
