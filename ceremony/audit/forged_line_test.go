package audit_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"officiant/ceremony/audit"
	"officiant/ceremony/ceremonytest"
)

// judged writes a forged record and verifies it: with nothing wanted it is verified,
// else it is not, and a finding says what is wanted.
func (f *forger) judged(t *testing.T, want string) {
	t.Helper()
	if err := f.write(); err != nil {
		t.Fatal(err)
	}
	report, err := audit.Verify(f.dir, audit.Options{ReleaseKey: f.key("release").Public()})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(report.Findings(), "\n")
	switch {
	case want == "" && report.Verdict() != audit.Verified:
		t.Errorf("not verified:\n%s", text)
	case want != "" && (report.Verdict() == audit.Verified || !strings.Contains(text, want)):
		t.Errorf("%s, want %q:\n%s", report.Verdict(), want, text)
	}
}

// everyField writes a forged record and alters each field of each line of a type. There
// are at least so many ways to do that.
func (f *forger) everyField(t *testing.T, kind string, least int) {
	t.Helper()
	if err := f.write(); err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(f.read("transcript.jsonl"), []byte("\n"))
	var all []spoiling
	for i, line := range lines {
		if !bytes.Contains(line, fmt.Appendf(nil, `"type":%q`, kind)) {
			continue
		}
		named := []string{fmt.Sprintf("transcript.jsonl:%d: ", i+1), fmt.Sprintf("transcript.jsonl:%d: ", i+2)}
		for _, m := range ceremonytest.FieldMutations(t, line) {
			changed := slices.Concat(slices.Concat(lines[:i]...), m.Text, slices.Concat(lines[i+1:]...))
			all = append(all, spoiling{m.How, map[string][]byte{"transcript.jsonl": changed}, named})
		}
	}
	if len(all) < least {
		t.Errorf("%d mutations", len(all))
	}
	tryAll(t, f.scene, all)
}
