//go:build cgo

package pkcs11

import (
	"strings"
	"testing"

	"officiant/bundle/limittest"
	"officiant/signer"
)

func TestParseURI(t *testing.T) {
	a, err := parseURI("pkcs11:token=officiant%2Droot;serial=0123abcd;model=SoftHSM%20v2;manufacturer=SoftHSM%20project;" +
		"object=demo/root;id=%00%FF%01;type=private?module-path=/usr/lib/a+b.so&pin-source=file:/abs/root.pin")
	if err != nil {
		t.Fatal(err)
	}
	if a.token != "officiant-root" || a.serial != "0123abcd" || a.model != "SoftHSM v2" || a.manufacturer != "SoftHSM project" ||
		a.object != "demo/root" || string(a.id) != "\x00\xff\x01" || a.modulePath != "/usr/lib/a+b.so" || a.pin != (pinSource{file: "/abs/root.pin", has: true}) {
		t.Errorf("%+v", a)
	}
	if a, err := parseURI("PKCS11:serial=1?pin-source=fd:3"); err != nil || a.pin != (pinSource{fd: 3, has: true}) {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestParseURIRefuses(t *testing.T) {
	for uri, want := range map[string]string{
		"":                                             "does not begin with",
		"file:/x":                                      "does not begin with",
		"pkcs11":                                       "names no token",
		"pkcs11:":                                      "names no token",
		"pkcs11:object=demo/root":                      "names no token",
		"pkcs11:model=x;manufacturer=y":                "names no token",
		"pkcs11:token=":                                `"token" is empty`,
		"pkcs11:token":                                 `"token" is empty`,
		"pkcs11:token=a;token=b":                       "stands there twice",
		"pkcs11:token=a;":                              "is missing at a",
		"pkcs11:token=a;;serial=b":                     "is missing at a",
		"pkcs11:token=a;slot-id=1":                     "slots are renumbered",
		"pkcs11:token=a;slot-description=x":            `slot-description tells a module or a slot`,
		"pkcs11:token=a;library-version=1.0":           `library-version tells a module or a slot`,
		"pkcs11:module-path=/m.so;token=a":             "module-path belongs after the question mark",
		"pkcs11:module-path=/m.so?token=a":             "module-path belongs after the question mark",
		"pkcs11:token=a?module-path=/m.so&serial=1":    "serial belongs before the question mark",
		"pkcs11:token=a;x-vendor=1":                    `unknown path attribute "x-vendor"`,
		"pkcs11:token=a;Serial=1":                      `unknown path attribute "Serial"`,
		"pkcs11:token=a;type=cert":                     "only private keys",
		"pkcs11:token=a;type=secret-key":               "type",
		"pkcs11:token=a%ZZ":                            "invalid URL escape",
		"pkcs11:token=a%00b":                           "holds a NUL",
		"pkcs11:token=a?":                              "is missing at a",
		"pkcs11:token=a?slot-id=1":                     "slots are renumbered",
		"pkcs11:token=a?x=1":                           `unknown query attribute "x"`,
		"pkcs11:token=a?module-path=lib.so":            "is not absolute",
		"pkcs11:token=a?module-path=/a%00":             "holds a NUL",
		"pkcs11:token=a?module-path=/a&module-path=/b": "stands there twice",
		"pkcs11:token=a?module-name=../lib":            "has a slash",
		"pkcs11:token=a?pin-source=":                   "is empty",
		"pkcs11:token=a?pin-source=pin.txt":            "an absolute path",
		"pkcs11:token=a?pin-source=file:pin":           "file:/path",
		"pkcs11:token=a?pin-source=file://host/pin":    "file:/path",
		"pkcs11:token=a?pin-source=fd:-1":              "number of an open file",
		"pkcs11:token=a?pin-source=fd:":                "number of an open file",
		"pkcs11:token=a?attestation=a.pem":             "attestation: not an absolute path",
		"pkcs11:token=a?pin-source=|cat%20pin":         "an absolute path",
		"pkcs11:token=a?pin-value=1234":                "holds a PIN",
		"pkcs11:token=a;pin-value=1234":                "holds a PIN",
		"pkcs11:token=a?PIN-VALUE=1234":                "holds a PIN",
		"pkcs11:token=a?pin-value=12%ZZ34":             "holds a PIN",
	} {
		_, err := parseURI(uri)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", uri, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "1234") {
			t.Errorf("%s: error tells the PIN: %v", uri, err)
		}
	}
	if _, err := Open(t.Context(), signer.Ref{URI: "pkcs11:token=a"}, nil); err == nil || !strings.Contains(err.Error(), "names no module") {
		t.Errorf("no module: %v", err)
	}
}

// FuzzParseURI: what is accepted names a token, and TokenOf agrees that it is
// a URI of one.
func FuzzParseURI(f *testing.F) {
	f.Add("pkcs11:token=a;serial=b;object=c;id=%01?module-path=/x&pin-source=file:/y")
	f.Add("PKCS11:token=a%20b?pin-source=fd:3")
	f.Add("pkcs11:token=\x00")
	f.Add("pkcs11:token=a?pin-value=1")
	f.Add("pkcs11:token=%E2%82;serial=+")
	f.Fuzz(func(t *testing.T, uri string) {
		defer limittest.Budget(t)()
		a, err := parseURI(uri)
		if err != nil {
			return
		}
		if a.token == "" && a.serial == "" {
			t.Error("accepted without a token")
		}
		if strings.Contains(strings.ToLower(uri), "pin-value") {
			t.Error("accepted with a PIN")
		}
		token, err := signer.TokenOf(uri)
		if err != nil {
			t.Fatalf("TokenOf: %v", err)
		}
		b, err := parseURI(token)
		if err != nil {
			t.Fatalf("%q: %v", token, err)
		}
		a.object, a.id = "", nil
		if b.id = nil; a.token != b.token || a.serial != b.serial || a.modulePath != b.modulePath || a.pin != b.pin || b.object != "" {
			t.Errorf("%q names %+v, %q names %+v", uri, a, token, b)
		}
	})
}
