package schedule

import (
	"slices"
	"strings"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/approval"
	"officiant/ceremony/plan"
)

// existingKeys holds each key that exists and that the schedule opens against the
// record: some ceremony made it, and the one that opened it last is the one to
// continue, whichever cluster's it was. Enough of its people have to approve.
func existingKeys(b base, past *records, c *Ceremony) {
	(&keyPass{b, past, c}).check()
}

// keyPass is what existingKeys needs.
type keyPass struct {
	base
	past *records
	c    *Ceremony
}

func (b *keyPass) check() {
	b.names()
	var alone []string // keys of a plan that names no ceremony before it
	for _, name := range b.c.KeysNeeded() {
		spki, where := b.existing(name)
		if spki == (fingerprint.SHA256{}) {
			continue
		}
		openers := b.past.Openers(spki)
		b.proven(name, spki, openers, where)
		switch {
		case len(openers) > 0 || b.held || b.p.Previous.Lost != nil:
		case len(b.p.Previous.Ceremonies) == 0:
			alone = append(alone, name)
		default:
			b.neverOpened(name, spki, where)
		}
		for _, o := range openers {
			if o.Of.Open.Cluster == b.p.Cluster.Name {
				continue // of this cluster's ceremonies the last one's people count
			}
			if g, ok := groupOf(b.base, o.Of); ok {
				b.share(g, name)
			}
		}
	}
	switch len(alone) {
	case 0:
	case 1:
		b.Refuse(plan.At{"previous"}, "the key of %s exists, so a ceremony had it before: previous has to name the last "+
			"one that opened it, of whichever cluster", alone[0])
	default:
		b.Refuse(plan.At{"previous"}, "the keys of %s exist, so ceremonies had them before: previous has to name the last "+
			"ones that opened them, of whichever cluster", strings.Join(alone, ", "))
	}
}

// existing is the fingerprint of a key that exists, by its name, and its place in
// the plan; zero for one that is made here.
func (b *keyPass) existing(name string) (fingerprint.SHA256, plan.At) {
	if name == b.p.Release.Name {
		return b.p.Release.Key.Existing, plan.At{"release", "key"}
	}
	for i, a := range b.p.Authorities {
		if a.Name == name {
			return a.Key.Existing, plan.At{"authorities", i, "key"}
		}
	}
	return fingerprint.SHA256{}, nil
}

// neverOpened refuses a key that no ceremony named here made, opened or announced. A
// chain that began anew may have it from a record that is lost.
func (b *keyPass) neverOpened(name string, spki fingerprint.SHA256, where plan.At) {
	records := b.past.Records()
	missing, partial := b.past.Missing()
	release, _ := b.past.ReleaseKeys()
	switch {
	case release.Announced != nil && spki == *release.Announced:
	case partial:
		b.Refuse(where, "no ceremony named here opened the key of %s (%s): name the earlier ones, too, from ceremony %d on "+
			"(earlier)", name, spki, missing.Sequence)
	case len(records) > 0 && records[len(records)-1].Open.Lost != nil:
	default:
		b.Refuse(where, "no ceremony named here made or opened the key of %s (%s): previous has to name the last one that "+
			"did, of whichever cluster", name, spki)
	}
}

// share takes the people of another cluster's ceremony into those who approve,
// unless they are the plan's, or are there already.
func (b *keyPass) share(g approval.Group, key string) {
	same := func(o approval.Group) bool { return o.People.Fingerprint() == g.People.Fingerprint() }
	if slices.ContainsFunc(append(b.c.Approvers(), b.c.Sharing...), same) {
		return
	}
	b.c.Sharing = append(b.c.Sharing, g)
	b.Warn(plan.At{"people"}, "%s opened the key of %s last: enough of its people have to approve as well", g.Whose, key)
}
