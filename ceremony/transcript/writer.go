package transcript

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/ceremony/chain"
)

// mode of the transcript: it holds no secret, and auditors read it.
const mode = 0o644

// slack is how far the clock may stand behind the last line on Resume: as far as a
// clock that was a day or a time zone ahead is set right. Lines have the last line's
// time until the clock has caught up. What is further off is another matter: its
// certificates would begin in weeks or years.
const slack = 26 * time.Hour

// ErrClock is the error of Resume when the clock stands too far behind the record.
var ErrClock = errors.New("the clock is behind the record")

// Writer appends to a transcript. It is for one goroutine: whoever has several
// workers collects their records first.
type Writer struct {
	path   string
	log    *durable.Log
	file   *os.File // the same, to read what was written
	now    func() time.Time
	order  *order
	buffer []byte
	failed error
}

// Recovered says what Resume had to cut off.
type Recovered struct {
	Cut  *fingerprint.SHA256 // of the unterminated last line; nil when there was none
	Size int                 // its length in bytes
}

// Create makes the file path with its first line, whole or not at all. A file
// that exists is an error (fs.ErrExist). It sets first's Format when empty.
func Create(d *durable.Disk, path string, now func() time.Time, first Open) (*Writer, error) {
	if first.Format == "" {
		first.Format = Format
	}
	w := &Writer{path: path, now: now, order: newOrder()}
	if _, err := w.Append(0, first); err != nil {
		return nil, err
	}
	if err := d.Create(path, w.buffer, mode); err != nil {
		return nil, err
	}
	w.buffer = nil
	log, err := d.OpenLog(path, mode)
	if err != nil {
		return nil, err
	}
	if w.file, err = OpenFile(path); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	w.log = log
	return w, nil
}

// Resume opens an unfinished transcript to continue it: it cuts off an
// unterminated last line, checks all others and syncs them. The caller's first Append is a
// Resumed with the transcript's head and what was cut. The Writer of a closed
// transcript refuses every record.
func Resume(d *durable.Disk, path string, now func() time.Time) (*Writer, *Transcript, *Recovered, error) {
	t := &Transcript{}
	w, rec, err := ResumeLines(d, path, now, func(l Line) error {
		t.Lines = append(t.Lines, l)
		return nil
	}, func() error { return nil })
	if err != nil {
		return nil, nil, nil, err
	}
	return w, t, rec, nil
}

// ResumeLines is Resume, and gives each line to take and keeps none: a long transcript
// needs no room. agree is asked after the last whole line, before anything is changed. An
// error of either ends it.
func ResumeLines(d *durable.Disk, path string, now func() time.Time, take func(Line) error, agree func() error) (
	*Writer, *Recovered, error) {
	f, err := OpenFile(path)
	if err != nil {
		return nil, nil, err
	}
	w := &Writer{path: path, now: now, order: newOrder(), file: f}
	rec, err := w.resume(d, take, agree)
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return w, rec, nil
}

func (w *Writer) resume(d *durable.Disk, take func(Line) error, agree func() error) (*Recovered, error) {
	whole, tail, err := wholeLines(w.file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", w.path, err)
	}
	lines, closed := 0, false
	for l, err := range w.order.scan(w.path, io.NewSectionReader(w.file, 0, whole)) {
		if err != nil {
			return nil, err
		}
		if err := take(l); err != nil {
			return nil, err
		}
		_, closed = l.Record.(Closed)
		lines++
	}
	if err := agree(); err != nil {
		return nil, err
	}
	if closed && len(tail) > 0 {
		return nil, &Broken{w.path, lines + 1, "text after the closed line"}
	}
	if at := w.now(); !closed && at.Before(w.order.last.Add(-slack)) {
		return nil, fmt.Errorf("%s: %w: it says %s, and the last line is of %s; set it if it is wrong; "+
			"if it was ahead when that line was written, the same command goes on after that time",
			w.path, ErrClock, at.UTC().Format(chain.Layout), w.order.last.Format(chain.Layout))
	}
	log, err := d.OpenLog(w.path, mode)
	if err != nil {
		return nil, err
	}
	rec := &Recovered{}
	if len(tail) > 0 {
		cut := fingerprint.Of(tail)
		rec.Cut, rec.Size = &cut, len(tail)
		if err := log.Truncate(whole); err != nil {
			return nil, errors.Join(err, log.Close())
		}
	}
	// What a killed process wrote can be read and need not be on the disk yet;
	// after a closed line nothing else would bring it there.
	if err := errors.Join(log.Sync(), d.SyncDir(filepath.Dir(w.path))); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	w.log = log
	return rec, nil
}

