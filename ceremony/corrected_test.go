package ceremony_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"officiant/bundle/fingerprint"
	"officiant/ceremony"
	"officiant/ceremony/audit"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/station"
	"officiant/ceremony/transcript"
	"officiant/softhsm"
)

// begunWith is a ceremony that was killed when the first key was made.
func begunWith(t *testing.T, f *ceremonytest.Fixture) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "ceremony")
	k := &killer{}
	k.on = func(what string) {
		if strings.HasPrefix(what, "before create demo/etcd") {
			k.at = k.n
		}
	}
	if _, err := ceremony.Run(context.Background(), mortal(f.Config(t, dir), k)); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	return dir
}

// corrected is a run with the fixture's station rewritten.
func corrected(t *testing.T, f *ceremonytest.Fixture, dir string, rewrite func(string) string,
	c *ceremony.Correction) ceremony.Config {
	t.Helper()
	text, err := os.ReadFile(f.Station)
	if err != nil {
		t.Fatal(err)
	}
	cfg := f.Config(t, dir)
	if cfg.Station, err = station.Parse("corrected.yaml", []byte(rewrite(string(text)))); err != nil {
		t.Fatal(err)
	}
	cfg.Correct = c
	return cfg
}

func remark(text string) string { return text + "# the module was reinstalled\n" }

func read(t *testing.T, dir string) *transcript.Transcript {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "transcript.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	record, err := transcript.Read("transcript.jsonl", data)
	if err != nil {
		t.Fatal(err)
	}
	return record
}

func changes(record *transcript.Transcript) (n int) {
	for _, l := range record.Lines {
		if _, ok := l.Record.(transcript.StationChanged); ok {
			n++
		}
	}
	return n
}

// TestCorrectedStationKilled kills a resume with a corrected station at every instant
// around the line that says so, and goes on with the same command.
func TestCorrectedStationKilled(t *testing.T) {
	agreed := &ceremony.Correction{Reason: "reinstalled", By: []string{"kim", "lee"}}
	whole := &killer{}
	f := ceremonytest.New(t, ceremonytest.Shape{})
	dir := begunWith(t, f)
	last := 0
	whole.on = func(what string) {
		if last == 0 && whole.n > 30 && strings.HasPrefix(what, "before create") {
			last = whole.n
		}
	}
	if _, err := ceremony.Run(context.Background(), mortal(corrected(t, f, dir, remark, agreed), whole)); err != nil {
		t.Fatal(err)
	}
	if changes(read(t, dir)) != 1 {
		t.Fatal("no change on record")
	}
	if last == 0 {
		t.Fatalf("nothing was made: %q", whole.events)
	}
	for at := 1; at <= last; at++ {
		f.Tokens(t)
		dir := begunWith(t, f)
		if _, err := ceremony.Run(context.Background(),
			mortal(corrected(t, f, dir, remark, agreed), &killer{at: at})); err == nil {
			t.Fatalf("killed at %d: it finished", at)
		}
		cfg := corrected(t, f, dir, remark, agreed)
		if at%7 != 0 { // the whole of it takes its time
			k := &killer{}
			k.on = func(what string) {
				if strings.HasPrefix(what, "before create demo/front-proxy") {
					k.at = k.n
				}
			}
			cfg = mortal(cfg, k)
		}
		_, err := ceremony.Run(context.Background(), cfg)
		if err != nil && !errors.Is(err, errKilled) {
			t.Fatalf("killed at %d, %s: %v", at, whole.events[at-1], err)
		}
		record := read(t, dir)
		if n := changes(record); n != 1 {
			t.Fatalf("killed at %d, %s: the change is on record %d times", at, whole.events[at-1], n)
		}
		if err == nil {
			verified(t, dir)
		}
	}
}

