package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/history/historytest"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
	"officiant/cmd/internal/exit"
	"officiant/signer"
	"officiant/softhsm"
)

// wrong is a station, a plan or a room with one mistake, and what is said of it.
type wrong struct {
	name string
	make func(w *wrongRoom)
	want string // of what run says on standard error
	code int    // of run
	desk bool   // check --station says it too, without a login
	// Only people at the token can know: keys were made before it is missed.
	late bool
}

// wrongRoom is a fixture on its way to a mistake.
type wrongRoom struct {
	*testing.T
	f *ceremonytest.Fixture
}

// station changes the station's text.
func (w *wrongRoom) station(old, new string) { w.change(w.f.Station, old, new) }
func (w *wrongRoom) plan(old, new string)    { w.change(w.f.PlanFile, old, new) }

func (w *wrongRoom) change(file, old, new string) {
	w.Helper()
	text, err := os.ReadFile(file)
	must(w.T, err)
	if !strings.Contains(string(text), old) {
		w.Fatalf("%s has no %q:\n%s", file, old, text)
	}
	put(w.T, file, strings.Replace(string(text), old, new, 1))
}

// uri is a key's URI in the station.
func (w *wrongRoom) uri(key string) string {
	w.Helper()
	st, err := openStation(&options{Setenv: func(k, v string) error { w.Setenv(k, v); return nil }}, w.f.Station)
	must(w.T, err)
	ref, err := st.Ref("demo", key)
	must(w.T, err)
	return ref.URI
}

// place adds a key's own place to the station.
func (w *wrongRoom) place(key, uri string) {
	w.station("keys:\n", fmt.Sprintf("keys:\n  %s: %q\n", key, uri))
}

func (w *wrongRoom) pin() string { return filepath.Join(w.f.Room, "pin") }

// key makes a key that is nobody's, and returns the digest of its public key.
func (w *wrongRoom) key(uri, label string) string {
	w.Helper()
	ref := signer.Ref{URI: uri, Label: label}
	store, err := reach{}.open(w.Context(), ref, nil)
	must(w.T, err)
	defer store.Close()
	k, err := store.Create(w.Context(), ref, signer.Spec{Algorithm: signer.ECDSAP256}, signer.ID{byte(len(label)), 1})
	must(w.T, err)
	spki, err := fingerprint.SPKI(k.Public())
	must(w.T, err)
	return spki.String()
}

// objects counts what lies in all tokens.
func (w *wrongRoom) objects() int {
	files, err := filepath.Glob(filepath.Join(w.f.Room, "tokens", "*", "*.object"))
	must(w.T, err)
	n := 0
	for _, f := range files {
		if filepath.Base(f) != "token.object" {
			n++
		}
	}
	return n
}

func with(attribute string) func(*wrongRoom) {
	return func(w *wrongRoom) { w.place("etcd", strings.Replace(w.uri("etcd"), "?", attribute, 1)) }
}

const root, kubernetes = "{name: root, key: {create: ECDSA-P384}, evidence: software", "{name: kubernetes, key: " +
	"{create: ECDSA-P256}, evidence: software"

