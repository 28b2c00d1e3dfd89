package schedule

import (
	"cmp"
	"crypto/x509"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/nearest"
	"officiant/ceremony/plan"
	"officiant/ceremony/revocation"
)

// revoking is what a plan's lists are made from.
type revoking struct {
	former  []FormerList               // newest first
	revoked map[string]plan.Revocation // the plan's, by serial number
	before  map[string]listed          // on the previous lists, by serial number
}

// listed is what a previous list has of a certificate.
type listed struct {
	Revoked
	on FormerList
}

// listFacts are the revocation lists that go out with a ceremony.
type listFacts struct {
	carried  []FormerList // of previous ceremonies, which no list of this one follows
	etcd     string       // authority whose list etcd gets; empty: it gets none
	revoking *revoking    // what the lists to be made are made from
}

// listPass checks what is revoked, and which lists say so.
type listPass struct {
	base
	facts    *clusterFacts
	past     *records
	cas      *cas
	nodes    *nodeFacts
	sent     *requestFacts
	revoking *revoking
	lists    *listFacts
}

func listsOf(b base, facts *clusterFacts, past *records, cas *cas, nodes *nodeFacts, sent *requestFacts) *listFacts {
	pass := &listPass{b, facts, past, cas, nodes, sent, &revoking{}, &listFacts{}}
	pass.requestFiles()
	pass.check()
	pass.lists.revoking = pass.revoking
	return pass.lists
}

// check goes through what the plan revokes and which lists it makes: nothing that
// was revoked comes off a list before it has ended, and nothing revoked is used.
func (b *listPass) check() {
	b.listNames()
	r := revoking{former: b.formerLists(), revoked: map[string]plan.Revocation{}, before: map[string]listed{}}
	b.revoking = &r
	if len(b.p.Revocations)+len(b.p.CRLs)+len(r.former) == 0 || len(b.Problems) > 0 {
		return
	}
	for _, f := range r.former {
		for _, e := range f.List.RevokedCertificateEntries {
			was := Revoked{e.SerialNumber, revocation.OfCode(e.ReasonCode), e.RevocationTime}
			r.before[e.SerialNumber.Text(16)] = listed{was, f}
		}
	}
	for i, v := range b.p.Revocations {
		b.revokes(i, v)
	}
	for i, l := range b.p.CRLs {
		b.cumulative(plan.At{"crls", i}, l)
	}
	b.carriedLists()
	b.inUse()
}

// meant is a hint at the authority of the plan whose name is nearest.
func (b *listPass) meant(name string) string {
	return nearest.Hint(name, func(yield func(string) bool) {
		for _, a := range b.p.Authorities {
			if !yield(a.Name) {
				return
			}
		}
	})
}

// listNames checks the section crls by itself.
func (b *listPass) listNames() {
	seen := map[string]bool{}
	for i, l := range b.p.CRLs {
		where := plan.At{"crls", i}
		a := b.p.Named(l.Authority)
		switch {
		case a == nil:
			b.Refuse(append(where, "authority"), "no authority %q in the plan%s", l.Authority, b.meant(l.Authority))
			continue
		case seen[l.Authority]:
			b.Refuse(append(where, "authority"), "two revocation lists of %s; the newest is the one that counts", l.Authority)
		case l.NextUpdate == 0:
			b.Refuse(where, "nextUpdate is missing: when %s will have signed another list, such as 90d", l.Authority)
		case a.Key == plan.Key{}:
			b.Refuse(where, "authority %s is to sign a revocation list, but the plan does not name its key", l.Authority)
		case b.cas.present(a.Name) != nil && b.cas.present(a.Name).KeyUsage&x509.KeyUsageCRLSign == 0:
			b.Refuse(append(where, "authority"), "authority %s may not sign revocation lists: its certificate lacks the "+
				"key usage cRLSign", a.Name)
		default:
			b.outlives(b.cas, append(where, "nextUpdate"), "the revocation list of "+l.Authority, l.NextUpdate, a)
		}
		seen[l.Authority] = true
	}
	for name := range b.files.sums {
		if first, _, _ := strings.Cut(strings.ToLower(name), "/"); first == "crls" && len(b.p.CRLs) > 0 {
			b.Refuse(plan.At{"crls"}, "input %s: crls belongs to the ceremony directory itself, when there are lists", name)
		}
	}
}

