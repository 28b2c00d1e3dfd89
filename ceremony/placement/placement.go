package placement

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"officiant/ceremony/schedule"
	"officiant/ceremony/station"
	"officiant/signer"
)

// Backend is what a place tells without a login.
type Backend struct {
	Supports func(signer.Ref, signer.Spec) error
	Attests  bool // whether a key that is created can have its maker's word
	Vouched  bool // whether one that exists can: in its token, or in a file that its URI names
	// Module is the file that is loaded to reach the key, and its SHA-256; nil where there is none.
	Module func(signer.Ref) (path, sum string, err error)
	// Slots: keys are made in slots, which their URIs name by an id.
	Slots bool
	// Vacant says why no key can be made at a place; nil where that shows when it is made.
	Vacant func(context.Context, signer.Ref) error
	// See looks at the token; nil where that would reach out.
	See func(context.Context, signer.Ref) (Token, error)
}

// Token is what a token shows of itself.
type Token struct {
	Device  signer.Device
	Unready string // why it cannot be opened; empty when it can
}

// Report is what was found.
type Report struct {
	Findings []string
	Warnings []string
	Absent   []error // tokens that are not there; each is a signer.ErrAbsent
	Unknown  []error // places that could not be asked, and why
}

// look is one look at places.
type look struct {
	plan    *schedule.Ceremony
	station *station.Station
	of      func(signer.Ref) (Backend, error)
	report  Report
	places  map[string]string // keys by token and object
	seen    map[string]bool   // tokens
	// Tokens whose module cannot be read: that is said once.
	unreadable map[string]bool
}

// Look looks at the places of some of a plan's keys. It ends early with ctx.
func Look(ctx context.Context, c *schedule.Ceremony, st *station.Station, keys []string,
	of func(signer.Ref) (Backend, error)) Report {
	l := &look{plan: c, station: st, of: of, places: map[string]string{}, seen: map[string]bool{},
		unreadable: map[string]bool{}}
	for _, name := range keys {
		if err := ctx.Err(); err != nil {
			l.report.Unknown = append(l.report.Unknown, err)
			break
		}
		l.key(ctx, name)
	}
	return l.report
}

func (l *look) finding(format string, args ...any) {
	if reason := fmt.Sprintf(format, args...); !slices.Contains(l.report.Findings, reason) {
		l.report.Findings = append(l.report.Findings, reason)
	}
}

func (l *look) key(ctx context.Context, name string) {
	ref, err := l.station.Ref(l.plan.Cluster.Name, name)
	if err != nil {
		l.finding("%v", err)
		return
	}
	b, err := l.of(ref)
	if err != nil {
		l.finding("key %s: %v", name, err)
		return
	}
	token, err := signer.TokenOf(ref.URI)
	if err != nil {
		l.finding("key %s: %v", name, err)
		return
	}
	place := token + " " + station.Object(ref)
	if other, taken := l.places[place]; taken {
		l.finding("key %s: lives where %s does; every key needs its own place", name, other)
		return
	}
	l.places[place] = name
	if key, _ := l.plan.Plan.KeyOf(name); key.Creates() && station.NamesID(ref) && !b.Slots {
		l.finding("key %s: its URI has an id, and the ceremony chooses the id of a key that it makes; leave it out, "+
			"or name an object", name)
	}
	if l.least(name) == signer.Attested {
		l.attested(name, b)
	}
	if !l.seen[token] {
		l.seen[token] = true
		l.secret(name, ref)
		l.unreadable[token] = !l.module(name, ref, b)
	}
	if !l.unreadable[token] && l.algorithm(ctx, name, ref, b) {
		l.vacant(ctx, name, ref, b)
	}
}

// attested says where no key can have its maker's word. Whether this one has it shows when
// it is opened.
func (l *look) attested(name string, b Backend) {
	named, _ := l.plan.Plan.KeyOf(name)
	switch exists := named.Key.Create == ""; {
	case exists && !b.Attests && !b.Vouched:
		l.finding("key %s: evidence attested is asked for, and no key there can have it", name)
	case !exists && !b.Attests:
		l.finding("key %s: evidence attested is asked for, and no key that is created there can have it", name)
	}
}

