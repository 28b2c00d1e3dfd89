package station

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/limittest"
	"officiant/ceremony/preflight"
	"officiant/signer"
)

const good = `apiVersion: officiant/v1
kind: Station
name: room-1
keys:
  root: "pkcs11:token=root;serial=0011?module-path=/usr/lib/softhsm/libsofthsm2.so"
  kubernetes-2: "awskms:///alias/k2"
  release: "pkcs11:serial=0012;token=issuing;object=rel?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=fd:3"
  default: "pkcs11:token=issuing;serial=0012?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=fd:3"
environment:
  SOFTHSM2_CONF: /room/softhsm2.conf
evidence:
  root: consistent
  default: software
preflight:
  network: refuse
  swap: warn
timeout: 30s
`

func TestParse(t *testing.T) {
	s, err := Parse("station.yaml", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if s.Digest() != fingerprint.Of([]byte(good)) {
		t.Error("the digest is not the file's SHA-256")
	}
	ref, err := s.Ref("demo", "etcd")
	if err != nil || ref.Label != "demo/etcd" || ref.URI != s.Keys["default"] {
		t.Errorf("etcd: %+v, %v", ref, err)
	}
	if s.Least("root") != signer.Consistent || s.Least("etcd") != signer.Software || (&Station{}).Least("root") != "" {
		t.Errorf("evidence: %q for the root, %q for etcd", s.Least("root"), s.Least("etcd"))
	}
	if s.Patience() != 30*time.Second {
		t.Errorf("timeout %s", s.Patience())
	}
	if want := (preflight.Policy{"network": preflight.Refuse, "swap": preflight.Warn}); !reflect.DeepEqual(s.Preflight, want) {
		t.Errorf("preflight: %v", s.Preflight)
	}
	groups, err := s.Tokens("demo", []string{"root", "kubernetes", "kubernetes-2", "etcd", "release"})
	if err != nil {
		t.Fatal(err)
	}
	var keys [][]string
	for _, g := range groups {
		keys = append(keys, g.Keys)
	}
	want := [][]string{{"root"}, {"kubernetes", "etcd", "release"}, {"kubernetes-2"}}
	if !reflect.DeepEqual(keys, want) {
		t.Errorf("tokens: %q, want %q", keys, want)
	}
}

func TestPlace(t *testing.T) {
	for token, want := range map[string]string{
		"pkcs11:model=SC%2DHSM;serial=0011;token=my%20root?module-path=%2Fx": "token my root, serial 0011, model SC-HSM",
		"pkcs11:serial=7":                          "token, serial 7",
		"awskms:///?region=eu-central-1":           "KMS awskms:///?region=eu-central-1",
		"gcpkms:projects/p/locations/l/keyRings/r": "KMS gcpkms:projects/p/locations/l/keyRings/r",
	} {
		if got := (Group{Token: token}).Place(); got != want {
			t.Errorf("%s: %q, want %q", token, got, want)
		}
	}
}

func TestNoPlace(t *testing.T) {
	s, err := Parse("station.yaml", []byte(strings.Split(good, "  default")[0]))
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Ref("demo", "etcd")
	if want := `station.yaml: no place for the key "etcd": keys has neither etcd nor default`; err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	if _, err := s.Tokens("demo", []string{"root", "etcd"}); err == nil {
		t.Error("Tokens took a key without a place")
	}
}

func TestOpen(t *testing.T) {
	file := filepath.Join(t.TempDir(), "s.yaml")
	if err := os.WriteFile(file, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file); err != nil {
		t.Error(err)
	}
	if _, err := Open(file + "x"); err == nil {
		t.Error("opened a file that is not there")
	}
}

// TestRefused replaces one text of a good station by another.
// refused are stations that are refused: good with one change, and the whole error.
func refused() []struct{ name, old, new, want string } {
	return []struct{ name, old, new, want string }{
		{"version", "officiant/v1", "officiant/v2", `s:1:1: apiVersion is "officiant/v2"; this program reads officiant/v1`},
		{"kind", "Station", "station", `s:2:1: kind is "station", not Station`},
		{"a plan", "Station", "Plan", "s: is a plan, not a station, which says which token holds which key"},
		{"a pod", "officiant/v1\nkind: Station", "v1\nkind: Pod",
			"s: is a Pod of v1, not a station, which says which token holds which key"},
		{"name", "room-1", "Room 1", `s:3:1: name is "Room 1"; it is 1 to 63 lower-case letters, digits and dashes, with a letter or digit at both ends`},
		{"unknown field", "environment:", "pins:", `s:9:1: unknown field "pins"`},
		{"misspelt field", "environment:", "enviroment:",
			`s:9:1: unknown field "enviroment"; did you mean environment?`},
		{"misspelt token", "token=root;serial=0011", "tokn=root;object=x",
			`s:5:3: key root: its URI names no token: unknown attribute "tokn"; did you mean token?`},
		{"double key", "  default:", "  root:", `s:8:3: mapping key "root" is there already, in line 5`},
		{"no YAML", "keys:", "keys: [", `s:9:1: not YAML: ',' or ']' must be specified`},
		{"too deep", "keys:", "keys: " + strings.Repeat("[", 200_000), `s:4:1: nested more than 16 deep`},
		{"second document", "environment:", "---\nenvironment:", `s:9:1: a station is one document; here another ` +
			`begins`},
		{"alias", `"awskms:///alias/k2"`, "*a", `s:6:17: a station cannot have anchors, aliases or tags: write the ` +
			`value out`},
		{"no keys", good[strings.Index(good, "keys:"):strings.Index(good, "environment:")], "", `s: keys is empty: it says where each key lives`},
		{"PIN in the URI", "pin-source=fd:3", "pin-value=1234", `s:8:3: key default: its URI holds a PIN (pin-value); use pin-source, or type it`},
		{"PIN with capitals", "&pin-source=fd:3", "&Pin-Value=1234", `s:8:3: key default: its URI holds a PIN (pin-value); use pin-source, or type it`},
		{"slot", "token=root", "slot-id=1", `s:5:3: key root: its URI has slot-id; slots are renumbered at each ` +
			`start; name the token by serial or token`},
		{"no token", "token=root;serial=0011", "object=x", `s:5:3: key root: its URI names no token: token=LABEL or serial=SERIAL is needed`},
		{"double attribute", "serial=0011", "serial=0011;serial=2", `s:5:3: key root: its URI has serial twice`},
		{"empty attribute", "serial=0011", "serial=", `s:5:3: key root: its URI has an attribute without a value`},
		{"relative module", "module-path=/usr", "module-path=usr", `s:8:3: key default: module-path is not an absolute path`},
		{"pin-source", "pin-source=fd:3", "pin-source=|cat", `s:8:3: key default: pin-source is neither an absolute path, nor file:/PATH, nor fd:N`},
		{"scheme", "awskms:", "vault:", `s:6:3: key kubernetes-2: its URI begins with none of pkcs11:, gcpkms:, awskms:`},
		{"key name", "kubernetes-2", "K2", `s:6:3: key "K2" is not a name that a plan can give a key`},
		{"clone beside its key", "evidence:", "backups: {root: \"pkcs11:serial=0011;token=root;object=x?module-path=/usr/lib/softhsm/libsofthsm2.so\"}\nevidence:", `s:11:11: backups: the clone of root is in the token that holds the key`},
		{"clone of everything", "evidence:", "backups: {default: \"pkcs11:token=c\"}\nevidence:",
			`s:11:11: backups: default is not a key; name each key that has a clone`},
		{"clone with a PIN", "evidence:", "backups: {root: \"pkcs11:token=c?pin-value=1\"}\nevidence:", `s:11:11: backups: key root: its URI holds a PIN (pin-value); use pin-source, or type it`},
		{"default names one key", `default: "pkcs11:`, `default: "pkcs11:object=all;`, `s:8:3: default: object and id name one key, so they cannot hold for several`},
		{"default in a KMS", `  default: "pkcs11:token=issuing;serial=0012?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=fd:3"`, `  default: "awskms:///k"`, `s:8:3: default: this KMS URI names one key, so it cannot hold for several`},
		{"one place for two keys",
			`  release: "pkcs11:serial=0012;token=issuing;object=rel?module-path=/usr/lib/softhsm/libsofthsm2.so` +
				`&pin-source=fd:3"`,
			`  release: "awskms:///alias/k2"`,
			`s:7:3: key release: lives where kubernetes-2 does; every key needs its own place`},
		{"variable that loads code", "SOFTHSM2_CONF: /room/softhsm2.conf", "OPENSSL_CONF: /room/evil.cnf",
			`s:10:3: environment: OPENSSL_CONF is not a PKCS#11 module's and cannot be set`},
		{"variable that is a PIN", "SOFTHSM2_CONF: /room/softhsm2.conf", "YUBIHSM_PIN: /1234", `s:10:3: environment: YUBIHSM_PIN looks like a secret, and a station holds none`},
		{"variable that is a password", "SOFTHSM2_CONF", "HSM_PASSWORD", `s:10:3: environment: HSM_PASSWORD looks like a secret, and a station holds none`},
		{"variable of the linker", "SOFTHSM2_CONF", "LD_PRELOAD", `s:10:3: environment: LD_PRELOAD is not a PKCS#11 module's and cannot be set`},
		{"lower-case variable", "SOFTHSM2_CONF", "conf", `s:10:3: environment: "conf" is not a name of upper-case letters, digits and _`},
		{"evidence that is none", "root: consistent", "root: unproven", `s:12:3: evidence of root is "unproven"; it is attested, consistent or software`},
		{"evidence of no key", "root: consistent", "Root: consistent",
			`s:12:3: evidence: "Root" is not a name that a plan can give a key`},
		{"check of another name", "network:", "net:", `s:15:3: preflight: there is no check "net"; there are ` + strings.Join(preflight.Names(), ", ")},
		{"level of another name", "swap: warn", "swap: error", `s:16:3: preflight: level of swap is "error"; it is record, warn or refuse`},
		{"check without a level", "swap: warn", "swap:", `s:16:3: preflight: level of swap is ""; it is record, warn or refuse`},
		{"preflight without a check", "preflight:\n  network: refuse\n  swap: warn", "preflight:",
			`s:14:1: preflight is empty, which would mean the same as none; {} is a policy of each check's own level`},
		{"timeout too short", "timeout: 30s", "timeout: 30ms", `s:17:1: timeout is "30ms"; it is from 1s to 1h, with a unit`},
		{"timeout too long", "timeout: 30s", "timeout: 2h", `s:17:1: timeout is "2h"; it is from 1s to 1h, with a unit`},
		{"timeout without a unit", "timeout: 30s", "timeout: 30", `s:17:1: timeout is "30"; it is from 1s to 1h, with a unit`},
		{"relative variable", "/room/softhsm2.conf", "softhsm2.conf",
			`s:10:3: environment: SOFTHSM2_CONF is not an absolute path, nor "inherit" for what is exported before the run`},
		{"module before the mark", "token=root;serial=0011?module-path=", "module-path=/m;token=root?module-name=",
			`s:5:3: key root: module-path belongs after the question mark: pkcs11:token=LABEL?module-path=…`},
		{"what nobody sees", "token=root;", "token=root%E2%80%8B;",
			`s:5:3: key root: token of its URI contains the invisible character U+200B`},
		{"clone of no key", good[strings.Index(good, "  default:"):strings.Index(good, "environment:")],
			"backups: {etcd-2: \"pkcs11:token=c\"}\n", `s:8:11: backups: etcd-2 is not a key of this station`},
	}
}

func TestRefused(t *testing.T) {
	for _, tt := range refused() {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.ReplaceAll(good, tt.old, tt.new)
			if text == good {
				t.Fatal("the test changes nothing")
			}
			_, err := Parse("s", []byte(text))
			if err == nil {
				t.Fatal("accepted")
			}
			if err.Error() != tt.want {
				t.Errorf("got  %s\nwant %s", err, tt.want)
			}
			if strings.Contains(err.Error(), "1234") {
				t.Error("the error repeats the PIN")
			}
		})
	}
	if _, err := Parse("s", nil); err == nil || err.Error() != "s: the station is empty" {
		t.Errorf("empty: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("apiVersion: officiant/v1\nkind: Station\nname: a\nkeys: {default: 'pkcs11:token=a%2Db'}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		defer limittest.Budget(t)()
		s, err := Parse("s", data)
		if err != nil {
			return
		}
		for name := range s.Keys {
			if _, err := s.Ref("c", name); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if strings.Contains(strings.ToLower(string(data)), "pin-value=") {
			for _, uri := range s.Keys {
				if strings.Contains(strings.ToLower(uri), "pin-value=") {
					t.Errorf("accepted a PIN: %q", uri)
				}
			}
		}
	})
}

