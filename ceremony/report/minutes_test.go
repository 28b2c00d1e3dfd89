package report_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony"
	"officiant/ceremony/audit"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/report"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	check(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

// flip spoils one bit of a file.
func flip(t testing.TB, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	check(t, err)
	data[len(data)/2] ^= 1
	check(t, os.WriteFile(path, data, 0o644))
}

// minutesOf reads a directory as the program does.
func minutesOf(t testing.TB, dir string) *report.Minutes {
	t.Helper()
	found, err := audit.Verify(dir, audit.Options{})
	check(t, err)
	m := &report.Minutes{Audit: found}
	data, err := os.ReadFile(filepath.Join(dir, "transcript.jsonl"))
	check(t, err)
	if m.Record, err = transcript.Read("transcript.jsonl", data); err != nil {
		m.Record = nil
		return m
	}
	m.Plan, err = schedule.OpenFS(os.DirFS(dir), "plan.yaml", schedule.Options{Now: m.Open().NotBefore})
	check(t, err)
	return m
}

func page(t testing.TB, dir string) string {
	t.Helper()
	var b bytes.Buffer
	check(t, minutesOf(t, dir).HTML(&b))
	return b.String()
}

// TestMinutes: what happened stands there, the same directory gives the same
// bytes, also when they lie in it, and the audit lets them lie there.
func TestMinutes(t *testing.T) {
	f := ceremonytest.New(
		t,
		ceremonytest.Shape{Workers: 1, People: []string{"alice officer", "eve witness"}, Approvals: 1},
	)
	f.Approve(t, "alice")
	dir, result := f.Run(t)
	text := page(t, dir)
	report.SelfContained(t, text)
	wants := []string{
		"alice</td><td>officer</td><td>yes</td><td>approved the digest",
		"until " + time.Now().AddDate(20, 0, -5).Format("2006"),
		"CKA_SENSITIVE true",
		"every check, no finding",
		"Make the root key, ECDSA-P384",
		"Compare fingerprints",
		"the point of no return",
		"stayed in",
		"17 certificates",
		"None on record.",
		"cp-1/apiserver",
	}
	words := wants[3:len(wants):len(wants)]
	for _, sum := range []fingerprint.SHA256{result.Root, result.Release, result.Head} {
		wants = append(wants, sum.Lines()[0], "<td>"+sum.Words()[31]+"</td>", "QR code of "+sum.String())
	}
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in the minutes", want)
		}
	}
	onPaper(t, dir, append(words, result.Root.Lines()[0], result.Release.Lines()[1], result.Head.Words()[31],
		"alice, officer: present, approved the digest", "eve, witness: present", "cp-1/kubelet.conf, by kubernetes"))
	write(t, dir, "report.html", text)
	if again := page(t, dir); again != text {
		t.Error("the same directory gave other bytes")
	}
	found, err := audit.Verify(dir, audit.Options{Release: &result.Release})
	check(t, err)
	if found.Verdict() != audit.Verified {
		t.Errorf("with its minutes, the directory: %s", found.Findings())
	}
	write(t, dir, "report.htm", text)
	if found, err = audit.Verify(dir, audit.Options{}); err != nil || len(found.Findings()) != 1 {
		t.Errorf("a file of another name: %v %s", err, found.Findings())
	}
}

// inText are the minutes as text, with no line wider than a screen.
func inText(t testing.TB, m *report.Minutes) string {
	t.Helper()
	var b bytes.Buffer
	check(t, m.Text(&b))
	for line := range strings.Lines(b.String()) {
		if len([]rune(line)) > 81 {
			t.Errorf("wider than 80 columns: %s", line)
		}
	}
	return b.String()
}

// onPaper: the text has what the page has.
func onPaper(t testing.TB, dir string, wants []string) {
	t.Helper()
	m := minutesOf(t, dir)
	text := inText(t, m)
	for _, a := range m.Authorities() {
		wants = append(wants, a.Serial(), a.Sum().String())
	}
	for _, k := range m.Keys() {
		wants = append(wants, k.SPKI.String())
	}
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in the text of the minutes", want)
		}
	}
}

