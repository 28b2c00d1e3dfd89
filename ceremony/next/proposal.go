package next

import (
	"cmp"
	"fmt"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubeadm"
	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
	"officiant/signer"
)

// Proposal is a plan that is not written yet.
type Proposal struct {
	Document plan.NewOptions
	Files    []Copy      // that have to lie below its folder first
	Requests []Requested // by the plan's order; of a plan out of requests
	Notes    []string    // what its writer should know, a line each
}

// Requested is a request that the plan takes, and why it is its node's own.
type Requested struct {
	Node        plan.Node
	Fingerprint fingerprint.SHA256
	By          Basis
}

// Basis says why a request may be taken for its node's own.
type Basis int

const (
	Compared Basis = iota // people compare its fingerprint with what the node printed
	Listed                // its fingerprint stood in the list of nodes
	Known                 // a key that is known already signed it
)

// Asked is what every plan out of requests is made from.
type Asked struct {
	Desk
	Kubeadm    File
	Requests   Requests
	List       *File // of the nodes; nil: none
	KnownHosts *File // nil: none
	Journal    *Journal
	Name       string
	Cluster    string // in place of the kubeadm file's name
	Naming     kubepki.Naming
	Evidence   signer.Grade
	// The authorities of an online signer are made, unless they are there.
	OnlineSigner bool
}

// draft is a plan in the making.
type draft struct {
	p       plan.NewOptions
	in      *inputs
	nodes   []requester
	cluster string
	kubeadm *kubeadm.Config
	hosts   string // where known_hosts is copied to
	notes   []string
}

// begin reads what was asked for: the cluster's facts and the nodes.
func (a Asked) begin() (*draft, error) {
	config, err := clusterConfig(a.Kubeadm)
	if err != nil {
		return nil, err
	}
	d := &draft{in: &inputs{desk: a.Desk}, hosts: "known_hosts", kubeadm: config,
		p: plan.NewOptions{Name: a.Name, Cluster: plan.Cluster{Name: a.Cluster, Naming: a.Naming}, Evidence: a.Evidence,
			OnlineSigner: a.OnlineSigner}}
	d.p.AuthorityLife = plan.Duration(config.CAValidity)
	if said := config.EncryptionAlgorithm; said != "" && said != string(signer.ECDSAP256) {
		d.notes = append(
			d.notes,
			"the kubeadm file's encryptionAlgorithm, "+said+", is for keys on nodes; those of authorities are as the plan says",
		)
	}
	if d.p.Cluster.Kubeadm, err = d.in.place(a.Kubeadm, "kubeadm.yaml"); err != nil {
		return nil, err
	}
	cluster := kubepki.Cluster{Name: a.Cluster}
	if cluster.Name == "" {
		cluster.Name = config.ClusterName
	}
	d.cluster = cluster.Complete().Name
	var notes []string
	if d.nodes, notes, err = a.Requests.requesters(d.in); err != nil {
		return nil, err
	}
	d.notes = append(d.notes, notes...)
	if a.List != nil {
		list, err := parseList(*a.List)
		if err != nil {
			return nil, err
		}
		if d.nodes, err = hold(list, d.nodes); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// end gives the plan its nodes and its name.
func (d *draft) end(a Asked, sequence int) (*Proposal, error) {
	if a.KnownHosts != nil {
		placed, notes, err := hostKeys(d.in, *a.KnownHosts, d.nodes, d.hosts)
		if err != nil {
			return nil, err
		}
		d.p.KnownHosts, d.notes = placed, append(d.notes, notes...)
	}
	if d.p.Name == "" {
		d.p.Name = planName(d.cluster, sequence)
	}
	d.otherNaming()
	out := &Proposal{Notes: d.notes}
	for _, n := range d.nodes {
		d.p.Nodes = append(d.p.Nodes, n.node)
		r := Requested{Node: n.node, Fingerprint: n.node.Fingerprint}
		switch {
		case n.compared:
			r.By = Listed
		case n.node.Fingerprint == fingerprint.SHA256{}:
			r.By = Known
		}
		out.Requests = append(out.Requests, r)
	}
	out.Document, out.Files = d.p, d.in.copies
	return out, nil
}

// otherNaming names requests that were made for another naming than the plan's: check
// refuses each of their names, and would not say why.
func (d *draft) otherNaming() {
	naming := func(n kubepki.Naming) kubepki.Naming { return cmp.Or(n, kubepki.NamingKubeadm) }
	var names []string
	for _, n := range d.nodes {
		if naming(n.request.Cluster.Naming) != naming(d.p.Cluster.Naming) {
			names = append(names, n.node.Name)
		}
	}
	if len(names) > 0 {
		d.notes = append(
			d.notes,
			fmt.Sprintf("naming: the plan has the names of %s, and the requests of %s were made for others: "+
				"one naming goes for all, here and in officiant-node request", naming(d.p.Cluster.Naming), Some(names)),
		)
	}
}

// clusterConfig reads a kubeadm file that has to describe a cluster.
func clusterConfig(f File) (*kubeadm.Config, error) {
	config, err := kubeadm.Parse(f.Name, f.Data)
	if err != nil {
		return nil, &Refused{Err: err}
	}
	if !config.HasCluster {
		return nil, &Refused{Err: fmt.Errorf("%s: has no ClusterConfiguration", f.Name),
			Hints: plainly("a cluster that runs keeps it: kubectl -n kube-system get cm kubeadm-config -o yaml")}
	}
	return config, nil
}