// wholeLines is how many bytes of a file are whole lines, and what comes after them.
func wholeLines(f *os.File) (whole int64, tail []byte, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, nil, err
	}
	for whole = min(info.Size(), MaxFile); whole > 0; {
		part := make([]byte, min(whole, 1<<16))
		if _, err := f.ReadAt(part, whole-int64(len(part))); err != nil {
			return 0, nil, err
		}
		last := bytes.LastIndexByte(part, '\n') + 1
		tail = append(slices.Clone(part[last:]), tail...)
		whole -= int64(len(part) - last)
		if last > 0 {
			break
		}
	}
	return whole, tail, nil
}

// Append adds records, all with the present time, to those that the next Sync
// writes, and returns the sequence number of the first. Nothing is on disk
// before Sync. A record that cannot come here is refused, and none of recs is
// then added after it; see the package's comment for the order.
func (w *Writer) Append(step int, recs ...Record) (firstSeq int, err error) {
	if w.failed != nil {
		return 0, w.failed
	}
	firstSeq = w.order.seq + 1
	at := w.now().UTC().Truncate(time.Millisecond)
	if at.Before(w.order.last) {
		at = w.order.last
	}
	for _, rec := range recs {
		l := Line{Seq: w.order.seq + 1, Time: at, Step: step, Prev: w.order.head, Record: byValue(rec)}
		raw, err := encode(l)
		if err == nil {
			l.Hash = fingerprint.Of(raw)
			err = w.order.next(&l)
		}
		if err != nil {
			return 0, fmt.Errorf("%s:%d: %w", w.path, l.Seq, err)
		}
		w.buffer = append(w.buffer, raw...)
	}
	return firstSeq, nil
}

// Sync writes what was appended in one write and one fsync. After an error the
// Writer refuses everything: what reached the disk is then not known, and only
// Resume can tell.
func (w *Writer) Sync() error {
	if w.failed != nil {
		return w.failed
	}
	if len(w.buffer) == 0 {
		return nil
	}
	if _, err := w.log.Write(w.buffer); err != nil {
		return w.fail(err)
	}
	if err := w.log.Sync(); err != nil {
		return w.fail(err)
	}
	w.buffer = w.buffer[:0]
	return nil
}

func (w *Writer) fail(err error) error {
	w.failed = fmt.Errorf("%s: not recorded: %w", w.path, err)
	return w.failed
}

// AppendSync is Append and Sync.
func (w *Writer) AppendSync(step int, recs ...Record) (firstSeq int, err error) {
	if firstSeq, err = w.Append(step, recs...); err != nil {
		return 0, err
	}
	return firstSeq, w.Sync()
}

// Offset is where the next line will begin.
func (w *Writer) Offset() int64 {
	if w.log == nil {
		return int64(len(w.buffer))
	}
	return w.log.Size() + int64(len(w.buffer))
}

// Line reads a line again that was written or appended before, by its place in the file.
// Several goroutines may, while nobody appends. Whether it is still what it was, its
// caller has to know.
func (w *Writer) Line(offset int64, size int) (Line, error) {
	raw := make([]byte, size)
	if written := w.log.Size(); offset >= written {
		copy(raw, w.buffer[offset-written:])
	} else if _, err := w.file.ReadAt(raw, offset); err != nil {
		return Line{}, fmt.Errorf("%s: %w", w.path, err)
	}
	l, err := Decode(raw)
	if err != nil {
		return Line{}, fmt.Errorf("%s: the line at byte %d is not what was recorded: %w", w.path, offset, err)
	}
	return l, nil
}

// Last is the time of the last line.
func (w *Writer) Last() time.Time { return w.order.last }

// Head returns the hash of the last line appended, written or not.
func (w *Writer) Head() fingerprint.SHA256 { return w.order.head }

// Issued returns how many certificates the transcript holds, and Abandoned how
// many certificate intents were abandoned: what IssuingClosed has to say.
func (w *Writer) Issued() int    { return w.order.issued }
func (w *Writer) Abandoned() int { return w.order.abandoned }

// Close closes the file. What was appended and not synced is lost.
func (w *Writer) Close() error { return errors.Join(w.log.Close(), w.file.Close()) }

func byValue(rec Record) Record {
	if v := reflect.ValueOf(rec); v.Kind() == reflect.Pointer {
		return v.Elem().Interface().(Record)
	}
	return rec
}
