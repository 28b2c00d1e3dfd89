package schedule

import (
	"crypto/x509"
	"fmt"
	"math/big"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
	"officiant/signer"
)

// entryPass lists the signatures of a plan without mistakes.
type entryPass struct {
	c        *Ceremony
	p        *plan.Plan
	leaves   map[string][]kubepki.Leaf
	revoking *revoking
	entries  []Entry
}

func entriesOf(c *Ceremony, revoking *revoking) ([]Entry, error) {
	most := 3*len(c.Plan.Authorities) + len(c.Nodes) + 1
	for _, leaves := range c.leaves {
		most += len(leaves)
	}
	pass := &entryPass{c: c, p: c.Plan, leaves: c.leaves, revoking: revoking, entries: make([]Entry, 0, most)}
	err := pass.expand()
	return pass.entries, err
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
	for _, f := range plan.Families[1:] {
		if err := b.expandLeaves(f); err != nil {
			return err
		}
	}
	b.expandLists()
	for _, n := range b.c.Nodes {
		b.add(Entry{Kind: BundleSignature, Name: "bundle " + n.Name, Signer: b.p.Release.Name, Node: n.Name})
	}
	if b.p.Grant.Given() {
		b.add(Entry{Kind: GrantSignature, Name: GrantName, Signer: b.p.Release.Name})
	}
	b.add(Entry{Kind: TranscriptSignature, Name: "transcript", Signer: b.p.Release.Name})
	return nil
}

// add numbers an entry; its signer's key says the signature algorithm.
func (b *entryPass) add(e Entry) {
	e.N = len(b.entries) + 1
	e.SignatureAlgorithm = b.c.algorithms[e.Signer].X509()
	b.entries = append(b.entries, e)
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

func (b *entryPass) expandLeaves(f kubepki.Authority) error {
	issuer := b.p.Issuing(f)
	for i, n := range b.c.Nodes {
		for k := range b.leaves[n.Name] {
			l := &b.leaves[n.Name][k]
			if l.Authority != f || b.c.Carried[n.Name][l.Name] != nil {
				continue
			}
			var spki fingerprint.SHA256
			if o := b.c.Requests[n.Name]; o != nil {
				key := o.Key(l.Name)
				if key == nil {
					return fmt.Errorf("node %s: its request has no key for %s", n.Name, l.Name)
				}
				spki = fingerprint.Of(key)
			}
			b.add(Entry{
				Kind:         LeafCertificate,
				Name:         n.Name + "/" + l.Name,
				Signer:       issuer.Name,
				Node:         n.Name,
				Leaf:         l,
				CommonName:   l.CommonName,
				Organization: l.Organization,
				DNSNames:     l.DNSNames,
				IPAddresses:  l.IPAddresses,
				KeyUsage:     l.KeyUsage,
				ExtKeyUsage:  l.ExtKeyUsage,
				Duration:     time.Duration(b.p.Leaves.Validity),
				SPKI:         spki,
				Made:         b.p.Nodes[i].Keys.Create,
			})
		}
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
	for _, e := range c.Entries {
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
