package status

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/comparison"
	"officiant/ceremony/transcript"
)

// State is how far a ceremony is.
type State string

// The states of a ceremony that has a record.
const (
	Finished   State = "finished"
	Unfinished State = "unfinished"
	Awaiting   State = "awaiting"   // certificates that an external root has to sign
	Abandoning State = "abandoning" // people gave it up, and not every key is dealt with
	Abandoned  State = "abandoned"
)

// Files of a ceremony directory.
const (
	recordFile    = "transcript.jsonl"
	signatureFile = "transcript.sig"
	scheduleFile  = "schedule.txt"
)

// Status is how far a ceremony has come.
type Status struct {
	Name      string             `json:"name"`
	Cluster   string             `json:"cluster"`
	Sequence  int                `json:"sequence"`
	Rehearsal bool               `json:"rehearsal"`
	State     State              `json:"state"`
	Digest    fingerprint.SHA256 `json:"digest"`
	Station   fingerprint.SHA256 `json:"station"` // SHA-256 of the station file
	Began     time.Time          `json:"began"`
	Last      time.Time          `json:"last"` // line of the record
	Step      int                `json:"step"` // 0: before the first
	Steps     int                `json:"steps"`
	Title     string             `json:"title"` // of the step
	Reason    string             `json:"reason,omitempty"`
	Head      fingerprint.SHA256 `json:"head"`
	Words     []string           `json:"words"`         // the head's
	Cut       int64              `json:"cut,omitempty"` // bytes of a last line without its end
	Open      int                `json:"open"`          // intents that have no result
	Entries   []Count            `json:"entries"`       // of the schedule, by kind
	Awaits    []string           `json:"awaits"`        // certificates that have to come back
	Lacks     []string           `json:"lacks"`         // entries without a result, in the schedule's order
}

// Count is how many entries of a kind the schedule has, and how many are done.
type Count struct {
	Kind  string `json:"kind"` // as in schedule.txt
	Done  int    `json:"done"`
	Total int    `json:"total"`
}

