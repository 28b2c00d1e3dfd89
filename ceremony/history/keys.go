package history

import (
	"slices"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/transcript"
)

// Openers are the ceremonies that opened a key, or made it, and that no other one
// here that opened it continues: the one that had it last. There are several only
// where a chain that shares the key was forked, and none when no ceremony here
// opened it.
func (h *History) Openers(spki fingerprint.SHA256) []Opening {
	var opened []Opening
	for _, r := range h.all() {
		if o, ok := r.Opened(spki); ok {
			opened = append(opened, o)
		}
	}
	return slices.DeleteFunc(slices.Clone(opened), func(o Opening) bool {
		return slices.ContainsFunc(opened, func(later Opening) bool { return later.Of != o.Of && h.after(later.Of, o.Of) })
	})
}

// after says whether a ceremony continues another one, be it over others.
func (h *History) after(later, earlier *Record) bool {
	seen := map[fingerprint.SHA256]bool{}
	var reaches func(r *Record) bool
	reaches = func(r *Record) bool {
		if r == nil || seen[r.Head] {
			return false
		}
		seen[r.Head] = true
		for _, p := range r.Open.Predecessors {
			if p.Head == earlier.Head || reaches(h.byHead[p.Head]) {
				return true
			}
		}
		return false
	}
	return reaches(later)
}

// ReleaseKeys are a cluster's keys for bundles and records, as its newest ceremony
// left them.
type ReleaseKeys struct {
	Present   fingerprint.SHA256
	Announced *fingerprint.SHA256 // its successor; nil: none
	// Lost are those that signed once and whose successor they had not announced,
	// newest first.
	Lost []fingerprint.SHA256
}

// ReleaseKeys are the cluster's release keys; false if it has no ceremony here.
func (h *History) ReleaseKeys() (ReleaseKeys, bool) {
	if len(h.own) == 0 {
		return ReleaseKeys{}, false
	}
	last := h.own[0].Closed
	keys := ReleaseKeys{Present: last.Signer, Announced: last.Successor}
	for i := 1; i < len(h.own); i++ {
		before, now := h.own[i].Closed, h.own[i-1].Closed.Signer
		if now != before.Signer && (before.Successor == nil || now != *before.Successor) {
			keys.Lost = append(keys.Lost, before.Signer)
		}
	}
	return keys, true
}

// Public is a key's DER SubjectPublicKeyInfo, when a ceremony here opened it.
func (h *History) Public(spki fingerprint.SHA256) []byte {
	for _, r := range h.all() {
		if o, ok := r.Opened(spki); ok {
			return o.PublicKey
		}
	}
	return nil
}

// Accounts are the service-account pairs, as the newest of the cluster's ceremonies
// that had any recorded them; nil: none here did.
func (h *History) Accounts() *transcript.AccountKeys {
	for _, r := range h.own {
		if r.Accounts != nil {
			return r.Accounts
		}
	}
	return nil
}

// Sealed finds what one of the cluster's ceremonies recorded of a sealed file: as the
// pair in use, or as the next one by then.
func (h *History) Sealed(sum fingerprint.SHA256) (transcript.Sealed, bool) {
	for _, r := range h.own {
		switch {
		case r.Accounts == nil:
		case r.Accounts.InUse.SHA256 == sum:
			return r.Accounts.InUse, true
		case r.Accounts.Next != nil && r.Accounts.Next.SHA256 == sum:
			return *r.Accounts.Next, true
		}
	}
	return transcript.Sealed{}, false
}
