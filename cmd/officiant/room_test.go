package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/ceremony"
	"officiant/ceremony/preflight"
	"officiant/ceremony/station"
	"officiant/ceremony/transcript"
	"officiant/cmd/internal/exit"
	"officiant/softhsm"
)

// lookAt looks at a room with these keys on the machine the test runs on.
func lookAt(t *testing.T, keys map[string]string, now time.Time, previous time.Time) map[string]preflight.Result {
	t.Helper()
	o := &options{Now: func() time.Time { return now }, Version: "test"}
	results, err := o.look(context.Background(), transcript.Program{}, keys, reach{}, preflight.Room{Dir: t.TempDir(), Previous: previous}, preflight.Policy{"default": preflight.Refuse})
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]preflight.Result{}
	for _, r := range results {
		by[r.Name] = r
	}
	return by
}

// TestTokensOfTheRoom: one that is absent, a module that is no file, and a KMS,
// which is not asked; each is told apart and hides no other.
func TestTokensOfTheRoom(t *testing.T) {
	needSoftHSM(t)
	module, err := softhsm.Find()
	if err != nil {
		t.Fatal(err)
	}
	setenv := func(k, v string) error { t.Setenv(k, v); return nil }
	if _, _, err := softhsm.Init(filepath.Join(t.TempDir(), "room"), module, []softhsm.Token{{Label: "there", SOPIN: []byte("12345678"), PIN: []byte("1234")}}, setenv); err != nil {
		t.Fatal(err)
	}
	t.Setenv("OPENSSL_CONF", "/evil.cnf")
	r := lookAt(t, map[string]string{
		"default": "pkcs11:token=there?module-path=" + module, "release": "pkcs11:token=there;object=r?module-path=" + module,
		"root":      "pkcs11:token=away?module-path=" + module,
		"etcd":      "pkcs11:token=x?module-path=/nowhere.so",
		"elsewhere": "vault:key",
	}, time.Now(), time.Time{})
	for check, want := range map[string][]string{
		"tokens": {"there, serial ", "token of root: ", "no token with", "token of etcd: its module cannot be read",
			`token of elsewhere: elsewhere: no backend for "vault"`},
		"modules":     {module + " SHA-256 ", "/nowhere.so"},
		"environment": {module + ": SOFTHSM2_CONF=/", "OPENSSL_CONF would have a module load code"},
		"libraries":   {"libcrypto.so", "libsofthsm2.so SHA-256 "},
		"pins":        {"there: ok"},
		"mechanisms":  {"there: ECDSA-P256, "},
	} {
		for _, w := range want {
			if got := r[check].Seen + "\n" + r[check].Wrong; !strings.Contains(got, w) {
				t.Errorf("%s: %q is not in %q", check, w, got)
			}
		}
	}
	if f := r["modules"].Files; len(f) != 1 || f[0].Path != module || len(f[0].SHA256) != 64 {
		t.Errorf("files of modules: %+v", f)
	}
	if f := r["libraries"].Files; len(f) < 3 || !slices.ContainsFunc(f, func(l preflight.Library) bool {
		return l.SHA256 == r["modules"].Files[0].SHA256
	}) {
		t.Errorf("files of libraries: %+v", f)
	}
	if n := strings.Count(r["tokens"].Seen, "there"); n != 1 {
		t.Errorf("a token of two keys is shown %d times: %s", n, r["tokens"].Seen)
	}
	if !airgap {
		r := lookAt(t, map[string]string{"root": "awskms:///alias/k"}, time.Now(), time.Time{})
		if got := r["tokens"]; got.Seen != "KMS of root, not asked" || got.Wrong != "" {
			t.Errorf("%+v", got)
		}
	}
}

