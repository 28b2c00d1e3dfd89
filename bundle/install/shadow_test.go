package install_test

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"officiant/bundle/durable"
	"officiant/bundle/install"
	"officiant/bundle/install/installtest"
)

// shadow is what of a machine's tree a power cut would leave. A file's content is
// on the disk once it was synced; before, its name may be there with zeros behind
// it. What was created, renamed and removed in a folder is on the disk once the
// folder was synced; before, the disk may have any of the states the folder went
// through since, independently of all other folders.
type shadow struct {
	t       *testing.T
	root    string
	content map[uint64][]byte // of synced files, by inode
	modes   map[uint64]fs.FileMode
	open    map[uint64]*os.File // keeps the system from giving an inode's number away
	folders map[string][]state  // states since the last sync, the synced one first
	deaf    durable.Op          // is taken for not done
	staged  map[string]string   // the temporary name of what was created last for a path
	pending func()              // what the last operation has made certain
	loss    func()              // is called when the power fails
}

// state is a folder's entries: the inode of a file, or 0 for a folder.
type state map[string]uint64

func newShadow(t *testing.T, root string) *shadow {
	s := &shadow{t: t, root: root, content: map[uint64][]byte{}, modes: map[uint64]fs.FileMode{}, open: map[uint64]*os.File{}, staged: map[string]string{}, folders: map[string][]state{}}
	t.Cleanup(func() {
		for _, f := range s.open {
			f.Close()
		}
	})
	must(t, filepath.WalkDir(root, func(at string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			s.folders[at] = []state{s.look(at)}
			for name, inode := range s.folders[at][0] {
				if inode != 0 {
					s.synced(filepath.Join(at, name))
				}
			}
		}
		return err
	}))
	return s
}

// disk is a disk the shadow watches: before each operation it takes in what the
// one before has done, and lets the power fail.
func (s *shadow) disk() *durable.Disk {
	return &durable.Disk{Gate: func(op durable.Op, path string) error {
		s.step()
		folder := filepath.Dir(path)
		if op == s.deaf {
			return nil
		}
		switch op {
		case durable.OpSyncDir:
			s.pending = func() { s.folders[path] = []state{s.look(path)} }
		case durable.OpCreate:
			s.pending = func() {
				before := s.folders[folder]
				s.moved(folder)
				for name := range s.look(folder) {
					if _, ok := before[len(before)-1][name]; !ok {
						s.staged[path] = filepath.Join(folder, name)
					}
				}
			}
		case durable.OpSync, durable.OpChown:
			s.pending = func() { s.synced(s.staged[path]) }
		case durable.OpMkdir:
			s.pending = func() {
				s.moved(folder)
				s.folders[path] = []state{{}}
			}
		default:
			s.pending = func() { s.moved(folder) }
		}
		return nil
	}}
}

// step takes in the last operation, then plays the power cut.
func (s *shadow) step() {
	if s.pending != nil {
		s.pending()
	}
	s.pending = nil
	s.loss()
}

// moved notes that a folder's entries may have changed.
func (s *shadow) moved(folder string) {
	now, known := s.look(folder), s.folders[folder]
	if len(known) == 0 || !maps.Equal(known[len(known)-1], now) {
		s.folders[folder] = append(known, now)
	}
}

func (s *shadow) look(folder string) state {
	s.t.Helper()
	entries, err := os.ReadDir(folder)
	must(s.t, err)
	now := state{}
	for _, e := range entries {
		info, err := e.Info()
		must(s.t, err)
		if e.IsDir() {
			now[e.Name()] = 0
			continue
		}
		inode := info.Sys().(*syscall.Stat_t).Ino
		now[e.Name()] = inode
		if s.open[inode] == nil {
			f, err := os.Open(filepath.Join(folder, e.Name()))
			must(s.t, err)
			s.open[inode] = f
		}
	}
	return now
}

func (s *shadow) synced(path string) {
	s.t.Helper()
	data, err := os.ReadFile(path)
	must(s.t, err)
	info, err := os.Stat(path)
	must(s.t, err)
	inode := info.Sys().(*syscall.Stat_t).Ino
	s.content[inode], s.modes[inode] = append([]byte{}, data...), info.Mode().Perm()
}

// image is what the disk has after a power cut: names below the root, and what is
// behind them. Of n states a folder may be in, pick chooses one; the last is the
// present one.
func (s *shadow) image(pick func(n int) int) map[string]survivor {
	s.t.Helper()
	all := map[string]survivor{}
	s.folder(s.root, "", pick, all)
	return all
}

// survivor is a file or folder after a power cut.
type survivor struct {
	folder bool
	mode   fs.FileMode
	data   string
}

func (s *shadow) folder(at, rel string, pick func(n int) int, all map[string]survivor) {
	s.t.Helper()
	chosen := s.folders[at][pick(len(s.folders[at]))]
	for _, name := range slices.Sorted(maps.Keys(chosen)) {
		inode, path := chosen[name], filepath.Join(rel, name)
		if inode == 0 {
			all[path] = survivor{folder: true, mode: s.mode(filepath.Join(at, name))}
			s.folder(filepath.Join(at, name), path, pick, all)
			continue
		}
		if data, ok := s.content[inode]; ok {
			all[path] = survivor{mode: s.modes[inode], data: string(data)}
			continue
		}
		info, err := s.open[inode].Stat()
		must(s.t, err)
		all[path] = survivor{mode: 0o600, data: string(make([]byte, info.Size()))}
	}
}

