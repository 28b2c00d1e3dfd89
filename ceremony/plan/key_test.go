package plan

import (
	"testing"

	"officiant/bundle/fingerprint"
	"officiant/signer"
)

// TestKeyOf: every key of a plan has one origin and one least grade, the release
// key's successor not least.
func TestKeyOf(t *testing.T) {
	spki := fingerprint.Of([]byte("key"))
	p := &Plan{
		Authorities: []Authority{{Name: "root", Key: Key{Create: signer.ECDSAP384}, Evidence: signer.Attested},
			{Name: "etcd", Evidence: signer.Software}},
		Release: Release{Name: "release", Key: Key{Existing: spki}, Evidence: signer.Consistent,
			Successor: Successor{Name: "release-2", Key: Key{Create: signer.RSA3072}, Evidence: signer.Software}},
	}
	for name, want := range map[string]KeyNamed{
		"root":      {Key{Create: signer.ECDSAP384}, signer.Attested},
		"etcd":      {Key{}, signer.Software},
		"release":   {Key{Existing: spki}, signer.Consistent},
		"release-2": {Key{Create: signer.RSA3072}, signer.Software},
	} {
		got, ok := p.KeyOf(name)
		if !ok || got != want || got.Creates() != (want.Create != "") || got.Exists() != (name == "release") {
			t.Errorf("%s: %+v, %t", name, got, ok)
		}
	}
	p.Release.Successor = Successor{}
	for _, name := range []string{"", "release-2", "kubernetes"} {
		if got, ok := p.KeyOf(name); ok || got != (KeyNamed{Evidence: signer.Attested}) {
			t.Errorf("%q: %+v, %t", name, got, ok)
		}
	}
}
