package ceremony

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"time"

	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/ceremony/issue"
	"officiant/ceremony/preflight"
	"officiant/ceremony/progress"
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
	// AttestationRoots may vouch for devices in the last step's audit, beside the makers'
	// roots that are built in; Open knows them too.
	AttestationRoots []*x509.Certificate
	// WrongPINs is told what the record says of wrong PINs; Open can ask it. Nil: only Ask
	// is told.
	WrongPINs *WrongPINs
	// Shared says which PINs that Ask gave were put together from shares, since it was
	// asked last; may be nil.
	Shared func() []transcript.PINShares
	// Insert asks people for a token that is not there, in the words given, and
	// returns when they say that it is, with what else they want on record;
	// ErrNobody when there is nobody to ask.
	Insert   func(ctx context.Context, words string) (said string, err error)
	Disk     *durable.Disk
	Now      func() time.Time
	Rand     io.Reader
	Program  transcript.Program
	Built    time.Time // the program is not older than that; zero when not known
	Host     transcript.Host
	Modules  []transcript.Module // the PKCS#11 modules the station's keys are reached by
	Observer Observer
	// at the room; former is when the last ceremony ended
	Look  func(ctx context.Context, former time.Time) ([]preflight.Result, error)
	Waive Waiver
	Why   func() string // asks why people stopped the ceremony; may be nil
	// Rehearsal makes it a rehearsal of plan and station: keys are made in the
	// throw-away tokens that these URIs name, by key. Nil: the real thing.
	Rehearsal map[string]string
	// Certificates that others signed, by authority, as they came back; nil: none.
	Received map[string][]byte
	Heads    Heads // of the record, when a ceremony goes on
	// Correct lets it go on with another station file; nil: only with the one on record.
	Correct *Correction
	Workers int // certificates checked at once; 0 means one for each processor
}

// Observer gets the progress of the ceremony.
type Observer interface {
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

// Missing is a *Refused because of something that people can supply when they run the
// command again; the command says with which option.
type Missing struct {
	*Refused
	What Want
	Of   []string // heads, where they have to be given
}

func (m *Missing) Unwrap() error { return m.Refused }

// Want is what is missing.
type Want string

const (
	TheHead      Want = "the head of the record"
	BothHeads    Want = "both heads of the record" // the one known, and the one it has now
	AnotherPlace Want = "another place for the head"
	AWaiver      Want = "two people's waiver"
	KnownHead    Want = "the head that people know"
	AReason      Want = "a reason"
	TwoPeople    Want = "two people who agree"
	SameRecords  Want = "the same reason and other records"
)

// Interrupted says that people stopped the ceremony, and where the record stands.
type Interrupted struct {
	Head  fingerprint.SHA256
	cause error
}

func (e *Interrupted) Error() string { return "interrupted: " + e.cause.Error() }
func (e *Interrupted) Unwrap() error { return e.cause }

// run is one process's part of a ceremony. The rooms it is done in exist from
// when the record is open.
type run struct {
	Config
	common
	steps     []Step
	checker   *issue.Checker
	approvals map[string][]byte
	resumed   bool
	again     bool // this program began the record that is there, after it had tried this plan
	memory    memory
	corrected *transcript.StationChanged // people agreed to another station file; nil: it is the one on record
	rooms
	result *Result
}

// common is what every room has.
type common struct {
	plan      *schedule.Ceremony // the directory's own copy, once there is one
	progress  *progress.Progress
	dir       *directory
	observer  Observer
	rand      io.Reader
	now       func() time.Time
	rehearsal bool
}

// rooms are the parts of a ceremony, each with what changes together.
type rooms struct {
	tokens  *tokens
	secrets *secrets
	issuing *issuing
	outputs *outputs
}

// Run carries out a plan, or continues where a previous process stopped.
// Errors: *Refused and *plan.Invalid before anything is signed,
// ErrOtherCeremony, *Interrupted, and those of signer and of the disk.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	if cfg.Workers == 0 {
		cfg.Workers = runtime.GOMAXPROCS(0)
	}
	r := &run{Config: cfg, memory: memory{folder: cfg.Heads.Memory}, checker: issue.NewChecker(cfg.Rand), common: common{
		plan: cfg.Plan, observer: cfg.Observer, rand: cfg.Rand, now: cfg.Now, rehearsal: cfg.Rehearsal != nil,
		dir: &directory{path: cfg.Dir, disk: cfg.Disk, rehearsal: cfg.Rehearsal != nil},
	}}
	var err error
	if r.rehearsal {
		if r.plan, err = cfg.Plan.Rehearsal(); err != nil {
			return nil, &Refused{[]string{err.Error()}}
		}
	}
	if r.steps, err = Steps(r.plan, cfg.Station); err != nil {
		return nil, err
	}
	var titles []string
	for _, s := range r.steps {
		titles = append(titles, s.Title)
	}
	r.progress = progress.New(titles)
	defer r.close()
	if err := r.people(); err != nil {
		return nil, err
	}
	if r.approvals, err = r.approved(); err != nil {
		return nil, err
	}
	for i, s := range r.steps {
		if err := r.carryOut(ctx, s); err != nil {
			return nil, r.stopped(ctx, s, err)
		}
		r.steps[i].do = nil // with the certificates it was about
	}
	return r.result, nil
}

