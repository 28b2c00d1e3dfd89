package schedule

import (
	"officiant/bundle/fingerprint"
	"officiant/ceremony/history"
	"officiant/ceremony/plan"
	"officiant/signer"
)

// names refuses a key that is to be made under a name which a ceremony of this cluster
// gave to another one: that lies in its token, under this very label.
func (b *keyPass) names() {
	refuse := func(name string, where plan.At) {
		for _, r := range b.past.Records() {
			if o, ok := r.Opening(name); ok {
				b.afterwards(where, "the plan creates the %s key, but %s has a key of that name already, %s: give the "+
					"new one a name of its own, as %s-2", name, r, o.SPKI, name)
				return
			}
		}
	}
	for i, a := range b.p.Authorities {
		if a.Key.Create != "" {
			refuse(a.Name, plan.At{"authorities", i, "key"})
		}
	}
	if b.p.Release.Key.Create != "" {
		refuse(b.p.Release.Name, plan.At{"release", "key"})
	}
	if s := b.p.Release.Successor; s.Key.Create != "" {
		refuse(s.Name, plan.At{"release", "successor", "key"})
	}
}

// proven refuses more evidence than there can be of a key that exists: what was made in
// a software token stays a software key. Other grades may get better with a token's
// firmware.
func (b *keyPass) proven(name string, spki fingerprint.SHA256, openers []history.Opening, where plan.At) {
	k, _ := b.p.KeyOf(name)
	for _, o := range openers {
		if signer.Grade(o.Grade) == signer.Software && !signer.Software.AtLeast(k.Evidence) {
			b.afterwards(where, "the plan asks for evidence %q of the %s key, and %s has it on record as %q: %s", k.Evidence,
				name, o.Of, o.Grade, spki)
			return
		}
	}
}
