package audit

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"maps"
	"math/big"
	"slices"

	"officiant/bundle/phrase"
	"officiant/ceremony/history"
	"officiant/ceremony/plan"
	"officiant/ceremony/revocation"
	"officiant/ceremony/schedule"
)

var (
	oidCRLNumber = asn1.ObjectIdentifier{2, 5, 29, 20}
	oidCRLReason = asn1.ObjectIdentifier{2, 5, 29, 21}
)

// issuerKey tells authorities apart: one name may have had two keys.
func issuerKey(list *x509.RevocationList) string {
	return string(list.RawIssuer) + "\x00" + string(list.AuthorityKeyId)
}

func subjectKey(cert *x509.Certificate) string {
	return string(cert.RawSubject) + "\x00" + string(cert.SubjectKeyId)
}

// formerList is the newest list of an authority on the previous records.
type formerList struct {
	*x509.RevocationList
	family  string
	entries map[string]x509.RevocationListEntry // by serial number, of all of them
}

// listAudit proves revocation lists, and that what is revoked is not used.
type listAudit struct {
	*view
	lists map[string]*formerList // newest on the previous records; see formerLists
}

// hasLists says whether anything was ever revoked, or could have been.
func (a *listAudit) hasLists() bool {
	if a.t == nil || a.plan == nil {
		return false
	}
	return len(a.ledger.lists)+len(a.ledger.carriedLists)+len(a.plan.Plan.CRLs) > 0 || len(a.formerLists()) > 0
}

// formerLists reads the newest list of each authority from the predecessors: of
// this cluster's all, of others' those of authorities they share with this one.
func (a *listAudit) formerLists() map[string]*formerList {
	if a.lists != nil {
		return a.lists
	}
	out := map[string]*formerList{}
	a.lists = out
	if a.t.Open().Rehearsal {
		return out // its authorities are others, and sign their first lists
	}
	ours := map[string]bool{}
	for _, certs := range []map[string]*x509.Certificate{a.plan.Certificates, a.plan.Renewed} {
		for _, cert := range certs {
			ours[subjectKey(cert)] = true
		}
	}
	for _, r := range a.past.heads {
		for _, l := range r.Lists {
			key := issuerKey(l.RevocationList)
			if r.Open.Cluster != a.plan.Cluster.Name && !ours[key] {
				continue
			}
			f := out[key]
			if f == nil {
				f = &formerList{entries: map[string]x509.RevocationListEntry{}}
				out[key] = f
			}
			for _, e := range l.RevokedCertificateEntries {
				f.entries[e.SerialNumber.Text(16)] = e
			}
			if f.RevocationList == nil || f.Number.Cmp(l.Number) < 0 {
				f.RevocationList, f.family = l.RevocationList, l.Family
			}
		}
	}
	return out
}

// revocationLists holds each list against plan, schedule and previous records, and
// the bundles against all lists.
func (a *listAudit) revocationLists(c *Check) {
	former := a.formerLists()
	onRecord := a.recorded(c, former)
	tries := map[int]int64{} // intents of an entry so far
	for _, s := range a.ledger.lists {
		e := a.entry(s.entry)
		if e == nil || e.Kind != schedule.CRLSignature {
			continue // told with the signatures
		}
		tries[s.entry]++
		a.list(c, *e, s, tries[s.entry], former)
	}
	if !a.t.Open().Rehearsal {
		a.revocations(c, former, onRecord)
		a.carriedLists(c, former)
		a.revokedInUse(c, former, onRecord)
	}
	a.etcdHasList(c, former)
	a.listFiles(c)
	entries := 0
	for _, s := range a.ledger.lists {
		if s.list != nil {
			entries += len(s.list.RevokedCertificateEntries)
		}
	}
	c.Detail = fmt.Sprintf("%s of %s", phrase.Count(len(a.plan.Plan.CRLs), "list"),
		phrase.Count(entries, "revoked certificate"))
	if n := len(a.ledger.carriedLists); n > 0 {
		c.Detail += fmt.Sprintf(", %d carried over", n)
	}
}

