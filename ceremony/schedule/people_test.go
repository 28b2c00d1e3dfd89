package schedule

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"officiant/bundle/fingerprint"
	"officiant/bundle/sshsig"
	"officiant/ceremony/approval"
	"officiant/ceremony/plan"
	"officiant/ceremony/transcript"
)

func sshKey(t *testing.T) string {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return sshsig.Line(key)
}

func section(approvals int, people ...plan.Person) string {
	s := fmt.Sprintf("approvals: %d\npeople:\n", approvals)
	for _, p := range people {
		s += fmt.Sprintf("  - {name: %s, role: %s, key: %q}\n", p.Name, p.Role, p.Key)
	}
	return s
}

// TestPeople shows that people are part of the digest, and that mistakes in
// them are told with their place. approval.New has the table of them.
func TestPeople(t *testing.T) {
	none, err := opens(bare, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !none.People.Nobody() || len(none.Approvers()) != 0 {
		t.Errorf("people of a plan without: %v", none.Approvers())
	}
	alice, eve := plan.Person{Name: "alice", Role: "officer", Key: sshKey(t)}, plan.Person{Name: "eve", Role: "witness",
		Key: sshKey(t)}
	text := bare + section(1, alice, eve)
	c, err := opens(text, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Digest == none.Digest || len(c.Approvers()) != 1 || c.People.Threshold != 1 || len(c.People.Witnesses()) != 1 {
		t.Errorf("%v", c.People)
	}
	for what, row := range map[string]struct{ old, new, want string }{
		"threshold": {"approvals: 1", "approvals: 2", "plan.yaml:25:12: approvals is 2; 1 may approve, so it is from " +
			"1 to 1"},
		"no threshold": {"approvals: 1\n", "", "plan.yaml:26:3: approvals is 0; 1 may approve, so it is from 1 to 1"},
		"role": {"role: witness", "role: guest", `plan.yaml:28:23: role of eve is "guest"; there are ` +
			`administrator, officer and witness`},
		"two roles": {"name: eve", "name: alice", `plan.yaml:28:25: alice is officer and witness: one person has one ` +
			`role`},
		"unknown field": {"role: witness", "roles: witness", `plan.yaml:28:17: unknown field "roles" in an item of ` +
			`people; did you mean role?`},
		"one key":        {eve.Key, alice.Key, `plan.yaml:28:37: eve has the key of alice: each has their own`},
		"people of none": {text[strings.Index(text, "people:"):], "", `plan.yaml:25:12: approvals asks for 1 of nobody: name them under people`},
	} {
		_, err := opens(strings.Replace(text, row.old, row.new, 1), nil)
		if err == nil {
			t.Errorf("%s: accepted", what)
			continue
		}
		if got := problems(t, err); got[0] != row.want {
			t.Errorf("%s: got %q, want %s", what, got, row.want)
		}
	}
}

// TestFormerPeople shows that the people of the cluster's previous ceremony have a
// say when the plan has others, or none.
func TestFormerPeople(t *testing.T) {
	alice, bob := plan.Person{Name: "alice", Role: "officer", Key: sshKey(t)}, plan.Person{Name: "bob", Role: "officer",
		Key: sshKey(t)}
	opening := func(threshold int, people ...plan.Person) transcript.Open {
		open := transcript.Open{Threshold: threshold}
		for _, p := range people {
			open.People = append(open.People, transcript.Person(p))
		}
		return open
	}
	for what, row := range map[string]struct {
		open   transcript.Open
		people string
		groups string
	}{
		"the same":      {opening(1, alice, bob), section(1, bob, alice), "the plan"},
		"another":       {opening(1, alice), section(1, bob), "the plan, ceremony 1 of demo"},
		"one more":      {opening(1, alice), section(1, alice, bob), "the plan, ceremony 1 of demo"},
		"threshold":     {opening(2, alice, bob), section(1, alice, bob), "the plan, ceremony 1 of demo"},
		"none any more": {opening(1, alice), "", "ceremony 1 of demo"},
		"none before":   {transcript.Open{}, section(1, alice), "the plan"},
		"none ever":     {transcript.Open{}, "", ""},
		"a spoilt record": {
			opening(1, plan.Person{Name: "alice", Role: "officer", Key: "none"}), section(1, alice), "refused",
		},
	} {
		p := makePast(t, defaultCAs, row.open, "closed", honest(t)["cp-1"].Recipient)
		c, err := opens(p.continued(t, cp1)+row.people, p.files)
		got := "refused"
		if err == nil {
			var groups []string
			for _, g := range c.Approvers() {
				groups = append(groups, g.Whose)
			}
			got = strings.Join(groups, ", ")
		} else if row.groups != "refused" || !strings.Contains(err.Error(), "line 1: people: ") {
			t.Errorf("%s: %v", what, err)
		}
		if got != row.groups {
			t.Errorf("%s: %q approve, want %q", what, got, row.groups)
		}
	}
}

// TestNewCarriesPeople shows that a plan that continues names the same people.
func TestNewCarriesPeople(t *testing.T) {
	people, wrong := approval.New([]plan.Person{{Name: "alice", Role: "officer", Key: sshKey(t) + " a comment"},
		{Name: "eve", Role: "witness", Key: sshKey(t)}}, 1)
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	data, err := plan.New(plan.NewOptions{Name: "demo-1", Cluster: plan.Cluster{Name: "demo",
		KubernetesVersion: "v1.37.2"}, People: people, Evidence: "software"})
	if err != nil {
		t.Fatal(err)
	}
	c, err := opens(string(data), nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.People.Fingerprint() != people.Fingerprint() || (c.People.Fingerprint() == fingerprint.SHA256{}) {
		t.Errorf("%s\nwant\n%s", c.People.Listing(), people.Listing())
	}
}
