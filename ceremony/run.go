package ceremony

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/ceremony/issue"
	"officiant/ceremony/preflight"
	"officiant/ceremony/schedule"
	"officiant/ceremony/station"
	"officiant/ceremony/transcript"
	"officiant/signer"
)

// Config is what a run needs from outside.
type Config struct {
	Dir     string             // ceremony directory: absent, empty, or this ceremony's own
	Plan    *schedule.Ceremony // as people confirmed it
	Station *station.Station
	// Approvals are the files of approvals/ beside the plan, by name.
	Approvals map[string][]byte
	// Present are the plan's people who are here; none where it names nobody.
	Present []string
	Open    signer.Opener // over all backends
	Ask     signer.PINFunc
	// Insert asks people for a token that is not there, in the words given, and
	// returns when they say that it is, with what else they want on record;
	// ErrNobody when there is nobody to ask.
	Insert  func(ctx context.Context, words string) (said string, err error)
	Disk    *durable.Disk
	Now     func() time.Time
	Rand    io.Reader
	Program transcript.Program
	Host    transcript.Host
	Modules []transcript.Module // the PKCS#11 modules the station's keys are reached by
	Watch   Watcher
	Look    func(ctx context.Context, former time.Time) ([]preflight.Result, error) // at the room; former is when the last ceremony ended
	Waive   Waiver
	Why     func() string // asks why people stopped the ceremony; may be nil
	// Rehearsal makes it a rehearsal of plan and station: keys are made in the
	// throw-away tokens that these URIs name, by key. Nil: the real thing.
	Rehearsal map[string]string
	// Certificates that others signed, by authority, as they came back; nil: none.
	Received map[string][]byte
	Workers  int // certificates checked at once; 0 means one for each processor
}

// Watcher is told how the ceremony goes on.
type Watcher interface {
	Step(n, of int, title string)
	Say(line string) // one fact of the present step
	Fingerprint(what string, f fingerprint.SHA256)
}

// Result is what a finished ceremony leaves.
type Result struct {
	Resumed bool
	Head    fingerprint.SHA256 // of the transcript
	Root    fingerprint.SHA256 // SHA-256 of the root certificate
	Release fingerprint.SHA256 // SHA-256 of the release key's SubjectPublicKeyInfo
}

// ErrOtherCeremony says that a directory holds something else.
var ErrOtherCeremony = errors.New("the directory holds another ceremony")

// ErrNobody says that there is nobody to ask for a token.
var ErrNobody = errors.New("nobody is there to be asked")

// Refused says that nothing may be signed, and why.
type Refused struct{ Reasons []string }

func (e *Refused) Error() string {
	s := "refused"
	for _, r := range e.Reasons {
		s += "\n" + r
	}
	return s
}

// Interrupted says that people stopped the ceremony, and where the record stands.
type Interrupted struct {
	Head  fingerprint.SHA256
	cause error
}

func (e *Interrupted) Error() string { return "interrupted: " + e.cause.Error() }
func (e *Interrupted) Unwrap() error { return e.cause }

// run is one process's part of a ceremony.
type run struct {
	Config
	plan   *schedule.Ceremony // the directory's own copy, once there is one
	unlock func()
	// previous are the records of the ceremonies this one continues.
	previous []*transcript.Transcript
	steps    []Step
	step     int
	log      *transcript.Writer
	state    *state
	stores   map[string]signer.Store // by key name
	opened   []signer.Store
	keys     map[string]signer.Key
	checker  *issue.Checker
	resumed  bool
	// leftovers of an interrupted process, removed; they are named in the record.
	leftovers []string
	base      time.Time // NotBefore of every certificate
}

// Run carries out a plan, or goes on where a former process stopped.
// Errors: *Refused and *plan.Invalid before anything is signed,
// ErrOtherCeremony, *Interrupted, and those of signer and of the disk.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	if cfg.Workers == 0 {
		cfg.Workers = runtime.GOMAXPROCS(0)
	}
	r := &run{
		Config:  cfg,
		plan:    cfg.Plan,
		unlock:  func() {},
		state:   newState(),
		stores:  map[string]signer.Store{},
		keys:    map[string]signer.Key{},
		checker: issue.NewChecker(cfg.Rand),
	}
	var err error
	if cfg.Rehearsal != nil {
		if r.plan, err = cfg.Plan.Rehearsal(); err != nil {
			return nil, &Refused{[]string{err.Error()}}
		}
	}
	if r.steps, err = Steps(r.plan, cfg.Station); err != nil {
		return nil, err
	}
	defer r.close()
	if err := r.people(); err != nil {
		return nil, err
	}
	if r.Approvals, err = r.approved(); err != nil {
		return nil, err
	}
	for _, s := range r.steps {
		r.step = s.N
		r.Watch.Step(s.N, len(r.steps), s.Title)
		if s.Final && len(r.state.keys) == 0 {
			r.Watch.Say("from here on keys exist that running again does not unmake")
		}
		if err := r.carryOut(ctx, s); err != nil {
			return nil, r.stopped(ctx, s, err)
		}
	}
	return r.result(), nil
}

func (r *run) carryOut(ctx context.Context, s Step) error {
	if err := r.beginStep(); err != nil {
		return err
	}
	return s.do(ctx, r)
}

// lockFile is held by the process that conducts the ceremony.
const lockFile = ".lock"

// lock keeps a second process out of the directory.
func lock(dir string) (func(), error) {
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
	return func() {
		os.Remove(l.Path())
		l.Unlock()
	}, nil
}

