package schedule

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/history"
	"officiant/ceremony/plan"
	"officiant/signer"
)

// recordPass reads the records that the plan continues.
type recordPass struct {
	base
	past  *records
	known *history.History // what this process has read before
}

func recordsOf(b base, known *history.History) *records {
	pass := &recordPass{b, &records{History: &history.History{}, sequence: 1}, cmp.Or(known, &history.History{})}
	before := len(b.Problems)
	pass.check()
	pass.past.broken = len(b.Problems) > before
	return pass.past
}

// check goes through the ceremonies this one continues, and derives its sequence.
func (b *recordPass) check() {
	if b.p.Previous.Lost != nil {
		b.lost(plan.At{"previous", "lost"})
	}
	var records []*history.Record
	seen := map[string]bool{}
	for i, p := range b.p.Previous.Ceremonies {
		where := plan.At{"previous", i}
		switch {
		case p.Cluster == "":
			b.Refuse(where, "a previous ceremony needs its cluster's name")
		case seen[p.Cluster]:
			b.Refuse(append(where, "cluster"), "two previous ceremonies of cluster %s; a ceremony continues the last one only",
				p.Cluster)
		case p.Sequence < 1:
			b.Refuse(append(where, "sequence"), "the previous ceremony's sequence is missing; it counts from 1")
		case p.Head == fingerprint.SHA256{}:
			b.Refuse(
				append(where, "head"),
				"the previous ceremony's head is missing: the SHA-256 of its transcript's last line",
			)
		case p.Transcript == "":
			b.Refuse(where, "the previous ceremony's transcript is missing")
		default:
			records = append(records, b.predecessor(p, where)...)
		}
		seen[p.Cluster] = true
	}
	past, err := history.Of(b.p.Cluster.Name, records...)
	if err != nil {
		b.Refuse(plan.At{"previous"}, "%v", err)
		past, _ = history.Of(b.p.Cluster.Name)
	}
	b.past.History = past
	if last := past.Last(); last != nil {
		b.past.sequence = last.Open.Sequence + 1
		if g, ok := groupOf(b.base, last); ok {
			b.past.people = &g
		}
	}
	b.clock()
}

// predecessor reads one of the ceremonies this one continues, and those before it;
// nothing when it is not what the plan says.
func (b *recordPass) predecessor(p plan.Predecessor, where plan.At) []*history.Record {
	r := b.record(p.Transcript, append(slices.Clone(where), "transcript"))
	if r == nil {
		return nil
	}
	before := len(b.Problems)
	switch {
	case r.Head != p.Head:
		b.Refuse(append(where, "head"), "the last line of %s has SHA-256 %s, not this", p.Transcript, r.Head)
		return nil
	case r.Open.Rehearsal:
		b.RefuseInput(p.Transcript, "is the transcript of a rehearsal, which nothing can continue")
	case r.Open.Cluster != p.Cluster:
		b.Refuse(append(where, "cluster"), "%s is of cluster %s, not %s", p.Transcript, r.Open.Cluster, p.Cluster)
	case r.Open.Sequence != p.Sequence:
		b.Refuse(append(where, "sequence"), "%s is of ceremony %d, not %d", p.Transcript, r.Open.Sequence, p.Sequence)
	case r.Open.Sequence >= plan.MostCeremonies && !b.held:
		b.RefuseInput(p.Transcript, "is of ceremony %d, and no cluster has %d: its chain cannot be counted on",
			r.Open.Sequence, plan.MostCeremonies)
	case r.Closed == nil:
		b.RefuseInput(p.Transcript, "the ceremony is unfinished: only a finished one can be continued")
	}
	if p.Cluster != b.p.Cluster.Name && len(p.Earlier)+len(p.Abandoned) > 0 {
		b.Refuse(append(where, "earlier"), "only of this cluster's own ceremonies are earlier and abandoned ones "+
			"of use")
	}
	if len(b.Problems) > before {
		return nil
	}
	if p.Cluster != b.p.Cluster.Name {
		return []*history.Record{r}
	}
	chain := append([]*history.Record{r}, b.earlier(p, r, where)...)
	return append(chain, b.givenUp(p, chain, where)...)
}

