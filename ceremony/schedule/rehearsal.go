package schedule

import (
	"crypto/x509"
	"fmt"
	"maps"
	"slices"
	"time"

	"officiant/ceremony/plan"
	"officiant/signer"
)

// RehearsalMark begins the common name of every authority that is made in a
// rehearsal.
const RehearsalMark = "REHEARSAL "

// rehearsedLife is how long the leaves of a rehearsal are valid.
const rehearsedLife = plan.Duration(24 * time.Hour)

// Rehearsal is a plan as a rehearsal carries it out. Inputs, schedule.txt and digest
// stay those of the plan, since that is what is rehearsed and was approved. The
// entries differ where a throw-away object replaces a real one:
//
//   - every key is made, in a token that proves nothing; existing keys, too;
//   - an external root is made as well, and the rehearsal waits for nobody;
//   - so every authority's certificate is made, with a mark in its common name,
//     and every leaf of a node, including those that a renewal carries over;
//   - every revocation list is made, as the first of its authority; of those that are
//     carried over, only the one that etcd gets;
//   - leaves are valid for 24 hours;
//   - service-account pairs that are carried over are made anew; those before them
//     have signed nothing.
func (c *Ceremony) Rehearsal() (*Ceremony, error) {
	p := *c.Plan
	p.Authorities = slices.Clone(p.Authorities)
	p.Nodes = slices.Clone(p.Nodes)
	out := *c
	out.Plan, out.rehearses = &p, c
	out.Certificates = map[string]*x509.Certificate{}
	out.Renewed = map[string]*x509.Certificate{}
	out.Issuers = nil
	out.Carried = map[string]map[string]*x509.Certificate{}
	out.Lists, p.CRLs = nil, c.rehearsedLists()
	out.algorithms = maps.Clone(c.algorithms)
	for i := range p.Authorities {
		rehearseAuthority(&p.Authorities[i], c.Certificates[p.Authorities[i].Name], c.algorithms)
	}
	root := p.Issuing(plan.Families[0])
	for i := range p.Authorities {
		p.Authorities[i].Validity = min(p.Authorities[i].Validity, root.Validity)
	}
	for i, l := range p.CRLs {
		p.CRLs[i].NextUpdate = min(l.NextUpdate, p.Named(l.Authority).Validity)
	}
	p.Leaves.Validity = rehearsedLife
	p.Release = c.rehearsedRelease()
	if sa := p.ServiceAccount; sa.Sealed != "" {
		p.ServiceAccount = plan.ServiceAccount{Create: c.pairAlgorithm(sa.Public),
			Next: plan.NextAccount{Create: sa.Next.Create}}
		if sa.Next.Sealed != "" {
			p.ServiceAccount.Next.Create = c.pairAlgorithm(sa.Next.Public)
		}
	}
	for i := range p.Nodes {
		p.Nodes[i].Renew, p.Nodes[i].Sealed = nil, ""
	}
	if err := out.everyLeafAsked(); err != nil {
		return nil, err
	}
	if err := out.expand(&revoking{}); err != nil {
		return nil, err
	}
	return &out, nil
}

// rehearseAuthority turns an authority into one that is made. One that exists
// keeps its names, its algorithm and its span.
func rehearseAuthority(a *plan.Authority, exists *x509.Certificate, algorithms map[string]signer.Algorithm) {
	if exists != nil {
		a.Subject = plan.Subject{CommonName: exists.Subject.CommonName, Organization: &exists.Subject.Organization}
		a.Validity = plan.Duration(exists.NotAfter.Sub(exists.NotBefore).Truncate(time.Hour))
	}
	a.Key = plan.Key{Create: algorithms[a.Name]}
	a.Certificate, a.Renews, a.Adopted = "", "", false
	a.External, a.Issuers, a.Least = false, "", 0
	a.Evidence = signer.Unproven
	name := []rune(RehearsalMark + a.Subject.CommonName)
	a.Subject.CommonName = string(name[:min(len(name), 64)]) // ub-common-name, RFC 5280 appendix A.1
}

// rehearsedLists are the plan's revocation lists, and the one etcd has so far.
func (c *Ceremony) rehearsedLists() []plan.CRL {
	lists := slices.Clone(c.Plan.CRLs)
	if f := c.FormerList(c.EtcdList); f != nil {
		lists = append(lists, plan.CRL{Authority: c.EtcdList,
			NextUpdate: plan.Duration(f.List.NextUpdate.Sub(f.List.ThisUpdate))})
	}
	return lists
}

// rehearsedRelease is the release key, and the one it announces, as a rehearsal
// makes them.
func (c *Ceremony) rehearsedRelease() plan.Release {
	made := func(name string) plan.Key { return plan.Key{Create: c.algorithms[name]} }
	r := plan.Release{Name: c.Plan.Release.Name, Key: made(c.Plan.Release.Name), Evidence: signer.Unproven}
	if next := c.Plan.Release.Successor.Name; next != "" {
		r.Successor = plan.Successor{Name: next, Key: made(next), Evidence: signer.Unproven}
	}
	return r
}

// pairAlgorithm is that of a service-account key that is carried over.
func (c *Ceremony) pairAlgorithm(public string) signer.Algorithm {
	pub, err := parsePublic(c.Inputs[public])
	if err != nil {
		return signer.ECDSAP256
	}
	switch a, err := signer.AlgorithmOf(pub); {
	case err == nil && (a == signer.RSA2048 || a == signer.RSA3072 || a == signer.RSA4096):
		return a
	}
	return signer.ECDSAP256
}

// everyLeafAsked wants a CSR for each certificate that would be carried over:
// a rehearsal makes those too.
func (c *Ceremony) everyLeafAsked() error {
	for i, n := range c.Nodes {
		o := c.Requests[n.Name]
		for _, l := range c.leaves.at(i) {
			if o == nil {
				continue
			}
			if o.Key(l.Name) == nil {
				return fmt.Errorf("%s cannot be rehearsed: node %s keeps %s, and its request has no key for it to make one anew", c.File, n.Name, l.Name)
			}
		}
	}
	return nil
}
