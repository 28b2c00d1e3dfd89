package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle/durable"
	"officiant/ceremony/station"
	"officiant/cmd/internal/exit"
	"officiant/signer"
	"officiant/signer/pkcs11"
	"officiant/softhsm"
)

// officiant runs a command line as main does, with no terminal.
func officiant(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, talk bytes.Buffer
	o := testOptions(t, &talk)
	o.Stdout = &out
	code = execute(t.Context(), o, args)
	return code, out.String(), talk.String()
}

// testOptions are those of a program with nobody at its terminal.
func testOptions(t *testing.T, said io.Writer) *options {
	return &options{
		Stdin: strings.NewReader(""), Stdout: said, Stderr: said, Disk: &durable.Disk{}, Rand: rand.Reader, Now: time.Now,
		Setenv: func(key, value string) error { t.Setenv(key, value); return nil }, Version: "test",
	}
}

func needSoftHSM(t *testing.T) {
	t.Helper()
	if _, err := softhsm.Find(); err != nil {
		if os.Getenv("OFFICIANT_REQUIRE_SOFTHSM") != "" {
			t.Fatal(err)
		}
		t.Skipf("needs SoftHSM: %v", err)
	}
}

// TestSoftHSMInit opens every key's token as the written station says.
func TestSoftHSMInit(t *testing.T) {
	needSoftHSM(t)
	for _, folder := range []string{"plain", "with space, % & ; ü"} {
		dir := filepath.Join(t.TempDir(), folder, "room")
		file := filepath.Join(filepath.Dir(dir), "station.yaml")
		code, stdout, stderr := officiant(t, "softhsm", "init", "--dir", dir, "--station", file)
		if code != exit.Done || stdout != "" {
			t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
		}
		for _, name := range []string{"root.pin", "issuing.pin", "softhsm2.conf"} {
			if st, err := os.Stat(filepath.Join(dir, name)); err != nil || st.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", name, st.Mode(), err)
			}
		}
		if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", dir, st.Mode(), err)
		}
		for _, name := range []string{"root.pin", "issuing.pin"} {
			if pin, _ := os.ReadFile(filepath.Join(dir, name)); len(pin) < 9 || strings.Contains(stderr, strings.TrimSpace(string(pin))) {
				t.Errorf("%s: short, or shown", name)
			}
		}
		openKeys(t, file, inRoom)

		code, _, stderr = officiant(t, "softhsm", "init", "--dir", dir, "--station", file+".other")
		if code != exit.Usage || !strings.Contains(stderr, "already exists") {
			t.Errorf("again: exit %d\n%s", code, stderr)
		}
		code, _, stderr = officiant(t, "softhsm", "init", "--dir", dir+"-other", "--station", file)
		if _, err := os.Stat(dir + "-other"); code != exit.Usage || !strings.Contains(stderr, "already exists") ||
			err == nil {
			t.Errorf("again: exit %d, %v\n%s", code, err, stderr)
		}
	}
}

// inRoom are the tokens of a room by the keys on them.
var inRoom = map[string]string{"root": "officiant-root", "kubernetes": "officiant-issuing", "etcd": "officiant-issuing",
	"front-proxy": "officiant-issuing", "release": "officiant-issuing"}

// TestSoftHSMInitOnline: a third token has the keys that an online signer's host needs.
func TestSoftHSMInitOnline(t *testing.T) {
	needSoftHSM(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "station.yaml")
	code, _, stderr := officiant(t, "softhsm", "init", "--dir", filepath.Join(dir, "room"), "--station", file,
		"--online-signer")
	if code != exit.Done || !strings.Contains(stderr, "officiant-online") {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	tokens := maps.Clone(inRoom)
	for _, name := range []string{"kubelet-serving", "kubelet-client", "journal"} {
		tokens[name] = "officiant-online"
	}
	openKeys(t, file, tokens)
}

// openKeys opens every key's token as a station says, which are those of these labels.
func openKeys(t *testing.T, file string, labels map[string]string) {
	t.Helper()
	s, err := station.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	if conf := s.Environment["SOFTHSM2_CONF"]; !filepath.IsAbs(conf) {
		t.Errorf("SOFTHSM2_CONF is %q", conf)
	}
	ask := func(context.Context, signer.Device) ([]byte, error) {
		t.Error("asked in spite of the pin-source")
		return nil, context.Canceled
	}
	for name, label := range labels {
		ref, err := s.Ref("demo", name)
		if err != nil {
			t.Fatal(err)
		}
		store, err := pkcs11.Open(t.Context(), ref, ask)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := store.(signer.Describer).Describe().Label; got != label {
			t.Errorf("%s is on %s", name, got)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
	tokens := map[string]bool{}
	for _, label := range labels {
		tokens[label] = true
	}
	groups, err := s.Tokens("demo", slices.Sorted(maps.Keys(labels)))
	if err != nil || len(groups) != len(tokens) {
		t.Errorf("%d tokens, %v", len(groups), err)
	}
}

func TestSoftHSMInitRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		name, want string
		code       int
		args       []string
	}{
		{"no flags", "--dir DIR and --station FILE", exit.Usage, nil},
		{"no station", "--dir DIR and --station FILE", exit.Usage, []string{"--dir", dir + "/a"}},
		{"an argument", "no arguments", exit.Usage, []string{"--dir", dir + "/a", "--station", dir + "/s", "x"}},
		{"no module", "no such file", exit.Unavailable, []string{"--dir", dir + "/a", "--station", dir + "/s", "--module", dir + "/libsofthsm2.so"}},
	} {
		code, _, stderr := officiant(t, append([]string{"softhsm", "init"}, c.args...)...)
		if code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit %d\n%s", c.name, code, stderr)
		}
	}
	if names, _ := os.ReadDir(dir); len(names) != 0 {
		t.Errorf("a refusal left %v", names)
	}
	needSoftHSM(t)
	if code, _, stderr := officiant(t, "softhsm", "init", "--dir", dir+"/a", "--station", dir+"/s", "--ask-pins"); code == exit.Done || !strings.Contains(stderr, "no terminal") {
		t.Errorf("--ask-pins without a terminal: exit %d\n%s", code, stderr)
	}
	if names, _ := os.ReadDir(dir); len(names) != 0 {
		t.Errorf("a refusal left %v", names)
	}
}
