package awskms

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"officiant/bundle/limittest"
	"officiant/signer"
)

const testID = "1234abcd-12ab-34cd-56ef-1234567890ab"

func TestParseURI(t *testing.T) {
	for uri, want := range map[string]address{
		"awskms:///":                               {},
		"awskms:///?region=eu-central-1":           {region: "eu-central-1"},
		"awskms:///alias/pki/root_1":               {target: "alias/pki/root_1"},
		"AWSKMS:///" + testID:                      {target: testID},
		"awskms:///mrk-" + strings.Repeat("a", 32): {target: "mrk-" + strings.Repeat("a", 32)},
		"awskms:///arn:aws:kms:us-gov-west-1:111122223333:key/" + testID: {
			target: "arn:aws:kms:us-gov-west-1:111122223333:key/" + testID, region: "us-gov-west-1"},
		"awskms:///arn:aws-cn:kms:cn-north-1:111122223333:alias/a?region=cn-north-1": {
			target: "arn:aws-cn:kms:cn-north-1:111122223333:alias/a", region: "cn-north-1"},
		"awskms:///alias/a?endpoint=https%3A%2F%2Fvpce-1.kms.eu-central-1.vpce.amazonaws.com/&policy=/etc/a%20b+.json": {
			target: "alias/a", endpoint: "https://vpce-1.kms.eu-central-1.vpce.amazonaws.com", policy: "/etc/a b+.json"},
	} {
		if got, err := parseURI(uri); err != nil || got != want {
			t.Errorf("%s: %+v, %v", uri, got, err)
		}
	}
}

func TestParseURIRefuses(t *testing.T) {
	for uri, want := range map[string]string{
		"":                           "does not begin with",
		"awskms:":                    "does not begin with",
		"awskms:alias/a":             "does not begin with",
		"awskms://host/alias/a":      "does not begin with",
		"gcpkms:///alias/a":          "does not begin with",
		"awskms:///alias/":           "names no key",
		"awskms:///alias":            "names no key",
		"awskms:///a":                "names no key",
		"awskms:////alias/a":         "names no key",
		"awskms:///alias/a.b":        "names no key",
		"awskms:///alias/a%2Fb":      "names no key",
		"awskms:///alias/a;object=b": "names no key",
		"awskms:///alias/aws/s3":     "AWS's own",
		"awskms:///alias/a#x":        "names no key",
		"awskms:///" + testID + "0":  "names no key",
		"awskms:///key/" + testID:    "names no key",
		"awskms:///arn:aws:kms:eu-central-1:1:key/" + testID:                                     "names no key",
		"awskms:///arn:aws:s3:eu-central-1:111122223333:key/" + testID:                           "names no key",
		"awskms:///arn:aws:kms:eu-central-1:111122223333:key/x":                                  "names no key",
		"awskms:///arn:aws:kms:eu-central-1:111122223333:alias/aws/s3":                           "AWS's own",
		"awskms:///arn:aws:kms:eu-central-1:111122223333:key/" + testID + "?region=eu-central-2": "another Region",
		"awskms:///arn:aws:kms:0:111122223333:key/" + testID:                                     "names no key",
		"awskms:///alias/a?endpoint=HTTPS://kms.example":                                         "https://HOST",
		"awskms:///alias/a?":                                        "unknown attribute",
		"awskms:///alias/a?region=eu-central-1&":                    "unknown attribute",
		"awskms:///alias/a?Region=eu-central-1":                     `unknown attribute "Region"`,
		"awskms:///alias/a?access-key=hunter2":                      `unknown attribute "access-key"`,
		"awskms:///alias/a?profile=hunter2":                         `unknown attribute "profile"`,
		"awskms:///alias/a?pin-value=hunter2":                       `unknown attribute "pin-value"`,
		"awskms:///alias/a?region=eu-central-1&region=eu-central-1": "stands there twice",
		"awskms:///alias/a?region=":                                 "is empty",
		"awskms:///alias/a?region":                                  "is empty",
		"awskms:///alias/a?region=eu-central-1/hunter2":             "no name of a Region",
		"awskms:///alias/a?region=x@hunter2":                        "no name of a Region",
		"awskms:///alias/a?region=%zz":                              "broken %-escape",
		"awskms:///alias/a?endpoint=http://kms.example":             "https://HOST",
		"awskms:///alias/a?endpoint=kms.example":                    "https://HOST",
		"awskms:///alias/a?endpoint=https://":                       "https://HOST",
		"awskms:///alias/a?endpoint=https://a:hunter2@kms.example":  "https://HOST",
		"awskms:///alias/a?endpoint=https://kms.example/hunter2":    "https://HOST",
		"awskms:///alias/a?endpoint=https://kms.example%3Fhunter2":  "https://HOST",
		"awskms:///alias/a?policy=policy.json":                      "absolute path",
		"awskms:///alias/a?policy=/a%00":                            "absolute path",
	} {
		_, err := parseURI(uri)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", uri, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error repeats a value: %v", uri, err)
		}
	}
}

