package schedule

import (
	"io/fs"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/nearest"
	"officiant/ceremony/plan"
	"officiant/signer"
)

// base is what each pass has at hand: the plan, its inputs, and where to say what
// is wrong. A pass takes the results of those before it, and returns its own.
type base struct {
	*plan.Report
	files *files
	p     *plan.Plan
	now   time.Time
	held  bool // by the plan: what plans could have then is a warning
}

// files are the plan's inputs, each read once.
type files struct {
	fsys     fs.FS
	read     map[string][]byte             // by path: all but requests, which are let go once they are opened
	sums     map[string]fingerprint.SHA256 // of all of them
	folded   map[string]string             // paths by their lower-case form
	streamed map[string]bool               // those that are held nowhere: records and journals
}

// outlives refuses what would be valid for longer than its issuer.
func (b base) outlives(cas *cas, where plan.At, what string, v plan.Duration, issuer *plan.Authority) {
	if c := cas.certificates[issuer.Name]; c != nil {
		if end := b.now.Add(time.Duration(v)); end.After(c.NotAfter) {
			b.Refuse(append(where, "validity"), "%s would be valid until %s (%s), after its issuer %s ends on %s", what,
				end.UTC().Format(time.DateOnly), v, issuer.Name, c.NotAfter.UTC().Format(time.DateOnly))
		}
		return
	}
	if issuer.Makes() && v > issuer.Validity {
		b.Refuse(append(where, "validity"), "%s would be valid for %s, longer than its issuer %s (%s)", what, v,
			issuer.Name, issuer.Validity)
	}
}

// evidence checks the least grade a plan accepts; a token that proves nothing has
// to be allowed by name, like a software token. For a key that exists it may
// be left out; then only hardware will do.
func (b base) evidence(g *signer.Grade, where plan.At, what string, made bool) {
	switch {
	case knownGrade(*g):
	case *g == "" && made:
		b.Refuse(where, `%s: say the least evidence accepted for its key: "attested", "consistent", or "software" for a `+
			`software token`, what)
	case *g == "":
		*g = signer.Consistent
	default:
		b.Refuse(append(where, "evidence"),
			`%s: evidence %q is not "attested", "consistent", "software" or "unproven"%s`, what, *g,
			nearest.Among(*g, signer.Attested, signer.Consistent, signer.Software, signer.Unproven))
	}
}

// afterwards refuses what plans could once have; of a ceremony that was held it
// is a warning.
func (b base) afterwards(where plan.At, format string, args ...any) {
	if b.held {
		b.Warn(where, format, args...)
		return
	}
	b.Refuse(where, format, args...)
}
