package ceremony

import (
	"context"
	"fmt"
	"slices"

	"officiant/bundle/kubepki"
	"officiant/bundle/phrase"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
	"officiant/ceremony/station"
)

// Step is one numbered step, the same on paper, on screen and in the transcript.
type Step struct {
	N     int
	Title string
	// What only the script has room for.
	Place   string // the token or KMS that has to be there from here on, as people name it; empty: as before
	Swap    bool   // another token than the one before has to be put in
	People  string // what people do while the program does its part
	Failure string // what to do when it fails
	// Final marks the point of no return: here the first key is made, which
	// nothing unmakes.
	Final bool
	do    act
}

// act is what a step does.
type act = func(*run, context.Context) error

// A step of a room is done there; rooms exist once the record is open.
func inTokens(do func(*tokens, context.Context) error) act {
	return func(r *run, ctx context.Context) error { return do(r.tokens, ctx) }
}

func inSecrets(do func(*secrets, context.Context) error) act {
	return func(r *run, ctx context.Context) error { return do(r.secrets, ctx) }
}

func inIssuing(do func(*issuing, context.Context) error) act {
	return func(r *run, ctx context.Context) error { return do(r.issuing, ctx) }
}

func inOutputs(do func(*outputs, context.Context) error) act {
	return func(r *run, ctx context.Context) error { return do(r.outputs, ctx) }
}

// script is a ceremony's steps while they are put together.
type script struct {
	plan    *schedule.Ceremony
	station *station.Station
	steps   []Step
	token   string // that is in the reader, by the steps so far
}

// add numbers a step. What it returns is good until the next call.
func (s *script) add(title string, do act) *Step {
	s.steps = append(s.steps, Step{N: len(s.steps) + 1, Title: title, do: do})
	step := &s.steps[len(s.steps)-1]
	step.Failure = "Correct what the message names, and run the same command again: it continues from the record."
	return step
}

// Steps expands plan and station into the steps of the ceremony, in order.
func Steps(c *schedule.Ceremony, st *station.Station) ([]Step, error) {
	tokens, err := phases(c, st)
	if err != nil {
		return nil, err
	}
	s := &script{plan: c, station: st}
	s.opening()
	s.addSurvey(tokens)
	for _, t := range tokens {
		s.addToken(t, tokens)
	}
	s.addGate()
	if c.Plan.Adopts() {
		s.add("Take over what the cluster that is adopted has", (*run).takeOver)
	}
	switch {
	case c.Plan.ServiceAccount.Sealed != "":
		s.add("Carry the sealed service-account key over", inSecrets((*secrets).carryServiceAccount))
	case hasControlPlane(c):
		s.add("Make the service-account key and seal it to its nodes", inSecrets((*secrets).sealServiceAccount))
	}
	switch next := c.Plan.ServiceAccount.Next; {
	case next.Create != "":
		s.add("Make the next service-account key and seal it to its nodes", inSecrets((*secrets).sealNextServiceAccount))
	case next.Sealed != "":
		s.add("Carry the next service-account key over", inSecrets((*secrets).carryNextServiceAccount))
	}
	if n := len(c.Lists); n > 0 {
		s.add(fmt.Sprintf("Carry %s over", phrase.Count(n, "revocation list")), inIssuing((*issuing).carryLists))
	}
	if n := hasMadeKeys(c); n > 0 {
		s.add(fmt.Sprintf("Make the keys of %s and seal them", phrase.Count(n, "node")),
			inSecrets((*secrets).makeNodeKeys))
	}
	s.addLeaves(tokens)
	s.closing(tokens)
	return s.steps, nil
}

func (s *script) opening() {
	check := s.add("Check every entry of the schedule with throw-away keys", (*run).dryRun)
	check.People = "Administrator: start the command. All: compare the digest on the screen with this page."
	check.Failure = "The plan is refused. Stop: nothing was written, and no key exists. The plan goes back to its author."
	s.add("Copy the plan and open the record", (*run).open)
	room := s.add("Look at the room", (*run).lookAtRoom)
	room.People = "Witness: compare the clock with a watch, and program and module with the checksums on this page."
	room.Failure = "Correct what is refused. Or two people waive it with a reason: --waive NAME --reason TEXT " +
		"--by PERSON --by PERSON."
}

