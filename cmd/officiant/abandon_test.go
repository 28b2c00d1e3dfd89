package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/ceremonytest"
	"officiant/cmd/internal/exit"
)

// TestAbandonByFile: the file that a run wrote the head to is enough for abandon, one of
// another record or head is refused, and with --head it is too much. Where the plan names
// nobody, the command that goes on is said whole.
func TestAbandonByFile(t *testing.T) {
	needSoftHSM(t)
	w := &wrongRoom{t, ceremonytest.New(t, ceremonytest.Shape{})}
	right := filepath.Join(w.f.Room, "pin")
	wrong := filepath.Join(w.f.Room, "wrong")
	put(t, wrong, "9999\n")
	must(t, os.Chmod(wrong, 0o600))
	w.station(right, wrong) // seen before a key is made
	dir := filepath.Join(t.TempDir(), "ceremony")
	otherDisk := ceremonytest.OtherDisk(t, filepath.Dir(dir))
	file := filepath.Join(otherDisk, "head")
	_, digest, _ := officiant(t, "ceremony", "check", w.f.PlanFile, "--digest")
	code, _, said := officiant(t, "ceremony", "run", w.f.PlanFile, "--station", w.f.Station, "--dir", dir,
		"--confirm", strings.TrimSpace(digest), "--head-file", file)
	if code != exit.Unavailable {
		t.Fatalf("exit %d\n%s", code, said)
	}
	record, err := os.ReadFile(filepath.Join(dir, "transcript.jsonl"))
	must(t, err)
	lines := bytes.SplitAfter(bytes.TrimSuffix(record, []byte("\n")), []byte("\n"))
	head := fingerprint.Of(append(lines[len(lines)-1], '\n')).String()
	held, err := os.ReadFile(file)
	must(t, err)
	if !strings.HasPrefix(string(held), head+"\n") {
		t.Errorf("the file holds %s, the record has %s", held, head)
	}
	put(t, filepath.Join(otherDisk, "other"), strings.Repeat("ab", 32)+"\n")
	put(t, filepath.Join(otherDisk, "junk"), "no head\n")
	abandon := func(more ...string) (int, string, string) {
		return officiant(t, append([]string{"ceremony", "abandon", dir, "--reason", "the PIN is lost"}, more...)...)
	}
	byFile := func(name string) []string { return []string{"--head-file", filepath.Join(otherDisk, name)} }
	for what, tt := range map[string]struct {
		args []string
		code int
		want string
	}{
		"both": {append(byFile("head"), "--head", head), exit.Usage,
			"--head HEAD or --head-file FILE"},
		"another head's": {byFile("other"), exit.Refused, "no line of the record has the head abab"},
		"junk":           {byFile("junk"), exit.Failure, "holds no head of a record"},
		"none":           {byFile("none"), exit.Usage, "no such file"},
	} {
		if code, _, said := abandon(tt.args...); code != tt.code || !strings.Contains(said, tt.want) {
			t.Errorf("%s: exit %d, want %d and %q\n%s", what, code, tt.code, tt.want, said)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "abandonment")); err == nil {
		t.Error("a statement was written without the head")
	}
	code, statement, said := abandon("--head-file", file)
	if code != exit.Done || !strings.Contains(said, "--head "+head+" --by NAME --by OTHER --station STATION") {
		t.Fatalf("exit %d\n%s", code, said)
	}
	w.station(wrong, right)
	args := []string{"--head-file", file, "--station", w.f.Station, "--confirm", strings.TrimSpace(statement)}
	code, _, said = abandon(args...)
	whole := "officiant ceremony abandon " + dir + " --head " + head + " --by NAME --by OTHER --station " + w.f.Station
	if code != exit.Refused || !strings.Contains(said, whole) {
		t.Errorf("exit %d, want %q\n%s", code, whole, said)
	}
	typed := strings.Fields(whole)[1:] // by two people
	typed[6], typed[8] = "kim", "alice"
	if code, _, said := officiant(t, append(typed, "--confirm", strings.TrimSpace(statement))...); code != exit.Done ||
		!strings.Contains(said, "The ceremony is abandoned") || w.objects() != 0 {
		t.Errorf("exit %d, %d objects\n%s", code, w.objects(), said)
	}
}