// Read reads a ceremony directory. Without a record in it the error is fs.ErrNotExist;
// that of a record which is not whole is a *transcript.Broken. name is the directory's,
// for messages.
func Read(name string, dir fs.FS) (*Status, error) {
	info, err := fs.Stat(dir, recordFile)
	if err == nil {
		err = transcript.CheckFile(name+"/"+recordFile, info)
	}
	if err != nil {
		return nil, err
	}
	f, err := dir.Open(recordFile)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	whole, size, err := terminated(f)
	if err != nil {
		return nil, fmt.Errorf("%s/%s: %w", name, recordFile, err)
	}
	r := &reader{done: map[string]bool{}, intents: map[int]string{}}
	r.Cut = size - whole
	for l, err := range transcript.Scan(name+"/"+recordFile, io.LimitReader(f, whole)) {
		if err != nil {
			return nil, err
		}
		r.take(l)
	}
	r.Words, r.Open = r.Head.Words(), len(r.intents)
	if r.State == Abandoning || r.State == Abandoned {
		r.Reason, r.Open = r.abandoned, 0 // what has no result is abandoned, too
	}
	if _, err := fs.Stat(dir, signatureFile); err == nil && r.closed {
		r.State = Finished
		r.done["transcript"] = true
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := r.schedule(name, dir); err != nil {
		return nil, err
	}
	return &r.Status, nil
}

// terminated is how much of a file there is up to the end of its last whole line.
// The file is at its beginning again.
func terminated(f fs.File) (whole, size int64, err error) {
	s, ok := f.(io.ReadSeeker)
	if !ok {
		return 0, 0, errors.New("cannot be read from its end")
	}
	if size, err = s.Seek(0, io.SeekEnd); err != nil {
		return 0, 0, err
	}
	for at, tail := size, make([]byte, 1<<16); at > 0 && whole == 0; {
		n := min(at, int64(len(tail)))
		at -= n
		if _, err = s.Seek(at, io.SeekStart); err != nil {
			return 0, 0, err
		}
		if _, err = io.ReadFull(s, tail[:n]); err != nil {
			return 0, 0, err
		}
		if i := bytes.LastIndexByte(tail[:n], '\n'); i >= 0 {
			whole = at + int64(i) + 1
		}
	}
	if whole == 0 {
		whole = size // the record's own rules refuse it
	}
	_, err = s.Seek(0, io.SeekStart)
	return whole, size, err
}

// reader is a status while the record is read.
type reader struct {
	Status
	closed    bool
	abandoned string          // why people gave it up
	asked     bool            // requests for an external root are signed
	received  bool            // and what came back is on record
	done      map[string]bool // entries, by name
	intents   map[int]string  // without a result: the entry's name, empty for what is none
}

func (r *reader) take(l transcript.Line) {
	r.Head, r.Last = l.Hash, l.Time
	if l.Step != r.Step {
		r.Step, r.Title = l.Step, ""
	}
	r.Reason = ""
	switch d := l.Record.(type) {
	case transcript.Open:
		r.Name, r.Cluster, r.Sequence, r.Rehearsal = d.Name, d.Cluster, d.Sequence, d.Rehearsal
		r.Digest, r.Station, r.Steps, r.Began, r.State = d.Digest, d.Station, d.Steps, l.Time, Unfinished
	case transcript.StationChanged:
		r.Station = d.Station
	case transcript.Step:
		r.Title = d.Title
	case transcript.Paused:
		r.Reason = d.Reason
	case transcript.Closed:
		r.closed = true
	case transcript.Abandonment:
		r.State, r.abandoned = Abandoning, d.Reason
	case transcript.AbandonmentClosed:
		r.State = Abandoned
	case transcript.Received:
		r.received = true
		for _, c := range d.Certificates {
			r.done[c.Name] = true
		}
	default:
		r.signature(l)
	}
}

// signature takes what is announced before it is done, and what came of it.
func (r *reader) signature(l transcript.Line) {
	ended := func(intent int, done bool) {
		if name := r.intents[intent]; done && name != "" {
			r.done[name] = true
		}
		delete(r.intents, intent)
	}
	switch d := l.Record.(type) {
	case transcript.Intent:
		r.intents[l.Seq] = d.Name
	case transcript.CSRIntent:
		r.intents[l.Seq] = d.Name
	case transcript.CRLIntent:
		r.intents[l.Seq] = d.Name
	case transcript.SignatureIntent:
		r.intents[l.Seq] = d.Name
	case transcript.ChallengeIntent, transcript.CanaryIntent:
		r.intents[l.Seq] = ""
	case transcript.Issued:
		ended(d.Intent, true)
	case transcript.CSR:
		r.asked = true
		ended(d.Intent, true)
	case transcript.CRL:
		ended(d.Intent, true)
	case transcript.Signature:
		ended(d.Intent, true)
	case transcript.Challenge:
		ended(d.Intent, true)
	case transcript.Canary:
		ended(d.Intent, true)
	case transcript.Abandoned:
		ended(d.Intent, false)
	}
}

// schedule holds the schedule against what is done. A directory that a process left
// before it wrote one has none.
func (r *reader) schedule(name string, dir fs.FS) error {
	r.Entries, r.Awaits, r.Lacks = []Count{}, []string{}, []string{}
	info, err := fs.Stat(dir, scheduleFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = comparison.CheckFile(name+"/"+scheduleFile, info)
	}
	if err != nil {
		return err
	}
	text, err := fs.ReadFile(dir, scheduleFile)
	if err != nil {
		return err
	}
	s, err := comparison.Parse(name+"/"+scheduleFile, text)
	if err != nil {
		return err
	}
	places, requests := map[string]int{}, 0
	for _, e := range s.Entries {
		i, ok := places[e.Kind]
		if !ok {
			i = len(r.Entries)
			places[e.Kind] = i
			r.Entries = append(r.Entries, Count{Kind: e.Kind})
		}
		r.Entries[i].Total++
		switch {
		case r.done[e.Name]:
			r.Entries[i].Done++
		case e.Kind == "external":
			r.Awaits = append(r.Awaits, e.Name)
			r.Lacks = append(r.Lacks, e.Name)
		default:
			r.Lacks = append(r.Lacks, e.Name)
			if e.Kind == "csr" {
				requests++
			}
		}
	}
	if r.State == Unfinished && r.asked && !r.received && requests == 0 && len(r.Awaits) > 0 {
		r.State = Awaiting
	}
	return nil
}
