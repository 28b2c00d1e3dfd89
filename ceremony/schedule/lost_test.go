package schedule

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"officiant/ceremony/plan"
	"officiant/signer"
)

// lostPlan is the plan that begins a chain anew with the keys that were there.
func lostPlan(t *testing.T) (text string, files map[string]string) {
	t.Helper()
	p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
	text = p.continued(t, cp1, work)
	before, rest, _ := strings.Cut(text, "previous:\n")
	_, after, _ := strings.Cut(rest, "\n\n")
	text = before + "previous:\n  lost: {sequence: 4, reason: the safe burned}\n\n" + after
	return strings.Replace(text, "  sealed: previous/demo-1/sa.key.age\n  public: previous/demo-1/sa.pub\n", "  create: ECDSA-P256\n", 1), p.files
}

// Keys that exist are taken over without a record of them, and it is said.
func TestLost(t *testing.T) {
	text, files := lostPlan(t)
	c, err := opens(text, files)
	if err != nil {
		t.Fatal(err)
	}
	if c.Sequence != 5 || len(c.Plan.Previous.Ceremonies) != 0 {
		t.Errorf("sequence %d after %v", c.Sequence, c.Plan.Previous)
	}
	var warnings []string
	for _, w := range c.Warnings {
		warnings = append(warnings, w.Message)
	}
	if all := strings.Join(warnings, "\n"); !strings.Contains(all, "the chain begins anew: which certificates and serial numbers ceremonies 1 to 4 issued") ||
		!strings.Contains(all, "a new service-account pair") {
		t.Errorf("warnings %q", warnings)
	}
	// An authority whose key is gone, too, is made anew below the root.
	c, err = opens(newAuthority(text), files)
	if err != nil || !strings.Contains(written(c), "etcd-2") {
		t.Errorf("a new authority below the root: %v", err)
	}
}

// newAuthority has a new authority of etcd in place of the one there was.
func newAuthority(text string) string {
	before, rest, _ := strings.Cut(text, "  - name: etcd\n")
	_, after, _ := strings.Cut(rest, "  - name: ")
	return before + "  - {name: etcd-2, family: etcd, key: {create: ECDSA-P256}, validity: 5y, evidence: software}\n  - name: " + after
}

func TestLostRefused(t *testing.T) {
	const said = "previous:\n  lost: {sequence: 4, reason: the safe burned}\n"
	for name, tt := range map[string]struct{ old, new, want string }{
		"no sequence": {said, "previous:\n  lost: {reason: fire}\n",
			"the sequence of the last ceremony is missing: the highest that any node has seen"},
		"a negative one": {said, "previous:\n  lost: {sequence: -1, reason: fire}\n",
			"the sequence of the last ceremony is missing"},
		"beyond all ceremonies": {said, "previous:\n  lost: {sequence: 2147483646, reason: fire}\n",
			"the sequence 2147483646 is above 1000000, which no cluster reaches: some node says what is not so"},
		"no reason": {said, "previous:\n  lost: {sequence: 4}\n", "the reason goes on record as one line"},
		"a reason with a filler": {said, "previous:\n  lost: {sequence: 4, reason: \"a\u3164b\"}\n",
			"has the character U+3164, which nobody sees"},
		"a reason of two lines": {said, "previous:\n  lost: {sequence: 4, reason: \"a\\nb\"}\n", "has the character U+000A"},
		"beside a predecessor":  {said, "previous:\n  lost: {sequence: 4, reason: fire}\n  cluster: demo\n", `unknown field "cluster" in previous`},
		"among predecessors":    {said, "previous:\n  - lost: {sequence: 4, reason: fire}\n", `unknown field "lost"`},
		"nothing":               {said, "previous: {}\n", `previous is "none", a list of ceremonies, or lost`},
		"none, with a root's key that exists": {said, "previous: none\n",
			"the keys of kubernetes, etcd, front-proxy, release exist, so ceremonies had them before"},
		"a next pair that was sealed": {"  create: ECDSA-P256\n",
			"  sealed: a.age\n  public: a.pub\n  next: {sealed: b.age, public: b.pub}\n",
			"no record says to whom the next pair was sealed"},
		"nothing said of the pair": {"serviceAccount:\n  create: ECDSA-P256\n", "", "serviceAccount is missing"},
		"a renewal":                {"    fingerprint: ", "    renew: [apiserver]\n    fingerprint: ", "there is nothing to renew"},
		"an adopted authority":     {"  - name: etcd\n", "  - name: etcd\n    adopted: true\n", "no record says that it was adopted"},
	} {
		text, files := lostPlan(t)
		changed := strings.Replace(text, tt.old, tt.new, 1)
		if changed == text {
			t.Fatalf("%s: the test changes nothing:\n%s", name, text)
		}
		if _, err := opens(changed, files); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// New writes what Open reads; lists of an authority that had some are numbered anew.
func TestLostWritten(t *testing.T) {
	text, err := plan.New(plan.NewOptions{Name: "demo-5", Lost: &plan.Lost{Sequence: 4,
		Reason: `the "safe": burned # all of it`}, Evidence: signer.Software})
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "previous:\n")
	section, _, _ = strings.Cut(section, "\n\n")
	before, files := lostPlan(t)
	c, err := opens(strings.Replace(before, "  lost: {sequence: 4, reason: the safe burned}",
		section+"\ncrls: [{authority: etcd, nextUpdate: 90d}]", 1), files)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&plan.Lost{Sequence: 4, Reason: `the "safe": burned # all of it`},
		c.Plan.Previous.Lost); diff != "" {
		t.Error(diff)
	}
	found := false
	for _, w := range c.Warnings {
		found = found || strings.Contains(w.Message, "the lists of etcd are numbered from 1 again")
	}
	if !found {
		t.Errorf("warnings %v", c.Warnings)
	}
}
