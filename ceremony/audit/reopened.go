package audit

import (
	"fmt"

	"officiant/bundle/fingerprint"
	"officiant/bundle/phrase"
	"officiant/ceremony/approval"
	"officiant/ceremony/history"
)

// holderAudit proves that existing keys are opened by those who had them last.
type holderAudit struct{ *view }

// reopens says whether the ceremony opened a key that was there before.
func (a *holderAudit) reopens() bool {
	return a.t != nil && a.plan != nil && !a.t.Open().Rehearsal && len(a.reopened()) > 0
}

// reopened are the keys that were there before, each once.
func (a *holderAudit) reopened() (keys []keyLine) {
	seen := map[fingerprint.SHA256]bool{}
	for _, k := range a.ledger.keyLines {
		if !k.Made {
			if first := a.ledger.key(k.Name); !first.Made && !seen[k.SPKI] {
				keys = append(keys, k)
			}
		}
		seen[k.SPKI] = true
	}
	return keys
}

// continued wants each key that was there before to be on the record of a ceremony
// that this one continues, and enough of the people who had it last to have
// approved: of this cluster's chain its last ceremony's, who followed the others; of
// another cluster's that ceremony's own. Whose a key is, nothing else tells: its
// public half is in every certificate.
func (a *holderAudit) continued(c *Check) {
	keys := a.reopened()
	holders := map[fingerprint.SHA256]bool{} // by head
	for _, k := range keys {
		holder := a.lastHolder(k.SPKI)
		switch {
		case holder == nil && a.t.Open().Lost != nil:
			c.note(
				"line %d: the %s key was there before; who had it last, and who had to approve, is lost with the records",
				k.seq,
				k.Name,
			)
		case holder == nil:
			a.requires(
				c,
				"line %d: the %s key was there before, and no ceremony that this one continues had it: whose it is, and who "+
					"had to approve, is not shown",
				k.seq,
				k.Name,
			)
		case !holders[holder.Head]:
			holders[holder.Head] = true
			a.holdersApproved(c, holder)
		}
	}
	c.Detail = phrase.Count(len(keys), "key")
}

// lastHolder is the ceremony whose people have to approve that a key is opened.
func (a *holderAudit) lastHolder(spki fingerprint.SHA256) *history.Record {
	var last *history.Record
	for _, r := range a.past.records {
		if _, had := r.Opened(
			spki,
		); had && r.Closed != nil && !r.Open.Rehearsal &&
			(last == nil || r.Ended.After(last.Ended)) {
			last = r
		}
	}
	if last != nil && len(a.past.own) > 0 && last.Open.Cluster == a.past.own[0].Open.Cluster {
		return a.past.own[0]
	}
	return last
}

// holdersApproved counts the approvals of a previous ceremony's people.
func (a *holderAudit) holdersApproved(c *Check, r *history.Record) {
	people := approval.People{Threshold: r.Open.Threshold}
	for _, p := range r.Open.People {
		people.List = append(people.List, approval.Person(p))
	}
	if people.Nobody() {
		return
	}
	whose := fmt.Sprintf("ceremony %d of %s", r.Open.Sequence, r.Open.Cluster)
	counted := map[string][]byte{}
	for name, data := range a.filesOf(approvals) {
		for _, on := range a.t.Open().Approvals {
			if on.Signature == fingerprint.Of(data) {
				counted[name] = data
			}
		}
	}
	for _, t := range approval.Judge(a.plan.Digest, counted, approval.Group{Whose: whose, People: people,
		Former: true}).Progress {
		if !t.Enough() {
			a.requires(c, "%s: too few of those who had these keys last approved: %s", approvals, t)
		}
	}
}