// TestMinutesOfWhatFails: a directory that does not verify is reported as such.
func TestMinutesOfWhatFails(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	dir, _ := f.Run(t)
	// A spoilt transcript comes last: beside it nothing else is looked at.
	for _, spoilt := range []struct{ file, says string }{
		{"bundles/cp-1.tar", "bundles/cp-1.tar"},
		{"transcript.jsonl", "transcript.jsonl:"},
	} {
		flip(t, filepath.Join(dir, spoilt.file))
		text := page(t, dir)
		report.SelfContained(t, text)
		if !strings.Contains(text, `class="verdict bad"><strong>DOES NOT VERIFY`) || !strings.Contains(text, spoilt.says) ||
			strings.Contains(text, "no finding") {
			t.Errorf("a spoilt %s is not told", spoilt.file)
		}
		if text = inText(t, minutesOf(t, dir)); !strings.Contains(text, "\nDOES NOT VERIFY: ") ||
			!strings.Contains(text, spoilt.says) || strings.Contains(text, "no finding") {
			t.Errorf("a spoilt %s is not told in text", spoilt.file)
		}
	}
}

// TestMinutesOfARehearsal: they say it first and last.
func TestMinutesOfARehearsal(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	dir := filepath.Join(t.TempDir(), "ceremony")
	cfg := f.Config(t, dir)
	cfg.Rehearsal = map[string]string{}
	for _, name := range cfg.Plan.KeysNeeded() {
		ref, err := cfg.Station.Ref("demo", name)
		check(t, err)
		cfg.Rehearsal[name] = ref.URI
	}
	_, err := ceremony.Run(t.Context(), cfg)
	check(t, err)
	m := minutesOf(t, dir)
	m.Plan, err = m.Plan.Rehearsal()
	check(t, err)
	var b bytes.Buffer
	check(t, m.HTML(&b))
	for _, want := range []string{"NOTHING OF IT IS FOR USE", "A rehearsal: not for use", "REHEARSAL demo root"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in the minutes", want)
		}
	}
	text := inText(t, m)
	if !strings.Contains(text, "\n*** REHEARSAL, ON THROW-AWAY TOKENS") ||
		!strings.Contains(text, "A rehearsal: not for use") {
		t.Error("the text does not say that it is a rehearsal's")
	}
}

// TestHostileRecord: whatever a token or a person put on record comes out as text.
func TestHostileRecord(t *testing.T) {
	const hostile = `<script>alert(1)</script>"'&<img src=x onerror=y>`
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	var lines []transcript.Line
	for i, r := range []transcript.Record{
		transcript.Open{Name: hostile, Cluster: hostile, Host: transcript.Host{Name: hostile,
			Interfaces: []string{hostile}}, Steps: 2,
			Modules: []transcript.Module{{Path: hostile, SHA256: hostile}}, People: []transcript.Person{{Name: hostile,
				Role: hostile}}, NotBefore: at},
		transcript.Step{Title: hostile},
		transcript.Token{Label: hostile},
		transcript.Key{Name: hostile, Token: transcript.Token{Label: hostile, Serial: hostile}, Reason: hostile,
			Attributes: map[string]string{hostile: "true"}},
		transcript.Deviation{Text: hostile, By: []string{hostile}, Waives: hostile},
		transcript.Note{Text: hostile, By: hostile},
		transcript.Preflight{Checks: []transcript.RoomCheck{{Name: hostile, Wrong: hostile, Level: "warn"}}},
	} {
		lines = append(lines, transcript.Line{Seq: i + 1, Step: min(i, 2), Time: at, Record: r})
	}
	m := &report.Minutes{
		Record: &transcript.Transcript{Lines: lines},
		Audit: &audit.Report{
			Name:   hostile,
			Lines:  7,
			Checks: []audit.Check{{Name: hostile, Problems: []string{hostile}, Notes: []string{hostile}, Detail: hostile}},
		},
	}
	var b bytes.Buffer
	check(t, m.HTML(&b))
	report.SelfContained(t, b.String())
	if n := strings.Count(b.String(), "&lt;script&gt;alert(1)&lt;/script&gt;"); n < 20 {
		t.Errorf("hostile text is there %d times", n)
	}
}
