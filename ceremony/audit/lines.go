package audit

import (
	"iter"
	"slices"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/transcript"
)

// record is a transcript in memory. There are four lines for each node, two for its
// certificate and two for its bundle's signature: what they say is in the ledger alone.
type record struct {
	Lines  []transcript.Line // the others
	Ledger *ledger
	Count  int             // of all lines
	Last   transcript.Line // of all
}

func (r *record) add(l transcript.Line, s *sorter) {
	if !s.take(l) {
		r.Lines = append(r.Lines, l)
	}
	r.Count++
	l.Certificate = nil
	r.Last = l
}

// Open is the first line's record.
func (r *record) Open() transcript.Open { return r.Lines[0].Record.(transcript.Open) }

// Head is the hash of the last line.
func (r *record) Head() fingerprint.SHA256 { return r.Last.Hash }

// Closed says whether the ceremony came to its end.
func (r *record) Closed() bool { _, ok := r.Last.Record.(transcript.Closed); return ok }

// Abandonment is the line that closes a ceremony that will not be finished; nil: none does.
func (r *record) Abandonment() *transcript.Line {
	for i := range r.Lines {
		if _, ok := r.Lines[i].Record.(transcript.Abandonment); ok {
			return &r.Lines[i]
		}
	}
	return nil
}

// Acts are all lines in their order but those that an intent's result is on. The intents are
// what the ledger has of them.
func (r *record) Acts() iter.Seq[transcript.Line] {
	return func(yield func(transcript.Line) bool) {
		certificates, files := r.Ledger.certificates, r.Ledger.files
		until := func(seq int) bool { // intents before that line
			for {
				c, f := next(certificates, seq), next(files, seq)
				switch {
				case c == nil && f == nil:
					return true
				case f == nil || c != nil && c.seq < f.seq:
					certificates = certificates[1:]
					intent := transcript.Intent{Entry: c.entry, Name: c.name, Signer: c.signer, TBS: c.tbs}
					if !yield(transcript.Line{Seq: c.seq, Record: intent}) {
						return false
					}
				default:
					files = files[1:]
					intent := transcript.SignatureIntent{Entry: f.entry, Name: f.name, SHA256: f.sum}
					if !yield(transcript.Line{Seq: f.seq, Record: intent}) {
						return false
					}
				}
			}
		}
		for _, l := range r.Lines {
			if !until(l.Seq) || !yield(l) {
				return
			}
		}
		until(r.Count + 1)
	}
}

// next is the first of what was intended, when that was before a line.
func next(intended []*signing, seq int) *signing {
	if len(intended) == 0 || intended[0].seq >= seq {
		return nil
	}
	return intended[0]
}

// Pending are the intents that have neither a result nor an abandonment.
func (r *record) Pending() (open []transcript.Line) {
	settled := map[int]bool{}
	for _, l := range r.Lines {
		switch result := l.Record.(type) {
		case transcript.CRL:
			settled[result.Intent] = true
		case transcript.Challenge:
			settled[result.Intent] = true
		case transcript.CSR:
			settled[result.Intent] = true
		case transcript.Abandoned:
			settled[result.Intent] = true
		}
	}
	for _, all := range [][]*signing{r.Ledger.certificates, r.Ledger.files} {
		for _, s := range all {
			if s.result == 0 && !settled[s.seq] {
				open = append(open, transcript.Line{Seq: s.seq})
			}
		}
	}
	for _, l := range r.Lines {
		switch l.Record.(type) {
		case transcript.CSRIntent, transcript.CRLIntent, transcript.ChallengeIntent:
			if !settled[l.Seq] {
				open = append(open, l)
			}
		}
	}
	slices.SortFunc(open, func(x, y transcript.Line) int { return x.Seq - y.Seq })
	return open
}

// Intent is what an intent's line says; nil when there is no such line.
func (r *record) Intent(seq int) transcript.Record {
	for l := range r.Acts() {
		if l.Seq == seq {
			return l.Record
		}
	}
	return nil
}
