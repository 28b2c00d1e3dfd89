package ceremony_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"officiant/ceremony"
	"officiant/ceremony/ceremonytest"
)

// snapshot is what a process that was killed at one instant leaves behind.
type snapshot struct {
	at    int // the event's number, from 1
	event string
	dir   string   // the ceremony's
	room  string   // of the tokens
	more  []string // the other folders
}

// snapshots lets one run go to its end and copies what it writes at each event that is
// wanted, as kill -9 would leave it: before the event, and of a write its first half.
// It takes one run where killing the process at each instant takes as many as there
// are instants; a killer ends some, too.
type snapshots struct {
	t       *testing.T
	folders []string // the ceremony's directory, the tokens' room, and others
	wanted  func(at int, event string) bool
	taken   []snapshot
	torn    *snapshot // the last one, when the event is a write
}

// snapshotsOf runs a configuration that writes to its directory, to the fixture's
// tokens and to more folders, and returns what each event that is wanted would leave.
func snapshotsOf(t *testing.T, f *ceremonytest.Fixture, cfg ceremony.Config, wanted func(at int, event string) bool,
	more ...string) (all []snapshot, run *killer, err error) {
	t.Helper()
	s := &snapshots{t: t, folders: append([]string{cfg.Dir, f.Room}, more...), wanted: wanted}
	k := &killer{}
	k.on = func(event string) { s.event(k.n, event) }
	_, err = ceremony.Run(context.Background(), mortal(cfg, k))
	s.tear()
	return s.taken, k, err
}

func (s *snapshots) event(at int, event string) {
	s.tear()
	if !s.wanted(at, event) {
		return
	}
	out := filepath.Join(s.t.TempDir(), fmt.Sprintf("%03d", at))
	taken := snapshot{at: at, event: event}
	for i, from := range s.folders {
		to := filepath.Join(out, fmt.Sprint(i))
		copyFolder(s.t, from, to)
		switch i {
		case 0:
			taken.dir = to
		case 1:
			taken.room = to
		default:
			taken.more = append(taken.more, to)
		}
	}
	s.taken = append(s.taken, taken)
	if strings.HasPrefix(event, "write ") {
		s.torn = &s.taken[len(s.taken)-1]
	}
}

// tear gives the file that was written since the last snapshot the first half of it.
func (s *snapshots) tear() {
	if s.torn == nil {
		return
	}
	torn := s.torn
	s.torn = nil
	for i, copied := range append([]string{torn.dir, torn.room}, torn.more...) {
		err := filepath.WalkDir(copied, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			live := filepath.Join(s.folders[i], strings.TrimPrefix(path, copied))
			had, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			has, err := os.ReadFile(live)
			if err != nil || len(has) <= len(had) {
				return nil // nothing was written to it
			}
			return os.WriteFile(path, has[:len(had)+(len(has)-len(had))/2], 0)
		})
		must(s.t, err)
	}
}

// resumed is the fixture with the tokens of a snapshot.
func (s snapshot) resumed(t *testing.T, f *ceremonytest.Fixture) *ceremonytest.Fixture {
	t.Helper()
	t.Cleanup(func() { _ = os.RemoveAll(filepath.Dir(s.dir)) }) // there are hundreds
	return f.InRoom(t, s.room)
}

func (s snapshot) String() string { return fmt.Sprintf("%03d %s", s.at, s.event) }

// copyFolder copies files with their modes.
func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		out := filepath.Join(to, strings.TrimPrefix(path, from))
		if d.IsDir() {
			return os.MkdirAll(out, info.Mode().Perm()|0o700)
		}
		if !d.Type().IsRegular() {
			return fmt.Errorf("%s is no file", path)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(out, data, info.Mode().Perm())
	})
	if !os.IsNotExist(err) { // it is not made yet
		must(t, err)
	}
}
