package schedule

import (
	"bytes"
	"crypto/x509"
	"errors"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/request"
	"officiant/ceremony/history"
	"officiant/ceremony/plan"
	"officiant/signer"
)

// brings says whether a node's certificate is one that its request has to bring
// along, in a cluster's first ceremony.
func brings(p *plan.Plan, past *records, i int, l kubepki.Leaf) bool {
	return past.genesis() && p.Keeps(l.Authority) && p.Nodes[i].Keys == (plan.NodeKeys{})
}

// adopted checks an authority that no ceremony made: the self-signed one of a
// cluster that kubeadm set up, with its key on disks. It is trusted until the
// last node has a certificate of its successor's, and signs nothing here.
func (b *authorityPass) adopted(a *plan.Authority, where plan.At) {
	switch {
	case a.Family == kubepki.Root || a.Family.Online():
		b.Refuse(append(where, "adopted"), "authority %s: what is adopted is a self-signed kubernetes, etcd or "+
			"front-proxy authority; the root and an online signer's are the ceremony's own", a.Name)
		return
	case a.Key != plan.Key{}:
		b.Refuse(append(where, "key"), "authority %s is adopted: its key was on disks, where it can be copied, and "+
			"signs nothing in a ceremony", a.Name)
		return
	case a.Certificate == "" || a.Renews != "":
		b.Refuse(where, "authority %s is adopted: name its certificate (certificate: FILE), and nothing it renews", a.Name)
		return
	}
	for _, other := range b.p.OfFamily(a.Family) {
		if other.Adopted && other != a {
			b.Refuse(where, "authorities %s and %s of family %s are both adopted; a cluster has one", other.Name, a.Name,
				a.Family)
			return
		}
	}
	c := b.foreign(a, append(where, "certificate"))
	if c == nil {
		return
	}
	b.cas.certificates[a.Name] = c
	if !b.past.genesis() {
		b.stillAdopted(a, c, where)
		return
	}
	if a.Use == plan.Trust {
		b.Refuse(append(where, "use"), "authority %s: no node trusts its successor yet; in the cluster's first ceremony "+
			"the one that is adopted stays the one that issues (use: issue), and its successor is trusted beside it (use: "+
			"trust)", a.Name)
	}
}

// foreign reads the certificate of an authority that is adopted.
func (b *authorityPass) foreign(a *plan.Authority, where plan.At) *x509.Certificate {
	data := b.input(a.Certificate, where)
	if data == nil {
		return nil
	}
	c, err := parseCertificate(data)
	if err == nil {
		err = request.CheckAdopted(c)
	}
	if err == nil {
		b.cas.algorithms[a.Name], err = signer.AlgorithmOf(c.PublicKey)
	}
	if err == nil && a.Use == plan.Issue && b.now.After(c.NotAfter) {
		err = errors.New("expired on " + c.NotAfter.UTC().Format(time.RFC3339))
	}
	if err != nil {
		b.RefuseInput(a.Certificate, "%v", err)
		return nil
	}
	return c
}

// stillAdopted wants the predecessor to have adopted the same: what was dropped,
// or never was, does not come (back) in.
func (b *authorityPass) stillAdopted(a *plan.Authority, c *x509.Certificate, where plan.At) {
	last := b.past.Last()
	if last == nil {
		return // what is wrong with the previous ceremony was said
	}
	for on := range last.Named(a.Name) {
		if on.State == history.Adopted && on.SHA256 == fingerprint.Of(c.Raw) {
			return
		}
	}
	b.Refuse(append(where, "adopted"), "authority %s: the last ceremony did not adopt it, or dropped it; a cluster is "+
		"adopted by its first ceremony", a.Name)
}