// closing adds what comes when all certificates are issued.
func (s *script) closing(tokens []phase) {
	s.add("Close issuing", inIssuing((*issuing).closeIssuing))
	s.reinsert(tokens, s.plan.ReleaseKey())
	s.add(fmt.Sprintf("Sign %s", phrase.Count(len(s.plan.Nodes), "bundle")), inOutputs((*outputs).signBundles))
	if s.plan.Plan.Grant.Given() {
		s.add("Sign the grant of the online signer", inOutputs((*outputs).signGrant))
	}
	s.add("Write authorities and bundles", inOutputs((*outputs).writeOutputs))
	compare := s.add("Compare fingerprints", inOutputs((*outputs).showFingerprints))
	compare.People = "One person reads each fingerprint aloud, word by word; another follows on the screen; a " +
		"third writes it down below."
	compare.Failure = "A difference is never a slip of the tongue until it is explained. Stop, keep the directory, " +
		"and write down who read what."
	record := s.add("Close and sign the record", inOutputs((*outputs).closeRecord))
	record.People = "Write down the head of the record below: it is what witnesses sign."
	verify := s.add("Verify the ceremony directory", (*run).verifyDirectory)
	verify.Failure = "Keep the directory as it is, and use nothing in it before the finding is explained."
}

// addLeaves adds one step for each authority that issues leaves, and one for its
// revocation list. Those of one token follow each other, and that of the release
// key comes last: it signs next.
func (s *script) addLeaves(tokens []phase) {
	by, leaves := map[string]bool{}, map[string]int{}
	for e := range s.plan.All() {
		switch {
		case e.Kind == schedule.LeafCertificate:
			leaves[e.Signer]++
			by[e.Signer] = true
		case e.Kind == schedule.CRLSignature && family(s.plan, e.Signer) != kubepki.Root:
			by[e.Signer] = true
		}
	}
	for _, name := range s.leafOrder(tokens, by) {
		s.reinsert(tokens, name)
		if n := leaves[name]; n > 0 {
			s.add(fmt.Sprintf("Issue %s by %s", phrase.Count(n, "certificate"), name),
				inIssuing(func(r *issuing, ctx context.Context) error { return r.issueLeaves(ctx, name) }))
		}
		s.addList(name)
	}
}

// addList adds the step of an authority's revocation list, if it signs one. A
// root's comes while its token is in the reader.
func (s *script) addList(authority string) {
	for e := range s.plan.All(schedule.CRLSignature) {
		if e.Signer == authority {
			s.add(fmt.Sprintf("Sign the revocation list of %s", authority),
				inIssuing(func(r *issuing, ctx context.Context) error { return r.signList(ctx, e) }))
		}
	}
}

// leafOrder is the schedule's order of authorities, token by token: the one
// that is in the reader first, the release key's last.
func (s *script) leafOrder(tokens []phase, by map[string]bool) []string {
	var order, signers []string
	for e := range s.plan.All() {
		if by[e.Signer] && !slices.Contains(signers, e.Signer) {
			signers = append(signers, e.Signer)
		}
	}
	take := func(want func(phase) bool) {
		for _, name := range signers {
			if want(phaseOf(tokens, name)) && !slices.Contains(order, name) {
				order = append(order, name)
			}
		}
	}
	last := phaseOf(tokens, s.plan.ReleaseKey()).token
	take(func(p phase) bool { return p.token == s.token && p.token != last })
	for _, t := range tokens {
		take(func(p phase) bool { return p.token == t.token && p.token != last })
	}
	take(func(phase) bool { return true })
	return order
}

func issueEntry(e schedule.Entry) act {
	return inIssuing(func(r *issuing, ctx context.Context) error {
		return r.issue(ctx, slices.Values([]schedule.Entry{e}))
	})
}

func family(c *schedule.Ceremony, name string) kubepki.Authority {
	for _, a := range c.Plan.Authorities {
		if a.Name == name {
			return a.Family
		}
	}
	return ""
}

// keyOf is what the plan says of a key.
func keyOf(c *schedule.Ceremony, name string) plan.KeyNamed {
	k, _ := c.Plan.KeyOf(name)
	return k
}

func hasControlPlane(c *schedule.Ceremony) bool {
	for _, n := range c.Nodes {
		if n.Has(kubepki.ControlPlane) {
			return true
		}
	}
	return false
}
