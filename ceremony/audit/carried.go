package audit

import (
	"bytes"
	"crypto/x509"
	"fmt"

	"officiant/bundle/kubepki"
	"officiant/ceremony/history"
	"officiant/ceremony/plan"
)

// earlier wants each transcript before the predecessor's to be the one that the
// next names, finished and no rehearsal.
func (a *chainAudit) earlier(c *Check, p plan.Predecessor, next *history.Record) {
	for _, file := range p.Earlier {
		r := a.past.records[file]
		if r == nil {
			c.problem("%v", a.past.broken[file])
			return
		}
		if !next.Continues(r) || r.Open.Cluster != p.Cluster || r.Closed == nil || r.Open.Rehearsal {
			c.problem("%s: is not the finished ceremony that ceremony %d of %s continues", file, next.Open.Sequence, p.Cluster)
		}
		a.oldSerials(c, file, r)
		next = r
	}
}

// keptAudit proves what nodes keep: of ceremonies before, or from before there were any.
type keptAudit struct{ *view }

// carriedOver finds what the plan's nodes keep on the previous records: the
// newest certificate of each name that the schedule does not make. Each has to
// be by the present authority, valid, for the key in the node's request, and
// what Kubernetes wants there. What is made anew keeps its key, too.
func (a *keptAudit) carriedOver(c *Check) {
	if a.kept == nil {
		a.kept = map[string]map[string]*x509.Certificate{}
	}
	kept := 0
	for i, n := range a.plan.Nodes {
		if !a.plan.Plan.Nodes[i].Renews() {
			continue
		}
		made := map[string]bool{}
		for e := range a.leavesOf(n.Name) {
			made[e.Leaf.Name] = true
		}
		leaves, err := kubepki.Leaves(a.plan.Cluster, n)
		if err != nil {
			c.problem("node %s: %v", n.Name, err)
		}
		a.kept[n.Name] = map[string]*x509.Certificate{}
		for _, l := range leaves {
			cert := a.past.certificate(n.Name+"/"+l.Name, history.Issued, history.Adopted)
			if cert == nil {
				c.problem("%s/%s: renewed or carried over, and no previous record has it", n.Name, l.Name)
				continue
			}
			if r := a.plan.Requests[n.Name]; r == nil || !bytes.Equal(r.Key(l.Name), cert.RawSubjectPublicKeyInfo) {
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

// keeps lists why a certificate cannot be kept. Its names and usages are looked
// at with its bundle.
func (a *keptAudit) keeps(cert *x509.Certificate, l kubepki.Leaf) (problems []string) {
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
