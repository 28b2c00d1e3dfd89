package audit

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
	"officiant/ceremony/history"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

// Names in a ceremony directory.
const (
	planFile       = "plan.yaml"
	scheduleFile   = "schedule.txt"
	transcriptFile = "transcript.jsonl"
	signatureFile  = "transcript.sig"
	releaseFile    = "release.pub"
	reportFile     = "report.html"
	lockFile       = ".lock"
	sealedKeyFile  = "secrets/sa.key.age"
	nextKeyFile    = "secrets/sa.next.key.age"
	approvals      = "approvals/"
	witnesses      = "witnesses/"
)

// firstRelease is the name of a cluster's first key that signs bundles and transcripts.
const firstRelease = "release"

// originCheck is the check that a pin is for.
const originCheck = "root and release key are the ones pinned"

// Options says what a ceremony directory is held against.
type Options struct {
	Now        time.Time           // of whoever looks; zero: what has expired is not noted
	Root       *fingerprint.SHA256 // pin: SHA-256 of the DER root certificate
	ReleaseKey crypto.PublicKey    // pin: the release key
	Release    *fingerprint.SHA256 // pin: SHA-256 of the release key's SubjectPublicKeyInfo; the same by its fingerprint
	People     *fingerprint.SHA256 // pin: those who may approve, here or in the ceremony before
	Rehearsal  bool                // it is to be a rehearsal, as who made it knows; otherwise one never verifies
	Progress   func(done, of int)  // told how far a long check is, by several goroutines; may be nil
	Previous   []string            // directories of the ceremonies this one continues
}

// Verify looks at a finished ceremony directory from outside, with no token.
// What is wrong with the ceremony is in the report; an error means that the
// directory could not be looked at.
func Verify(dir string, o Options) (*Report, error) {
	a, err := look(dir, o)
	if err != nil {
		return nil, err
	}
	return a.report, nil
}

// look makes all checks and keeps what it learned.
func look(dir string, o Options) (*auditor, error) {
	t, err := openTree(dir)
	if err != nil {
		return nil, err
	}
	defer t.close()
	a := &auditor{o: o, tree: t, expected: map[string]bool{}, report: &Report{Directory: dir}}
	for _, c := range checks() {
		if c.when != nil && !c.when(a) {
			continue
		}
		a.report.Checks = append(a.report.Checks, a.perform(c))
	}
	return a, nil
}

// auditor is one look at one directory.
type auditor struct {
	o      Options
	tree   *tree
	report *Report

	t      *transcript.Transcript      // nil until it was read
	ledger *ledger                     // what it says
	plan   *schedule.Ceremony          // nil when the plan's copy does not expand
	nodes  map[string][]schedule.Entry // its leaves, by node

	// former ceremonies whose directories were at hand, and are without a finding
	sound []*auditor
	past  *past                                   // what previous ceremonies left on record
	kept  map[string]map[string]*x509.Certificate // by node and file: carried over

	lists map[string]*formerList // newest on the former records; see formerLists

	checker  bundle.Checker
	expected map[string]bool                    // files that belong into the directory
	open     []string                           // folders whose content another check has named already
	serials  map[history.Serial]*history.Record // of predecessors, and whose they are
}

// need is what a check cannot do without.
type need int

const (
	nothing need = iota
	aRecord
	aPlan     // and a record
	aFinished // plan and record, closed
)

// kind is one kind of check.
type kind struct {
	guarantee int
	name      string
	needs     need
	do        func(*auditor, *Check)
	when      func(*auditor) bool // nil: always
}

// checks lists all there are, in the order they are made and reported.
func checks() []kind {
	return []kind{
		{8, "the record is whole, closed, and signed by its release key", nothing, (*auditor).record, nil},
		{1, "the plan and its schedule are the ones approved", aRecord, (*auditor).planCopy, nil},
		{1, "enough people approved exactly this digest", aPlan, (*auditor).approved, (*auditor).hasPeople},
		{1, "attendance, and waivers by those present", aPlan, (*auditor).attended, (*auditor).hasPeople},
		{8, "the ceremonies this one continues", aPlan, (*auditor).predecessors, nil},
		{
			1,
			"each key that was there before is continued by those who had it",
			aFinished,
			(*auditor).continued,
			(*auditor).reopens,
		},
		{1, "the signatures made are the schedule's, one for each line", aFinished, (*auditor).signatures, nil},
		{2, "each act was recorded before it happened, no serial number comes twice", aFinished, (*auditor).order, nil},
		{3, "each certificate is what the schedule says, by the right authority", aFinished, (*auditor).certificates, nil},
		{
			3,
			"each revocation list is the schedule's, and has all that was revoked",
			aFinished,
			(*auditor).revocationLists,
			(*auditor).hasLists,
		},
		{4, "each key is the plan's, with its evidence and its challenge", aFinished, (*auditor).keys, nil},
		{7, "secrets are sealed to the nodes they belong to", aFinished, (*auditor).sealed, nil},
		{8, "witnesses signed the head of the record", aFinished, (*auditor).witnessed, (*auditor).hasWitnesses},
		{8, "the authorities' certificates are those on record", aFinished, (*auditor).authorityFiles, nil},
		{8, "each bundle is its node's, as recorded and signed", aFinished, (*auditor).bundles, nil},
		{4, "no file holds a private key", nothing, (*auditor).secrets, nil},
		{8, "nothing is missing, and nothing else is there", aFinished, (*auditor).directory, nil},
		{1, "the people are the ones pinned", aPlan, (*auditor).peopleOrigin, (*auditor).peoplePinned},
		{8, originCheck, aFinished, (*auditor).origin, nil},
	}
}

func (a *auditor) perform(k kind) Check {
	c := Check{Guarantee: k.guarantee, Name: k.name, Problems: []string{}}
	switch {
	case k.needs >= aRecord && a.t == nil:
		c.Skipped = "the record does not read"
	case k.needs >= aPlan && a.plan == nil:
		c.Skipped = "the plan's copy does not expand"
	case k.needs >= aFinished && !a.t.Closed():
		c.Skipped = "the ceremony is unfinished"
	default:
		k.do(a, &c)
	}
	return c
}

func (c *Check) problem(format string, args ...any) {
	c.Problems = append(c.Problems, fmt.Sprintf(format, args...))
}

func (c *Check) note(format string, args ...any) {
	c.Notes = append(c.Notes, fmt.Sprintf(format, args...))
}

// unchecked says what a check passes over, and why.
func (c *Check) unchecked(format string, args ...any) {
	c.Unchecked = append(c.Unchecked, fmt.Sprintf(format, args...))
}

// count is a number and what it counts: "1 bundle", "2 bundles".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// parallel is parallel for what takes long: it tells how far it is.
func (a *auditor) parallel(n int, do func(i int)) {
	var done atomic.Int64
	parallel(n, func(i int) {
		do(i)
		if a.o.Progress != nil {
			a.o.Progress(int(done.Add(1)), n)
		}
	})
}

// parallel calls do with 0 to n-1, on all processors.
func parallel(n int, do func(i int)) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	workers.Wait()
}
