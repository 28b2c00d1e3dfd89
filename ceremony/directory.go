package ceremony

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"

	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/ceremony/schedule"
)

// Names in a ceremony directory.
const (
	planFile       = "plan.yaml"
	transcriptFile = "transcript.jsonl"
	signatureFile  = "transcript.sig"
	releaseFile    = "release.pub"
	issuersFile    = "authorities/issuers.crt"
	secretsFolder  = "secrets"
	sealedKeyFile  = "secrets/sa.key.age"
	nextKeyFile    = "secrets/sa.next.key.age"
	bundlesFolder  = "bundles"
	lockFile       = ".lock" // held by the process that conducts the ceremony
)

// nodeKeysFile is where a node's sealed keys lie, requestFile an authority's
// request, and listFile its revocation list.
func nodeKeysFile(node string) string     { return secretsFolder + "/" + node + ".keys.age" }
func requestFile(authority string) string { return "csrs/" + authority + ".csr" }
func listFile(authority string) string    { return "crls/" + authority + ".crl" }

// directory is a ceremony directory that this process writes.
type directory struct {
	path      string
	disk      *durable.Disk
	rehearsal bool
	unlock    func() error // nil until it is locked
	taken     fs.FileInfo  // what path named then
	// leftovers of an interrupted process, removed; they are named in the record.
	leftovers []string
}

// lock keeps a second process out of the directory.
func lock(dir string) (func() error, error) {
	if info, err := os.Lstat(filepath.Join(dir, lockFile)); err == nil && !info.Mode().IsRegular() {
		return nil, notPlain(filepath.Join(dir, lockFile))
	}
	l := flock.New(filepath.Join(dir, lockFile))
	ok, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	if !ok {
		return nil, fmt.Errorf("%s: another process conducts this ceremony", dir)
	}
	// The file may have been another process's, who removed it at its end: then
	// a third one would make and lock a new file.
	held, err := l.Stat()
	if now, e := os.Stat(l.Path()); err != nil || e != nil || !os.SameFile(held, now) {
		l.Unlock()
		return nil, fmt.Errorf("%s: another process conducted this ceremony until now; run the command again", dir)
	}
	return func() error {
		err := os.Remove(l.Path())
		if errors.Is(err, fs.ErrNotExist) {
			err = nil // the directory is gone, or was moved
		}
		return errors.Join(err, l.Unlock())
	}, nil
}

// Lock keeps every other process out of a ceremony directory until unlock is called.
func Lock(dir string) (unlock func() error, err error) { return lock(dir) }

// take makes the directory this process's own. whole says that the plan is there, which
// was copied last.
func (d *directory) take(c *schedule.Ceremony) (whole bool, err error) {
	if err := d.disk.MkdirAll(d.path, 0o700); err != nil {
		return false, err
	}
	unlock, err := lock(d.path)
	if err != nil {
		return false, err
	}
	d.unlock = unlock
	if d.taken, err = os.Stat(d.path); err != nil {
		return false, err
	}
	if err := d.plain(); err != nil {
		return false, err
	}
	if whole, err = d.foreign(c); err != nil {
		return false, err
	}
	if err := d.removeLeftovers(); err != nil {
		return false, err
	}
	return whole, d.schedule(c)
}

// copyAll has inputs and plan copied into the directory, or finds them there.
func (d *directory) copyAll(c *schedule.Ceremony) error {
	if err := d.copyInputs(c); err != nil {
		return err
	}
	// The plan comes last: with it, the copy is whole.
	data, err := c.Input(planFile)
	if err != nil {
		return err
	}
	return d.ensure(planFile, data)
}

// walk calls fn with each path below the directory, which may be a link.
func (d *directory) walk(fn func(rel string, e fs.DirEntry) error) error {
	top, err := filepath.EvalSymlinks(d.path)
	if err != nil {
		return err
	}
	return filepath.WalkDir(top, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == top {
			return err
		}
		rel, err := filepath.Rel(top, path)
		if err != nil {
			return err
		}
		return fn(filepath.ToSlash(rel), e)
	})
}

// plain refuses what is neither file nor folder: a pipe would be waited for, and what a
// link leads to is not the ceremony's.
func (d *directory) plain() error {
	return d.walk(func(rel string, e fs.DirEntry) error {
		if e.IsDir() || e.Type().IsRegular() {
			return nil
		}
		return notPlain(d.file(rel))
	})
}

func notPlain(path string) *Refused {
	return &Refused{[]string{fmt.Sprintf("%s is neither a file nor a folder, and nothing else belongs into a "+
		"ceremony directory; find out who put it there, and take it out", path)}}
}

// copyInputs copies all but the plan: as a batch into a directory that has none of
// them yet, where the file system allows it.
func (d *directory) copyInputs(c *schedule.Ceremony) error {
	var batch *durable.Batch
	var large []string
	if d.without(c.Sums) {
		var err error
		if batch, err = d.disk.Batch(d.path); err != nil && !errors.Is(err, durable.ErrNoBatch) {
			return err
		}
	}
	for path := range c.Sums {
		if path == planFile {
			continue
		}
		if c.Streamed[path] {
			large = append(large, path)
			continue
		}
		data, err := c.Input(path)
		switch {
		case err != nil:
		case batch == nil:
			err = d.ensure(path, data)
		default:
			err = batch.Write(filepath.FromSlash(path), data, 0o644)
		}
		if err != nil && batch != nil {
			err = errors.Join(err, batch.Abandon())
		}
		if err != nil {
			return err
		}
	}
	if batch != nil {
		if err := batch.Commit(); err != nil {
			return err
		}
	}
	for _, path := range large {
		if err := d.copyLarge(c, path); err != nil {
			return err
		}
	}
	return nil
}