// revokes checks one revocation.
func (b *listPass) revokes(i int, v plan.Revocation) {
	where := plan.At{"revocations", i}
	if v.Serial.Int == nil {
		b.Refuse(where, "the serial number of the certificate is missing")
		return
	}
	serial := v.Serial.Text(16)
	if _, ok := b.revoking.revoked[serial]; ok {
		b.Refuse(append(where, "serial"), "%s is there twice", serial)
		return
	}
	b.revoking.revoked[serial] = v
	if err := v.Reason.Check(); err != nil {
		b.Refuse(append(where, "reason"), "%s: %v", serial, err)
	}
	a, issuer := b.p.Named(v.Authority), b.cas.present(v.Authority)
	before, was := b.revoking.before[serial]
	c := b.past.onRecord(v.Serial.Int)
	switch {
	case a == nil:
		b.Refuse(append(where, "authority"), "%s: no authority %q in the plan%s", serial, v.Authority,
			b.meant(v.Authority))
	case !slices.ContainsFunc(b.p.CRLs, func(l plan.CRL) bool { return l.Authority == v.Authority }):
		b.Refuse(where, "%s: the plan makes no revocation list of %s: name it under crls", serial, v.Authority)
	case issuer == nil:
		b.Refuse(append(where, "authority"), "%s: authority %s is made in this ceremony, and nothing of it is out there",
			serial, v.Authority)
	case was && !before.on.by(issuer):
		b.Refuse(append(where, "authority"), "%s: authority %s did not issue it: it is on a list of %s", serial,
			v.Authority, before.on.Signer)
	case was && v.Reason != before.Reason:
		b.Refuse(append(where, "reason"), "%s: it was revoked on %s for %s, and stays so", serial,
			before.Date.UTC().Format(time.DateOnly), before.Reason)
	case c == nil && !was:
		b.Refuse(append(where, "serial"), "%s: no ceremony named here issued it; the transcript of an earlier one goes "+
			"under earlier", serial)
	case c == nil:
	case c.SelfIssued:
		b.Refuse(append(where, "serial"), "%s: %s is a root, and cannot say of itself that it is not to be believed; it "+
			"has to be replaced", serial, c.Name)
	case !c.Issuer.By(issuer):
		b.Refuse(append(where, "authority"), "%s: authority %s did not issue %s", serial, v.Authority, c.Name)
	case c.CA && v.Reason == revocation.KeyCompromise:
		b.Refuse(append(where, "reason"), "%s: of an authority, as %s is, the reason is called %s", serial, c.Name,
			revocation.CACompromise)
	case !c.CA && v.Reason == revocation.CACompromise:
		b.Refuse(append(where, "reason"), "%s: %s is no authority: say %s", serial, c.Name, revocation.KeyCompromise)
	case c.NotAfter.Before(b.now) && !was:
		b.Warn(where, "%s: %s ended on %s; nobody takes it any more", serial, c.Name, c.NotAfter.UTC().Format(time.DateOnly))
	}
}

// cumulative wants all that an authority's previous lists have on its new one,
// except what had ended when the last of them was made (RFC 5280, 3.3).
func (b *listPass) cumulative(where plan.At, l plan.CRL) {
	issuer := b.cas.present(l.Authority)
	for _, f := range b.revoking.former {
		if issuer == nil || !f.by(issuer) {
			continue
		}
		for _, e := range f.List.RevokedCertificateEntries {
			serial, name := e.SerialNumber.Text(16), "a certificate"
			if c := b.past.onRecord(e.SerialNumber); c != nil {
				if c.NotAfter.Before(f.List.ThisUpdate) {
					continue
				}
				name = c.Name
			}
			if v, ok := b.revoking.revoked[serial]; !ok || v.Authority != l.Authority {
				b.Refuse(where, "list %d of %s revokes %s (%s), which has not ended: it has to be under revocations again",
					f.List.Number, l.Authority, serial, name)
			}
		}
	}
}

// carriedLists are the previous lists that no list of this ceremony follows.
func (b *listPass) carriedLists() {
	for i, f := range b.revoking.former {
		same := func(o FormerList) bool { return o.sameIssuer(f) }
		if j := slices.IndexFunc(b.revoking.former, same); j < i {
			first := b.revoking.former[j]
			if first.List.Number.Cmp(f.List.Number) == 0 && string(first.DER) != string(f.DER) {
				b.Refuse(plan.At{"previous"}, "two revocation lists of %s have the number %d: the chain of its ceremonies was "+
					"forked", f.Signer, f.List.Number)
			}
			continue
		}
		follows := func(l plan.CRL) bool { c := b.cas.present(l.Authority); return c != nil && f.by(c) }
		if slices.ContainsFunc(b.p.CRLs, follows) {
			continue
		}
		// A record tells lists apart by their authority's name.
		named := func(o FormerList) bool { return o.Signer == f.Signer }
		if c := b.cas.present(f.Signer); c != nil && !f.by(c) || makesList(b.p, f.Signer) ||
			slices.ContainsFunc(b.lists.carried, named) {
			b.Refuse(plan.At{"authorities"}, "a former authority %s left a revocation list; another one needs another name",
				f.Signer)
		}
		b.lists.carried = append(b.lists.carried, f)
	}
	b.etcdList()
}

