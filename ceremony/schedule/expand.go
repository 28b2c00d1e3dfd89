package schedule

import (
	"crypto/x509"
	"fmt"
	"math/big"
	"time"

	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
	"officiant/signer"
)

// entryPass lists the signatures of a plan without mistakes.
type entryPass struct {
	c        *Ceremony
	p        *plan.Plan
	revoking *revoking
	lines    lines
}

// expand lists the signatures of a plan without mistakes.
func (c *Ceremony) expand(revoking *revoking) error {
	pass := &entryPass{c: c, p: c.Plan, revoking: revoking}
	if err := pass.expand(); err != nil {
		return err
	}
	c.Entries, c.lines = nil, pass.lines
	if !c.lean {
		entries := make([]Entry, 0, len(c.lines.places))
		for e := range c.All() {
			entries = append(entries, e)
		}
		c.Entries, c.lines = entries, lines{}
	}
	return nil
}

// expand lists every signature of a plan without mistakes, in the schedule's order.
func (b *entryPass) expand() error {
	specs := map[kubepki.Authority]kubepki.AuthoritySpec{}
	for _, s := range kubepki.Authorities(b.c.Cluster) {
		specs[s.Authority] = s
	}
	for _, f := range plan.Families {
		for _, a := range b.p.OfFamily(f) {
			if a.Makes() && !b.p.RootOf(a).External {
				b.add(authorityEntry(a, specs[f], b.p.RootOf(a)))
			}
		}
	}
	b.expandExternal(specs)
	if err := b.expandLeaves(); err != nil {
		return err
	}
	b.expandLists()
	for i := range b.c.Nodes {
		b.lines.places = append(b.lines.places, place{kind: bundlePlace, node: int32(i)})
	}
	if b.p.Grant.Given() {
		b.add(Entry{Kind: GrantSignature, Name: GrantName, Signer: b.p.Release.Name})
	}
	b.add(Entry{Kind: TranscriptSignature, Name: "transcript", Signer: b.p.Release.Name})
	return nil
}

// add adds a line that is neither a leaf's nor a bundle's.
func (b *entryPass) add(e Entry) {
	b.lines.places = append(b.lines.places, place{kind: otherPlace, node: int32(len(b.lines.others))})
	b.lines.others = append(b.lines.others, e)
}

func authorityEntry(a *plan.Authority, spec kubepki.AuthoritySpec, root *plan.Authority) Entry {
	e := Entry{
		Kind:         AuthorityCertificate,
		Name:         a.Name,
		Signer:       root.Name,
		CommonName:   a.Subject.CommonName,
		Organization: *a.Subject.Organization,
		KeyUsage:     spec.KeyUsage,
		ExtKeyUsage:  spec.ExtKeyUsage,
		IsCA:         true,
		MaxPathLen:   spec.MaxPathLen,
		Duration:     time.Duration(a.Validity),
		SubjectKey:   a.Name,
	}
	if a.Renews != "" {
		e.SubjectKey, e.SPKI = "", a.Key.Existing
	}
	if a.Family == kubepki.Root {
		e.Kind, e.Signer = RootCertificate, a.Name
	}
	return e
}

// expandLeaves adds the leaves by authority, then in the plan's order of nodes.
func (b *entryPass) expandLeaves() error {
	made := map[kubepki.Authority][]place{}
	for i, n := range b.c.Nodes {
		for k, l := range b.c.leaves.at(i) {
			if b.c.Carried[n.Name][l.Name] != nil {
				continue
			}
			if o := b.c.Requests[n.Name]; o != nil && o.Key(l.Name) == nil {
				return fmt.Errorf("node %s: its request has no key for %s", n.Name, l.Name)
			}
			made[l.Authority] = append(made[l.Authority], place{kind: leafPlace, leaf: uint16(k), node: int32(i)})
		}
	}
	for _, f := range plan.Families[1:] {
		b.lines.places = append(b.lines.places, made[f]...)
	}
	return nil
}

// SignatureAlgorithm is what a key signs with, by its name.
func (c *Ceremony) SignatureAlgorithm(name string) x509.SignatureAlgorithm {
	return c.algorithms[name].X509()
}

// KeysNeeded names the keys the ceremony makes or signs with, in the order
// they are needed first. No other key is opened.
func (c *Ceremony) KeysNeeded() []string {
	var names []string
	seen := map[string]bool{}
	for e := range c.All() {
		for _, name := range []string{e.Signer, e.SubjectKey} {
			if name != "" && !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	if s := c.Plan.Release.Successor; s.Key.Create != "" {
		names = append(names, s.Name) // it signs nothing yet
	}
	return names
}

// Algorithm returns the algorithm of a key by its name: an authority's, or
// a release key's. It is empty when there is no such key.
func (c *Ceremony) Algorithm(name string) signer.Algorithm { return c.algorithms[name] }

// OfKeys is what a plan says of its keys, and nothing of its nodes and lines: for those who
// keep it for as long as a ceremony takes.
func OfKeys(c *Ceremony) *Ceremony {
	p := *c.Plan
	p.Nodes = nil
	return &Ceremony{Plan: &p, File: c.File, Cluster: c.Cluster, Certificates: c.Certificates, Renewed: c.Renewed,
		Digest: c.Digest, Sequence: c.Sequence, algorithms: c.algorithms}
}

// expandLists adds the revocation lists.
func (b *entryPass) expandLists() {
	for _, f := range plan.Families {
		for _, a := range b.p.Authorities {
			if a.Family != f || !makesList(b.p, a.Name) {
				continue
			}
			e := Entry{Kind: CRLSignature, Name: "crl " + a.Name, Signer: a.Name, Number: big.NewInt(1)}
			for _, l := range b.p.CRLs {
				if l.Authority == a.Name {
					e.Duration = time.Duration(l.NextUpdate)
				}
			}
			if c := b.c.Present(a.Name); c != nil {
				for _, former := range b.revoking.former {
					if former.by(c) && former.List.Number.Cmp(e.Number) >= 0 {
						e.Number = new(big.Int).Add(former.List.Number, big.NewInt(1))
					}
				}
			}
			for _, v := range b.p.Revocations {
				if v.Authority == a.Name {
					e.Revoked = append(e.Revoked, Revoked{v.Serial.Int, v.Reason, b.revoking.before[v.Serial.Text(16)].Date})
				}
			}
			sortRevoked(e.Revoked)
			b.add(e)
		}
	}
}

// expandExternal lists what authorities below an external root need: first each
// one's request, then what has to come back for it.
func (b *entryPass) expandExternal(specs map[kubepki.Authority]kubepki.AuthoritySpec) {
	var back []Entry
	for _, f := range plan.Families[1:] {
		for _, a := range b.p.OfFamily(f) {
			if root := b.p.RootOf(a); a.Makes() && root.External {
				e := authorityEntry(a, specs[f], root)
				e.Kind, e.Signer, e.Least = ExternalCertificate, "", least(b.p, a)
				back = append(back, e)
			}
		}
	}
	for _, e := range back {
		e.Kind, e.Name, e.Signer, e.Duration, e.Least = RequestSignature, RequestName(e.Name), e.Name, 0, 0
		b.add(e)
	}
	for _, e := range back {
		b.add(e)
	}
}
