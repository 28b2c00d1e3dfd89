package gcpkms

import (
	"errors"
	"strings"
	"testing"

	"officiant/bundle/limittest"
	"officiant/signer"
)

const keyURI = "gcpkms://projects/demo-1/locations/europe-west3/keyRings/room_1/cryptoKeys/Root/cryptoKeyVersions/12"

func TestParseURI(t *testing.T) {
	a, err := parseURI(keyURI)
	if err != nil || a.project != "demo-1" || a.location != "europe-west3" || a.ring != "room_1" || a.key != "Root" || a.version != "12" || a.endpoint != google || a.plaintext || a.protection.String() != "HSM" {
		t.Errorf("%+v, %v", a, err)
	}
	const ring = "gcpkms://projects/example.com:demo-1/locations/global/keyRings/r"
	if a, err := parseURI(ring + "?attestation-roots=/a%20b/roots.pem"); err != nil || a.roots != "/a b/roots.pem" {
		t.Errorf("%+v, %v", a, err)
	}
	for uri, plaintext := range map[string]bool{
		ring: false, ring + "/cryptoKeys/k?protection=SOFTWARE": false,
		ring + "?endpoint=cloudkms.europe-west3.rep.googleapis.com:443&protection=HSM": false,
		ring + "?endpoint=cloudkms-officiant.p.googleapis.com:443":                     false,
		ring + "?endpoint=127.0.0.1:8080":                                              true,
		ring + "?endpoint=127.8.9.1:8080":                                              true,
		ring + "?endpoint=[::1]:8080":                                                  true,
		"gcpkms://projects/123456/locations/us/keyRings/r":                             false,
		ring + "?attestation-roots=/etc/officiant/roots.pem&protection=HSM":            false,
	} {
		if a, err := parseURI(uri); err != nil || a.plaintext != plaintext {
			t.Errorf("%s: %+v, %v", uri, a, err)
		}
	}
}

func TestBadURIs(t *testing.T) {
	ring, _, _ := strings.Cut(keyURI, "/cryptoKeys/")
	for uri, says := range map[string]string{
		"":                                     "does not begin",
		"gcpkms:projects/p":                    "does not begin",
		"GCPKMS://projects/p":                  "does not begin",
		"awskms:///x":                          "does not begin",
		"gcpkms://":                            "want projects/P",
		"gcpkms://projects/demo-1":             "want projects/P",
		"gcpkms://projects/demo-1/locations/l": "want projects/P",
		keyURI + "/":                           "want projects/P",
		keyURI + "/x/y":                        "want projects/P",
		ring + "/cryptoKeys":                   "want projects/P",
		"gcpkms:///projects/demo-1/locations/l/keyRings/r":     "want projects/P",
		"gcpkms://Projects/demo-1/locations/l/keyRings/r":      "where projects belongs",
		"gcpkms://projects/demo-1/locations/l/keyrings/r":      "where keyRings belongs",
		"gcpkms://projects/demo-1/locations/l/keyRings/":       "no name in keyRings",
		"gcpkms://projects/demo-1/locations/l/keyRings/r%2F":   "no name in keyRings",
		"gcpkms://projects/demo-1/locations/l/keyRings/r ":     "no name in keyRings",
		"gcpkms://projects/../locations/l/keyRings/r":          "no name in projects",
		"gcpkms://projects/demo-1/locations/Europe/keyRings/r": "no name in locations",
		ring + "/cryptoKeys/" + strings.Repeat("k", 64):        "no name in cryptoKeys",
		ring + "/cryptoKeys/k/cryptoKeyVersions/latest":        "no name in cryptoKeyVersions",
		ring + "/cryptoKeys/k/cryptoKeyVersions/0":             "no name in cryptoKeyVersions",
		ring + "/cryptoKeys/k/cryptoKeyVersions/01":            "no name in cryptoKeyVersions",
		ring + "?":                                                 "unknown attribute",
		ring + "?protection":                                       "HSM or SOFTWARE",
		ring + "?protection=hsm":                                   "HSM or SOFTWARE",
		ring + "?protection=EXTERNAL":                              "HSM or SOFTWARE",
		ring + "?protection=HSM&protection=SOFTWARE":               "twice",
		ring + "?attestation-roots":                                "not an absolute path",
		ring + "?attestation-roots=roots.pem":                      "not an absolute path",
		ring + "?attestation-roots=%2Froots%zz":                    "not an absolute path",
		ring + "?attestation-roots=/roots%00":                      "not an absolute path",
		ring + "?attestation-roots=/a&attestation-roots=/b":        "twice",
		ring + "?credentials=/key.json":                            "unknown attribute",
		ring + "?Endpoint=127.0.0.1:1":                             "unknown attribute",
		ring + "?endpoint=":                                        "not HOST:PORT",
		ring + "?endpoint=cloudkms.googleapis.com":                 "not HOST:PORT",
		ring + "?endpoint=127.0.0.1:0":                             "port",
		ring + "?endpoint=127.0.0.1:+80":                           "port",
		ring + "?endpoint=127.0.0.1:http":                          "port",
		ring + "?endpoint=10.0.0.1:443":                            "not loopback",
		ring + "?endpoint=[::]:443":                                "not loopback",
		ring + "?endpoint=[::1%25lo]:443":                          "not loopback",
		ring + "?endpoint=localhost:443":                           "neither a name",
		ring + "?endpoint=kms.example.com:443":                     "neither a name",
		ring + "?endpoint=evilgoogleapis.com:443":                  "neither a name",
		ring + "?endpoint=cloudkms.googleapis.com.example.com:443": "neither a name",
		ring + "?endpoint=http://cloudkms.googleapis.com:443":      "not HOST:PORT",
	} {
		if a, err := parseURI(uri); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %+v, %v; want %q", uri, a, err, says)
		}
	}
}

