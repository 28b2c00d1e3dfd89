package next

import (
	"crypto/x509"
	"math/big"
	"slices"
	"strings"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/history"
	"officiant/ceremony/plan"
	"officiant/ceremony/revocation"
)

// lists puts into the plan the lists that change, all that is on them, and the keys
// that sign them.
func (w *revoking) lists(found []Revoked) error {
	last := w.chain.last()
	signs := map[string]bool{}
	for _, f := range found {
		signs[f.Authority] = true
	}
	former := w.previousLists()
	if w.Refresh {
		if err := w.refreshed(former, signs); err != nil {
			return err
		}
	}
	for i := range w.p.Authorities {
		a := &w.p.Authorities[i]
		if !signs[a.Name] {
			a.Key = plan.Key{}
			continue
		}
		issuer := last.certificate(a.Name)
		spki, err := fingerprint.SPKI(issuer.PublicKey)
		if err != nil {
			return err
		}
		a.Key = plan.Key{Existing: spki}
		w.p.CRLs = append(w.p.CRLs, plan.CRL{Authority: a.Name, NextUpdate: w.nextAfter(former[a.Name], issuer)})
		if err := w.repeat(a.Name, former[a.Name]); err != nil {
			return err
		}
	}
	if len(w.p.CRLs) == 0 {
		return refuse("no list can be made anew: what there are, are of authorities that are revoked themselves")
	}
	for _, f := range found {
		n, err := revocation.ParseSerial(f.Serial)
		if err != nil {
			return err
		}
		w.p.Revocations = append(
			w.p.Revocations,
			plan.Revocation{Serial: plan.Serial{Int: n}, Authority: f.Authority, Reason: w.reasonFor(f), Comment: w.Comment},
		)
	}
	return nil
}

// formerLists are the newest lists there are, by authority.
func (w *revoking) previousLists() map[string]*x509.RevocationList {
	last, former := w.chain.last(), map[string]*x509.RevocationList{}
	for _, l := range w.chain.NewestLists() {
		for _, a := range w.p.Authorities {
			if c := last.certificate(a.Name); c != nil && l.By(c) {
				former[a.Name] = l.RevocationList
			}
		}
	}
	return former
}

// refreshed says which of the lists there are made anew.
func (w *revoking) refreshed(former map[string]*x509.RevocationList, signs map[string]bool) error {
	for name := range former {
		signs[name] = (len(w.Authorities) == 0 || slices.Contains(w.Authorities, name)) &&
			!w.chain.revokedItself(name)
	}
	for _, name := range w.Authorities {
		if former[name] == nil {
			return refuse("authority %s has no revocation list on these records", name)
		}
	}
	if len(former) == 0 {
		return refuse("there is no revocation list on these records to make anew")
	}
	return nil
}

// reasonFor is the reason, which has another name for an authority.
func (w *revoking) reasonFor(f Revoked) plan.Reason {
	leaf := strings.Contains(f.Name, "/")
	switch {
	case w.Reason == revocation.KeyCompromise && !leaf:
		return revocation.CACompromise
	case w.Reason == revocation.CACompromise && leaf:
		return revocation.KeyCompromise
	}
	return w.Reason
}

// nextAfter is when there will be another list: as asked for, or as long after as
// the previous list's, but in half of what is left of the authority: an online signer's
// lives for months, and its lists end before it does.
func (w *revoking) nextAfter(former *x509.RevocationList, issuer *x509.Certificate) plan.Duration {
	if w.NextUpdate != 0 {
		return w.NextUpdate
	}
	next := 90 * day
	if former != nil {
		next = former.NextUpdate.Sub(former.ThisUpdate)
	}
	return plan.Duration(min(next, max(time.Hour, (issuer.NotAfter.Sub(w.Now)/2).Truncate(time.Hour))))
}

// repeat adds what was on a previous list and had not ended when that was made; with
// the comments of the plans that revoked it.
func (w *revoking) repeat(authority string, former *x509.RevocationList) error {
	if former == nil {
		return nil
	}
	comments := map[string]string{}
	for _, p := range slices.Backward(w.chain.all) { // oldest first
		for _, v := range p.plan.Plan.Revocations {
			comments[v.Serial.Text(16)] = v.Comment
		}
	}
	for _, e := range former.RevokedCertificateEntries {
		if w.chain.endedBefore(e.SerialNumber, former.ThisUpdate) {
			continue
		}
		w.p.Revocations = append(
			w.p.Revocations,
			plan.Revocation{Serial: plan.Serial{Int: e.SerialNumber}, Authority: authority,
				Reason: revocation.OfCode(e.ReasonCode), Comment: comments[e.SerialNumber.Text(16)]},
		)
	}
	return nil
}

// endedBefore says whether all certificates of a serial number that are on record
// had ended by then; false when none is.
func (c Chain) endedBefore(n *big.Int, at time.Time) bool {
	serial, ok := history.SerialOf(n)
	ended := false
	if !ok {
		return false
	}
	for cert := range c.Find(serial) {
		if !cert.NotAfter.Before(at) {
			return false
		}
		ended = true
	}
	return ended
}
