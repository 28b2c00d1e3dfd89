package ceremony

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
)

// memory is the head of one record, kept on this machine outside of the ceremony
// directory: whoever holds the directory between two processes does not hold it. Its
// file has the name of the hash of the record's first line, so that two directories
// of one plan have a file each, and copies of one directory share theirs.
type memory struct {
	folder string // "" for a machine that keeps none
	file   string // "" until the record's first line is known
	failed bool   // people were told
}

// of has the memory be that of the record with a first line.
func (m *memory) of(first fingerprint.SHA256) {
	if m.folder != "" && m.file == "" {
		m.file = filepath.Join(m.folder, first.String())
	}
}

// read is the head that this machine remembers; false when there is none. A file that
// a power cut left empty holds none.
func (m *memory) read() (head fingerprint.SHA256, known bool, err error) {
	if m.file == "" {
		return head, false, nil
	}
	info, err := os.Stat(m.file)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return head, false, nil
	}
	if err == nil {
		head, err = ReadHead(m.file)
	}
	return head, err == nil, err
}

// RememberedHead is the head that this machine remembers, in a folder, for the record that
// begins with a line; false if there is none.
func RememberedHead(folder string, first fingerprint.SHA256) (head fingerprint.SHA256, known bool, err error) {
	m := memory{folder: folder}
	m.of(first)
	return m.read()
}

// mostRemembered bounds the records that a machine remembers the heads of, and those that
// it saw continued. Of those that went on longest ago it forgets: people then bring the
// head, as on another machine.
const mostRemembered = 1000

// MakeRoom removes the oldest files of a folder, so that it has fewer than most.
func MakeRoom(folder string, most int) error {
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) < most {
		return err
	}
	written := map[string]time.Time{}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			written[filepath.Join(folder, e.Name())] = info.ModTime()
		}
	}
	oldest := slices.SortedFunc(maps.Keys(written), func(a, b string) int { return written[a].Compare(written[b]) })
	for _, file := range oldest[:max(0, len(oldest)-most+1)] {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// write keeps a head. Nothing is synced: the record is, and a head that a power cut
// takes back is an older line of it.
func (m *memory) write(head fingerprint.SHA256) error {
	if m.file == "" {
		return nil
	}
	return rememberIn(m.folder, filepath.Base(m.file), headText(head))
}

// rememberIn writes a file of what this machine remembers.
func rememberIn(folder, name string, data []byte) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	file := filepath.Join(folder, name)
	if _, err := os.Lstat(file); errors.Is(err, fs.ErrNotExist) {
		if err := MakeRoom(folder, mostRemembered); err != nil {
			return err
		}
	}
	temp := filepath.Join(folder, durable.TempName(name))
	if err := os.WriteFile(temp, data, 0o600); err != nil {
		return err
	}
	return os.Rename(temp, file)
}

// remember keeps the head of what is on disk. That it cannot is no reason to end a
// ceremony: it is told once, and then people have to bring the head.
func (r *run) remember(head fingerprint.SHA256) {
	if r.rehearsal {
		return // nothing asks for its head
	}
	r.memory.of(head) // of a record that begins, it is the first line's
	err := r.memory.write(head)
	if err != nil && !r.memory.failed {
		r.observer.Say(fmt.Sprintf("this machine does not remember the head, so write it down: %v", err))
	}
	r.memory.failed = err != nil
}

// remembered is the head that this machine remembers of a record; a record that has
// no such line is refused.
func (r *run) remembered(lines *lines) (head fingerprint.SHA256, known bool, err error) {
	head, known, err = r.memory.read()
	if err != nil {
		r.observer.Say(fmt.Sprintf("this machine remembers no head of the record: %v", err))
		return head, false, nil
	}
	if known && lines.of(head) < 0 {
		return head, true, cutOff(head, "this machine remembers it, in "+r.memory.file)
	}
	return head, known, nil
}