var wrongRooms = []wrong{
	// The station's text.
	{"no place for a key", func(w *wrongRoom) { w.station("  default:", "  release:") },
		`no place for the key "kubernetes"`, exit.Refused, true, false},
	{"an empty station", func(w *wrongRoom) { put(w.T, w.f.Station, "") }, "the station is empty", exit.Refused, true,
		false},
	{"two stations", func(w *wrongRoom) { w.station("apiVersion", "{}\n---\napiVersion") }, "here another begins",
		exit.Refused, true, false},
	{"an unknown field", func(w *wrongRoom) { w.station("name: test", "nmae: test") }, `nmae`, exit.Refused, true, false},
	{"another kind", func(w *wrongRoom) { w.station("kind: Station", "kind: Plan") }, "is a plan, not a station",
		exit.Refused, true,
		false},
	{"another version", func(w *wrongRoom) { w.station("officiant/v1", "officiant/v2") },
		"this program reads officiant/v1", exit.Refused, true, false},
	{"no keys", func(w *wrongRoom) { put(w.T, w.f.Station, "apiVersion: officiant/v1\nkind: Station\nname: x\n") },
		"keys is empty", exit.Refused, true, false},
	{"a scheme nobody has", func(w *wrongRoom) { w.place("etcd", "vault:transit/etcd") }, "begins with none of",
		exit.Refused, true, false},
	{"a PIN in a URI", with("?pin-value=1234&"), "holds a PIN (pin-value)", exit.Refused, true, false},
	{"a slot", with(";slot-id=0?"), "slots are renumbered", exit.Refused, true, false},
	{"a URI of no token", func(w *wrongRoom) { w.place("etcd", "pkcs11:object=etcd") }, "names no token",
		exit.Refused, true, false},
	{"an attribute twice", with(";token=x?"), "has token twice", exit.Refused, true, false},
	{"an attribute nobody knows", with(";library-version=2?"), "library-version tells a module or a slot",
		exit.Refused, true, false},
	{"a type that is no private key", with(";type=cert?"), "only private keys are opened", exit.Refused, true, false},
	{"a label with a character nobody sees", with(";model=So%E2%80%8BftHSM?"),
		"model of its URI contains the invisible character U+200B", exit.Refused, true, false},
	{"an empty attribute", with(";model=?"), "an attribute without a value", exit.Refused, true, false},
	{"a broken escape", with(";model=%zz?"), "escape", exit.Refused, true, false},
	{"an object for all", func(w *wrongRoom) { w.station("token=issuing", "object=x;token=issuing") },
		"they cannot hold for several", exit.Refused, true, false},
	{"two keys, one object", func(w *wrongRoom) {
		uri := strings.Replace(w.uri("etcd"), "?", ";object=one?", 1)
		w.place("etcd", uri)
		w.place("kubernetes", uri)
	}, "every key needs its own place", exit.Refused, true, false},
	{"two keys, one object in other words", func(w *wrongRoom) {
		w.place("etcd", strings.Replace(w.uri("etcd"), "?", ";object=one?", 1))
		w.place("kubernetes", strings.Replace(w.uri("kubernetes"), "?", ";object=%6fne?", 1))
	}, "every key needs its own place", exit.Refused, true, false},
	{"one key has another's label", with(";object=demo%2Fkubernetes?"), "every key needs its own place",
		exit.Refused, true, false},
	{"evidence of no grade", func(w *wrongRoom) { w.station("keys:", "evidence: {etcd: sworn}\nkeys:") },
		"it is attested, consistent or software", exit.Refused, true, false},
	{"a secret in the environment", func(w *wrongRoom) { w.station("keys:", "environment: {HSM_PIN: /x}\nkeys:") },
		"looks like a secret", exit.Refused, true, false},
	{"a linker's variable", func(w *wrongRoom) { w.station("keys:", "environment: {LD_PRELOAD: /x}\nkeys:") },
		"cannot be set", exit.Refused, true, false},
	{"a check there is not", func(w *wrongRoom) { w.station("keys:", "preflight: {moon: refuse}\nkeys:") },
		`no check "moon"`, exit.Refused, true, false},
	{"a level there is not", func(w *wrongRoom) { w.station("keys:", "preflight: {swap: deny}\nkeys:") },
		"level of swap", exit.Refused, true, false},
	{"an endless timeout", func(w *wrongRoom) { w.station("keys:", "timeout: 9h\nkeys:") }, "timeout is",
		exit.Refused, true, false},
	{"a clone beside its key", func(w *wrongRoom) {
		w.station("keys:", fmt.Sprintf("backups: {root: %q}\nkeys:", w.uri("root")))
	}, "the clone of root is in the token that holds the key", exit.Refused, true, false},
	{"a clone of no key", func(w *wrongRoom) {
		w.station("  default:", "  kubernetes:")
		w.station("keys:", "backups: {etcd: 'pkcs11:token=z'}\nkeys:")
	}, "etcd is not a key of this station", exit.Refused, true, false},
	// Files that it names.
	{"a query nobody knows", with(`?x=y&`), `unknown query attribute "x"`, exit.Refused, true, false},
	{"a module path that is gone", func(w *wrongRoom) { w.module("/nowhere/libhsm.so") }, "/nowhere/libhsm.so",
		exit.Unavailable, true, false},
	{"a module that is a folder", func(w *wrongRoom) { w.module(w.f.Room) }, "is a directory", exit.Unavailable, true,
		false},
	{"a module that is text", func(w *wrongRoom) { w.module(w.f.Station) }, "", exit.Unavailable, true, false},
	{"a relative module path", func(w *wrongRoom) { w.module("libhsm.so") }, "module-path is not an absolute path",
		exit.Refused, true, false},
	{"a PIN file that is gone", func(w *wrongRoom) { must(w.T, os.Remove(w.pin())) }, "pin-source: ",
		exit.Refused, true, false},
	{"a PIN file of everybody's", func(w *wrongRoom) { must(w.T, os.Chmod(w.pin(), 0o644)) },
		"lets others read the PIN", exit.Refused, true, false},
	{"a PIN file of the group's", func(w *wrongRoom) { must(w.T, os.Chmod(w.pin(), 0o640)) },
		"lets others read the PIN", exit.Refused, true, false},
	{"an empty PIN file", func(w *wrongRoom) { must(w.T, os.Truncate(w.pin(), 0)) }, "is empty", exit.Refused, true,
		false},
	{"a PIN file of pages", func(w *wrongRoom) { must(w.T, os.Truncate(w.pin(), 4096)) }, "4096 bytes", exit.Refused,
		true, false},
	{"a PIN folder", func(w *wrongRoom) { must(w.T, os.Remove(w.pin())); must(w.T, os.Mkdir(w.pin(), 0o700)) },
		"neither a file nor a FIFO", exit.Refused, true, false},
	{"a PIN file of another user", func(w *wrongRoom) {
		if os.Geteuid() != 0 {
			w.Skip("needs root")
		}
		must(w.T, os.Chown(w.pin(), 12345, -1))
	}, "belongs to user 12345", exit.Refused, true, false},
	{"a relative PIN source", with("?pin-source=pin&"), "pin-source", exit.Refused, true, false},
	{"two PINs in a file", func(w *wrongRoom) { put(w.T, w.pin(), "1234\n1234\n") }, "more than one line",
		exit.Refused, true, false},
	{"a PIN file from an editor of Windows", func(w *wrongRoom) { put(w.T, w.pin(), "\ufeff1234\r\n") },
		"byte order mark", exit.Refused, true, false},
	{"a PIN pipe of everybody's", func(w *wrongRoom) {
		must(w.T, os.Remove(w.pin()))
		must(w.T, syscall.Mkfifo(w.pin(), 0o644))
	}, "lets others read the PIN", exit.Refused, true, false},
	{"an id for a key to be made", with(";id=%01%02?"), "its URI has an id", exit.Refused, true, false},
	{"a wrong PIN", func(w *wrongRoom) { put(w.T, w.pin(), "9999\n") }, "PIN", exit.Unavailable, false, false},
	{"a wrong PIN for the second token alone", func(w *wrongRoom) {
		file := filepath.Join(w.f.Room, "pin-2")
		put(w.T, file, "9999\n")
		must(w.T, os.Chmod(file, 0o600))
		w.station(w.pin(), file)
	}, "PIN", exit.Unavailable, false, false},
	// Tokens.
	{"a token of another label", func(w *wrongRoom) { w.station("token=root", "token=roof") }, "put in token roof",
		exit.Unavailable, false, true},
	{"a token of another serial", func(w *wrongRoom) { w.station("serial=", "serial=f") }, "put in token",
		exit.Unavailable, false, true},
	{"a token that is gone from its reader", func(w *wrongRoom) {
		must(w.T, os.RemoveAll(filepath.Join(w.f.Room,
			"tokens")))
	}, "", exit.Unavailable, false, false},
	{"a PIN file whose name is a link to nowhere", func(w *wrongRoom) {
		must(w.T, os.Remove(w.pin()))
		must(w.T, os.Symlink("/nowhere", w.pin()))
	}, "pin-source: ", exit.Refused, true, false},
	{"a station that is a folder", func(w *wrongRoom) { w.f.Station = w.f.Room }, "is a directory", exit.Usage,
		false, false},
	{"a station that is not there", func(w *wrongRoom) { w.f.Station += "x" }, "no such file", exit.Usage, false,
		false},
	{"software where hardware is asked for", func(w *wrongRoom) {
		w.station("keys:",
			"evidence: {root: consistent}\nkeys:")
	}, "is software", exit.Refused, true, false},
	{"software where the plan wants more", func(w *wrongRoom) {
		w.plan(root, strings.Replace(root, "software",
			"consistent", 1))
	}, "is software", exit.Refused, true, false},
	{"an attestation no backend has", func(w *wrongRoom) {
		w.plan(kubernetes, strings.Replace(kubernetes, "software",
			"attested", 1))
	}, "evidence attested is asked for", exit.Refused, true, false},
	{"the station wants an attestation", func(w *wrongRoom) {
		w.station("keys:",
			"evidence: {default: attested}\nkeys:")
	}, "evidence attested is asked for", exit.Refused, true, false},
	{"a key of a previous try, in the first token", func(w *wrongRoom) {
		w.key(w.uri("kubernetes"),
			"demo/kubernetes")
	}, "a key demo/kubernetes is already in its token", exit.Refused, false, false},
	{"a key of a previous try, in the last token", func(w *wrongRoom) { w.key(w.uri("root"), "demo/root") },
		"a key demo/root is already in its token", exit.Refused, false, false},
	{"a release key of a previous try", func(w *wrongRoom) { w.key(w.uri("release"), "demo/release") },
		"a key demo/release is already in its token", exit.Refused, false, false},
	{"one token in two spellings", func(w *wrongRoom) {
		uri := w.uri("etcd")
		label, serial, _ := strings.Cut(uri, ";serial=")
		number, query, _ := strings.Cut(serial, "?")
		w.place("etcd", label+";object=one?"+query)
		w.place("front-proxy", "pkcs11:serial="+number+";object=one?"+query)
	}, "one place, in the same token", exit.Refused, false, false},
	// Keys that the plan says exist.
	{"an existing key that is not there", func(w *wrongRoom) { w.existing() }, "no such key", exit.Refused, false, false},
	{"an existing key that is another", func(w *wrongRoom) {
		w.key(w.uri("release"), "demo/release")
		w.existing()
	}, "the plan and the record say", exit.Refused, false, false},
	{"an existing key in a token that is not in", func(w *wrongRoom) {
		w.existing()
		w.place("release", "pkcs11:token=safe;serial=77?module-path="+w.modulePath())
	}, "put in token safe, serial 77", exit.Unavailable, false, false},
	// The room.
	{"a room that the station refuses", func(w *wrongRoom) {
		w.station("keys:", "preflight: {default: refuse}\nkeys:")
	}, "by the station's preflight policy", exit.Refused, false, false},
	{"a cloud this build or room cannot reach", func(w *wrongRoom) {
		w.Setenv("AWS_ACCESS_KEY_ID", "x")
		w.Setenv("AWS_SECRET_ACCESS_KEY", "y")
		w.Setenv("AWS_MAX_ATTEMPTS", "1")
		w.place("etcd", "awskms://127.0.0.1:1/?region=eu-central-1")
	}, "", -1, false, false},
}

