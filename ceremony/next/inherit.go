package next

import (
	"fmt"
	"slices"
	"time"

	"officiant/bundle/kubeadm"
	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
)

// inherit carries on what the last plan said of the cluster, beside what its kubeadm
// file says: the naming, unless another was asked for, what only a plan can say, and
// how long leaves are valid.
func (d *draft) inherit(last *Previous) {
	was, c := last.plan.Plan, &d.p.Cluster
	if c.Naming == "" {
		c.Naming = was.Cluster.Naming
	}
	c.Overrides, c.Extra = was.Cluster.Overrides, was.Cluster.Extra
	d.p.Leaves, d.notes = leavesFor(d.kubeadm, was.Leaves, d.notes)
	d.notes = append(d.notes, keep(c, d.kubeadm, last)...)
}

// leavesFor is how long new leaves are valid: as long as a kubeadm file says, which
// the plan does not say again, else as in the last ceremony.
func leavesFor(config *kubeadm.Config, was plan.Leaves, notes []string) (plan.Leaves, []string) {
	if config == nil || config.Validity == 0 {
		return was, notes
	}
	if said := plan.Duration(config.Validity); said != was.Validity {
		notes = append(
			notes,
			fmt.Sprintf("leaves: new certificates are valid for %s, as the kubeadm file says; in the last ceremony it was %s",
				said, was.Validity),
		)
	}
	return plan.Leaves{}, notes
}

// leafLife is how long new leaves are valid, wherever that is said.
func leafLife(config *kubeadm.Config, leaves plan.Leaves) time.Duration {
	if leaves.Validity == 0 && config != nil {
		return config.Validity
	}
	return time.Duration(leaves.Validity)
}

// keep carries on, in the plan itself, each fact of the cluster that the last ceremony had
// and the new kubeadm file does not say: it may have stood in a plan alone. Of a list
// that the file says, what is not on it any more is told.
func keep(c *plan.Cluster, config *kubeadm.Config, last *Previous) (notes []string) {
	was, defaults := last.plan.Plan.Cluster, kubepki.Cluster{}.Complete()
	kept := func(field, value string) {
		notes = append(notes, fmt.Sprintf("cluster.%s: %s carries on in the plan, for the kubeadm file does not say it",
			field, oneLine(value)))
	}
	for _, f := range []struct {
		field         string
		said, had, by string // by the file, in the last ceremony, by default
		to            *string
	}{
		{"kubernetesVersion", config.KubernetesVersion, was.KubernetesVersion, "", &c.KubernetesVersion},
		{"controlPlaneEndpoint", config.ControlPlaneEndpoint, was.ControlPlaneEndpoint, "", &c.ControlPlaneEndpoint},
		{"serviceSubnet", config.ServiceSubnet, was.ServiceSubnet, defaults.ServiceSubnet, &c.ServiceSubnet},
		{"dnsDomain", config.DNSDomain, was.DNSDomain, defaults.DNSDomain, &c.DNSDomain},
	} {
		if f.said == "" && f.had != f.by {
			*f.to = f.had
			kept(f.field, f.had)
		}
	}
	for _, f := range []struct {
		field     string
		said, had []string
		to        *[]string
	}{
		{"certSANs", config.CertSANs, was.CertSANs, &c.CertSANs},
		{"etcdServerCertSANs", config.EtcdServerCertSANs, was.EtcdServerCertSANs, &c.EtcdServerCertSANs},
		{"etcdPeerCertSANs", config.EtcdPeerCertSANs, was.EtcdPeerCertSANs, &c.EtcdPeerCertSANs},
	} {
		gone := slices.DeleteFunc(slices.Clone(f.had), func(name string) bool { return slices.Contains(f.said, name) })
		switch {
		case len(gone) == 0:
		case len(f.said) == 0:
			*f.to = f.had
			kept(f.field, Some(f.had))
		default:
			notes = append(notes, fmt.Sprintf("cluster.%s: the last ceremony had %s, and the kubeadm file does not; "+
				"what is to stay goes there, or into the plan", f.field, oneLine(Some(gone))))
		}
	}
	if was.ExternalEtcd && !config.ExternalEtcd {
		c.ExternalEtcd = true
		kept("externalEtcd", "an etcd of its own")
	}
	return notes
}

// knownHosts carries over which SSH host key is whose; nil when the last plan did not say.
func (c Chain) knownHosts() *File {
	last := c.last()
	name := last.plan.Plan.KnownHosts
	if name == "" {
		return nil
	}
	return &File{Name: last.Dir + "/" + name, Data: last.plan.Inputs[name]}
}

// known takes out of what a node asks for beyond Kubernetes' own what the cluster's
// plan has for all, and says of the rest, and of its name in known_hosts, what the
// node's last plan did.
func (c Chain) known(n *plan.Node) {
	named := func(name string) func(plan.Extra) bool { return func(e plan.Extra) bool { return e.Name == name } }
	n.Extra = slices.DeleteFunc(n.Extra, func(e plan.Extra) bool {
		return slices.ContainsFunc(c.last().plan.Plan.Cluster.Extra, named(e.Name))
	})
	for _, p := range c.all {
		i := slices.IndexFunc(p.plan.Plan.Nodes, func(o plan.Node) bool { return o.Name == n.Name })
		if i < 0 {
			continue
		}
		was := p.plan.Plan.Nodes[i]
		n.Host = was.Host
		for j, e := range n.Extra {
			if k := slices.IndexFunc(was.Extra, named(e.Name)); k >= 0 {
				n.Extra[j] = was.Extra[k]
			}
		}
		return
	}
}

// authorityLife is how long an authority's certificate was to be valid, as the plan
// said that made it; the default when none of these did.
func (c Chain) authorityLife(name string, family kubepki.Authority) time.Duration {
	for _, p := range c.all {
		if a := p.authority(name); a != nil && a.Makes() && a.Validity != 0 {
			return time.Duration(a.Validity)
		}
	}
	switch {
	case family == kubepki.Root:
		return rootLife
	case family.Online():
		return plan.OnlineLife
	}
	return authorityLife
}