// key is the same for images that do not differ in what matters: leftovers
// without a journal are removed unread, so that only their folders count.
func key(image map[string]survivor) string {
	_, journaled := image[filepath.FromSlash(journal)]
	sum := sha256.New()
	for _, path := range slices.Sorted(maps.Keys(image)) {
		if durable.IsTemp(path) && !journaled {
			fmt.Fprintf(sum, "leftover in %s\n", filepath.Dir(path))
			continue
		}
		r := image[path]
		fmt.Fprintf(sum, "%q %v %o %q\n", path, r.folder, r.mode, r.data)
	}
	return string(sum.Sum(nil))
}

// restore makes a machine of an image.
func restore(t *testing.T, image map[string]survivor) string {
	t.Helper()
	to := installtest.Folder(t)
	for _, path := range slices.Sorted(maps.Keys(image)) {
		at, r := filepath.Join(to, path), image[path]
		if r.folder {
			must(t, os.Mkdir(at, 0o755))
		} else {
			must(t, os.WriteFile(at, []byte(r.data), 0o600))
		}
		must(t, os.Chmod(at, r.mode))
	}
	return to
}

func (s *shadow) mode(folder string) fs.FileMode {
	info, err := os.Stat(folder)
	must(s.t, err)
	return info.Mode().Perm()
}

// cut is a test of power cuts: act is what is going on when the power fails.
type cut struct {
	act, again func(m machine) error
	bare       map[string]string // files of the node before anything was installed; nil: no rollback is tried
	ways       int               // in how many ways a disk loses what was not synced
	deaf       durable.Op        // a disk that does not do this operation, though it says so
}

// powerCuts runs act once on m and lets the power fail before each operation and
// after the last. What is left is the old state, the new one, or has a journal;
// again leads to the new one, and a rollback to one that was before.
func powerCuts(t *testing.T, m machine, c cut) error {
	t.Helper()
	done, run := m.copy(t), m.copy(t)
	must(t, c.act(done))
	old, oldFiles, fresh := files(t, m.Root), files(t, m.Root, skipped...), files(t, done.Root)
	s := newShadow(t, run.Root)
	s.deaf = c.deaf
	var failed error
	operation, random, seen := 0, rand.New(rand.NewPCG(1, 2)), map[string]bool{}
	s.loss = func() {
		operation++
		for way := 0; way < c.ways && failed == nil; way++ {
			image := s.image(func(n int) int {
				switch way {
				case 0:
					return 0 // nothing that was not synced is left
				case 1:
					return n - 1 // every name is, but no content that was not synced
				}
				return random.IntN(n)
			})
			if k := key(image); seen[k] {
				continue
			} else {
				seen[k] = true
			}
			left := machine{m.who, &install.Node{Root: restore(t, image), Disk: &durable.Disk{}, Now: m.Now}}
			if err := c.judge(t, left, old, oldFiles, fresh); err != nil {
				failed = fmt.Errorf("power cut before operation %d, way %d: %w", operation, way, err)
			}
		}
	}
	run.Disk = s.disk()
	must(t, c.act(run))
	s.step()
	if failed == nil && (operation < 30 || len(seen) < 10) {
		failed = fmt.Errorf("only %d operations and %d states of the disk were seen", operation, len(seen))
	}
	return failed
}

// judge looks at what a power cut left, and goes on from there in both directions.
func (c cut) judge(t *testing.T, left machine, old, oldFiles, fresh map[string]string) error {
	t.Helper()
	if err := left.oneOrTheOther(t, old, fresh); err != nil {
		return err
	}
	other := left.copy(t)
	if err := c.again(left); err != nil {
		return fmt.Errorf("a second time: %w", err)
	}
	if err := left.is(t, nil, fresh); err != nil {
		return fmt.Errorf("a second time: %w", err)
	}
	if c.bare == nil {
		return nil
	}
	if _, err := other.Rollback(false); err != nil {
		return fmt.Errorf("rolled back: %w", err)
	}
	if err := other.is(t, skipped, oldFiles, c.bare); err != nil {
		return fmt.Errorf("rolled back: %w", err)
	}
	return nil
}

// skipped are the files a rollback does not put back.
var skipped = []string{pins, previous, rolledBack}

// oneOrTheOther demands that a tree is old or new, or has a journal, and that no
// file of Kubernetes is there without its content.
func (m machine) oneOrTheOther(t *testing.T, old, fresh map[string]string) error {
	t.Helper()
	now := files(t, m.Root, journal)
	if _, err := os.Stat(m.at(journal)); err != nil && len(unlike(old, now)) > 0 && len(unlike(fresh, now)) > 0 {
		return fmt.Errorf("no journal, and these are neither old nor new: %v, %v", unlike(old, now), unlike(fresh, now))
	}
	for path, content := range now {
		if strings.HasPrefix(path, "etc/kubernetes/") && strings.ContainsRune(content, 0) {
			return fmt.Errorf("%s was never written", path)
		}
	}
	return nil
}

// is demands that a tree, but for the files skipped, is one of these, with nothing left over.
func (m machine) is(t *testing.T, skip []string, states ...map[string]string) error {
	t.Helper()
	now := files(t, m.Root, skip...)
	var unlikes [][]string
	for _, state := range states {
		if d := unlike(state, now); len(d) > 0 {
			unlikes = append(unlikes, d)
		}
	}
	if len(unlikes) == len(states) || len(temps(t, m.Root)) > 0 {
		return fmt.Errorf("these are not as they should be: %v %v", unlikes, temps(t, m.Root))
	}
	return nil
}