func (r *run) carryOut(ctx context.Context, s Step) error {
	r.progress.At(s.N)
	r.observer.Step(s.N, len(r.steps), s.Title)
	if s.Final && len(r.progress.Keys) == 0 {
		r.observer.Say("from here on, this ceremony makes keys; they stay, even if it stops")
	}
	if err := r.progress.BeginStep(); err != nil {
		return err
	}
	return s.do(r, ctx)
}

// open makes the directory the ceremony's own and goes on with its copy of the
// plan alone, begins the record or reads it, and opens the rooms.
func (r *run) open(ctx context.Context) error {
	if err := r.sinceBuilt(); err != nil {
		return err
	}
	begins := begin(r.Plan, r.now())
	if err := r.copyPlan(); err != nil {
		return err
	}
	if err := r.inheritHistory(); err != nil {
		return err
	}
	if err := r.inWindow(); err != nil {
		return err
	}
	if err := r.openRecord(ctx, begins); err != nil {
		return err
	}
	if err := r.proveRest(); err != nil {
		return err
	}
	if err := r.bornExpired(); err != nil {
		return err
	}
	if err := r.takeAttendance(); err != nil {
		return err
	}
	r.openRooms()
	return nil
}

func (r *run) openRooms() {
	wanted := asked{common: r.common, station: r.Station, uris: r.Rehearsal}
	if r.WrongPINs == nil {
		r.WrongPINs = &WrongPINs{}
	}
	r.WrongPINs.Set(r.progress.WrongPINs)
	TellWrongPINs(r.observer.Say, r.progress.WrongPINs)
	r.tokens = &tokens{
		asked: wanted, canaries: canaries{wanted}, opener: r.Open, insertion: r.Insert,
		ask: r.WrongPINs.Telling(r.Ask), wrong: r.WrongPINs,
		resumed: r.resumed, corrected: r.corrected,
		stores: map[string]signer.Store{}, keys: map[string]signer.Key{}, proved: map[string]signer.Store{},
	}
	if r.Shared != nil {
		r.tokens.opener = r.tokens.recordingShares(r.Open, r.Shared)
	}
	r.secrets = &secrets{common: r.common, past: r.plan.Past}
	r.issuing = &issuing{common: r.common, tokens: r.tokens, checker: r.checker, workers: r.Workers, brought: r.Received}
	r.outputs = &outputs{common: r.common, tokens: r.tokens, secrets: r.secrets, workers: r.Workers}
}

// copyPlan copies plan and inputs into the directory, or finds them there.
func (r *run) copyPlan() error {
	whole, err := r.dir.take(r.Plan)
	if err != nil {
		return err
	}
	var c *schedule.Ceremony
	if whole { // each input is there as it was, if the digest is the same: no need to compare both
		c, err = r.copied()
	}
	if !whole || err != nil { // comparing them says which is not, and why
		if err := r.dir.copyAll(r.Plan); err != nil {
			return err
		}
		if c, err = r.copied(); err != nil {
			return err
		}
	}
	if r.plan = c; r.rehearsal {
		r.plan, err = c.Rehearsal()
	}
	r.Plan = nil // from here on there is one plan
	runtime.GC() // and the other, with what reading both left, makes room now
	return err
}

// copied opens the directory's copy of the plan, which was judged.
func (r *run) copied() (*schedule.Ceremony, error) {
	c, err := schedule.OpenFS(os.DirFS(r.dir.path), planFile,
		schedule.Options{Now: r.now(), Before: r.Plan, Past: r.Plan.Past, Held: true, Lean: true})
	if err != nil {
		return nil, err
	}
	c.Judged(r.Plan)
	if c.Digest != r.Plan.Digest {
		return nil, fmt.Errorf("%s: its copy of the plan has digest %s, not the confirmed %s", r.dir.path, c.Digest,
			r.Plan.Digest)
	}
	return c, nil
}

// inheritHistory takes the serials of the ceremonies this one continues, and
// refuses a clock that stands before their end.
func (r *run) inheritHistory() error {
	past := r.plan.Past
	for _, record := range slices.Concat(past.Records(), past.Others(), past.Abandoned()) {
		for c := range record.Certificates() {
			r.progress.UseSerial(c.Serial.Int())
		}
	}
	for _, last := range past.Ends() {
		if r.now().Before(last.Ended) {
			return &Refused{[]string{fmt.Sprintf("the clock says %s, but ceremony %d of %s ended at %s: set the clock",
				r.now().UTC().Format(time.RFC3339), last.Open.Sequence, last.Open.Cluster, last.Ended.Format(time.RFC3339))}}
		}
	}
	return nil
}

func (r *run) close() {
	if r.tokens != nil {
		r.tokens.close()
	}
	if err := errors.Join(r.progress.Close(), r.dir.close()); err != nil {
		r.observer.Say("left behind: " + err.Error())
	}
}