// TestSharedStores: a URI that names a KMS and no key in it holds for several,
// whose labels name them; one that names a key does not.
func TestSharedStores(t *testing.T) {
	const head = "apiVersion: officiant/v1\nkind: Station\nname: room-1\nkeys:\n"
	const ring = "gcpkms://projects/demo-1/locations/l/keyRings/r"
	for _, c := range []struct{ keys, want string }{
		{"  default: \"" + ring + "\"\n", ""},
		{"  root: \"" + ring + "\"\n  etcd: \"" + ring + "\"\n", ""},
		{"  root: \"" + ring + "?protection=HSM\"\n  etcd: \"" + ring + "?protection=HSM\"\n", ""},
		{"  default: \"awskms:///?region=eu-central-1\"\n", ""},
		{"  root: \"awskms:///\"\n  etcd: \"awskms:///\"\n", ""},
		{"  default: \"" + ring + "/cryptoKeys/k\"\n", "names one key"},
		{"  root: \"" + ring + "/cryptoKeys/k\"\n  etcd: \"" + ring + "/cryptoKeys/k\"\n",
			"every key needs its own place"},
		{"  root: \"" + ring + "/cryptoKeys/k?attestation-roots=/a.pem\"\n  etcd: \"" + ring +
			"/cryptoKeys/k?protection=HSM\"\n", "every key needs its own place"},
		{"  root: \"awskms:///alias/k?policy=/a.json\"\n  etcd: \"awskms:///alias/k\"\n",
			"every key needs its own place"},
		{"  root: \"awskms:///alias/k?region=eu-central-1\"\n  etcd: \"awskms:///alias/k?region=eu-west-1\"\n", ""},
		{"  default: \"awskms:///alias/k?region=eu-central-1\"\n", "names one key"},
	} {
		_, err := Parse("s", []byte(head+c.keys))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.keys, err, c.want)
		}
	}
}
