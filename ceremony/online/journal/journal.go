package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/ceremony/chain"
)

// mode of the file: it holds no secret, and auditors read it.
const mode = 0o644

// Slack is how far the clock may be behind the last line. Lines have that one's time
// until the clock has caught up.
const Slack = time.Minute

var (
	// ErrLocked is the error of Begin while another process writes the journal.
	ErrLocked = errors.New("another process writes this journal")
	// ErrClock is the error of Append when the clock is too far behind the last line.
	ErrClock = errors.New("the clock is behind the journal")
)

// Journal appends to a journal. It is for one goroutine; Has and Used are for all.
type Journal struct {
	mu     sync.RWMutex // of what is in order
	path   string
	now    func() time.Time
	lock   *flock.Flock
	file   *flock.Flock // of the file itself, which may have another name
	log    *durable.Log
	order  *order
	buffer []byte
	onDisk point // the last line that a crash leaves
	failed error
}

// point is a line of the journal.
type point struct {
	seq  int
	hash fingerprint.SHA256
}

// Recovered says what Begin found in a journal that was there.
type Recovered struct {
	Cut       int // bytes of an unterminated last line
	Abandoned int // intents without a result
}

// Begin opens the journal to write on it, or makes it with first as its first line.
// What an interrupted process left is settled, and on disk, when it returns.
func Begin(d *durable.Disk, path string, now func() time.Time, first Open) (*Journal, *Recovered, error) {
	first.Format = Format
	j := &Journal{path: path, now: now, lock: flock.New(path + ".lock"),
		file: flock.New(path, flock.SetFlag(os.O_RDONLY)), order: newOrder()}
	if err := j.hold(j.lock); err != nil {
		return nil, nil, err
	}
	rec, err := j.begin(d, first)
	if err != nil {
		return nil, nil, errors.Join(err, j.Close())
	}
	return j, rec, nil
}

// hold has a lock until Close.
func (j *Journal) hold(lock *flock.Flock) error {
	ok, err := lock.TryLock()
	if err == nil && !ok {
		err = ErrLocked
	}
	if err != nil {
		return fmt.Errorf("%s: %w", j.path, err)
	}
	return nil
}