// givenUp reads the transcripts of ceremonies that were abandoned. Each would have gone on
// where one of the chain ended, or have been the cluster's first.
func (b *recordPass) givenUp(p plan.Predecessor, chain []*history.Record, where plan.At) []*history.Record {
	var records []*history.Record
	for i, file := range p.Abandoned {
		where := append(slices.Clone(where), "abandoned", i)
		if file == p.Transcript || slices.Contains(p.Earlier, file) || slices.Contains(p.Abandoned[:i], file) {
			b.Refuse(where, "%s is there twice", file)
			continue
		}
		r := b.record(file, where)
		switch {
		case r == nil:
		case !r.AbandonmentClosed:
			b.RefuseInput(file, "people did not give this ceremony up, or not to its end: officiant ceremony "+
				"abandon does")
		case r.Open.Rehearsal || r.Open.Cluster != p.Cluster:
			b.RefuseInput(file, "%s is not one of this cluster's own", r)
		case r.Open.Sequence > 1 && !slices.ContainsFunc(chain, r.Continues):
			b.Refuse(where, "%s, %s, would have continued none of the ceremonies named here", file, r)
		default:
			records = append(records, r)
		}
	}
	return records
}

// earlier reads the transcripts before the predecessor's. Each has to be the
// one that the next names in its first line.
func (b *recordPass) earlier(p plan.Predecessor, next *history.Record, where plan.At) []*history.Record {
	var records []*history.Record
	for i, file := range p.Earlier {
		where := append(slices.Clone(where), "earlier", i)
		if file == p.Transcript || slices.Contains(p.Earlier[:i], file) {
			b.Refuse(where, "%s is there twice", file)
			return records
		}
		r := b.record(file, where)
		if r == nil {
			return records
		}
		if !next.Continues(r) {
			b.Refuse(where, "%s, of ceremony %d of cluster %s with head %s, is not the one ceremony %d continues", file,
				r.Open.Sequence, r.Open.Cluster, r.Head, next.Open.Sequence)
			return records
		}
		records = append(records, r)
		next = r
	}
	return records
}

// record reads the record of an input, strictly; nil when it cannot be had. One that
// this process has read before is not read again.
func (b *recordPass) record(file string, where plan.At) *history.Record {
	if !b.isPath(file, where) {
		return nil
	}
	source := history.Source{Name: file,
		Open: func() (io.ReadCloser, error) { return openFile(b.files.fsys, file, maxChain) }}
	known := slices.Concat(b.known.Records(), b.known.Others(), b.known.Abandoned())
	if len(known) > 0 {
		problems := len(b.Problems)
		_ = b.stream(maxChain, file, where, func(io.Reader) error { return nil })
		if len(b.Problems) > problems {
			return nil
		}
		for _, r := range known {
			if r.SHA256 != b.files.sums[file] {
				continue
			}
			if r.Source.Dir == "" { // what is read of it again is read here: the other may be taken away
				r.Source = source
			}
			return r
		}
	}
	f, err := openFile(b.files.fsys, file, maxChain)
	if err != nil {
		b.Refuse(where, "%v", err)
		return nil
	}
	f.Close()
	r, err := history.Read(source)
	var broken *history.Broken
	switch {
	case errors.As(err, &broken):
		b.RefuseInput(file, "line %d: %s", broken.Line, broken.Reason)
		return nil
	case err != nil:
		b.RefuseInput(file, "%v", err)
		return nil
	case !b.sum(file, r.SHA256, where):
		return nil
	}
	b.files.streamed[file] = true
	return r
}

// RecordOf is what the record of a plan's input says, as it was read with the plan; an error
// where it was not.
func RecordOf(c *Ceremony, file string) (*history.Record, error) {
	for _, r := range slices.Concat(c.Past.Records(), c.Past.Others(), c.Past.Abandoned()) {
		if r.SHA256 == c.Sums[file] {
			return r, nil
		}
	}
	return nil, fmt.Errorf("%s: no record was read from it", file)
}

// clock refuses a ceremony before the end of one that it continues, as run does.
func (b *recordPass) clock() {
	if b.held {
		return // it is asked as of a time a little before it began
	}
	for _, r := range b.past.Ends() {
		if b.now.Before(r.Ended) {
			b.Refuse(plan.At{"previous"}, "the clock says %s, but %s ended at %s: set the clock",
				b.now.UTC().Format(time.RFC3339), r, r.Ended.Format(time.RFC3339))
		}
	}
}

// knownGrade says whether a plan may ask for that grade.
func knownGrade(g signer.Grade) bool {
	return g.AtLeast(signer.Unproven)
}
