package schedule

import (
	"crypto/x509"
	"time"

	"officiant/ceremony/approval"
	"officiant/ceremony/plan"
)

// records are the former ceremonies that a plan continues: the result of the pass that
// reads them, and all that the other passes know of former ceremonies.
type records struct {
	p        *plan.Plan
	files    *files
	sequence int             // of this ceremony
	began    time.Time       // of this cluster's last ceremony; zero when there is none
	people   *approval.Group // who it had on record; nil: nobody
	sealed   *accountRecords // of this cluster's newest ceremony that had pairs; nil when none had
	// Release keys as this cluster's last ceremony left them; nil when there is none.
	released   *releaseRecord
	neighbours []neighbour // former ceremonies of other clusters
	chain      []string    // this cluster's former transcripts, newest first

	issued    *former                      // what this cluster's last ceremony issued; read when it matters
	issuedErr error                        // why that cannot be read
	present   map[string]*x509.Certificate // what nodes have now, by the schedule's name; see newest
}

// genesis says whether this is the cluster's first ceremony.
func (r *records) genesis() bool { return r.sequence == 1 }
