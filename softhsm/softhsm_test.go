//go:build cgo

package softhsm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func modulePath(t *testing.T) string {
	t.Helper()
	m, err := Find()
	if err != nil {
		if os.Getenv("OFFICIANT_REQUIRE_SOFTHSM") != "" {
			t.Fatal(err)
		}
		t.Skipf("needs SoftHSM: %v", err)
	}
	return m
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	_, err := findIn([]string{dir, "/nowhere"})
	if err == nil || !strings.Contains(err.Error(), dir+", /nowhere") || !strings.Contains(err.Error(), "apt-get install softhsm2") {
		t.Errorf("%v", err)
	}
	path := filepath.Join(dir, "libsofthsm2.so")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := findIn([]string{"/nowhere", dir}); err != nil || got != path {
		t.Errorf("%q, %v", got, err)
	}
}

func TestInit(t *testing.T) {
	m := modulePath(t)
	dir := filepath.Join(t.TempDir(), "room")
	setenv := func(key, value string) error { t.Setenv(key, value); return nil }
	tokens := []Token{
		{Label: "officiant-root", SOPIN: []byte("so-1234"), PIN: []byte("pin-1234")},
		{Label: "officiant-issuing", SOPIN: []byte("so-5678"), PIN: []byte("pin-5678")},
	}
	conf, made, err := Init(dir, m, tokens, setenv)
	if err != nil {
		t.Fatal(err)
	}
	if conf != filepath.Join(dir, "softhsm2.conf") || os.Getenv("SOFTHSM2_CONF") != conf {
		t.Errorf("configuration %s, SOFTHSM2_CONF %s", conf, os.Getenv("SOFTHSM2_CONF"))
	}
	if len(made) != 2 || made[0].Label != "officiant-root" || made[1].Label != "officiant-issuing" || made[0].Serial == "" || made[0].Serial == made[1].Serial {
		t.Errorf("%+v", made)
	}
	for path, mode := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "tokens"): 0o700, conf: 0o600} {
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, st, err)
		}
	}
	if _, _, err := Init(dir, m, tokens, setenv); err == nil || !strings.Contains(err.Error(), "exists") {
		t.Errorf("again: %v", err)
	}
}

func TestInitRefuses(t *testing.T) {
	pin := []byte("1234")
	long := []byte(strings.Repeat("1", 256))
	for name, tokens := range map[string][]Token{
		"no label":      {{"", pin, pin}},
		"long label":    {{strings.Repeat("x", 33), pin, pin}},
		"spaces around": {{"root ", pin, pin}},
		"twice":         {{"root", pin, pin}, {"root", pin, pin}},
		"no PIN":        {{"root", pin, nil}},
		"short PIN":     {{"root", pin, pin[:3]}},
		"long PIN":      {{"root", pin, long}},
		"no SO PIN":     {{"root", nil, pin}},
	} {
		dir := filepath.Join(t.TempDir(), "room")
		_, _, err := Init(dir, "/nowhere.so", tokens, nil)
		if _, stat := os.Stat(dir); err == nil || stat == nil || strings.Contains(err.Error(), "1234") {
			t.Errorf("%s: %v", name, err)
		}
	}
	setenv := func(string, string) error { return nil }
	if _, _, err := Init(t.TempDir(), "/nowhere.so", []Token{{"root", pin, pin}}, setenv); err == nil || !strings.Contains(err.Error(), "/nowhere.so") {
		t.Errorf("no module: %v", err)
	}
	if _, _, err := Init("/tmp/a\nb", "/nowhere.so", []Token{{"root", pin, pin}}, setenv); err == nil {
		t.Error("a path with a line break")
	}
}
