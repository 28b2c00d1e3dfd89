package gcpkms

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/kms/apiv1/kmspb"

	"officiant/signer"
	"officiant/signer/gcpkms/gcpkmstest"
)

// TestChains: every certificate is needed, and each in its place.
func TestChains(t *testing.T) {
	pub, roots := anyKey(t), fakeRoots(t)
	good := gcpkmstest.Attest(pub, v2, nil)
	foreign := realOne(t, "ec").GetCertChains()
	type list = []string
	for _, c := range []struct {
		name                     string
		maker, cards, partitions list // nil: as they are
		roots                    anchors
		is                       error
		says                     string
	}{
		{name: "as made"},
		{name: "the other order", maker: reversed(good.CertChains.CaviumCerts)},
		{name: "with others'", maker: append(slices.Clone(foreign.CaviumCerts), good.CertChains.CaviumCerts...), cards: append(foreign.GoogleCardCerts, good.CertChains.GoogleCardCerts...)},
		{name: "no maker's", maker: list{}, says: "caviumCerts has 0"},
		{name: "no card of Google's", cards: list{}, says: "googleCardCerts has 0"},
		{name: "no partition of Google's", partitions: list{}, says: "googlePartitionCerts has 0"},
		{name: "too many", cards: slices.Repeat(good.CertChains.GoogleCardCerts, 9), says: "has 9 certificates"},
		{name: "no certificate", cards: list{"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}, says: "googleCardCerts: "},
		{name: "no PEM", cards: list{"card"}, says: "not one certificate"},
		{name: "a long one", cards: list{strings.Repeat("x", 1<<20)}, says: "not one certificate"},
		{name: "two in one", cards: list{good.CertChains.GoogleCardCerts[0] + good.CertChains.GoogleCardCerts[0]}, says: "not one certificate"},
		{name: "another maker's", maker: foreign.CaviumCerts, says: "signature is by none of the maker's"},
		{name: "the partition alone", maker: good.CertChains.CaviumCerts[:1], says: "no card of the maker's"},
		{name: "another partition of Google's", partitions: foreign.GooglePartitionCerts, says: "none of Google's partitions"},
		{name: "the maker's for Google's partition", partitions: good.CertChains.CaviumCerts[:1], is: errNoAnchor, says: "Google's are by"},
		{name: "another card of Google's", cards: foreign.GoogleCardCerts, says: "card is none of Google's"},
		{name: "the maker's for Google's card", cards: good.CertChains.CaviumCerts[1:], is: errNoAnchor, says: "Google's are by"},
		{name: "other roots", roots: builtInRoots(t), is: errNoAnchor, says: "the card's is by"},
		{name: "the maker's root alone", roots: roots[:1], is: errNoAnchor, says: "Google's are by"},
		{name: "Google's root alone", roots: roots[1:], is: errNoAnchor, says: "the card's is by"},
	} {
		a := &kmspb.KeyOperationAttestation{Format: v2, Content: good.Content, CertChains: &kmspb.KeyOperationAttestation_CertificateChains{
			CaviumCerts: c.maker, GoogleCardCerts: c.cards, GooglePartitionCerts: c.partitions}}
		if c.maker == nil {
			a.CertChains.CaviumCerts = good.CertChains.CaviumCerts
		}
		if c.cards == nil {
			a.CertChains.GoogleCardCerts = good.CertChains.GoogleCardCerts
		}
		if c.partitions == nil {
			a.CertChains.GooglePartitionCerts = good.CertChains.GooglePartitionCerts
		}
		if c.roots == nil {
			c.roots = roots
		}
		err := attest(&kmspb.CryptoKeyVersion{Attestation: a}, pub, c.roots, map[string]string{})
		if c.says == "" && err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if c.says != "" {
			refuses(t, err, c.is, c.says)
			if c.is == nil && errors.Is(err, errNoAnchor) {
				t.Errorf("%s: %v: taken for want of a root", c.name, err)
			}
		}
	}
	one := slices.Repeat(good.CertChains.CaviumCerts[1:], 1)
	chain := &kmspb.KeyOperationAttestation{Format: v2, Content: good.Content, CertChains: &kmspb.KeyOperationAttestation_CertificateChains{
		CaviumCerts: good.CertChains.CaviumCerts, GoogleCardCerts: one, GooglePartitionCerts: good.CertChains.CaviumCerts[:1]}}
	refuses(t, attest(&kmspb.CryptoKeyVersion{Attestation: chain}, pub, roots, map[string]string{}), errNoAnchor)
}

func reversed(in []string) []string {
	out := slices.Clone(in)
	slices.Reverse(out)
	return out
}

// TestAnchors: the built-in roots are the published ones, and a file of roots is
// read strictly.
func TestAnchors(t *testing.T) {
	const maker, google = "975757f0d76640e03d14760f8fc9e3a55826fa7807b2c392f7801a95bd69cc28", "46b5fd351d56a0721ca0afcd1731c0f7b74e3941eb818bfd0ec36e29df0de095"
	if got := builtInRoots(t).String(); got != maker+" "+google {
		t.Errorf("built in: %s", got)
	}
	first, _, _ := strings.Cut(string(gcpkmstest.Roots()), "-----END CERTIFICATE-----\n")
	first += "-----END CERTIFICATE-----\n"
	chains := realOne(t, "ec").GetCertChains()
	for name, c := range map[string]struct{ text, says string }{
		"nothing":       {"", "two roots are needed"},
		"no PEM":        {"roots", "two roots are needed"},
		"one":           {first, "two roots are needed"},
		"a card":        {first + chains.CaviumCerts[1], "not signed by itself"},
		"Google's card": {first + chains.GoogleCardCerts[0], "not signed by itself"},
		"a key":         {first + "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", `holds a "PRIVATE KEY"`},
		"garbage":       {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "x509"},
		"too much":      {strings.Repeat("x", maxRoots+1), "more than 65536 bytes"},
	} {
		path := filepath.Join(t.TempDir(), "roots.pem")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := (address{roots: path}).anchorsOf(); err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
	absent := keyURI + "?attestation-roots=/absent/roots.pem"
	refuses(t, Supports(signer.Ref{URI: absent, Label: "demo/root"}, signer.Spec{Algorithm: signer.ECDSAP256}), nil, "attestation-roots: open /absent/roots.pem")
}