// TestClockOfTheRoom: a clock that is a day behind the previous ceremony's end.
func TestClockOfTheRoom(t *testing.T) {
	ended := time.Date(2126, 11, 24, 12, 0, 0, 0, time.UTC) // not before this test was built
	if r := lookAt(t, nil, ended.Add(-24*time.Hour), ended)["clock"]; !r.Refused() ||
		!strings.Contains(r.Wrong, "when the previous ceremony ended") {
		t.Errorf("%+v", r)
	}
	if r := lookAt(t, nil, ended.Add(time.Second), ended)["clock"]; r.Wrong != "" {
		t.Errorf("%+v", r)
	}
}

func TestBuiltAt(t *testing.T) {
	defer func(before string) { built = before }(built)
	built = "2026-11-24T16:15:44+01:00"
	if at := builtAt(); !at.Equal(time.Date(2026, 11, 24, 15, 15, 44, 0, time.UTC)) {
		t.Errorf("built at %s", at)
	}
}

func TestDoctorWithoutARecord(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "transcript.jsonl"), []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := officiant(t, "doctor", "--previous", dir)
	if code != exit.Refused || !strings.Contains(stderr, "transcript.jsonl") {
		t.Errorf("exit %d\n%s", code, stderr)
	}
	empty := t.TempDir()
	if err := os.WriteFile(filepath.Join(empty, "transcript.jsonl"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := officiant(t, "doctor", "--previous", empty); code != exit.Refused {
		t.Errorf("an empty record: exit %d\n%s", code, stderr)
	}
}

func TestWaiver(t *testing.T) {
	ok := ceremony.Waiver{Checks: []string{"swap"}, Reason: "none", By: []string{"Kim", "Lee"}}
	if err := checkWaiver(ok); err != nil {
		t.Error(err)
	}
	if err := checkWaiver(ceremony.Waiver{}); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*ceremony.Waiver){
		"no reason":         func(w *ceremony.Waiver) { w.Reason = " " },
		"one person":        func(w *ceremony.Waiver) { w.By = w.By[:1] },
		"one person twice":  func(w *ceremony.Waiver) { w.By = []string{"Kim Doe", " kim  doe"} },
		"nobody":            func(w *ceremony.Waiver) { w.By = []string{"Kim", ""} },
		"one with a joiner": func(w *ceremony.Waiver) { w.By = []string{"Kim", "K\u200dim"} },
		"no such check":     func(w *ceremony.Waiver) { w.Checks = []string{"default"} },
		"no check":          func(w *ceremony.Waiver) { w.Checks = nil },
	} {
		w := ok
		w.By = slices.Clone(ok.By)
		spoil(&w)
		if err := checkWaiver(w); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestModulesOfTheRoom: a module that is not known gets in a room what the station
// names, and no more; at a desk it gets what its file has the name of, too.
func TestModulesOfTheRoom(t *testing.T) {
	t.Setenv("VENDOR_CONF", "/etc/vendor.conf")
	t.Setenv("VENDOR_DEBUG", "1")
	t.Setenv("SOMEBODYS_OWN", "1")
	vendor := filepath.Join(t.TempDir(), "libvendor.so")
	if err := os.WriteFile(vendor, []byte("\x7fELF\x00VENDOR_DEBUG\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	desk := "apiVersion: officiant/v1\nkind: Station\nname: room\nkeys:\n" +
		"  default: \"pkcs11:token=t?module-path=" + vendor + "\"\nenvironment:\n  VENDOR_CONF: inherit\n"
	for _, c := range []struct {
		policy string
		debug  bool
	}{
		{"", true},
		{"preflight: {environment: record}\n", true},
		{"preflight: {}\n", false},
		{"preflight: {environment: refuse}\n", false},
	} {
		st, err := station.Parse("station.yaml", []byte(desk+c.policy))
		if err != nil {
			t.Fatal(err)
		}
		passed, _ := reach{}.at(st).environmentOf(vendor)
		all := strings.Join(passed, " ")
		if !strings.Contains(all, "VENDOR_CONF") || strings.Contains(all, "VENDOR_DEBUG") != c.debug ||
			strings.Contains(all, "SOMEBODYS_OWN") {
			t.Errorf("policy %q: it gets %q", c.policy, all)
		}
	}
}
