package ceremony

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

// backdate is how far NotBefore lies before the start, as with kubeadm: nodes'
// clocks may be behind the room's.
const backdate = 5 * time.Minute

// begin is when the certificates of a ceremony begin: a little before the
// ceremony, and not before those that the plan names, which others may have made
// just now.
func begin(c *schedule.Ceremony, now time.Time) time.Time {
	at := now.UTC().Add(-backdate).Truncate(time.Second)
	for _, cert := range slices.AppendSeq(slices.Clone(c.Issuers), maps.Values(c.Certificates)) {
		if cert.NotBefore.After(at) {
			at = cert.NotBefore.UTC()
		}
	}
	return at
}

// openRecord begins the transcript or goes on with the one there is.
func (r *run) openRecord(ctx context.Context, begins time.Time) error {
	path := r.dir.file(transcriptFile)
	_, err := os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	begun := err == nil
	if err := r.headFile(begun); err != nil {
		return err
	}
	r.progress.OnSync(r.onDisk)
	if !begun {
		if !r.rehearsal {
			if err := continued(r.Heads.Continued, r.plan, true); err != nil {
				return err
			}
		}
		return r.beginRecord(path, begins)
	}
	return r.resumeRecord(ctx, path)
}

func (r *run) beginRecord(path string, begins time.Time) error {
	approvals, err := r.adoptApprovals()
	if err != nil {
		return err
	}
	open := transcript.Open{
		Format:       transcript.Format,
		Name:         r.plan.Plan.Name,
		Cluster:      r.plan.Plan.Cluster.Name,
		Sequence:     r.plan.Sequence,
		Digest:       r.plan.Digest,
		Rehearsal:    r.rehearsal,
		Station:      r.Station.Digest(),
		Threshold:    r.plan.People.Threshold,
		Approvals:    approvals,
		Program:      r.Program,
		Modules:      append([]transcript.Module{}, r.Modules...),
		Host:         r.Host,
		Predecessors: predecessors(r.plan),
		NotBefore:    begins,
		Steps:        len(r.steps),
	}
	open.Journals = r.plan.Journals
	if l := r.plan.Plan.Previous.Lost; l != nil {
		open.Lost = &transcript.Lost{Sequence: l.Sequence, Reason: l.Reason}
	}
	for _, p := range r.plan.People.List {
		open.People = append(open.People, transcript.Person(p))
	}
	if err := r.progress.Create(r.dir.disk, path, r.now, open); err != nil {
		return err
	}
	// After a power cut it may be the only one that people have.
	r.observer.Fingerprint("head of the record, to be written down", r.progress.Synced())
	return nil
}

// resumeRecord reads what previous processes recorded into the state, has people agree to
// it, and closes the intents they left without a result.
func (r *run) resumeRecord(ctx context.Context, path string) error {
	read := &lines{}
	recovered, err := r.progress.Resume(r.dir.disk, path, r.now, read.see,
		func() error { return r.compareHead(ctx, read) })
	if err != nil {
		return err
	}
	r.resumed = true
	head := r.progress.Head()
	if err := r.sameCeremony(); err != nil {
		return err
	}
	if err := r.findApprovals(); err != nil {
		return err
	}
	if r.progress.Closed {
		r.observer.Say("the record is already closed; missing files beside it are written again")
		return nil
	}
	r.observer.Say("continuing where the record ends")
	r.observer.Fingerprint("head of the record", head)
	resumed := transcript.Resumed{Head: head, Cut: recovered.Cut, Program: r.Program, Host: r.Host,
		Removed: r.dir.leftovers}
	if resumed.Removed == nil {
		resumed.Removed = []string{}
	}
	if at := r.now().UTC().Truncate(time.Second); at.Before(r.progress.Last()) {
		resumed.Clock = &at
		r.observer.Say("the clock is behind the record: it was ahead before; " +
			"lines have the time of the last one until " +
			r.progress.Last().Format(time.RFC3339))
	}
	records := []transcript.Record{resumed}
	for _, seq := range r.progress.Interrupted() {
		records = append(records, transcript.Abandoned{Intent: seq,
			Reason: "no result on record when the ceremony was resumed"})
	}
	_, err = r.progress.Record(records...)
	return err
}

// sameCeremony refuses a transcript that belongs to another plan or station.
func (r *run) sameCeremony() error {
	open := r.progress.Open
	if open == nil || open.Digest != r.plan.Digest {
		return ErrOtherCeremony
	}
	switch {
	case open.Rehearsal && !r.rehearsal:
		return &Refused{[]string{"the directory holds a rehearsal: nothing in it may be used, and no ceremony can " +
			"continue it"}}
	case r.rehearsal && !open.Rehearsal:
		return &Refused{[]string{"the directory holds a real ceremony: a rehearsal needs one of its own"}}
	}
	if err := r.sameStation(); err != nil {
		return err
	}
	if open.Steps != len(r.steps) {
		return &Refused{[]string{fmt.Sprintf("the ceremony began with %d steps, and this program makes %d of it: "+
			"continue with version %s of the program",
			open.Steps, len(r.steps), open.Program.Version)}}
	}
	return nil
}

func predecessors(c *schedule.Ceremony) []transcript.Predecessor {
	out := []transcript.Predecessor{}
	for _, p := range c.Plan.Previous.Ceremonies {
		out = append(out, transcript.Predecessor{Cluster: p.Cluster, Sequence: p.Sequence, Head: p.Head})
	}
	return out
}
