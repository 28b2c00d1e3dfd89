package plan

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"officiant/bundle/fingerprint"
)

// Said is a sentence of what is lost.
func (l *Lost) Said() string {
	return fmt.Sprintf("the chain begins anew: the records of ceremonies 1 to %d are lost, reason: %s", l.Sequence, l.Reason)
}

// lost begins the chain of a cluster anew, above all that its nodes have seen. What
// only a former record could vouch for cannot be carried over.
func (b *builder) lost(where at) {
	l := b.p.Previous.Lost
	if err := CheckLostReason(l.Reason); err != nil {
		b.refuse(append(where, "reason"), "%v", err)
	}
	if l.Sequence < 1 {
		b.refuse(append(where, "sequence"), "the sequence of the last ceremony is missing: the highest that any node has seen, as officiant-node status shows it")
		return
	}
	b.c.Sequence = l.Sequence + 1
	b.warn(where, "the chain begins anew: which certificates and serial numbers ceremonies 1 to %d issued, and who had to approve them, is not known any more", l.Sequence)
	for i, a := range b.p.Authorities {
		if a.Adopted {
			b.refuse(at{"authorities", i, "adopted"}, "authority %s: no record says that it was adopted; a cluster whose records are lost keeps only authorities of ceremonies", a.Name)
		}
	}
	if b.p.ServiceAccount.Sealed != "" {
		b.refuse(at{"serviceAccount", "sealed"}, "no record says to whom the pair was sealed, nor that it is the cluster's: create a new one, which ends every token signed so far")
	}
	for i, list := range b.p.CRLs {
		if a := b.p.named(list.Authority); a != nil && a.Key.Existing != (fingerprint.SHA256{}) {
			b.warn(at{"crls", i}, "the lists of %s are numbered from 1 again: whoever holds a former one with a higher number may keep it", a.Name)
		}
	}
}

// CheckLostReason refuses what cannot go on record as the reason why records are lost.
func CheckLostReason(reason string) error {
	bad := func(r rune) bool { return !unicode.IsPrint(r) }
	if reason == "" || strings.TrimSpace(reason) != reason || len(reason) > 300 || strings.ContainsFunc(reason, bad) {
		return errors.New("the reason goes on record as one line of 1 to 300 bytes: say what happened to the records")
	}
	return nil
}
