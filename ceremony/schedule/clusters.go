package schedule

import (
	"bytes"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/history"
	"officiant/ceremony/plan"
)

// clusters checks what makes one cluster of several under a root: it continues the
// root's last ceremony, and has authorities of its own.
func (b *authorityPass) clusters() {
	root := b.p.Issuing(kubepki.Root)
	if root == nil || b.held {
		return // a ceremony that was carried out is judged by what was asked then
	}
	opened := root.Key.Existing != fingerprint.SHA256{}
	for _, r := range b.past.Others() {
		_, had := r.Opened(root.Key.Existing)
		if opened && !had {
			b.Refuse(
				append(previousPlace(b.p, r), "transcript"),
				"ceremony %d of cluster %s did not open the key of %s: name the "+
					"root's last ceremony, in which it did",
				r.Open.Sequence,
				r.Open.Cluster,
				root.Name,
			)
		}
		for i, a := range b.p.Authorities {
			if a.Family != kubepki.Root {
				b.apart(a, plan.At{"authorities", i}, r)
			}
		}
	}
}

// previousPlace is where the plan names a previous ceremony.
func previousPlace(p *plan.Plan, r *history.Record) plan.At {
	for i, q := range p.Previous.Ceremonies {
		if q.Head == r.Head {
			return plan.At{"previous", i}
		}
	}
	return plan.At{"previous"}
}

// apart refuses an authority that could be taken for one that another cluster's
// ceremony made, or is it.
func (b *authorityPass) apart(a plan.Authority, where plan.At, r *history.Record) {
	own := b.cas.present(a.Name)
	subject := dn(a.Subject)
	if own != nil {
		subject = own.Subject.String()
	}
	for on := range r.Certificates() {
		if !on.CA || on.SelfIssued || on.State == history.Abandoned || on.Node() != "" {
			continue
		}
		c, err := on.Parse()
		switch {
		case err != nil:
			b.RefuseInput(r.Source.Name, "%v", err)
		case own != nil && bytes.Equal(own.RawSubjectPublicKeyInfo, c.RawSubjectPublicKeyInfo):
			b.Refuse(
				where,
				"authority %s is %s of cluster %s: whom it certifies would log in to both clusters",
				a.Name,
				on.Name,
				r.Open.Cluster,
			)
		case subject == c.Subject.String():
			b.Refuse(where, "authority %s would have the subject of %s of cluster %s, %s: chains of one cluster could be "+
				"taken for the other's", a.Name, on.Name, r.Open.Cluster, subject)
		}
	}
}
