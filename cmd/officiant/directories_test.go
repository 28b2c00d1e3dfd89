package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"officiant/cmd/internal/exit"
)

// TestIsCeremony: a folder of ceremonies and a desk with the release key are wrong
// arguments; a ceremony whose record is gone does not verify.
func TestIsCeremony(t *testing.T) {
	for name, c := range map[string]struct {
		files []string
		code  int
		says  string
	}{
		"a ceremony": {[]string{"transcript.jsonl"}, exit.Done, ""},
		"nothing":    {nil, exit.Usage, "not a ceremony directory: it has no transcript.jsonl"},
		"a desk":     {[]string{"release.pub"}, exit.Usage, "not a ceremony directory: it has no transcript.jsonl"},
		"a folder of ceremonies": {[]string{"release.pub", "a/transcript.jsonl", "b/transcript.jsonl"}, exit.Usage,
			"not a ceremony directory, but a folder that holds ceremonies: give one of them, such as DIR/b"},
		"no record": {[]string{"release.pub", "transcript.sig"}, exit.Unverified,
			"it has files of a ceremony, but no transcript.jsonl: its record was removed"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, file := range c.files {
				path := filepath.Join(dir, file)
				must(t, os.MkdirAll(filepath.Dir(path), 0o700))
				must(t, os.WriteFile(path, nil, 0o600))
			}
			err := isCeremony(dir)
			var own *exit.Error
			if c.code == exit.Done && err == nil {
				return
			}
			want := dir + ": " + strings.ReplaceAll(c.says, "DIR", dir)
			if !errors.As(err, &own) || own.Code != c.code || err.Error() != want {
				t.Errorf("%v, want code %d: %s", err, c.code, want)
			}
		})
	}
}