func TestSupports(t *testing.T) {
	dir := t.TempDir()
	policy := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return "awskms:///alias/a?policy=" + path
	}
	good := policy("good", `{"Version":"2012-10-17","Statement":[]}`)
	for _, a := range signer.Algorithms() {
		for _, uri := range []string{"awskms:///", "awskms:///alias/a?region=eu-central-1", "awskms:///" + testID, good} {
			if err := Supports(signer.Ref{URI: uri, Label: "demo/root"}, signer.Spec{Algorithm: a}); err != nil {
				t.Errorf("%s, %s: %v", uri, a, err)
			}
		}
	}
	for _, c := range []struct {
		uri, label string
		algorithm  signer.Algorithm
		want       string
	}{
		{"awskms:///x", "demo/root", signer.ECDSAP256, "names no key"},
		{"awskms:///", "demo.example/root", signer.ECDSAP256, "letters, digits"},
		{"awskms:///", "demo/root", "Ed25519", "unknown key algorithm"},
		{"awskms:///alias/a?policy=" + dir + "/absent", "demo/root", signer.ECDSAP256, "no such file"},
		{policy("text", "Statement"), "demo/root", signer.ECDSAP256, "invalid character"},
		{policy("list", "[]"), "demo/root", signer.ECDSAP256, "cannot unmarshal"},
		{policy("other", `{"Version":"1"}`), "demo/root", signer.ECDSAP256, "no Statement"},
		{policy("long", `{"Statement":"`+strings.Repeat("x", maxPolicy)+`"}`), "demo/root", signer.ECDSAP256, "more than 32768 bytes"},
	} {
		err := Supports(signer.Ref{URI: c.uri, Label: c.label}, signer.Spec{Algorithm: c.algorithm})
		if !errors.Is(err, signer.ErrUnsupported) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, %s, %s: %v, want %q", c.uri, c.label, c.algorithm, err, c.want)
		}
	}
}

// FuzzParseURI: what is accepted names a key, or leaves that to the label, and
// the store of it is one of the same Region and endpoint.
func FuzzParseURI(f *testing.F) {
	f.Add("awskms:///alias/a?region=eu-central-1&endpoint=https://kms.example&policy=/a")
	f.Add("awskms:///" + testID)
	f.Add("awskms:///arn:aws:kms:eu-central-1:111122223333:key/" + testID)
	f.Add("awskms:///arn:aws:kms:0:000000000000:key/" + testID)
	f.Add("awskms:///?region=%65u-central-1")
	f.Fuzz(func(t *testing.T, uri string) {
		defer limittest.Budget(t)()
		a, err := parseURI(uri)
		if err != nil {
			return
		}
		if a.endpoint != "" && !strings.HasPrefix(a.endpoint, "https://") {
			t.Errorf("endpoint %q", a.endpoint)
		}
		token, err := signer.TokenOf(uri)
		if err != nil {
			t.Fatalf("TokenOf: %v", err)
		}
		b, err := parseURI(token)
		if err != nil || b.target != "" || b.policy != "" || a.region != b.region || a.endpoint != b.endpoint {
			t.Errorf("%q is of %+v, %q of %+v, %v", uri, a, token, b, err)
		}
	})
}
