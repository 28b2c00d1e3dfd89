package plan

import (
	"math/big"
	"strings"
	"testing"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/revocation"
	"officiant/signer"
)

// New writes what it is given.
func TestNewRevocations(t *testing.T) {
	text, err := New(NewOptions{Name: "demo-2", CRLs: []CRL{{"etcd", Duration(90 * day)}},
		Revocations: []Revocation{{Serial{big.NewInt(0x5b2f)}, "etcd", revocation.KeyCompromise, `"a" key`}}})
	if err != nil {
		t.Fatal(err)
	}
	want := "crls:\n  - {authority: etcd, nextUpdate: 90d}\n"
	more := "revocations:\n  - serial: \"5b2f\"\n    authority: etcd\n    reason: keyCompromise\n    comment: " +
		"\"\\\"a\\\" key\"\n"
	if !strings.Contains(string(text), want) || !strings.Contains(string(text), more) {
		t.Errorf("%s", text)
	}
}

// What New writes of a succession is what Open reads.
func TestNewSuccession(t *testing.T) {
	w := &writer{}
	fp := fingerprint.Of([]byte("x"))
	w.release(NewOptions{Release: Release{Name: "release-2", Key: Key{Existing: fp}, Public: "release.pub",
		Evidence: signer.Software, Lost: fp,
		Successor: Successor{Name: "release-3", Key: Key{Create: signer.ECDSAP256}, Evidence: signer.Attested}}})
	for _, want := range []string{"  name: release-2\n", "  lost: \"" + fp.String(),
		"  successor:\n    name: release-3\n    key: {create: ECDSA-P256}\n    evidence: attested\n"} {
		if !strings.Contains(w.String(), want) {
			t.Errorf("no %q in\n%s", want, w.String())
		}
	}
}
