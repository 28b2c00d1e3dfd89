package history

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/transcript"
)

// Archive is the ceremonies found in folders: the first line and the head of each. Records
// are read on demand.
type Archive struct {
	Found []*Found // in the order of paths, then of names
}

// Found is a ceremony in an archive.
type Found struct {
	Dir  string
	Open transcript.Open
	Head fingerprint.SHA256
	// Abandoned says that people gave it up: no chain goes on with it.
	Abandoned bool
	read      *Record
}

// ErrNoCeremony says that there is no ceremony at a path.
var ErrNoCeremony = errors.New("no " + RecordFile +
	" in it, nor in a folder below it: neither a ceremony directory nor a folder of such")

// nowhere is a path at which there is nothing. It is ErrNoCeremony, too.
type nowhere string

func (n nowhere) Error() string {
	return string(n) + ": no such folder; give a ceremony directory, or a folder that holds some"
}

func (n nowhere) Is(target error) bool { return target == ErrNoCeremony || target == fs.ErrNotExist }

// deepest is how far below a path ceremonies are looked for.
const deepest = 4

// Find looks for ceremonies: each path is a ceremony directory, or a folder that
// holds such, with whatever else. Links are not followed below it. A path without
// any is an error.
func Find(paths ...string) (*Archive, error) {
	a := &Archive{}
	for _, path := range paths {
		before := len(a.Found)
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, nowhere(path)
		}
		if err := a.look(filepath.Clean(path), deepest); err != nil {
			return nil, err
		}
		if len(a.Found) == before {
			return nil, fmt.Errorf("%s: %w", path, ErrNoCeremony)
		}
	}
	return a, nil
}

func (a *Archive) look(dir string, depth int) error {
	if info, err := os.Stat(filepath.Join(dir, RecordFile)); err == nil && info.Mode().IsRegular() {
		return a.add(dir)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() || depth == 0 || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if err := a.look(filepath.Join(dir, e.Name()), depth-1); err != nil {
			return err
		}
	}
	return nil
}

// add takes a ceremony directory, unless a copy of the same record is there.
func (a *Archive) add(dir string) error {
	f, err := glance(dir)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(a.Found, func(o *Found) bool { return o.Head == f.Head }) {
		a.Found = append(a.Found, f)
	}
	return nil
}

// glance reads the first line of a record, and hashes its last.
func glance(dir string) (*Found, error) {
	file := filepath.Join(dir, RecordFile)
	f, err := transcript.OpenFile(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	first, err := bufio.NewReader(f).ReadBytes('\n')
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	l, err := transcript.Decode(first)
	open, ok := l.Record.(transcript.Open)
	if err == nil && !ok {
		err = errors.New("the first line, and no other, is of type open")
	}
	if err != nil {
		return nil, &transcript.Broken{File: file, Line: 1, Reason: err.Error()}
	}
	last, err := lastLine(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	end, err := transcript.Decode(last)
	_, abandoned := end.Record.(transcript.AbandonmentClosed)
	return &Found{Dir: dir, Open: open, Head: fingerprint.Of(last), Abandoned: err == nil && abandoned}, nil
}

// lastLine reads from the end of a file to the newline before its last one.
func lastLine(f *os.File) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	for size := int64(1 << 12); ; size *= 8 {
		size = min(size, info.Size())
		tail := make([]byte, size)
		if _, err := f.ReadAt(tail, info.Size()-size); err != nil && err != io.EOF {
			return nil, err
		}
		at := bytes.LastIndexByte(bytes.TrimSuffix(tail, []byte("\n")), '\n')
		if at >= 0 || size == info.Size() {
			return tail[at+1:], nil
		}
	}
}

// Clusters names the clusters whose ceremonies are here, sorted.
func (a *Archive) Clusters() []string {
	var names []string
	for _, f := range a.Found {
		if !slices.Contains(names, f.Open.Cluster) {
			names = append(names, f.Open.Cluster)
		}
	}
	slices.Sort(names)
	return names
}

// Records reads all that is here, whatever it is, for callers that list ceremonies and do
// not continue one.
func (a *Archive) Records() ([]*Record, error) {
	var all []*Record
	for _, f := range a.Found {
		r, err := f.Record()
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// Record reads the record, once.
func (f *Found) Record() (*Record, error) {
	if f.read != nil {
		return f.read, nil
	}
	r, err := Read(Directory(f.Dir))
	if err != nil {
		return nil, err
	}
	if r.Head != f.Head {
		return nil, fmt.Errorf("%s: %w", r.Source.Name, errChanged)
	}
	f.read = r
	return r, nil
}

// History is the chain of a cluster: all its ceremonies that are here. Together with
// others of any cluster that are rehearsals, they are refused, and named.
func (a *Archive) History(cluster string) (*History, error) {
	var own []*Record
	for _, f := range a.Found {
		if f.Open.Rehearsal {
			return nil, fmt.Errorf("%s (ceremony %d of cluster %s): %w", f.Dir, f.Open.Sequence, f.Open.Cluster, ErrRehearsal)
		}
		if f.Open.Cluster != cluster {
			continue
		}
		r, err := f.Record()
		if err != nil {
			return nil, err
		}
		own = append(own, r)
	}
	return Of(cluster, own...)
}

// Sharing is the history of a cluster with the ceremonies of other clusters that
// opened one of these keys last. Where two opened it, and neither continues the
// other, the chain of the key was forked, which is refused.
func (a *Archive) Sharing(cluster string, keys ...fingerprint.SHA256) (*History, error) {
	own, err := a.History(cluster)
	if err != nil {
		return nil, err
	}
	others, err := a.others(cluster)
	if err != nil {
		return nil, err
	}
	all, err := Of(cluster, slices.Concat(own.own, own.abandoned, others)...)
	if err != nil {
		return nil, err
	}
	var last []*Record
	for _, key := range keys {
		openers := all.Openers(key)
		if len(openers) > 1 {
			return nil, fmt.Errorf(
				"%w: %s and %s both opened key %s (%s), and neither continues the other, as far as the records "+
					"here show",
				ErrFork,
				openers[0].Of.Where(),
				openers[1].Of.Where(),
				openers[0].Label,
				key,
			)
		}
		for _, o := range openers {
			if o.Of.Open.Cluster != cluster && !slices.Contains(last, o.Of) {
				last = append(last, o.Of)
			}
		}
	}
	all.others = last // the rest stays known to be between them
	return all, nil
}

// others reads the ceremonies of other clusters. One that is unfinished may have
// opened any key by now, so it is refused.
func (a *Archive) others(cluster string) ([]*Record, error) {
	var list []*Record
	for _, f := range a.Found {
		if f.Open.Cluster == cluster {
			continue
		}
		r, err := f.Record()
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}