// recorded finds on the previous records what the plan or a previous list revokes, by
// serial number; of what was abandoned there is no signature.
func (a *listAudit) recorded(c *Check, former map[string]*formerList) map[string]*history.Certificate {
	found := map[string]*history.Certificate{}
	take := func(n *big.Int) {
		text := n.Text(16)
		found[text] = nil
		serial, ok := history.SerialOf(n)
		for _, r := range slices.AppendSeq(slices.Collect(maps.Values(a.past.given)), maps.Values(a.past.records)) {
			for c := range r.WithSerial(serial) {
				if ok && (c.State == history.Issued || c.State == history.Abandoned) {
					found[text] = &c
				}
			}
		}
	}
	for _, v := range a.plan.Plan.Revocations {
		take(v.Serial.Int)
	}
	for _, f := range former {
		for _, e := range f.entries {
			take(e.SerialNumber)
		}
	}
	if len(found) > 0 {
		a.online(c, found)
	}
	return found
}

// list holds one list, or the intent of one that was abandoned, against its line.
func (a *listAudit) list(c *Check, e schedule.Entry, s *signing, try int64, former map[string]*formerList) {
	line, what := s.seq, "intent of "+s.name+", abandoned"
	list := s.list
	if list != nil {
		line, what = s.result, s.name
	} else {
		var err error
		if list, err = unsignedList(s.tbs); err != nil {
			c.problem("line %d: %s: %v", line, what, err)
			return
		}
	}
	bad := func(format string, args ...any) {
		c.problem("line %d: %s: %s", line, what, fmt.Sprintf(format, args...))
	}
	issuer := a.authority(e.Signer)
	if issuer == nil {
		bad("its issuer %s has no certificate", e.Signer)
		return
	}
	if s.list != nil {
		if err := list.CheckSignatureFrom(issuer); err != nil {
			bad("signature is not that of authority %s: %v", e.Signer, err)
		}
	}
	if issuerKey(list) != subjectKey(issuer) {
		bad("is not by the name and key identifier of authority %s", e.Signer)
	}
	if list.SignatureAlgorithm != e.SignatureAlgorithm {
		bad("signature algorithm is %s, the schedule says %s", list.SignatureAlgorithm, e.SignatureAlgorithm)
	}
	if s.family != string(a.family(e.Signer)) {
		bad("is recorded as of family %q, authority %s is of family %s", s.family, e.Signer, a.family(e.Signer))
	}
	a.listNumber(bad, e, list, try, former[subjectKey(issuer)])
	begin := a.ledger.notBefore(a.t)
	if !list.ThisUpdate.Equal(begin) || !list.NextUpdate.Equal(begin.Add(e.Duration)) {
		bad(
			"is from %s with the next update on %s, the schedule says %s and %s",
			stamp(list.ThisUpdate),
			stamp(list.NextUpdate),
			stamp(begin),
			stamp(begin.Add(e.Duration)),
		)
	}
	if list.NextUpdate.After(issuer.NotAfter) {
		bad("its next update is due %s, after its issuer expires at %s", stamp(list.NextUpdate), stamp(issuer.NotAfter))
	}
	for _, p := range extensions(list.Extensions, map[string]bool{oidAuthorityKeyID.String(): false,
		oidCRLNumber.String(): false}) {
		bad("%s", p)
	}
	a.entries(bad, e.Signer, list, former[subjectKey(issuer)])
}

// listNumber wants a number above all others of the authority: the previous lists',
// and those of attempts that were abandoned here.
func (a *listAudit) listNumber(bad func(string, ...any), e schedule.Entry, list *x509.RevocationList, try int64,
	former *formerList) {
	want := big.NewInt(try)
	if former != nil {
		want.Add(want, former.Number)
	}
	if planned := new(big.Int).Add(e.Number, big.NewInt(try-1)); planned.Cmp(want) != 0 {
		bad(
			"the schedule numbers it from %d on, after the previous lists it has to be from %d",
			e.Number,
			new(big.Int).Sub(want, big.NewInt(try-1)),
		)
	}
	if list.Number == nil || list.Number.Cmp(want) != 0 {
		bad("its number is %d, it has to be %d", list.Number, want)
	}
}