// adoptNode takes what a node of a cluster that is adopted has: the first
// ceremony carries its certificates over as its request has them.
func (b *requestPass) adoptNode(i int, o *request.Opened) {
	in, n := b.p.Nodes[i], b.nodes.list[i]
	if !b.past.genesis() || !b.p.Adopts() {
		if o.Adoption != nil && b.past.genesis() {
			b.Warn(plan.At{"nodes", i}, "node %s: its request is of a running cluster, and the plan adopts none of its "+
				"authorities: everything is made anew, and nothing the node trusts now will be trusted", in.Name)
		}
		return
	}
	bad := func(format string, args ...any) { b.RefuseInput(in.Request, format, args...) }
	if o.Adoption == nil {
		bad("does not bring along what the node has; make it on node %s, as that of a node that is adopted "+
			"(docs/adoption.md)", in.Name)
		return
	}
	for family, c := range o.Adoption.Authorities {
		a := b.p.AdoptedBy(family)
		switch {
		case a == nil:
			bad("adopted/authority/%s.crt: the node trusts %s, and the plan adopts no %s authority", family, c.Subject, family)
		case b.cas.certificates[a.Name] != nil && !c.Equal(b.cas.certificates[a.Name]):
			bad("adopted/authority/%s.crt: is not %s, which the plan adopts: this node is of another cluster, "+
				"or trusts another authority than the rest", family, a.Certificate)
		}
	}
	carried := map[string]*x509.Certificate{}
	for _, l := range b.nodes.leaves.at(i) {
		c := o.Adoption.Leaves[l.Name]
		if !b.p.Keeps(l.Authority) || c == nil { // said where requests are looked into
			continue
		}
		file := "adopted/leaf/" + l.Name + ".crt"
		issuer := b.cas.certificates[b.p.Issuing(l.Authority).Name]
		for _, why := range unfit(c, issuer, b.now, n, l) {
			bad("%s: %s", file, why)
		}
		for _, d := range Differences(c, l) {
			b.Warn(plan.At{"nodes", i}, "node %s: %s, kept until the next stage, is not as the plan would make it: %s",
				in.Name, l.Name, d)
		}
		carried[l.Name] = c
	}
	b.sent.carried[in.Name] = carried
}

// unfit says why a certificate of an adopted authority cannot be kept.
func unfit(c, issuer *x509.Certificate, now time.Time, n kubepki.Node, l kubepki.Leaf) (why []string) {
	if issuer != nil && c.CheckSignatureFrom(issuer) != nil {
		why = append(why, "was not signed by "+issuer.Subject.String()+", which is adopted")
	}
	// An audit asks as of the ceremony's NotBefore, which is a little before its time.
	if now.After(c.NotAfter) || now.Add(time.Hour).Before(c.NotBefore) {
		why = append(why, "is valid from "+c.NotBefore.UTC().Format(time.DateOnly)+
			" to "+c.NotAfter.UTC().Format(time.DateOnly))
	}
	return append(why, kubepki.NotOf(c, n, l)...)
}

// adoptAccount checks the service-account pair of a cluster that is adopted.
// Each control-plane node has the key, and sealed it to itself; one of these files
// is the plan's (sealed), the others are their nodes'.
func (b *accountPass) adoptAccount(public any) {
	sa, main := b.p.ServiceAccount, ""
	for i, n := range b.nodes.list {
		o := b.sent.requests[n.Name]
		if !n.Has(kubepki.ControlPlane) || o == nil || o.Adoption == nil {
			continue
		}
		if pub, err := parsePublic(o.Adoption.AccountPublic); err != nil || !equalKeys(pub, public) {
			b.RefuseInput(b.p.Nodes[i].Request, "adopted/sa.pub: is another service-account key than %s; the control-plane "+
				"nodes of a cluster have one", sa.Public)
		}
		file := b.p.Nodes[i].Sealed
		if file == "" {
			file = sa.Sealed
			if main != "" {
				b.Refuse(plan.At{"nodes", i}, "nodes %s and %s have no file of their own (sealed), and %s opens for one", main,
					n.Name, sa.Sealed)
			}
			main = n.Name
		}
		if data, ok := b.files.read[file]; ok && !bytes.Equal(data, o.Adoption.AccountSealed) {
			b.RefuseInput(file, "is not adopted/sa.key.age of %s: node %s could not open it", b.p.Nodes[i].Request, n.Name)
		}
	}
}