func verified(t *testing.T, dir string) *audit.Report {
	t.Helper()
	report, err := audit.Verify(dir, audit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if found := report.Findings(); len(found) > 0 {
		t.Fatal(found)
	}
	return report
}

// TestCorrectedStationRefused: what a corrected station cannot have is refused, and
// leaves no line; the station on record goes on as before.
func TestCorrectedStationRefused(t *testing.T) {
	people := ceremonytest.Shape{People: []string{"alice officer", "bob officer", "eve witness"}, Approvals: 2}
	f := ceremonytest.New(t, people)
	f.Approve(t, "alice", "bob")
	dir := begunWith(t, f)
	spare := spareToken(t, f)
	root := func(text string) string {
		lines := strings.SplitAfter(text, "\n")
		for i, l := range lines {
			if strings.HasPrefix(l, "  root:") {
				lines[i] = fmt.Sprintf("  root: %q\n", spare)
			}
		}
		return strings.Join(lines, "")
	}
	issuing := func(text string) string {
		lines := strings.SplitAfter(text, "\n")
		for i, l := range lines {
			if strings.HasPrefix(l, "  default:") {
				lines[i] = fmt.Sprintf("  default: %q\n", spare)
			}
		}
		return strings.Join(lines, "")
	}
	apart := func(text string) string {
		return strings.Replace(text, "keys:\n", fmt.Sprintf("keys:\n  etcd: %q\n", spare), 1)
	}
	both := []string{"alice", "bob"}
	for _, c := range []struct {
		what    string
		rewrite func(string) string
		correct *ceremony.Correction
		change  func(*ceremony.Config)
		want    string
	}{
		{"nobody agrees", remark, nil, nil, "uses another station file"},
		{"no reason", remark, &ceremony.Correction{By: both}, nil, "a reason is missing"},
		{"one of two", remark, &ceremony.Correction{Reason: "x", By: []string{"alice"}}, nil, "2 of those who approve"},
		{"a witness in place of an officer", remark, &ceremony.Correction{Reason: "x", By: []string{"alice", "eve"}}, nil,
			"2 of those who approve have to agree: alice, bob"},
		{"one twice", remark, &ceremony.Correction{Reason: "x", By: []string{"alice", "alice"}}, nil, "alice agrees twice"},
		{"a stranger", remark, &ceremony.Correction{Reason: "x", By: []string{"alice", "bob", "mallory"}}, nil,
			`"mallory" agrees and is not one of the plan's people`},
		{"somebody who is not here", remark, &ceremony.Correction{Reason: "x", By: both},
			func(c *ceremony.Config) { c.Present = []string{"alice", "eve"} }, "bob agrees, but is not present"},
		{"a module nobody approved", remark, &ceremony.Correction{Reason: "x", By: both},
			func(c *ceremony.Config) {
				c.Modules = []transcript.Module{{Path: "/m.so", SHA256: strings.Repeat("ab", 32)}}
			},
			"module /m.so is not on record, its SHA-256 is abab"},
		{"the token of a key that exists", issuing, &ceremony.Correction{Reason: "x", By: both}, nil,
			"stay in their token"},
		{"keys that shared a token", apart, &ceremony.Correction{Reason: "x", By: both}, nil,
			"the ceremony has other steps"},
	} {
		cfg := corrected(t, f, dir, c.rewrite, c.correct)
		if c.change != nil {
			c.change(&cfg)
		}
		_, err := ceremony.Run(context.Background(), cfg)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v\nwant %s", c.what, err, c.want)
		}
		if changes(read(t, dir)) > 0 {
			t.Fatalf("%s: it is on record", c.what)
		}
	}
	// The root's token has nothing of the ceremony yet, and may be another one.
	sum := fingerprint.Of([]byte("module"))
	cfg := corrected(t, f, dir, root, &ceremony.Correction{Reason: "the root's token is broken", By: both,
		Module: []fingerprint.SHA256{sum}})
	cfg.Modules = []transcript.Module{{Path: "/m.so", SHA256: sum.String()}}
	if _, err := ceremony.Run(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	report := verified(t, dir)
	var notes []string
	for _, c := range report.Checks {
		notes = append(notes, c.Notes...)
	}
	for _, want := range []string{"agreed by alice, bob: the root's token is broken", "not on record before: /m.so"} {
		if !slices.ContainsFunc(notes, func(n string) bool { return strings.Contains(n, want) }) {
			t.Errorf("audit does not note %q: %q", want, notes)
		}
	}
}

// spareToken is the URI of one more token in the fixture's room.
func spareToken(t *testing.T, f *ceremonytest.Fixture) string {
	t.Helper()
	module, err := softhsm.Find()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("softhsm2-util", "--init-token", "--free", "--label", "spare", "--so-pin", "12345678",
		"--pin", "1234").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return fmt.Sprintf("pkcs11:token=spare?module-path=%s&pin-source=file:%s", module,
		filepath.Join(f.Room, "pin"))
}

// TestEveryFieldOfStationChanged alters each field of the line about a corrected station.
func TestEveryFieldOfStationChanged(t *testing.T) {
	agreed := &ceremony.Correction{Reason: "reinstalled", By: []string{"kim", "lee"}}
	f := ceremonytest.New(t, ceremonytest.Shape{})
	dir := begunWith(t, f)
	if _, err := ceremony.Run(context.Background(), corrected(t, f, dir, remark, agreed)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "transcript.jsonl")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines, n := bytes.SplitAfter(data, []byte("\n")), 0
	for i, line := range lines {
		if !bytes.Contains(line, []byte(`"type":"station-changed"`)) {
			continue
		}
		for _, m := range ceremonytest.FieldMutations(t, line) {
			n++
			changed := slices.Concat(slices.Concat(lines[:i]...), m.Text, slices.Concat(lines[i+1:]...))
			if err := os.WriteFile(file, changed, 0o644); err != nil {
				t.Fatal(err)
			}
			report, err := audit.Verify(dir, audit.Options{})
			if err != nil {
				t.Fatal(err)
			}
			found := strings.Join(report.Findings(), "\n")
			if v := report.Verdict(); v == audit.Verified || v == audit.Unpinned ||
				!strings.Contains(found, fmt.Sprintf("transcript.jsonl:%d: ", i+1)) &&
					!strings.Contains(found, fmt.Sprintf("transcript.jsonl:%d: ", i+2)) {
				t.Errorf("%s: %s\n%s", m.How, v, found)
			}
		}
	}
	if n < 30 {
		t.Errorf("%d mutations", n)
	}
}