func (w *wrongRoom) modulePath() string {
	module, err := softhsm.Find()
	must(w.T, err)
	return module
}

func (w *wrongRoom) module(path string) {
	w.place("etcd", strings.Replace(w.uri("etcd"), w.modulePath(), path, 1))
}

// existing has the plan use a release key that exists, but not in the room: another
// cluster's ceremony made it.
func (w *wrongRoom) existing() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(w.T, err)
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	must(w.T, err)
	put(w.T, filepath.Join(w.f.Folder, "input.pub"), string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY",
		Bytes: der})))
	w.plan("release: {key: {create: ECDSA-P256}", fmt.Sprintf("release: {public: input.pub, key: {existing: %q}",
		fingerprint.Of(der)))
	r := historytest.Begin(w.T, time.Now().Add(-time.Hour), transcript.Open{Cluster: "prod"})
	r.Key("release", key.Public(), true)
	record, _ := r.Close(key, nil)
	put(w.T, filepath.Join(w.f.Folder, "input.jsonl"), string(record))
	w.plan("previous: none", fmt.Sprintf("previous: [{cluster: prod, sequence: 1, head: %q, transcript: input.jsonl}]",
		historytest.Predecessor(w.T, record).Head))
}

// TestWrongRooms: a station, a plan or a room with a mistake is refused before there
// is a key: the tokens hold what they held.
func TestWrongRooms(t *testing.T) {
	needSoftHSM(t)
	if len(wrongRooms) < 60 {
		t.Errorf("%d wrong rooms", len(wrongRooms))
	}
	for _, c := range wrongRooms {
		t.Run(c.name, func(t *testing.T) {
			w := &wrongRoom{t, ceremonytest.New(t, ceremonytest.Shape{})}
			c.make(w)
			before := w.objects()
			plan, err := schedule.Open(w.f.PlanFile, schedule.Options{Now: time.Now()})
			must(t, err)
			code, _, said := officiant(t, "ceremony", "run", w.f.PlanFile, "--station", w.f.Station,
				"--dir", filepath.Join(t.TempDir(), "ceremony"), "--confirm", plan.Digest.String())
			if c.code >= 0 && code != c.code || code == exit.Done || !strings.Contains(said, c.want) {
				t.Errorf("exit %d, want %d and %q:\n%s", code, c.code, c.want, said)
			}
			if n := w.objects(); n != before && !c.late {
				t.Errorf("%d objects in the tokens, %d before", n, before)
			}
			code, out, said := officiant(t, "ceremony", "check", w.f.PlanFile, "--station", w.f.Station)
			if c.desk && (code != exit.Refused || !strings.Contains(said, c.want)) {
				t.Errorf("check: exit %d, want %q:\n%s", code, c.want, said)
			}
			if !strings.Contains(out, "digest    "+plan.Digest.String()) {
				t.Errorf("check prints no digest:\n%s", out)
			}
			if c.late && !strings.Contains(said, "is the station right?") {
				t.Errorf("check does not name the token that is near:\n%s", said)
			}
			if c.late {
				return // there are keys by now
			}
			code, out, said = officiant(t, "doctor", "--plan", w.f.PlanFile, "--station", w.f.Station)
			if code == exit.Done {
				t.Errorf("doctor finds nothing wrong:\n%s\n%s", out, said)
			}
			if n := w.objects(); n != before {
				t.Errorf("doctor made %d objects of %d", n, before)
			}
		})
	}
}
