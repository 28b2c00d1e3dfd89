package audit

import (
	"bytes"
	"reflect"
	"testing"

	"officiant/bundle/seal"
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
	if want := []string{"X25519", "X25519", "X25519"}; !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("%q, %t", got, ok)
	}
	for _, r := range recipients {
		if k := stanzaKind(r); k != "X25519" {
			t.Errorf("kind of %s is %s", r, k)
		}
	}
	if k := stanzaKind("ssh-ed25519 AAAA x@y"); k != "ssh-ed25519" {
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
