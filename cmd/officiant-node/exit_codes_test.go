package main

import (
	"bytes"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"officiant/bundle/bundletest"
	"officiant/bundle/durable"
	"officiant/cmd/internal/commandtest"
	"officiant/cmd/internal/exit"
)

// TestExitCodes types wrong command lines of every command, and lines whose answer is an
// exit code: what docs/exit-codes.md says of each is so everywhere.
func TestExitCodes(t *testing.T) {
	d := newDesk(t, bundletest.First())
	one := d.bundle(1)
	there := filepath.Join(d.stick, "there")
	d.must(os.WriteFile(there, []byte("x"), 0o644))
	empty, touched := t.TempDir(), newDesk(t, bundletest.First())
	touched.run(exit.Done, "installed sequence 1", "install", touched.bundle(1), "--root", touched.root,
		"--release-key", touched.release)
	ca := filepath.Join(touched.root, "etc/kubernetes/pki/ca.crt")
	d.must(os.WriteFile(ca, []byte("another"), 0o644))
	replaced := strings.NewReplacer("BUNDLE", one, "ROOT", d.root, "KEY", d.release, "THERE", there, "EMPTY", empty,
		"TOUCHED", touched.root, "NONE", filepath.Join(d.stick, "none"), "OUT", filepath.Join(d.stick, "out"))
	tried := map[string]bool{}
	for _, row := range exitTable {
		kind, lines, _ := strings.Cut(row.lines, "\n")
		for line := range strings.Lines(lines) {
			var out bytes.Buffer
			o := &options{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Disk: &durable.Disk{},
				Rand: rand.Reader, Version: "test", Program: runProgram,
				Now: func() time.Time { return bundletest.Now }}
			code := execute(t.Context(), o, strings.Fields(replaced.Replace(line)))
			if code != row.code {
				t.Errorf("%s: %s: exit code %d, want %d\n%s", kind, strings.TrimSpace(line), code, row.code,
					out.String())
			}
			if out.Len() == 0 {
				t.Errorf("%s: %s: nothing is said", kind, strings.TrimSpace(line))
			}
			tried[strings.Fields(line)[0]] = true
		}
	}
	commandtest.Each(newRootCommand(&options{}), func(c *cobra.Command, path []string) {
		if len(path) > 0 && !c.HasSubCommands() && !c.Hidden && !tried[path[0]] && path[0] != "completion" {
			t.Errorf("%s is not tried", c.CommandPath())
		}
	})
}

// exitTable are command lines by kind: the first line of each row names it.
var exitTable = []struct {
	code  int
	lines string
}{
	{exit.Usage, `a command, topic, flag or value there is not
nowhere
help nowhere
--help nowhere
version --nowhere
status --color purple
status -o xml
verify BUNDLE -o xml
request --out OUT --roles worker --naming mine
sync --nowhere
rollback --nowhere
`},
	{exit.Usage, `an argument that lacks, or is too many
install
verify one two
status one
rollback one
share
unseal
sync one
man
request
version one
`},
	{exit.Usage, `a file or directory that is not there
install NONE --root ROOT --release-key KEY
install BUNDLE --root ROOT --release-key NONE
verify NONE
verify BUNDLE --release-key NONE
`},
	{exit.Refused, `a release key that is none
install BUNDLE --root ROOT --release-key THERE
verify BUNDLE --release-key THERE
sync --from EMPTY --root ROOT --release-key THERE --once
unseal BUNDLE --identity THERE --release-key THERE
`},
	{exit.Unverified, `what does not verify, and a node that is not as it was installed
verify BUNDLE
verify --root ROOT --release-key KEY
status --root TOUCHED
status --root TOUCHED -o json
status --root TOUCHED -o yaml
`},
	{exit.Done, `a node that has nothing yet, and metrics, which have the findings in them
status --root ROOT
status --root TOUCHED -o prometheus
`},
}