// entries holds what a list revokes against the plan, and its dates against the
// previous list: what was on it keeps its date, what is new has the ceremony's.
func (a *listAudit) entries(bad func(string, ...any), signer string, list *x509.RevocationList, former *formerList) {
	want := map[string]plan.Revocation{}
	for _, v := range a.plan.Plan.Revocations {
		if v.Authority == signer {
			want[v.Serial.Text(16)] = v
		}
	}
	seen := map[string]bool{}
	last := new(big.Int)
	for _, e := range list.RevokedCertificateEntries {
		serial := e.SerialNumber.Text(16)
		v, planned := want[serial]
		date := a.ledger.notBefore(a.t)
		if former != nil && !former.entries[serial].RevocationTime.IsZero() {
			date = former.entries[serial].RevocationTime
		}
		switch {
		case !planned:
			bad("revokes %s, which the plan does not", serial)
		case seen[serial]:
			bad("revokes %s twice", serial)
		case revocation.OfCode(e.ReasonCode) != v.Reason:
			bad("revokes %s for %s, the plan says %s", serial, revocation.OfCode(e.ReasonCode), v.Reason)
		case !e.RevocationTime.Equal(date):
			bad("revokes %s as of %s, it has to be %s", serial, stamp(e.RevocationTime), stamp(date))
		case e.SerialNumber.Cmp(last) < 0:
			bad("is not sorted by serial number")
		}
		for _, p := range extensions(e.Extensions, map[string]bool{oidCRLReason.String(): false}) {
			bad("the entry of %s %s", serial, p)
		}
		seen[serial], last = true, e.SerialNumber
	}
	for _, serial := range sortedKeys(want) {
		if !seen[serial] {
			bad("does not revoke %s, which the plan does", serial)
		}
	}
}

// revocations wants what is revoked to be on record as the authority's, and what
// was revoked before to be so again until a list made after its end had it.
func (a *listAudit) revocations(c *Check, former map[string]*formerList, onRecord map[string]*history.Certificate) {
	revoked := map[string]plan.Revocation{}
	for _, v := range a.plan.Plan.Revocations {
		serial, issuer := v.Serial.Text(16), a.authority(v.Authority)
		revoked[serial] = v
		cert := onRecord[serial]
		listed := issuer != nil && former[subjectKey(issuer)] != nil &&
			!former[subjectKey(issuer)].entries[serial].RevocationTime.IsZero()
		switch {
		case issuer == nil:
			c.problem("%s: revokes %s of %s, which has no certificate", planFile, serial, v.Authority)
		case cert == nil && !listed:
			c.problem("%s: revokes %s, which no previous record has", planFile, serial)
		case cert != nil && (cert.Issuer == nil || !cert.Issuer.By(issuer)):
			c.problem("%s: revokes %s on the list of %s, which did not issue it", planFile, serial, v.Authority)
		case v.Reason.Check() != nil:
			c.problem("%s: revokes %s: %v", planFile, serial, v.Reason.Check())
		}
	}
	for _, l := range a.plan.Plan.CRLs {
		issuer := a.authority(l.Authority)
		if issuer == nil || former[subjectKey(issuer)] == nil {
			continue
		}
		f := former[subjectKey(issuer)]
		for _, serial := range sortedKeys(f.entries) {
			if cert := onRecord[serial]; cert != nil && cert.NotAfter.Before(f.ThisUpdate) {
				continue
			}
			if revoked[serial].Authority != l.Authority {
				c.problem(
					"%s: list %d of %s revokes %s, which had not expired; the new list leaves it out",
					planFile,
					f.Number,
					l.Authority,
					serial,
				)
			}
			if reason := revocation.OfCode(
				f.entries[serial].ReasonCode,
			); revoked[serial].Authority == l.Authority &&
				revoked[serial].Reason != reason {
				c.problem("%s: revokes %s for %s, it was revoked for %s before", planFile, serial, revoked[serial].Reason, reason)
			}
		}
	}
}

// carriedLists wants each previous list on record that no list of this ceremony
// follows, byte for byte, and no other.
func (a *listAudit) carriedLists(c *Check, former map[string]*formerList) {
	made := map[string]bool{}
	for _, l := range a.plan.Plan.CRLs {
		if issuer := a.authority(l.Authority); issuer != nil {
			made[subjectKey(issuer)] = true
		}
	}
	carried := map[string]bool{}
	for _, l := range a.ledger.carriedLists {
		list, err := x509.ParseRevocationList(l.List)
		if err != nil {
			c.problem("line %d: %v", l.seq, err)
			continue
		}
		key := issuerKey(list)
		carried[key] = true
		if f := former[key]; f == nil || made[key] || l.Family != f.family || !bytes.Equal(f.Raw, l.List) {
			c.problem("line %d: carries a list of %s over that is not the newest on the previous records",
				l.seq, l.Signer)
		}
	}
	for _, key := range sortedKeys(former) {
		if !made[key] && !carried[key] {
			c.problem(
				"%s: list %d of %s is neither followed nor carried over",
				transcriptFile,
				former[key].Number,
				former[key].Issuer,
			)
		}
	}
}
