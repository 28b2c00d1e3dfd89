package ceremony

import (
	"context"
	"fmt"
	"slices"

	"officiant/bundle/kubepki"
	"officiant/bundle/phrase"
	"officiant/ceremony/schedule"
	"officiant/ceremony/station"
)

// phase is one token's turn: the keys on it, in the order they are needed.
type phase struct {
	token     string
	place     string // as people name it
	removable bool
	keys      []string
	root      bool
}

// phases groups the needed keys by token, the root's token last: the others'
// keys exist when it certifies them, so that it has to be put in once.
func phases(c *schedule.Ceremony, st *station.Station) ([]phase, error) {
	groups, err := st.Tokens(c.Plan.Cluster.Name, c.KeysNeeded())
	if err != nil {
		return nil, err
	}
	var others, roots []phase
	for _, g := range groups {
		p := phaseFor(g)
		for _, k := range g.Keys {
			p.root = p.root || family(c, k) == kubepki.Root
		}
		if p.root {
			roots = append(roots, p)
		} else {
			others = append(others, p)
		}
	}
	return append(others, roots...), nil
}

func phaseFor(g station.Group) phase {
	return phase{token: g.Token, place: g.Place(), removable: g.Removable(), keys: g.Keys}
}

func phaseOf(tokens []phase, key string) phase {
	for _, p := range tokens {
		if slices.Contains(p.keys, key) {
			return p
		}
	}
	return phase{}
}

// addToken adds a token's turn.
func (s *script) addToken(p phase, turns []phase) {
	kind := "token"
	if !p.removable {
		kind = "KMS"
	}
	open := s.add("Open the "+kind+" of "+phrase.List(p.keys),
		inTokens(func(r *tokens, ctx context.Context) error { return r.openToken(ctx, p, turns) }))
	s.insert(open, p)
	for _, name := range p.keys {
		s.addKey(name)
	}
	s.addRequests(p)
	if p.root {
		for e := range s.plan.All(schedule.RootCertificate, schedule.AuthorityCertificate) {
			switch {
			case !slices.Contains(p.keys, e.Signer): // another root's, on another token
			case e.Kind == schedule.RootCertificate:
				s.add("Sign the root certificate"+generation(e.Name), issueEntry(e))
			case e.Kind == schedule.AuthorityCertificate:
				s.add(fmt.Sprintf("Sign the %s intermediate", e.Name), issueEntry(e))
			}
		}
		for _, name := range p.keys {
			if family(s.plan, name) == kubepki.Root {
				s.addList(name)
			}
		}
	}
	for _, name := range p.keys {
		s.addClone(name)
	}
}

// generation tells a later root from the one people know as the root.
func generation(name string) string {
	if name == string(kubepki.Root) {
		return ""
	}
	return " " + name
}

// insert makes a step the gate of a token.
func (s *script) insert(step *Step, p phase) {
	step.Place = p.place
	if !p.removable {
		step.People = "Administrator: the machine reaches the KMS with the credentials made for this day. There is no PIN."
		step.Failure = "Credentials that expired, a wrong clock, or a missing permission: the message says which. " +
			"Correct it, and run the same command again."
		return
	}
	step.Swap = s.token != "" && s.token != p.token
	step.People = "Officer: break the seal, put in exactly this token, enter the PIN. Nobody else sees it."
	s.token = p.token
	step.Failure = "A wrong PIN is tried once: find out which PIN is right before running again. A token that does " +
		"not answer: take it out, put it in again, run the same command."
}

func (s *script) addKey(name string) {
	do := inTokens(func(r *tokens, ctx context.Context) error { return r.key(ctx, name) })
	create := keyOf(s.plan, name).Create
	if create == "" {
		open := s.add(fmt.Sprintf("Open the %s key", name), do)
		open.Failure = "The key is missing, or is not the plan's: the wrong token, or the wrong plan. " +
			"Stop, and find out which."
		return
	}
	title := fmt.Sprintf("Make the %s key, %s", name, create)
	first := !slices.ContainsFunc(s.steps, func(step Step) bool { return step.Final })
	if first {
		title += ": the point of no return"
	}
	made := s.add(title, do)
	made.Final = first
	made.People = "Write down the first eight digits of the public key's fingerprint."
	made.Failure = "Run the same command again: a key that is on record is found, not made twice. " +
		"Refused evidence means the wrong kind of token: stop."
}

// addClone adds the proof that a key that is made here has its clone.
func (s *script) addClone(name string) {
	ref, ok := s.station.Backup(s.plan.Plan.Cluster.Name, name)
	if !ok || keyOf(s.plan, name).Create == "" {
		return
	}
	g, err := station.GroupOf(ref)
	if err != nil {
		return // check has refused such a station
	}
	p := phaseFor(g)
	p.keys = []string{name}
	step := s.add(fmt.Sprintf("Clone the %s key and prove the clone", name),
		inTokens(func(r *tokens, ctx context.Context) error { return r.clone(ctx, p, ref) }))
	s.insert(step, p)
	step.People = "Officers: clone the key with the vendor's tool, then put in the clone's token and enter its PIN. " +
		"It goes into a bag and a safe of its own."
	step.Failure = "Without a clone that answers the ceremony does not go on. Clone again, and run the same " +
		"command again."
}

// reinsert adds the way back to the token of a key, when another has been in
// the reader since.
func (s *script) reinsert(turns []phase, key string) {
	p := phaseOf(turns, key)
	if !p.removable || p.token == s.token {
		return
	}
	step := s.add("Go back to the token of "+phrase.List(p.keys),
		inTokens(func(r *tokens, ctx context.Context) error { return r.reinsert(ctx, p) }))
	s.insert(step, p)
	step.People = "With one reader: take the other token out and seal it, put this one in, enter the PIN. With a " +
		"reader for each, there is nothing to do."
}
