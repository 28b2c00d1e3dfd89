package ceremony

import (
	"context"
	"fmt"

	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
	"officiant/ceremony/station"
)

// Step is one numbered step, the same on paper, on screen and in the transcript.
type Step struct {
	N     int
	Title string
	do    func(context.Context, *run) error
}

// releaseKey is the name of the key that signs bundles and transcripts.
const releaseKey = "release"

// Steps expands plan and station into the steps of the ceremony, in order.
func Steps(c *plan.Ceremony, st *station.Station) ([]Step, error) {
	var steps []Step
	add := func(title string, do func(context.Context, *run) error) {
		steps = append(steps, Step{len(steps) + 1, title, do})
	}
	tokens, err := phases(c, st)
	if err != nil {
		return nil, err
	}
	add("Check every entry of the schedule with throw-away keys", dryRun)
	add("Copy the plan and open the record", openRecord)
	add("Look at the room", lookAtRoom)
	for _, t := range tokens {
		addToken(add, c, t)
	}
	switch {
	case c.Plan.ServiceAccount.Sealed != "":
		add("Carry the sealed service-account key over", carryServiceAccount)
	case hasControlPlane(c):
		add("Make the service-account key and seal it to its nodes", sealServiceAccount)
	}
	if n := hasMadeKeys(c); n > 0 {
		add(fmt.Sprintf("Make the keys of %s and seal them", count(n, "node")), makeNodeKeys)
	}
	addLeaves(add, c)
	add("Close issuing", closeIssuing)
	add(fmt.Sprintf("Sign %s", count(len(c.Nodes), "bundle")), signBundles)
	add("Write authorities and bundles", writeOutputs)
	add("Compare fingerprints", showFingerprints)
	add("Close and sign the record", closeRecord)
	add("Verify the ceremony directory", verifyDirectory)
	return steps, nil
}

// phase is one token's turn: the keys on it, in the order they are needed.
type phase struct {
	token string
	keys  []string
	root  bool
}

// phases groups the needed keys by token, the root's token last.
func phases(c *plan.Ceremony, st *station.Station) ([]phase, error) {
	groups, err := st.Tokens(c.Plan.Cluster.Name, c.KeysNeeded())
	if err != nil {
		return nil, err
	}
	var others, roots []phase
	for _, g := range groups {
		p := phase{token: g.Token, keys: g.Keys}
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

func addToken(add func(string, func(context.Context, *run) error), c *plan.Ceremony, p phase) {
	add("Open the token of "+list(p.keys), func(ctx context.Context, r *run) error { return r.openToken(ctx, p) })
	for _, name := range p.keys {
		title := fmt.Sprintf("Open the %s key", name)
		if a := keyOf(c, name).Create; a != "" {
			title = fmt.Sprintf("Make the %s key, %s", name, a)
		}
		add(title, func(ctx context.Context, r *run) error { return r.key(ctx, name) })
	}
	if !p.root {
		return
	}
	for _, e := range c.Entries {
		switch e.Kind {
		case plan.RootCertificate:
			add("Sign the root certificate", issueEntries(e))
		case plan.AuthorityCertificate:
			add(fmt.Sprintf("Sign the %s intermediate", e.Name), issueEntries(e))
		}
	}
}

// addLeaves adds one step for each authority that issues leaves.
func addLeaves(add func(string, func(context.Context, *run) error), c *plan.Ceremony) {
	var order []string
	by := map[string][]plan.Entry{}
	for _, e := range c.Entries {
		if e.Kind != plan.LeafCertificate {
			continue
		}
		if by[e.Signer] == nil {
			order = append(order, e.Signer)
		}
		by[e.Signer] = append(by[e.Signer], e)
	}
	for _, name := range order {
		add(fmt.Sprintf("Issue %s by %s", count(len(by[name]), "certificate"), name), issueEntries(by[name]...))
	}
}

func issueEntries(entries ...plan.Entry) func(context.Context, *run) error {
	return func(ctx context.Context, r *run) error { return r.issue(ctx, entries) }
}

func family(c *plan.Ceremony, name string) kubepki.Authority {
	for _, a := range c.Plan.Authorities {
		if a.Name == name {
			return a.Family
		}
	}
	return ""
}

// keyOf is what the plan says of a key's origin.
func keyOf(c *plan.Ceremony, name string) plan.Key {
	if name == releaseKey {
		return c.Plan.Release.Key
	}
	for _, a := range c.Plan.Authorities {
		if a.Name == name {
			return a.Key
		}
	}
	return plan.Key{}
}

func hasControlPlane(c *plan.Ceremony) bool {
	for _, n := range c.Nodes {
		if n.Has(kubepki.ControlPlane) {
			return true
		}
	}
	return false
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// list joins names as a person would say them.
func list(names []string) string {
	switch len(names) {
	case 0:
		return ""
	case 1:
		return names[0]
	}
	s := names[0]
	for _, n := range names[1 : len(names)-1] {
		s += ", " + n
	}
	return s + " and " + names[len(names)-1]
}
