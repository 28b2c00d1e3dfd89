package ceremonytest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/transcript"
)

// Under makes the fixture's plan one of another cluster below the root that the
// ceremony in dir opened last.
func (f *Fixture) Under(t testing.TB, dir string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "transcript.jsonl"))
	check(t, err)
	record, err := transcript.Read("transcript.jsonl", raw)
	check(t, err)
	root, err := os.ReadFile(filepath.Join(dir, "authorities", "root.crt"))
	check(t, err)
	var spki fingerprint.SHA256
	for _, l := range record.Lines {
		if k, ok := l.Record.(transcript.Key); ok && k.Name == "root" {
			spki = k.SPKI
		}
	}
	open := record.Open()
	write(t, filepath.Join(f.Folder, "previous", "other.jsonl"), string(raw))
	write(t, filepath.Join(f.Folder, "previous", "root.crt"), string(root))
	text, err := os.ReadFile(f.PlanFile)
	check(t, err)
	lines := strings.Split(string(text), "\n")
	for i, l := range lines {
		switch {
		case l == "previous: none":
			lines[i] = fmt.Sprintf("previous:\n  - {cluster: %s, sequence: %d, head: %q, transcript: previous/other.jsonl}", open.Cluster, open.Sequence, record.Head())
		case strings.HasPrefix(l, "  - {name: root,"):
			lines[i] = fmt.Sprintf("  - {name: root, key: {existing: %q}, certificate: previous/root.crt, evidence: software}", spki)
		}
	}
	write(t, f.PlanFile, strings.Join(lines, "\n"))
}
