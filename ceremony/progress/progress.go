package progress

import (
	"time"

	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/ceremony/transcript"
)

// Progress is a running ceremony's record, and what it says so far. It is for one
// goroutine.
type Progress struct {
	*State
	log        *transcript.Writer
	titles     []string // of the steps
	step       int      // the present one
	synced     fingerprint.SHA256
	onSync     func(head fingerprint.SHA256) error
	unrecorded bool // there is no log
	lines      int  // of what is not recorded
}

// New is the progress of a ceremony of these steps that has no record yet. Serial
// numbers of ceremonies it continues are set aside with UseSerial.
func New(titles []string) *Progress {
	return &Progress{State: newState(), titles: titles}
}

// Unrecorded is the progress of a look at tokens: what is put into it is applied, and
// goes nowhere.
func Unrecorded() *Progress {
	p := New([]string{""})
	p.unrecorded = true
	return p
}

// Steps is how many steps the ceremony has.
func (p *Progress) Steps() int { return len(p.titles) }

// OnSync has a function called with the head of what is on disk, each time that
// lines were put there. Its error is Record's: what was recorded is not acted on.
func (p *Progress) OnSync(do func(head fingerprint.SHA256) error) { p.onSync = do }

// At makes step n the present one, under whose number records are written.
func (p *Progress) At(n int) { p.step = n }

// Create begins the record with its first line, under the present step's number.
func (p *Progress) Create(d *durable.Disk, path string, now func() time.Time, open transcript.Open) error {
	log, err := transcript.Create(d, path, now, open)
	if err != nil {
		return err
	}
	p.log = log
	if err := p.apply(transcript.Line{Seq: 1, Hash: log.Head(), Record: open}); err != nil {
		return err
	}
	p.State.step = p.step // the first line opens the step it stands in
	return p.told()
}

// Resume reads what previous processes recorded. see is shown each line, and agree is asked
// when there is no more, before anything is changed. Unless the record is closed, the
// caller's first record is a transcript.Resumed.
func (p *Progress) Resume(d *durable.Disk, path string, now func() time.Time, see func(transcript.Line),
	agree func() error) (*transcript.Recovered, error) {
	log, recovered, err := transcript.ResumeLines(d, path, now, func(l transcript.Line) error {
		see(l)
		return p.apply(l)
	}, agree)
	if err != nil {
		return nil, err
	}
	p.log = log
	p.synced = log.Head()
	return recovered, nil
}

// Begun says whether there is a record.
func (p *Progress) Begun() bool { return p.log != nil }

// BeginStep has the record say that the present step begins, also when nothing
// else of it will be on record.
func (p *Progress) BeginStep() error {
	if p.log == nil || p.Closed || p.State.step == p.step {
		return nil
	}
	_, err := p.put(transcript.Step{Title: p.titles[p.step-1]})
	return err
}

// Append buffers records under the present step's number, after a line that
// opens the step. It returns the sequence number of the first.
func (p *Progress) Append(records ...transcript.Record) (first int, err error) {
	if len(records) == 0 {
		return 0, nil
	}
	// No line may come before the one that says that another process goes on.
	if _, resumed := records[0].(transcript.Resumed); !resumed {
		if err := p.BeginStep(); err != nil {
			return 0, err
		}
	}
	for i, r := range records {
		seq, err := p.put(r)
		if err != nil {
			return 0, err
		}
		if i == 0 {
			first = seq
		}
	}
	return first, nil
}

// Record is Append, and returns when everything appended is on disk.
func (p *Progress) Record(records ...transcript.Record) (first int, err error) {
	first, err = p.Append(records...)
	if err != nil {
		return 0, err
	}
	return first, p.Sync()
}

// Sync returns when everything appended is on disk.
func (p *Progress) Sync() error {
	if p.unrecorded {
		return nil
	}
	if err := p.log.Sync(); err != nil {
		return err
	}
	return p.told()
}

func (p *Progress) told() error {
	if p.synced = p.log.Head(); p.onSync == nil {
		return nil
	}
	return p.onSync(p.synced)
}

func (p *Progress) put(r transcript.Record) (seq int, err error) {
	if p.unrecorded {
		p.lines++
		return p.lines, p.apply(transcript.Line{Seq: p.lines, Step: p.step, Record: r})
	}
	offset := p.log.Offset()
	if seq, err = p.log.Append(p.step, r); err != nil {
		return 0, err
	}
	return seq, p.apply(transcript.Line{Seq: seq, Step: p.step, Hash: p.log.Head(), Record: r, Offset: offset,
		Size: int(p.log.Offset() - offset)})
}

// Synced is the hash of the last line that is on disk.
func (p *Progress) Synced() fingerprint.SHA256 { return p.synced }

// Head is the hash of the last line, and Last its time.
func (p *Progress) Head() fingerprint.SHA256 { return p.log.Head() }
func (p *Progress) Last() time.Time          { return p.log.Last() }

// Release lets go of what grows with the number of certificates, once the record
// is closed. What is left is Head, Last and Close.
func (p *Progress) Release() { p.State = &State{Closed: p.Closed, step: p.State.step} }

// Close closes the record's file. What was appended and not synced is lost.
func (p *Progress) Close() error {
	if p.log == nil {
		return nil
	}
	return p.log.Close()
}
