package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"officiant/ceremony/ceremonytest"
	"officiant/cmd/internal/exit"
)

// TestSpecialFiles: a pipe, a device or a file of a terabyte in place of a record, a
// schedule, or a published folder's index, is named at once: nothing waits for it, or reads it.
func TestSpecialFiles(t *testing.T) {
	made, _ := ceremonytest.New(t, ceremonytest.Shape{Workers: 1}).Run(t)
	dir := filepath.Join(t.TempDir(), "ceremony")
	must(t, os.CopyFS(dir, os.DirFS(made)))
	whole := filepath.Join(t.TempDir(), "whole")
	must(t, os.CopyFS(whole, os.DirFS(made)))
	published := filepath.Join(t.TempDir(), "published")
	must(t, os.Mkdir(published, 0o755))
	for file, commands := range map[string][]string{
		filepath.Join(dir, "transcript.jsonl"): {
			"ceremony status " + dir, "ceremony verify " + dir, "ceremony report " + dir, "ceremony inventory " + dir,
			"ceremony renew " + dir + " --within 400d --out " + filepath.Join(t.TempDir(), "plan.yaml"),
			"ceremony abandon " + dir + " --reason x",
		},
		filepath.Join(whole, "schedule.txt"): {
			"ceremony status " + whole, "ceremony verify " + whole, "ceremony diff " + whole + " " + made,
		},
		filepath.Join(published, "fleet.json"): {
			"fleet status " + published, "fleet publish " + made + " --to " + published,
		},
	} {
		for what, put := range map[string]func() error{
			"a pipe":     func() error { return syscall.Mkfifo(file, 0o644) },
			"a device":   func() error { return os.Symlink("/dev/zero", file) },
			"a terabyte": func() error { return os.WriteFile(file, nil, 0o644) },
		} {
			must(t, os.RemoveAll(file))
			must(t, put())
			if what == "a terabyte" {
				must(t, os.Truncate(file, 1<<40))
			}
			for _, command := range commands {
				var said bytes.Buffer
				o := testOptions(t, &said)
				ended := make(chan int, 1)
				go func() { ended <- execute(t.Context(), o, strings.Fields(command)) }()
				select {
				case code := <-ended:
					if code == exit.Done || said.Len() == 0 {
						t.Errorf("%s for %s: %s: exit %d\n%s", what, filepath.Base(file), command, code, said.String())
					}
				case <-time.After(time.Minute):
					t.Fatalf("%s for %s: %s does not end", what, filepath.Base(file), command)
				}
			}
		}
	}
}
