package ceremony

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/ceremony/transcript"
)

// Dictation is what people say for the record of a ceremony that is paused.
type Dictation struct {
	Dir     string
	Disk    *durable.Disk
	Now     func() time.Time
	Program transcript.Program
	Host    transcript.Host
	// Deviation says that it departs from the script; By are two people or more then.
	Deviation bool
	Text      string
	By        []string
}

// Dictate adds a note or a deviation to the record of a ceremony that nobody
// conducts at the moment, and returns its new head. *Refused: the ceremony is
// over, or those who dictate are none of its people.
func Dictate(d Dictation) (head fingerprint.SHA256, err error) {
	var none fingerprint.SHA256
	unlock, err := lock(d.Dir)
	if err != nil {
		return none, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	log, found, recovered, err := transcript.Resume(d.Disk, filepath.Join(d.Dir, transcriptFile), d.Now)
	if err != nil {
		return none, err
	}
	defer log.Close()
	if err := d.allowed(found); err != nil {
		return none, err
	}
	last := found.Lines[len(found.Lines)-1]
	resumed := transcript.Resumed{Head: found.Head(), Cut: recovered.Cut, Program: d.Program, Host: d.Host, Removed: []string{}}
	if _, err := log.Append(last.Step, resumed, d.record(), transcript.Paused{Reason: "after what was dictated"}); err != nil {
		return none, err
	}
	if err := log.Sync(); err != nil {
		return none, err
	}
	return log.Head(), nil
}

// record is the line for what is dictated.
func (d *Dictation) record() transcript.Record {
	if d.Deviation {
		return transcript.Deviation{Text: d.Text, By: d.By}
	}
	return transcript.Note{Text: d.Text, By: strings.Join(d.By, ", ")}
}

// allowed says why something cannot be added to a record.
func (d *Dictation) allowed(t *transcript.Transcript) error {
	if t.Closed() {
		return &Refused{[]string{d.Dir + ": the record is closed; nothing more is added to it"}}
	}
	var known []string
	for _, p := range t.Open().People {
		known = append(known, p.Name)
	}
	for i, name := range d.By {
		switch {
		case len(known) > 0 && !slices.Contains(known, name):
			return &Refused{[]string{fmt.Sprintf("%q is not one of the plan's people: %s", name, strings.Join(known,
				", "))}}
		case slices.Contains(d.By[:i], name):
			return &Refused{[]string{name + " is named twice"}}
		}
	}
	if d.Deviation && len(d.By) < 2 {
		return &Refused{[]string{"a deviation needs the agreement of two people"}}
	}
	return nil
}

// stopped puts what is known on disk, writes down why people stopped the ceremony,
// when they did, and says where the record stands.
func (r *run) stopped(ctx context.Context, s Step, cause error) error {
	err := fmt.Errorf("step %d of %d, %s: %w", s.N, len(r.steps), s.Title, cause)
	if !r.progress.Begun() {
		return err
	}
	if line, refused := RefusedPIN(cause, r.progress.WrongPINs); refused && !r.progress.Closed {
		if _, e := r.progress.Append(line); e != nil {
			err = errors.Join(err, e)
		}
	}
	if ctx.Err() == nil {
		// When that fails, too, it is the head of what was on disk before.
		_ = r.progress.Sync()
		return &Stopped{Head: r.progress.Synced(), cause: err}
	}
	if _, e := r.progress.Record(transcript.Paused{Reason: "interrupted at the terminal"}); e != nil {
		return &Stopped{Head: r.progress.Synced(), cause: errors.Join(err, e)}
	}
	if why := r.why(); why != "" {
		if _, e := r.progress.Record(transcript.Note{Text: why}); e != nil {
			return &Stopped{Head: r.progress.Synced(), cause: errors.Join(err, e)}
		}
	}
	return &Interrupted{Head: r.progress.Synced(), cause: err}
}

// why asks people for the reason, now that the pause itself is on record.
func (r *run) why() string {
	if r.Why == nil {
		return ""
	}
	return r.Why()
}