// adopt copies plan and inputs into the directory, or finds them there, and
// goes on with the copy alone.
func (r *run) adopt() error {
	if err := r.Disk.MkdirAll(r.Dir, 0o700); err != nil {
		return err
	}
	unlock, err := lock(r.Dir)
	if err != nil {
		return err
	}
	r.unlock = unlock
	if err := r.foreign(); err != nil {
		return err
	}
	if err := r.removeLeftovers(); err != nil {
		return err
	}
	if err := r.ensure("schedule.txt", r.Plan.Schedule); err != nil {
		return err
	}
	for path, data := range r.Plan.Inputs {
		if path == "plan.yaml" {
			continue
		}
		if err := r.ensure(path, data); err != nil {
			return err
		}
	}
	// The plan comes last: with it, the copy is whole.
	if err := r.ensure("plan.yaml", r.Plan.Inputs["plan.yaml"]); err != nil {
		return err
	}
	// Held: r.Plan was judged.
	o := schedule.Options{Now: r.Now(), Opened: r.Plan.Requests, Held: true}
	c, err := schedule.OpenFS(os.DirFS(r.Dir), "plan.yaml", o)
	if err != nil {
		return err
	}
	if c.Digest != r.Plan.Digest {
		return fmt.Errorf("%s: its copy of the plan has digest %s, not the confirmed %s", r.Dir, c.Digest, r.Plan.Digest)
	}
	r.plan = c
	if r.Rehearsal != nil {
		if r.plan, err = c.Rehearsal(); err != nil {
			return err
		}
	}
	return r.carryOn()
}

// carryOn takes the serials of the ceremonies this one continues, and refuses
// a clock that stands before their end.
func (r *run) carryOn() error {
	for _, p := range r.plan.Plan.Previous.Ceremonies {
		var t *transcript.Transcript
		for _, file := range slices.Backward(append([]string{p.Transcript}, p.Earlier...)) {
			var err error
			if t, err = transcript.Read(file, r.plan.Inputs[file]); err != nil {
				return err
			}
			r.previous = append(r.previous, t)
			for _, n := range t.Serials() {
				r.state.serials[n.String()] = true
			}
		}
		if end := t.Lines[len(t.Lines)-1].Time; r.Now().Before(end) {
			return &Refused{[]string{fmt.Sprintf("the clock says %s, but ceremony %d of %s ended at %s: set the clock",
				r.Now().UTC().Format(time.RFC3339), p.Sequence, p.Cluster, end.Format(time.RFC3339))}}
		}
	}
	return nil
}

// foreign refuses a directory whose plan is another, or that holds files
// without any plan.
func (r *run) foreign() error {
	data, err := os.ReadFile(filepath.Join(r.Dir, "plan.yaml"))
	if err == nil {
		if string(data) != string(r.Plan.Inputs["plan.yaml"]) {
			return fmt.Errorf("%s: %w", r.Dir, ErrOtherCeremony)
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return filepath.WalkDir(r.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == r.Dir {
			return err
		}
		rel, _ := filepath.Rel(r.Dir, path)
		rel = filepath.ToSlash(rel)
		switch {
		case r.own(rel, d.IsDir()):
			return nil
		case rel == transcriptFile:
			return fmt.Errorf("%s: there is a transcript but no plan: %w", r.Dir, ErrOtherCeremony)
		}
		return fmt.Errorf("%s: %s is there, and no ceremony: %w", r.Dir, rel, ErrOtherCeremony)
	})
}

// own says whether a process that was killed before it had the plan copied may
// have left a path.
func (r *run) own(rel string, folder bool) bool {
	if folder {
		for input := range r.Plan.Inputs {
			if strings.HasPrefix(input, rel+"/") {
				return true
			}
		}
		return false
	}
	_, input := r.Plan.Inputs[rel]
	return input || rel == "schedule.txt" || rel == lockFile || durable.IsTemp(rel)
}

// ensure writes a file that follows from the plan or the record, or finds the
// very same bytes there. Nothing is ever overwritten.
func (r *run) ensure(path string, data []byte) error {
	full := filepath.Join(r.Dir, filepath.FromSlash(path))
	found, err := os.ReadFile(full)
	switch {
	case err == nil && string(found) == string(data):
		return nil
	case err == nil:
		return fmt.Errorf("%s: there already, with other content: %w", full, ErrOtherCeremony)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := r.Disk.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		return err
	}
	return r.Disk.Create(full, data, 0o644)
}

// beginStep has the record say that the present step begins, also when nothing
// else of it will be on record.
func (r *run) beginStep() error {
	if r.log == nil || r.state.closed || r.state.step == r.step {
		return nil
	}
	if _, err := r.log.Append(r.step, transcript.Step{Title: r.steps[r.step-1].Title}); err != nil {
		return err
	}
	r.state.step = r.step
	return nil
}

// append buffers records under the present step's number, after a line that
// opens the step.
func (r *run) append(records ...transcript.Record) (first int, err error) {
	if err := r.beginStep(); err != nil {
		return 0, err
	}
	first, err = r.log.Append(r.step, records...)
	if err != nil {
		return 0, err
	}
	for i, rec := range records {
		if err := r.state.apply(first+i, rec); err != nil {
			return 0, err
		}
	}
	return first, nil
}

// record appends and syncs.
func (r *run) record(records ...transcript.Record) (first int, err error) {
	first, err = r.append(records...)
	if err != nil {
		return 0, err
	}
	return first, r.log.Sync()
}

func (r *run) close() {
	for _, s := range r.opened {
		s.Close()
	}
	if r.log != nil {
		r.log.Close()
	}
	r.unlock()
}
