package audit

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"time"

	"officiant/bundle/fingerprint"
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
	bundlesFolder  = "bundles"
)

// firstRelease is the name of a cluster's first key that signs bundles and transcripts.
const firstRelease = "release"

// originCheck is the check that a pin is for.
const originCheck = "root and release key are the ones pinned"

// Options says what a ceremony directory is checked against.
type Options struct {
	Now        time.Time           // of whoever looks; zero: what has expired is not noted
	Root       *fingerprint.SHA256 // pin: SHA-256 of the DER root certificate
	ReleaseKey crypto.PublicKey    // pin: the release key
	Release    *fingerprint.SHA256 // pin: SHA-256 of the release key's SubjectPublicKeyInfo; the same by its fingerprint
	People     *fingerprint.SHA256 // pin: those who may approve, here or in the ceremony before
	Rehearsal  bool                // it is to be a rehearsal, as who made it knows; otherwise one never verifies
	Progress   func(done, of int)  // told how far a long check is, by several goroutines; may be nil
	Previous   []string            // directories of the ceremonies this one continues
	// AttestationRoots may vouch for devices, beside the makers' roots that are built in.
	AttestationRoots []*x509.Certificate
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
func look(dir string, o Options) (*view, error) {
	t, err := openTree(dir)
	if err != nil {
		return nil, err
	}
	defer t.close()
	v := &view{o: o, tree: t, missing: map[string]bool{}, report: &Report{Directory: dir}}
	for _, k := range v.checks() {
		if k.when == nil || k.when() {
			v.report.Checks = append(v.report.Checks, v.perform(k))
		}
	}
	for _, do := range v.later {
		do()
	}
	if err := t.record.whole(); err != nil {
		return nil, err
	}
	return v, nil
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
	do        func(*Check)
	when      func() bool // nil: always
}

// checks lists all there are, in the order they are made and reported. Each belongs
// to a type of its own, which says what it takes beside the view.
func (v *view) checks() []kind {
	people, chain, holders := &peopleAudit{view: v}, &chainAudit{view: v}, &holderAudit{view: v}
	lists, journals := &listAudit{view: v}, &journalAudit{v, chain}
	bundles := &bundleAudit{view: v, lists: lists}
	directory := &directoryAudit{view: v, bundles: bundles}
	return []kind{
		{8, "the record is whole, closed, and signed by its release key", nothing, (&recordAudit{v}).record, nil},
		{1, "the plan and its schedule are the ones approved", aRecord, (&planAudit{v}).planCopy, nil},
		{1, "the ceremony ran when the plan lets it", aPlan, (&planAudit{v}).window, (&planAudit{v}).hasWindow},
		{1, "enough people approved exactly this digest", aPlan, people.approved, people.hasPeople},
		{1, "attendance, and waivers by those present", aPlan, people.attended, people.hasPeople},
		{1, "another station file was agreed to, and every key found by it", aRecord, (&stationAudit{v}).stations,
			(&stationAudit{v}).changes},
		{1, "each PIN in shares was opened by those who had them", aRecord, (&shareAudit{v}).opened, (&shareAudit{v}).any},
		{8, "each wrong PIN is counted, and its token can have asked for it", aRecord, (&pinAudit{v}).refused,
			(&pinAudit{v}).any},
		{1, "its people abandoned it, and only keys of its own were destroyed", aRecord,
			(&abandonmentAudit{v}).abandoned, (&abandonmentAudit{v}).given},
		{8, "the ceremonies this one continues", aPlan, chain.predecessors, nil},
		{1, "each key that was there before is continued by those who had it", aFinished,
			holders.continued, holders.reopens},
		{1, "the signatures made are the schedule's, one for each line", aFinished, (&signatureAudit{v}).signatures, nil},
		{2, "each act was recorded before it happened, no serial number is repeated", aFinished,
			(&orderAudit{view: v, chain: chain}).order, nil},
		{1, "each certificate of an online signer was its grant's, in a journal that goes on where it was", aFinished,
			journals.taken, journals.any},
		{3, "each certificate is what the schedule says, by the right authority", aFinished,
			(&certificateAudit{v}).certificates, nil},
		{3, "each revocation list is the schedule's, and has all that was revoked", aFinished,
			lists.revocationLists, lists.hasLists},
		{4, "each key is the plan's, with its evidence and its challenge", aFinished, (&keyAudit{v}).keys, nil},
		{7, "secrets are sealed to the nodes they belong to", aFinished, (&sealedAudit{v}).sealed, nil},
		{8, "witnesses signed the head of the record", aFinished, people.witnessed, people.hasWitnesses},
		{8, "the authorities' certificates are those on record", aFinished, bundles.authorityFiles, nil},
		{8, "each bundle is its node's, as recorded and signed", aFinished, bundles.bundles, nil},
		{4, "no file holds a private key", nothing, (&leakAudit{view: v, bundles: bundles}).secrets, nil},
		{8, "nothing is missing, and nothing else is there", aFinished, directory.directory, nil},
		{1, "the people are the ones pinned", aPlan, people.peopleOrigin, people.peoplePinned},
		{8, originCheck, aFinished, (&originAudit{view: v, chain: chain}).origin, nil},
	}
}

func (v *view) perform(k kind) Check {
	c := Check{Guarantee: k.guarantee, Name: k.name, Problems: []string{}}
	switch {
	case k.needs >= aRecord && v.t == nil:
		c.Skipped = "the record does not read"
	case k.needs >= aPlan && v.plan == nil:
		c.Skipped = "the plan's copy does not expand"
	case k.needs >= aFinished && v.abandonment() != nil:
		c.Skipped = "the ceremony was abandoned"
	case k.needs >= aFinished && !v.t.Closed():
		c.Skipped = "the ceremony is unfinished"
	default:
		k.do(&c)
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
