package schedule

import (
	"bytes"
	"crypto/x509"
	"math/big"
	"slices"
	"time"

	"officiant/bundle/kubepki"
	"officiant/ceremony/history"
	"officiant/ceremony/plan"
)

// FormerList is an authority's newest revocation list on the previous records.
type FormerList struct {
	Signer string // as the record that made the list names the authority
	Family kubepki.Authority
	DER    []byte
	List   *x509.RevocationList
}

// mostLists is above the number of any list.
var mostLists = big.NewInt(plan.MostCeremonies)

// by says whether an authority signed the list: one name may have had two keys.
func (f FormerList) by(c *x509.Certificate) bool {
	return bytes.Equal(f.List.RawIssuer, c.RawSubject) && bytes.Equal(f.List.AuthorityKeyId, c.SubjectKeyId)
}

func (f FormerList) sameIssuer(o FormerList) bool {
	return bytes.Equal(f.List.RawIssuer, o.List.RawIssuer) && bytes.Equal(f.List.AuthorityKeyId, o.List.AuthorityKeyId)
}

// formerLists are the previous ceremonies' newest lists: all of this cluster's, and of
// other clusters' those of authorities they share with this one. A record holds
// the newest of each authority, made or carried over, so no older one is needed.
func (b *listPass) formerLists() []FormerList {
	var all []FormerList
	for _, r := range b.past.Ends() {
		for _, l := range r.Lists {
			f := FormerList{Signer: l.Signer, Family: kubepki.Authority(l.Family), DER: l.DER, List: l.RevocationList}
			if f.List.Number.Cmp(mostLists) > 0 && !b.held {
				b.RefuseInput(r.Source.Name, "its revocation list of %s has the number %d, which no authority reaches: the "+
					"next one could not be counted", l.Signer, f.List.Number)
			}
			own := r.Open.Cluster == b.facts.cluster.Name
			for _, a := range b.p.Authorities {
				if c := b.cas.present(a.Name); c != nil && f.by(c) {
					own, f.Signer = true, a.Name
					if err := f.List.CheckSignatureFrom(c); err != nil {
						b.RefuseInput(r.Source.Name, "its revocation list of %s is not signed by that authority", a.Name)
					}
				}
			}
			if own {
				all = append(all, f)
			}
		}
	}
	slices.SortStableFunc(all, func(x, y FormerList) int { return y.List.Number.Cmp(x.List.Number) })
	return all
}

// onRecord finds what was to be certified under a serial number, in hex; nil when no
// record has it.
func (b *records) onRecord(serial *big.Int) *history.Certificate {
	s, ok := history.SerialOf(serial)
	if !ok {
		return nil
	}
	for c := range b.Find(s) {
		if c.State == history.Issued || c.State == history.Abandoned {
			return &c
		}
	}
	return b.online[s]
}

// Revoked is one line of a revocation list.
type Revoked struct {
	Serial *big.Int
	Reason plan.Reason
	Date   time.Time // zero: this ceremony's NotBefore
}

func sortRevoked(list []Revoked) {
	slices.SortFunc(list, func(a, b Revoked) int { return a.Serial.Cmp(b.Serial) })
}
