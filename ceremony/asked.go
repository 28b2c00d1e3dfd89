package ceremony

import (
	"fmt"

	"officiant/ceremony/progress"
	"officiant/ceremony/station"
	"officiant/signer"
)

// asked is what plan and station ask for a key: where it is to be, and how good
// the evidence for it.
type asked struct {
	common
	station *station.Station
	uris    map[string]string // of throw-away tokens, by key, in a rehearsal
}

// ref is where a key is or will be.
func (r asked) ref(name string) (signer.Ref, error) {
	if r.rehearsal {
		return signer.Ref{URI: r.uris[name], Label: r.plan.Plan.Cluster.Name + "/" + name}, nil
	}
	return r.station.Ref(r.plan.Plan.Cluster.Name, name)
}

// accept refuses a key whose evidence is weaker than plan and station ask for.
func (r asked) accept(name string, grade signer.Grade, reason string) error {
	if least, who := r.least(name); !grade.AtLeast(least) {
		return &Refused{[]string{fmt.Sprintf("evidence for the %s key is %q (%s), the %s asks for %q", name, grade,
			reason, who, least)}}
	}
	return nil
}

// least is the weakest evidence that will do for a key, and who asks for it.
func (r asked) least(name string) (signer.Grade, string) {
	planned := keyOf(r.plan, name).Evidence
	if r.rehearsal {
		return planned, "rehearsal"
	}
	if wanted := r.station.Least(name); wanted != "" && !planned.AtLeast(wanted) {
		return wanted, "station"
	}
	return planned, "plan"
}

// graded is the grade of a key and the reason for it, in the light of what its
// token did with a canary of the same template.
func (r asked) graded(info signer.Info, made bool) (signer.Grade, string) {
	if !made {
		return info.Grade, info.Reason
	}
	token := tokenRecord(info.Device)
	if leak := leakOf(r.progress.Canaries[progress.Template{Token: token.ID(),
		Algorithm: string(info.Algorithm)}]); leak != "" {
		return signer.Unproven, leak
	}
	return info.Grade, info.Reason
}