// etcdList chooses the list that etcd gets. It reads one, and heeds nothing of it
// but serial numbers; so while two authorities are trusted, that of the one that
// issues, or, when nothing is on it, one of another that has something on it. Once
// etcd has had a list it always needs one.
func (b *listPass) etcdList() {
	var first, full string
	for _, a := range b.p.IssuingFirst(kubepki.EtcdAuthority) {
		n, ok := b.listLength(a.Name)
		switch {
		case !ok:
		case n > 0 && full != "":
			b.Warn(plan.At{"crls"}, "etcd heeds one list alone, that of %s: what %s revokes has no effect there until %s "+
				"is not trusted any more", full, a.Name, a.Name)
		case n > 0:
			full = a.Name
		}
		if ok && first == "" {
			first = a.Name
		}
	}
	b.lists.etcd = cmp.Or(full, first)
	had := slices.ContainsFunc(b.revoking.former, func(f FormerList) bool { return f.Family == kubepki.EtcdAuthority })
	runs := slices.ContainsFunc(b.nodes.list, func(n kubepki.Node) bool { return n.Has(kubepki.Etcd) })
	if etcd := b.p.Issuing(kubepki.EtcdAuthority); b.lists.etcd == "" && had && runs && etcd != nil {
		b.Refuse(plan.At{"crls"}, "etcd has been given a revocation list so far, and turns everybody away without one; "+
			"none is of an authority of this plan: name %s under crls", etcd.Name)
	}
}

// listLength is how much is on an authority's newest list, made here or carried
// over; false when there is none.
func (b *listPass) listLength(authority string) (int, bool) {
	if makesList(b.p, authority) {
		n := 0
		for _, v := range b.p.Revocations {
			if v.Authority == authority {
				n++
			}
		}
		return n, true
	}
	if f := formerList(b.lists.carried, b.cas.present(authority)); f != nil {
		return len(f.List.RevokedCertificateEntries), true
	}
	return 0, false
}

func makesList(p *plan.Plan, authority string) bool {
	return slices.ContainsFunc(p.CRLs, func(l plan.CRL) bool { return l.Authority == authority })
}

// FormerList is the list of an authority that is carried over; nil when there is
// none, or a newer one is made.
func (c *Ceremony) FormerList(authority string) *FormerList {
	return formerList(c.Lists, c.Present(authority))
}

func formerList(lists []FormerList, issuer *x509.Certificate) *FormerList {
	for i, f := range lists {
		if issuer != nil && f.by(issuer) {
			return &lists[i]
		}
	}
	return nil
}

// compromised are the keys that others may have: by their fingerprint, the name of a
// certificate that was revoked for it. A key stays compromised when that has ended and
// is on no list any more.
func (b *listPass) compromised(reason func(serial string) (plan.Reason, bool)) map[fingerprint.SHA256]string {
	keys := map[fingerprint.SHA256]string{}
	for _, serials := range [][]string{sortedKeys(b.revoking.revoked), sortedKeys(b.revoking.before)} {
		for _, serial := range serials {
			n, _ := new(big.Int).SetString(serial, 16)
			if r, _ := reason(serial); r != revocation.KeyCompromise {
				continue
			}
			if c := b.past.onRecord(n); c != nil {
				keys[c.SPKI] = c.Name
			}
		}
	}
	err := b.notBelieved(b.past, func(d *distrust) error {
		maps.Copy(keys, d.compromised)
		return nil
	})
	if err != nil {
		b.Refuse(plan.At{"previous"}, "%v", err)
	}
	return keys
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// inUse refuses a revoked certificate in a bundle, a compromised key of a new or
// a carried one, and a revoked authority that signs.
func (b *listPass) inUse() {
	reason := func(serial string) (plan.Reason, bool) {
		if v, ok := b.revoking.revoked[serial]; ok {
			return v.Reason, true
		}
		e, ok := b.revoking.before[serial]
		return e.Reason, ok
	}
	compromised := b.compromised(reason)
	for i, n := range b.nodes.list {
		for _, l := range b.nodes.leaves.at(i) {
			if c := b.sent.carried[n.Name][l.Name]; c != nil {
				if _, is := reason(c.SerialNumber.Text(16)); is {
					b.Refuse(plan.At{"nodes", i}, "node %s: its certificate %s (serial number %x) is revoked, and cannot be "+
						"carried over: name it under renew, or, when its key is not the node's alone any more, send a new "+
						"request", n.Name, l.Name, c.SerialNumber)
				} else if spki, _ := fingerprint.SPKI(c.PublicKey); compromised[spki] != "" {
					b.Refuse(plan.At{"nodes", i}, "node %s: its certificate %s is for a key that is compromised, by which an "+
						"earlier %s was revoked: it needs a new request, with new keys", n.Name, l.Name, compromised[spki])
				}
				continue
			}
			if o := b.sent.requests[n.Name]; o != nil && o.Key(l.Name) != nil {
				if name := compromised[fingerprint.Of(o.Key(l.Name))]; name != "" {
					b.Refuse(plan.At{"nodes", i}, "node %s: the key of %s in its request is compromised, by which %s was "+
						"revoked: it needs a new request, with new keys", n.Name, l.Name, name)
				}
			}
		}
	}
	for i, a := range b.p.Authorities {
		c := b.cas.present(a.Name)
		if c == nil {
			continue
		}
		switch _, is := reason(c.SerialNumber.Text(16)); {
		case !is:
		case a.Key != plan.Key{}:
			b.Refuse(plan.At{"authorities", i, "key"}, "authority %s is revoked, and may sign nothing: leave its key out",
				a.Name)
		default:
			b.Warn(plan.At{"authorities", i}, "authority %s is revoked; nodes look at no list of the root's, and trust it "+
				"until another takes its place: officiant ceremony rollover", a.Name)
		}
	}
}