// least is the weakest evidence that will do for a key.
func (l *look) least(name string) signer.Grade {
	key, _ := l.plan.Plan.KeyOf(name)
	planned := key.Evidence
	if wanted := l.station.Least(name); wanted != "" && !planned.AtLeast(wanted) {
		return wanted
	}
	return planned
}

func (l *look) secret(name string, ref signer.Ref) {
	if problem := station.PINFileProblem(ref.URI); problem != "" {
		l.finding("key %s: %s", name, problem)
	}
}

// module says whether the key's module can be read, if there is one.
func (l *look) module(name string, ref signer.Ref, b Backend) bool {
	if b.Module == nil {
		return true
	}
	_, _, err := b.Module(ref)
	switch {
	case err == nil:
	case errors.Is(err, signer.ErrUnavailable):
		l.report.Unknown = append(l.report.Unknown, fmt.Errorf("key %s: %w", name, err))
	default:
		l.finding("key %s: %v", name, err)
	}
	return err == nil
}

// vacant asks the place of a key that is to be made whether there is one.
func (l *look) vacant(ctx context.Context, name string, ref signer.Ref, b Backend) {
	if key, _ := l.plan.Plan.KeyOf(name); b.Vacant == nil || !key.Creates() {
		return
	}
	if err := b.Vacant(ctx, ref); errors.Is(err, signer.ErrUnavailable) {
		l.report.Unknown = append(l.report.Unknown, fmt.Errorf("key %s: %w", name, err))
	} else if err != nil {
		l.finding("key %s: %v", name, err)
	} else if b.Slots && !station.HasOfficer(ref) {
		l.warn(fmt.Sprintf("key %s: making it takes the management key, which is asked for: "+
			"its URI names no so-pin-source", name))
	}
}

// algorithm asks the place whether it can do the key's algorithm, and its token for
// its state; false: it is not there, or cannot.
func (l *look) algorithm(ctx context.Context, name string, ref signer.Ref, b Backend) bool {
	err := b.Supports(ref, signer.Spec{Algorithm: l.plan.Algorithm(name)})
	switch {
	case errors.Is(err, signer.ErrAbsent):
		l.report.Absent = append(l.report.Absent, err)
		if near := Near(l.station, err, ref); near != "" {
			l.warn(fmt.Sprintf("key %s: its token is not in, and %s: is the station right?", name, near))
		}
		return false
	case err != nil && !errors.Is(err, signer.ErrUnavailable):
		l.finding("key %s: %v", name, err)
		return false
	case err != nil:
		l.report.Unknown = append(l.report.Unknown, fmt.Errorf("key %s: %w", name, err))
		return false
	}
	if b.See == nil {
		return true
	}
	t, err := b.See(ctx, ref)
	if err != nil {
		l.report.Unknown = append(l.report.Unknown, fmt.Errorf("key %s: %w", name, err))
		return false
	}
	l.token(name, t)
	return true
}

func (l *look) token(name string, t Token) {
	called := fmt.Sprintf("token %s, serial %s", t.Device.Label, t.Device.Serial)
	switch least := l.least(name); {
	case t.Unready != "":
		l.finding("%s: %s", called, t.Unready)
	case t.Device.PINLocked:
		l.finding("%s: its PIN is locked; its security officer has to set a new one", called)
	case t.Device.Software && least != "" && !signer.Software.AtLeast(least):
		l.finding("%s is software, and evidence %q is asked for of the %s key", called, least, name)
	}
	warning := ""
	switch {
	case t.Device.PINLocked:
	case t.Device.PINFinalTry:
		warning = called + ": one more wrong PIN locks it, so it is logged in to only when its serial is given for a " +
			"final try"
	case t.Device.PINCountLow:
		warning = called + ": a wrong PIN was entered before"
	}
	if warning != "" {
		l.warn(warning)
	}
}

func (l *look) warn(warning string) {
	if !slices.Contains(l.report.Warnings, warning) {
		l.report.Warnings = append(l.report.Warnings, warning)
	}
}
