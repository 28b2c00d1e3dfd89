package audit

import (
	"crypto/x509"
	"fmt"
	"strings"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
	"officiant/ceremony/transcript"
)

// formerRecords reads this cluster's records before this one, newest first, as
// far as the plan names them. What does not read is told with the predecessors.
func (a *auditor) formerRecords() []*transcript.Transcript {
	if a.former != nil {
		return a.former
	}
	a.former = []*transcript.Transcript{}
	for _, p := range a.plan.Plan.Previous.Ceremonies {
		if p.Cluster != a.plan.Cluster.Name {
			continue
		}
		for _, file := range append([]string{p.Transcript}, p.Earlier...) {
			if t, err := transcript.Read(file, a.plan.Inputs[file]); err == nil {
				a.former = append(a.former, t)
			}
		}
	}
	return a.former
}

// earlier wants each transcript before the predecessor's to be the one that the
// next names, finished and no rehearsal.
func (a *auditor) earlier(c *Check, p plan.Predecessor, next *transcript.Transcript) {
	for _, file := range p.Earlier {
		t, err := transcript.Read(file, a.plan.Inputs[file])
		if err != nil {
			c.problem("%v", err)
			return
		}
		open := t.Open()
		named := false
		for _, former := range next.Open().Predecessors {
			named = named || former == transcript.Predecessor{Cluster: p.Cluster, Sequence: open.Sequence, Head: t.Head()}
		}
		if !named || open.Cluster != p.Cluster || !t.Closed() || open.Rehearsal {
			c.problem("%s: is not the finished ceremony that ceremony %d of %s continues", file, next.Open().Sequence, p.Cluster)
		}
		a.oldSerials(c, file, t)
		next = t
	}
}

// carriedOver finds what the plan's nodes keep on the former records: the
// newest certificate of each name that the schedule does not make. Each has to
// be by the present authority, valid, for the key in the node's request, and
// what Kubernetes wants there. What is made anew keeps its key, too.
func (a *auditor) carriedOver(c *Check) {
	if a.kept == nil {
		a.kept = map[string]map[string]*x509.Certificate{}
	}
	var on map[string]*x509.Certificate
	kept := 0
	for i, n := range a.plan.Nodes {
		if !a.plan.Plan.Nodes[i].Renews() {
			continue
		}
		if on == nil {
			on = a.newestByName()
		}
		made := map[string]bool{}
		for _, e := range a.nodes[n.Name] {
			made[e.Leaf.Name] = true
		}
		leaves, err := kubepki.Leaves(a.plan.Cluster, n)
		if err != nil {
			c.problem("node %s: %v", n.Name, err)
		}
		a.kept[n.Name] = map[string]*x509.Certificate{}
		for _, l := range leaves {
			cert := on[n.Name+"/"+l.Name]
			if cert == nil {
				c.problem("%s/%s: renewed or carried over, and no former record has it", n.Name, l.Name)
				continue
			}
			if r := a.plan.Requests[n.Name]; r == nil || r.CSR[l.Name] == nil || fingerprint.Of(r.CSR[l.Name].RawSubjectPublicKeyInfo) != fingerprint.Of(cert.RawSubjectPublicKeyInfo) {
				c.problem("%s/%s: the key in its request is not that of its certificate on record", n.Name, l.Name)
			}
			if made[l.Name] {
				continue
			}
			kept++
			a.kept[n.Name][l.Name] = cert
			for _, p := range a.keeps(cert, l) {
				c.problem("%s/%s, carried over: %s", n.Name, l.Name, p)
			}
		}
	}
	if kept > 0 {
		c.Detail += fmt.Sprintf(", %d carried over", kept)
	}
}

// newestByName reads former records: the newest certificate of each name.
func (a *auditor) newestByName() map[string]*x509.Certificate {
	on := map[string]*x509.Certificate{}
	for _, t := range a.formerRecords() {
		here := map[string]*x509.Certificate{}
		for _, cert := range t.Certificates() {
			if strings.Contains(cert.Name, "/") && on[cert.Name] == nil {
				here[cert.Name] = cert.Certificate
			}
		}
		for name, cert := range t.Adopted() {
			if strings.Contains(name, "/") && on[name] == nil && here[name] == nil {
				here[name] = cert
			}
		}
		for name, cert := range here {
			on[name] = cert
		}
	}
	return on
}

// keeps lists why a certificate cannot be kept. Its names and usages are looked
// at with its bundle.
func (a *auditor) keeps(cert *x509.Certificate, l kubepki.Leaf) (problems []string) {
	issuer := a.authorities()[l.Authority]
	begin := a.t.Open().NotBefore
	switch {
	case issuer == nil:
		problems = append(problems, "its authority has no certificate")
	case cert.CheckSignatureFrom(issuer) != nil:
		problems = append(problems, fmt.Sprintf("the present %s authority did not sign it", l.Authority))
	}
	if begin.After(cert.NotAfter) {
		problems = append(problems, "it ended at "+stamp(cert.NotAfter))
	}
	return problems
}
