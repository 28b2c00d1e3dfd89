package schedule

import (
	"officiant/ceremony/approval"
	"officiant/ceremony/history"
)

// records are what the ceremonies that a plan continues have on record: the result of
// the pass that reads them, and all that the other passes know of previous ceremonies.
type records struct {
	*history.History                 // never nil
	sequence         int             // of this ceremony
	people           *approval.Group // whom the cluster's last ceremony had on record; nil: nobody
	broken           bool            // what the plan names cannot all be read, which is said already
	distrust         *distrust       // what vouches for nobody; nil before it is asked

	// Of journals: what the plan, or a former list, revokes.
	online map[history.Serial]*history.Certificate
}

// genesis says whether this is the cluster's first ceremony.
func (r *records) genesis() bool { return r.sequence == 1 }