func (j *Journal) begin(d *durable.Disk, first Open) (*Recovered, error) {
	file, err := os.Open(j.path)
	if errors.Is(err, fs.ErrNotExist) {
		return &Recovered{}, j.create(d, first)
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := j.hold(j.file); err != nil {
		return nil, err
	}
	tail, err := j.order.read(j.path, file, nil)
	if err != nil {
		return nil, err
	}
	if have, want := j.order.identity(), identity(first); have != want {
		return nil, fmt.Errorf("%s: it is the journal of %s, not of %s", j.path, have, want)
	}
	if j.log, err = d.OpenLog(j.path, mode); err != nil {
		return nil, err
	}
	rec := &Recovered{Cut: len(tail), Abandoned: len(j.order.open)}
	resumed := Resumed{Head: j.order.head, Program: first.Program}
	if len(tail) > 0 {
		cut := fingerprint.Of(tail)
		resumed.Cut = &cut
		if err := j.log.Truncate(j.order.size); err != nil {
			return nil, err
		}
	}
	lines := []chain.Record{resumed}
	for _, seq := range slices.Sorted(maps.Keys(j.order.open)) {
		lines = append(lines, Abandoned{seq, "the process ended before the result was on disk"})
	}
	if _, err := j.Append(lines...); err != nil {
		return nil, err
	}
	return rec, errors.Join(j.Sync(), d.SyncDir(filepath.Dir(j.path)))
}

func (j *Journal) create(d *durable.Disk, first Open) error {
	if _, err := j.Append(first); err != nil {
		return err
	}
	if err := d.Create(j.path, j.buffer, mode); err != nil {
		return err
	}
	j.written()
	if err := j.hold(j.file); err != nil {
		return err
	}
	var err error
	j.log, err = d.OpenLog(j.path, mode)
	return err
}

// Append adds records to those that the next Sync writes, and returns the seq of the
// first. Of records that cannot come here, none is added from the wrong one on.
func (j *Journal) Append(recs ...chain.Record) (first int, err error) {
	if j.failed != nil {
		return 0, j.failed
	}
	first = j.order.seq + 1
	at := j.now().UTC().Truncate(time.Millisecond)
	if at.Before(j.order.last.Add(-Slack)) {
		return 0, fmt.Errorf("%s: %w: it says %s, and the last line is of %s", j.path, ErrClock,
			at.Format(chain.Layout),
			j.order.last.Format(chain.Layout))
	}
	if at.Before(j.order.last) {
		at = j.order.last
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, rec := range recs {
		l := chain.Line{Seq: j.order.seq + 1, Time: at, Prev: j.order.head, Record: rec}
		raw, err := chain.Encode(l)
		if err == nil {
			l.Hash = fingerprint.Of(raw)
			err = j.order.next(l, len(raw))
		}
		if err != nil {
			return 0, fmt.Errorf("%s:%d: %w", j.path, l.Seq, err)
		}
		j.buffer = append(j.buffer, raw...)
	}
	return first, nil
}

// Sync writes what was appended in one write and one sync. After an error the Journal
// refuses everything: only Begin can tell what reached the disk.
func (j *Journal) Sync() error {
	if j.failed != nil || len(j.buffer) == 0 {
		return j.failed
	}
	_, err := j.log.Write(j.buffer)
	if err == nil {
		err = j.log.Sync()
	}
	if err != nil {
		j.failed = fmt.Errorf("%s: not recorded: %w", j.path, err)
		return j.failed
	}
	j.written()
	return nil
}

// written notes that all lines so far are on disk.
func (j *Journal) written() {
	j.buffer, j.onDisk = j.buffer[:0], point{j.order.seq, j.order.head}
}

// Close closes the file and releases the locks. What was not synced is lost.
func (j *Journal) Close() error {
	var err error
	if j.log != nil {
		err = j.log.Close()
	}
	return errors.Join(err, j.file.Unlock(), j.lock.Unlock())
}

// Head is the last line appended: its seq and hash. Unsigned counts the lines since the
// last signed head, heads not included. Size is the file's, in bytes. OnDisk is the last
// line that Sync has written: what others may rely on.
func (j *Journal) Head() (seq int, head fingerprint.SHA256) { return j.order.seq, j.order.head }
func (j *Journal) Unsigned() int                            { return j.order.seq - j.order.signedTo - 1 }
func (j *Journal) Size() int64                              { return j.order.size }
func (j *Journal) OnDisk() (seq int, hash fingerprint.SHA256) {
	return j.onDisk.seq, j.onDisk.hash
}

// Grant is the grant of the last such line; zero before the first.
func (j *Journal) Grant() Grant { return j.order.grant }

// Used says whether a serial number was used before.
func (j *Journal) Used(serial *big.Int) bool {
	var key [20]byte
	if serial.BitLen() > 159 {
		return true
	}
	j.mu.RLock()
	defer j.mu.RUnlock()
	_, ok := j.order.serials[[20]byte(serial.FillBytes(key[:]))]
	return ok
}

// Key says whose certificate a key is in, and by which signer name; empty: nobody's.
func (j *Journal) Key(spki fingerprint.SHA256) (subject, signer string) {
	if u := j.order.keys[spki]; u != nil {
		return u.subject, u.signer
	}
	return "", ""
}

// Today counts a subject's signatures in the 24 hours before at.
func (j *Journal) Today(subject string, at time.Time) int { return len(j.order.recent(subject, at)) }

// Bootstrapped says whether a bootstrap user had its one certificate for a subject.
func (j *Journal) Bootstrapped(subject, requester string) bool {
	return j.order.spent[spending(subject, requester)]
}

// Has says whether a content had a certificate. Those that are long over may be forgotten.
func (j *Journal) Has(content fingerprint.SHA256) bool {
	j.mu.RLock()
	defer j.mu.RUnlock()
	_, ok := j.order.contents[content]
	return ok
}

// Certificate is that of a content, where it is valid at a time and on disk.
func (j *Journal) Certificate(content fingerprint.SHA256, at time.Time) (der []byte, err error) {
	f, ok := j.order.contents[content]
	if !ok || f.over(at) {
		return nil, nil
	}
	file, err := os.Open(j.path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	raw := make([]byte, f.size)
	if _, err := file.ReadAt(raw, f.offset); err != nil {
		return nil, fmt.Errorf("%s: %w", j.path, err)
	}
	l, err := Records.Decode(raw[:len(raw)-1])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", j.path, err)
	}
	issued, ok := l.Record.(Issued)
	if !ok {
		return nil, fmt.Errorf("%s: it was changed under this process", j.path)
	}
	return issued.Certificate, nil
}
