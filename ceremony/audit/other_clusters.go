package audit

import (
	"bytes"

	"officiant/bundle/kubepki"
	"officiant/ceremony/history"
	"officiant/ceremony/plan"
)

// otherCluster holds this ceremony's authorities against those on another cluster's
// record: one root may stand above both, and nothing else.
func (a *chainAudit) otherCluster(c *Check, file string, r *history.Record) {
	if r.Open.Cluster == a.t.Open().Cluster {
		return
	}
	for theirs := range r.Certificates() {
		if !theirs.CA || theirs.SelfIssued || theirs.State != history.Issued && theirs.State != history.Received {
			continue
		}
		cert, err := theirs.Parse()
		if err != nil {
			c.problem("%v", err)
			continue
		}
		for _, p := range a.plan.Plan.Authorities {
			own := a.authority(p.Name)
			switch {
			case own == nil || p.Family == kubepki.Root:
			case bytes.Equal(own.RawSubjectPublicKeyInfo, cert.RawSubjectPublicKeyInfo):
				c.problem("%s: authority %s has the key of %s of cluster %s", file, p.Name, theirs.Name, r.Open.Cluster)
			case bytes.Equal(own.RawSubject, cert.RawSubject):
				c.problem(
					"%s: authority %s has the subject of %s of cluster %s, %q",
					file,
					p.Name,
					theirs.Name,
					r.Open.Cluster,
					own.Subject,
				)
			}
		}
	}
}

// rootBefore notes a root whose key was there before, and no previous ceremony here
// had it: what it signed then is not told.
func (a *chainAudit) rootBefore(c *Check) {
	for _, p := range a.plan.Plan.Authorities {
		k := a.ledger.key(p.Name)
		if p.Family != kubepki.Root || p.Use == plan.Trust || k == nil || p.Key.Create != "" {
			continue
		}
		if !a.past.opened(k.SPKI) {
			c.note(
				"the key of %s was there before, and none of the ceremonies named here had it: what it signed in others "+
					"stands in their records",
				p.Name,
			)
		}
	}
}
