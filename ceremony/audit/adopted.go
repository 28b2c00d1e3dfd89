package audit

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/phrase"
	"officiant/ceremony/plan"
)

// adopted are the authorities that no ceremony made, by family.
func (a *view) adopted() map[kubepki.Authority]*x509.Certificate {
	out := map[kubepki.Authority]*x509.Certificate{}
	for _, p := range a.plan.Plan.Authorities {
		if cert := a.authority(p.Name); p.Adopted && cert != nil {
			out[p.Family] = cert
		}
	}
	return out
}

// takenOver holds what the record took over from a running cluster against the
// plan and the nodes' requests: the self-signed authorities, each of which every
// node trusted before, and in the first ceremony the certificates the nodes keep.
// Afterwards an authority is adopted only while each ceremony before had it.
func (a *keptAudit) takenOver(c *Check) {
	a.kept = map[string]map[string]*x509.Certificate{}
	on := map[string]adoptedLine{}
	for _, l := range a.ledger.adopted {
		on[l.Name] = l
	}
	first := a.t.Open().Sequence == 1
	for _, p := range a.plan.Plan.Authorities {
		cert := a.authority(p.Name)
		if !p.Adopted || cert == nil {
			continue
		}
		a.taken(c, on, p.Name, cert)
		if p.Family == kubepki.Root || !cert.IsCA || !bytes.Equal(cert.RawSubject, cert.RawIssuer) ||
			cert.CheckSignatureFrom(cert) != nil {
			c.problem("authority %s: is adopted, and not a self-signed kubernetes, etcd or front-proxy authority", p.Name)
		}
		if first {
			a.trustedBefore(c, p, cert)
		} else if !a.past.adopted(p.Name, cert) {
			c.problem("authority %s: is adopted, and the ceremony before did not adopt it, or dropped it", p.Name)
		}
	}
	if first {
		a.leavesTaken(c, on)
	}
	for _, name := range sortedKeys(on) {
		c.problem("line %d: takes %s over, which is not in the plan", on[name].seq, name)
	}
}

// taken wants a line for a certificate, and strikes it off.
func (a *keptAudit) taken(c *Check, on map[string]adoptedLine, name string, cert *x509.Certificate) {
	switch l, ok := on[name]; {
	case !ok:
		c.problem("%s: no line takes %s over", transcriptFile, name)
	case !bytes.Equal(l.Certificate, cert.Raw):
		c.problem("line %d: the certificate of %s is another than the plan's", l.seq, name)
	}
	delete(on, name)
}

// trustedBefore wants each node that gets an adopted authority to have had it:
// its request, whose fingerprint was compared, says so.
func (a *keptAudit) trustedBefore(c *Check, p plan.Authority, cert *x509.Certificate) {
	for _, n := range a.plan.Nodes {
		files, err := kubepki.Files(a.plan.Cluster, n)
		if err != nil {
			continue // said of the bundle
		}
		r := a.plan.Requests[n.Name]
		for _, f := range files {
			if f.Kind != kubepki.TrustFile || f.Authority != p.Family {
				continue
			}
			if r == nil || r.Adoption == nil || r.Adoption.Authorities[p.Family] == nil ||
				!r.Adoption.Authorities[p.Family].Equal(cert) {
				c.problem("authority %s: is adopted, and the request of node %s does not show that it trusted it", p.Name, n.Name)
			}
		}
	}
}

// leavesTaken looks at the certificates that nodes keep in the first stage: by
// the authority that is adopted, valid, for the key the request proves, and the
// node's own.
func (a *keptAudit) leavesTaken(c *Check, on map[string]adoptedLine) {
	issuers := a.authorities()
	adopted := a.adopted()
	kept := 0
	for _, n := range a.plan.Nodes {
		leaves, err := kubepki.Leaves(a.plan.Cluster, n)
		if err != nil {
			c.problem("node %s: %v", n.Name, err)
		}
		for _, l := range leaves {
			issuer := adopted[l.Authority]
			if issuer == nil || !issuer.Equal(issuers[l.Authority]) {
				continue
			}
			name := n.Name + "/" + l.Name
			r := a.plan.Requests[n.Name]
			if r == nil || r.Adoption == nil || r.Adoption.Leaves[l.Name] == nil || r.Key(l.Name) == nil {
				c.problem("%s: kept from before, but in no request", name)
				continue
			}
			cert := r.Adoption.Leaves[l.Name]
			a.taken(c, on, name, cert)
			if a.kept[n.Name] == nil {
				a.kept[n.Name] = map[string]*x509.Certificate{}
			}
			a.kept[n.Name][l.Name] = cert
			kept++
			for _, p := range unlikely(cert, issuer, r.Key(l.Name), a.t.Open().NotBefore) {
				c.problem("%s, kept from before: %s", name, p)
			}
			for _, p := range kubepki.NotOf(cert, n, l) {
				c.problem("%s, kept from before: %s", name, p)
			}
		}
	}
	if kept > 0 {
		c.Detail += ", " + phrase.Count(kept, "other") + " kept from before"
	}
}

// unlikely says why a certificate is none that the authority gave the holder of
// the key.
func unlikely(cert, issuer *x509.Certificate, spki []byte, at time.Time) (problems []string) {
	if cert.IsCA || cert.CheckSignatureFrom(issuer) != nil {
		problems = append(problems, "the authority that is adopted did not sign it")
	}
	if !bytes.Equal(cert.RawSubjectPublicKeyInfo, spki) {
		problems = append(problems, "it is for another key than the request proves")
	}
	if at.After(cert.NotAfter) {
		problems = append(problems, "it ended at "+stamp(cert.NotAfter))
	}
	return problems
}

// accountTaken says whether a sealed service-account key is what a node of a
// cluster that is adopted sealed to itself, as its request brings it along.
func (a *view) accountTaken(recipients []string, sealed fingerprint.SHA256, public []byte) bool {
	if len(recipients) != 1 || a.t.Open().Sequence != 1 {
		return false
	}
	for _, n := range a.plan.Nodes {
		r := a.plan.Requests[n.Name]
		if r == nil || r.Adoption == nil || r.Recipient != recipients[0] {
			continue
		}
		block, _ := pem.Decode(r.Adoption.AccountPublic)
		return block != nil && bytes.Equal(block.Bytes, public) && fingerprint.Of(r.Adoption.AccountSealed) == sealed
	}
	return false
}

// accountKept says whether a sealed service-account key is one that a node sealed to
// another, or to itself, after the records were lost: for one control-plane node of the
// plan alone.
func (a *view) accountKept(recipients []string, file string) bool {
	if a.plan.Plan.Previous.Lost == nil || len(recipients) != 1 {
		return false
	}
	kinds, ok := stanzas(a.plan.Inputs[file])
	return ok && len(kinds) == 1 && kinds[0] == stanzaKinds(recipients)[0] &&
		slices.ContainsFunc(a.plan.Nodes, func(n kubepki.Node) bool {
			return n.Has(kubepki.ControlPlane) && a.plan.Recipient(n.Name) == recipients[0]
		})
}
