package main

import (
	"io"
	"path/filepath"
	"testing"
	"time"

	"officiant/cmd/internal/commandtest"
)

// TestScreens holds what people see against testdata/screens: the help of every command,
// and the main output of those that read what is on record. go test -update writes both.
func TestScreens(t *testing.T) {
	screens, err := filepath.Abs("testdata/screens")
	must(t, err)
	pack, err := filepath.Abs("../../ceremony/audit/testdata/written/first.tar.gz")
	must(t, err)
	t.Chdir(commandtest.Written(t, pack))
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	key, err := filepath.Glob("ceremony/release*.pub")
	must(t, err)
	main := map[string]string{
		"verify":       "ceremony verify ceremony --release-key " + key[0],
		"verify-alone": "ceremony verify ceremony",
		"status":       "ceremony status ceremony",
		"inventory":    "ceremony inventory ceremony",
		"expiry":       "ceremony expiry ceremony --within 20y",
		"check":        "ceremony check ceremony/plan.yaml",
		"diff":         "ceremony diff ceremony ceremony/plan.yaml",
		"bundle":       "bundle inspect ceremony/bundles/cp-1",
		"unknown":      "ceremony verfy ceremony",
		"not-there":    "ceremony verify nowhere",
		"no-command":   "ceremony",
	}
	now := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	commandtest.Screens(t, screens, newRootCommand(&options{}), main, func(screen io.Writer, args []string) {
		o := testOptions(t, screen)
		o.Now = func() time.Time { return now }
		execute(t.Context(), o, args)
	})
}
