package audit_test

import (
	"officiant/bundle/fingerprint"
	"officiant/ceremony/transcript"
)

// rebind makes the ids of keys follow from another first line, as one's own program
// would have made them. An id that was changed follows from none.
func (f *forger) rebind(first fingerprint.SHA256) {
	ids := map[string]string{}
	renamed := func(id string) string {
		if other, ok := ids[id]; ok {
			return other
		}
		return id
	}
	for _, a := range f.acts {
		switch r := a.record.(type) {
		case transcript.KeyIntent:
			if len(r.Salt) == 0 {
				continue
			}
			if r.ID == transcript.BoundID(f.head, r.Name, r.Salt) {
				ids[r.ID] = transcript.BoundID(first, r.Name, r.Salt)
				r.ID = ids[r.ID]
			} else {
				r.Salt = nil
			}
			a.record = r
		case transcript.Key:
			r.ID = renamed(r.ID)
			a.record = r
		case transcript.KeyAbandoned:
			r.ID = renamed(r.ID)
			a.record = r
		}
	}
	f.head = first
}