// copyLarge copies an input that is not held in memory, or finds it there.
func (d *directory) copyLarge(c *schedule.Ceremony, path string) error {
	full := d.file(path)
	found, err := os.Open(full)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := d.disk.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			return err
		}
		return d.disk.CreateFile(durable.File{Path: full, Mode: 0o644,
			Fill: func(w io.Writer) error { return c.CopyInput(path, w) }})
	case err != nil:
		return err
	}
	defer found.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, found); err != nil {
		return err
	}
	if fingerprint.SHA256(sum.Sum(nil)) != c.Sums[path] {
		return fmt.Errorf("%s: already exists, with other content: %w", full, ErrOtherCeremony)
	}
	return nil
}

// without says whether nothing in the directory has the name of an input, or of the
// folder that one comes to lie in.
func (d *directory) without(inputs map[string]fingerprint.SHA256) bool {
	for path := range inputs {
		top, _, _ := strings.Cut(path, "/")
		if _, err := os.Lstat(d.file(top)); !errors.Is(err, fs.ErrNotExist) {
			return false
		}
	}
	return len(inputs) > 1
}

// foreign refuses a directory whose plan is another, or that holds files
// without any plan. It says whether the plan is there.
func (d *directory) foreign(c *schedule.Ceremony) (there bool, err error) {
	data, err := os.ReadFile(d.file(planFile))
	if err == nil {
		if fingerprint.Of(data) != c.Sums[planFile] {
			return false, fmt.Errorf("%s: %w", d.path, ErrOtherCeremony)
		}
		return true, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return false, d.walk(func(rel string, e fs.DirEntry) error {
		switch {
		case e.IsDir() && durable.IsTemp(rel): // a batch that was not committed
			return fs.SkipDir
		case ownPath(c.Sums, rel, e.IsDir()):
			return nil
		case rel == transcriptFile:
			return fmt.Errorf("%s: there is a transcript but no plan: %w", d.path, ErrOtherCeremony)
		}
		return fmt.Errorf("%s: %s is there, and no ceremony: %w", d.path, rel, ErrOtherCeremony)
	})
}

// ownPath says whether a process that was killed before it had the plan copied may
// have left a path.
func ownPath(inputs map[string]fingerprint.SHA256, rel string, folder bool) bool {
	if folder {
		for input := range inputs {
			if strings.HasPrefix(input, rel+"/") {
				return true
			}
		}
		return false
	}
	_, input := inputs[rel]
	return input || rel == schedule.ScheduleFile || rel == lockFile || durable.IsTemp(rel)
}

// here is an error when the path names another directory than this process took: it
// was moved, removed or unmounted, and what is signed would be on no record that
// people have.
func (d *directory) here() error {
	now, err := os.Stat(d.path)
	if err == nil && os.SameFile(d.taken, now) {
		return nil
	}
	return fmt.Errorf("%s: the ceremony directory was moved, removed or unmounted; nothing more is signed: "+
		"put it back in its place", d.path)
}

// file is the path of a file of the directory, whose name has slashes.
func (d *directory) file(name string) string { return filepath.Join(d.path, filepath.FromSlash(name)) }

// ensure writes a file that follows from the plan or the record, or finds the
// very same bytes there. Nothing is ever overwritten.
func (d *directory) ensure(name string, data []byte) error {
	if err := d.here(); err != nil {
		return err
	}
	full := d.file(name)
	found, err := os.ReadFile(full)
	switch {
	case err == nil && string(found) == string(data):
		return nil
	case err == nil:
		return fmt.Errorf("%s: already exists, with other content: %w", full, ErrOtherCeremony)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := d.disk.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		return err
	}
	return d.disk.Create(full, data, 0o644)
}

// schedule writes schedule.txt as it is expanded, or finds it there.
func (d *directory) schedule(c *schedule.Ceremony) error {
	if err := d.here(); err != nil {
		return err
	}
	full := d.file(schedule.ScheduleFile)
	found, err := os.Open(full)
	if errors.Is(err, fs.ErrNotExist) {
		return d.disk.CreateFile(durable.File{Path: full, Mode: 0o644, Fill: c.WriteSchedule})
	}
	if err != nil {
		return err
	}
	defer found.Close()
	line, err := c.SameSchedule(found)
	if err == nil && line > 0 {
		err = fmt.Errorf("%s: already exists, with other content: %w", full, ErrOtherCeremony)
	}
	return err
}

// replaceSecret writes a sealed file that is not on record yet, in place of what a
// killed process may have left.
func (d *directory) replaceSecret(name string, sealed []byte) error {
	if err := d.here(); err != nil {
		return err
	}
	if err := d.disk.MkdirAll(d.file(secretsFolder), 0o755); err != nil {
		return err
	}
	return d.disk.Replace(d.file(name), sealed, 0o644)
}

// named is a file's name in the directory. What a rehearsal makes to be carried
// away says so: "release.rehearsal.pub".
func (d *directory) named(name string) string {
	if !d.rehearsal {
		return name
	}
	for _, kind := range []string{".crt", ".pub", ".tar", ".crl", ".crl.pem"} {
		if base, ok := strings.CutSuffix(name, kind); ok {
			return base + ".rehearsal" + kind
		}
	}
	return name + ".rehearsal"
}

// removeLeftovers clears temporary files an interrupted process left behind.
func (d *directory) removeLeftovers() error {
	return d.walk(func(rel string, e fs.DirEntry) error {
		if !durable.IsTemp(e.Name()) {
			return nil
		}
		d.leftovers = append(d.leftovers, rel)
		if err := d.disk.RemoveAll(d.file(rel)); err != nil {
			return err
		}
		if e.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
}

func (d *directory) close() error {
	if d.unlock == nil {
		return nil
	}
	return d.unlock()
}
