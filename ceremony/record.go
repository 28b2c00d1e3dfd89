package ceremony

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"officiant/bundle/durable"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

// Names in a ceremony directory.
const (
	transcriptFile = "transcript.jsonl"
	signatureFile  = "transcript.sig"
	releaseFile    = "release.pub"
	sealedKeyFile  = "secrets/sa.key.age"
	nextKeyFile    = "secrets/sa.next.key.age"
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

// openRecord makes the directory the ceremony's own, and begins the transcript
// or goes on with the one there is.
func openRecord(_ context.Context, r *run) error {
	if err := r.adopt(); err != nil {
		return err
	}
	path := filepath.Join(r.Dir, transcriptFile)
	begin := r.resumeRecord
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		begin = r.beginRecord
	} else if err != nil {
		return err
	}
	if err := begin(path); err != nil {
		return err
	}
	return r.takeAttendance()
}

func (r *run) beginRecord(path string) error {
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
		Rehearsal:    r.Rehearsal != nil,
		Station:      r.Station.Digest(),
		Threshold:    r.plan.People.Threshold,
		Approvals:    approvals,
		Program:      r.Program,
		Modules:      append([]transcript.Module{}, r.Modules...),
		Host:         r.Host,
		Predecessors: predecessors(r.plan),
		NotBefore:    begin(r.Plan, r.Now()),
		Steps:        len(r.steps),
	}
	if l := r.plan.Plan.Previous.Lost; l != nil {
		open.Lost = &transcript.Lost{Sequence: l.Sequence, Reason: l.Reason}
	}
	for _, p := range r.plan.People.List {
		open.People = append(open.People, transcript.Person(p))
	}
	log, err := transcript.Create(r.Disk, path, r.Now, open)
	if err != nil {
		return err
	}
	r.log = log
	r.base = open.NotBefore
	r.state.step = r.step
	return r.state.apply(1, open)
}

// resumeRecord reads what former processes recorded into the state, and closes
// the intents they left without a result.
func (r *run) resumeRecord(path string) error {
	log, found, recovered, err := transcript.Resume(r.Disk, path, r.Now)
	if err != nil {
		return err
	}
	r.log = log
	r.resumed = true
	head := found.Head()
	for _, l := range found.Lines {
		if err := r.state.apply(l.Seq, l.Record); err != nil {
			return err
		}
		if _, ok := l.Record.(transcript.IssuingClosed); ok {
			r.state.closing = &l.Hash
		}
	}
	// The line after the last one is "resumed"; no line opens its step.
	r.state.step = r.step
	if err := r.sameCeremony(); err != nil {
		return err
	}
	if err := r.findApprovals(); err != nil {
		return err
	}
	r.base = r.state.open.NotBefore
	if r.state.closed {
		r.Watch.Say("the record is closed already; what is missing beside it is written again")
		return nil
	}
	r.Watch.Say("going on where the record ends")
	r.Watch.Fingerprint("head of the record", head)
	resumed := transcript.Resumed{Head: head, Cut: recovered.Cut, Program: r.Program, Host: r.Host, Removed: r.leftovers}
	if resumed.Removed == nil {
		resumed.Removed = []string{}
	}
	records := []transcript.Record{resumed}
	for _, seq := range r.state.interrupted() {
		records = append(records, transcript.Abandoned{Intent: seq, Reason: "no result on record when the ceremony was resumed"})
	}
	_, err = r.record(records...)
	return err
}

// sameCeremony refuses a transcript that belongs to another plan or station.
func (r *run) sameCeremony() error {
	open := r.state.open
	if open == nil || open.Digest != r.plan.Digest {
		return ErrOtherCeremony
	}
	switch rehearsal := r.Rehearsal != nil; {
	case open.Rehearsal && !rehearsal:
		return &Refused{[]string{"the directory holds a rehearsal: nothing of it is for use, and no ceremony goes on with it"}}
	case rehearsal && !open.Rehearsal:
		return &Refused{[]string{"the directory holds a real ceremony: a rehearsal needs one of its own"}}
	}
	if open.Station != r.Station.Digest() {
		return &Refused{[]string{"the ceremony began with another station file: " + open.Station.String()}}
	}
	if open.Steps != len(r.steps) {
		return &Refused{[]string{fmt.Sprintf("the ceremony began with %d steps, and this program makes %d of it: go on with version %s of the program",
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

// removeLeftovers clears temporary files an interrupted process left behind.
func (r *run) removeLeftovers() error {
	return filepath.WalkDir(r.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == r.Dir || !durable.IsTemp(d.Name()) {
			return err
		}
		rel, _ := filepath.Rel(r.Dir, path)
		r.leftovers = append(r.leftovers, strings.ReplaceAll(rel, string(filepath.Separator), "/"))
		if err := r.Disk.RemoveAll(path); err != nil {
			return err
		}
		if d.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
}
