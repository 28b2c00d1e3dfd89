package plan

import "regexp"

const (
	apiVersion = "officiant/v1"
	kind       = "Plan"
)

// File is the plan's name in a ceremony directory and in the digest's listing.
const File = "plan.yaml"

// label is an RFC 1123 label.
var label = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// IsLabel says whether a plan, an authority or a release key can have that name.
func IsLabel(name string) bool { return label.MatchString(name) }

// LabelRule is what IsLabel requires, for people.
const LabelRule = "1 to 63 lower-case letters, digits and dashes, with a letter or digit at both ends"

// CheckHeader checks the fields above the sections.
func CheckHeader(r *Report, p *Plan) {
	if p.APIVersion != apiVersion {
		r.Refuse(At{"apiVersion"}, "apiVersion is %q; this program reads %s", p.APIVersion, apiVersion)
	}
	if p.Kind != kind {
		r.Refuse(At{"kind"}, "kind is %q, not %s", p.Kind, kind)
	}
	if !IsLabel(p.Name) {
		r.Refuse(At{"name"}, "name is %q; it is %s", p.Name, LabelRule)
	}
	if !p.Previous.Given {
		r.Refuse(nil, `previous is missing: name the ceremonies this one continues, or say "previous: none"`)
	}
}

// ReleaseName is the name of a cluster's first release key, beside those of the
// authorities.
const ReleaseName = "release"
