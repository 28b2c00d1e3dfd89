package audit

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"officiant/bundle/fingerprint"
	"officiant/bundle/seal"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

func TestStanzas(t *testing.T) {
	var recipients []string
	for range 3 {
		_, r, err := seal.NewIdentity()
		if err != nil {
			t.Fatal(err)
		}
		recipients = append(recipients, r)
	}
	sealed := must(seal.Seal(recipients, []byte("secret")))
	got, ok := stanzas(sealed)
	if want := []string{"mlkem768x25519", "mlkem768x25519", "mlkem768x25519"}; !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("%q, %t", got, ok)
	}
	for _, r := range recipients {
		if k := stanzaKinds([]string{r})[0]; k != "mlkem768x25519" {
			t.Errorf("kind of %s is %s", r, k)
		}
		if k := stanzaKinds([]string{r, "age1x", "ssh-rsa AAAA"}); !slices.Equal(k, []string{"X25519", "X25519", "ssh-rsa"}) {
			t.Errorf("kinds are %q", k)
		}
	}
	if k := stanzaKinds([]string{"ssh-ed25519 AAAA x@y"})[0]; k != "ssh-ed25519" {
		t.Errorf("kind is %s", k)
	}
	for name, bad := range map[string][]byte{
		"empty":      nil,
		"text after": append(bytes.Clone(sealed), "more"...),
		"other":      armor("AGE ENCRYPTED FILE", []byte("age-encryption.org/v2\n-> X25519 a\n--- b\n")),
		"no end":     armor("AGE ENCRYPTED FILE", []byte("age-encryption.org/v1\n-> X25519 a\n")),
	} {
		if _, ok := stanzas(bad); ok {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestShared holds a peer's file against plan and record.
func TestShared(t *testing.T) {
	_, mine, _ := seal.NewIdentity()
	_, others, _ := seal.NewIdentity()
	file := "requests/cp-2.sa.key.age"
	look := func(change func(*view, *sharedLine)) Check {
		data := must(seal.Seal([]string{mine}, []byte("secret")))
		s := sharedLine{7, transcript.Shared{Secret: "service-account", Node: "cp-2", File: file,
			SHA256: fingerprint.Of(data), Recipient: mine, PublicKey: []byte("p")}}
		a := &view{
			plan: &schedule.Ceremony{
				Plan:     &plan.Plan{Nodes: []plan.Node{{Name: "cp-1"}, {Name: "cp-2", Sealed: file}}},
				Inputs:   map[string][]byte{file: data},
				Requests: map[string]*schedule.Request{"cp-2": {Recipient: mine}},
			},
			ledger: &ledger{carried: []sealedLine{{6, transcript.Sealed{Secret: "service-account", PublicKey: []byte("p")}}}},
		}
		change(a, &s)
		if s.seq > 0 {
			a.ledger.shared = append(a.ledger.shared, s)
		}
		var c Check
		(&sealedAudit{a}).shared(&c)
		return c
	}
	if c := look(func(*view, *sharedLine) {}); len(c.Problems) > 0 || len(c.Notes) != 1 {
		t.Errorf("as it is: %+v", c)
	}
	for want, change := range map[string]func(*view, *sharedLine){
		"no line passes " + file + " on":           func(_ *view, s *sharedLine) { s.seq = 0 },
		"to node cp-1, which the plan":             func(_ *view, s *sharedLine) { s.Node = "cp-1" },
		"passes other.age on":                      func(_ *view, s *sharedLine) { s.File = "other.age" },
		"on to node cp-2, which the plan does not": func(_ *view, s *sharedLine) { s.SHA256[0] ^= 1 },
		"which is not node cp-2's": func(a *view,
			_ *sharedLine) {
			a.plan.Requests["cp-2"].Recipient = others
		},
		"another service-account key": func(_ *view, s *sharedLine) { s.PublicKey = []byte("q") },
		"for the one recipient": func(a *view, s *sharedLine) {
			a.plan.Inputs[file] = must(seal.Seal([]string{mine, others}, []byte("secret")))
			s.SHA256 = fingerprint.Of(a.plan.Inputs[file])
		},
	} {
		if c := look(change); len(c.Problems) == 0 || !strings.Contains(strings.Join(c.Problems, "\n"), want) {
			t.Errorf("%s: %+v", want, c)
		}
	}
}
