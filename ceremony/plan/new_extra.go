package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// clusterFacts writes what the kubeadm file of a cluster would say, and what none can.
func (w *writer) clusterFacts(c Cluster) {
	for _, l := range []struct {
		key    string
		values []string
	}{{"certSANs", c.CertSANs}, {"etcdServerCertSANs", c.EtcdServerCertSANs}, {"etcdPeerCertSANs", c.EtcdPeerCertSANs}} {
		if len(l.values) > 0 {
			w.flow(2, l.key, l.values)
		}
	}
	if c.ExternalEtcd {
		w.WriteString("  externalEtcd: true\n")
	}
	if len(c.Overrides) > 0 {
		w.open(2, "overrides")
	}
	for _, id := range slices.Sorted(maps.Keys(c.Overrides)) {
		o := c.Overrides[id]
		w.open(4, scalar(id))
		w.line(6, "commonName", o.CommonName)
		if o.Organization != nil {
			w.flow(6, "organization", *o.Organization)
		}
		if len(o.ExtraSANs) > 0 {
			w.flow(6, "extraSANs", o.ExtraSANs)
		}
		if len(o.Allow) > 0 {
			w.flow(6, "allow", o.Allow)
		}
	}
	if len(c.Extra) > 0 {
		w.open(2, "extra")
	}
	for _, e := range c.Extra {
		w.extra(4, e)
	}
}

// extras writes a node's certificates beyond Kubernetes' own.
func (w *writer) extras(n Node) {
	if len(n.Extra) == 0 {
		return
	}
	if !n.Renews() {
		// Of one whose name says nothing, the plan has to say what is in it.
		w.comment(4, "Asked for by the node. Some need more: profile (client, serving), subject, sans,",
			"authority; see docs/formats/plan.md. Take out what it shall not have.")
	}
	w.open(4, "extra")
	for _, e := range n.Extra {
		w.extra(6, e)
	}
}

func (w *writer) extra(indent int, e Extra) {
	fmt.Fprintf(w, "%s- name: %s\n", strings.Repeat(" ", indent), scalar(e.Name))
	indent += 2
	if len(e.Roles) > 0 {
		w.flow(indent, "roles", plainTexts(e.Roles))
	}
	w.line(indent, "profile", string(e.Profile))
	w.line(indent, "authority", string(e.Authority))
	if e.Subject.CommonName != "" || e.Subject.Organization != nil {
		w.open(indent, "subject")
		w.line(indent+2, "commonName", e.Subject.CommonName)
		if e.Subject.Organization != nil {
			w.flow(indent+2, "organization", *e.Subject.Organization)
		}
	}
	if len(e.SANs) > 0 {
		w.flow(indent, "sans", e.SANs)
	}
	if len(e.Allow) > 0 {
		w.flow(indent, "allow", e.Allow)
	}
}