func TestSupports(t *testing.T) {
	ring, _, _ := strings.Cut(keyURI, "/cryptoKeys/")
	for _, a := range signer.Algorithms() {
		err := Supports(signer.Ref{URI: ring, Label: "demo/root"}, signer.Spec{Algorithm: a})
		if a == signer.ECDSAP521 && !errors.Is(err, signer.ErrUnsupported) || a != signer.ECDSAP521 && err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
	if err := Supports(signer.Ref{URI: ring, Label: "demo/root"}, signer.Spec{Algorithm: "RSA-1024"}); err == nil || errors.Is(err, signer.ErrUnsupported) {
		t.Errorf("an algorithm that is none: %v", err)
	}
	for _, label := range []string{"", "root", "demo/root/x", "Demo/root", "demo/ro_ot", "demo/", "/root", "demo/r.oot", "demo/root\n", "demo/" + strings.Repeat("a", 59)} {
		if err := Supports(signer.Ref{URI: ring, Label: label}, signer.Spec{Algorithm: signer.ECDSAP256}); err == nil || !strings.Contains(err.Error(), "/cryptoKeys/NAME") {
			t.Errorf("%q: %v", label, err)
		}
		if err := Supports(signer.Ref{URI: keyURI, Label: label}, signer.Spec{Algorithm: signer.ECDSAP256}); err != nil {
			t.Errorf("%q with a key in the URI: %v", label, err)
		}
	}
	if err := Supports(signer.Ref{URI: "gcpkms://x", Label: "demo/root"}, signer.Spec{Algorithm: signer.ECDSAP256}); err == nil {
		t.Error("a URI that is none")
	}
}

// TestTokenOf: keys are of one token when one Store reaches them.
func TestTokenOf(t *testing.T) {
	ring, _, _ := strings.Cut(keyURI, "/cryptoKeys/")
	uris := []string{keyURI, ring, ring + "?protection=SOFTWARE", ring + "/cryptoKeys/k", ring + "2",
		ring + "?attestation-roots=/a.pem", keyURI + "?attestation-roots=/b.pem&endpoint=127.0.0.1:1",
		keyURI + "?endpoint=127.0.0.1:1&protection=HSM", ring + "?endpoint=127.0.0.1:1", ring + "?endpoint=127.0.0.1:2"}
	for _, x := range uris {
		for _, y := range uris {
			a, errA := parseURI(x)
			b, errB := parseURI(y)
			tokenX, errX := signer.TokenOf(x)
			tokenY, errY := signer.TokenOf(y)
			if err := errors.Join(errA, errB, errX, errY); err != nil {
				t.Fatal(err)
			}
			if (tokenX == tokenY) != (a.store() == b.store()) {
				t.Errorf("%s, %s: tokens %s, %s", x, y, tokenX, tokenY)
			}
		}
	}
}

// FuzzParseURI: what is taken can be written again, and names no other host
// than Google's for credentials.
func FuzzParseURI(f *testing.F) {
	f.Add(keyURI)
	f.Add("gcpkms://projects/demo-1/locations/l/keyRings/r?endpoint=[::1]:8080&protection=SOFTWARE")
	f.Add("gcpkms://projects/example.com:demo-1/locations/l/keyRings/r/cryptoKeys/k?endpoint=kms.p.googleapis.com:443")
	f.Fuzz(func(t *testing.T, uri string) {
		defer limittest.Budget(t)()
		a, err := parseURI(uri)
		if err != nil {
			return
		}
		name := a.ringName()
		if a.key != "" {
			name = place{address: a}.keyName()
		}
		if a.version != "" {
			name = place{address: a}.versionName()
		}
		if path, _, _ := strings.Cut(uri, "?"); path != "gcpkms://"+name {
			t.Errorf("%q is read as %q", uri, name)
		}
		host := a.endpoint[:strings.LastIndex(a.endpoint, ":")]
		if !a.plaintext && !strings.HasSuffix(host, ".googleapis.com") {
			t.Errorf("%q: credentials would go to %q", uri, host)
		}
	})
}
