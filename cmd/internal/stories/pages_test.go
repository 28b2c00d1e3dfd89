package stories

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"officiant/bundle/fingerprint"
)

// pages are the documents whose console blocks run, each in a folder of its
// own: lines after "$ " are typed, the lines below must be what appears.
var pages = []string{filepath.Join("docs", "tour.md")}

func TestPagesShowWhatOneSees(t *testing.T) {
	for _, page := range pages {
		t.Run(page, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(source, page))
			if err != nil {
				t.Fatal(err)
			}
			sessions := console(string(text))
			if len(sessions) == 0 {
				t.Fatalf("%s has no console block", page)
			}
			play(t, sessions)
		})
	}
}

// TestGuides types every command of these pages of docs, one after the other.
func TestGuides(t *testing.T) {
	for _, page := range []string{"guide.md", "approval.md", "signers/README.md", "room.md", "terminal.md"} {
		t.Run(page, func(t *testing.T) { follow(t, page) })
	}
}

// inTheRoom is what parts 5 and 6 of the playbook do at the console of the room image, where
// cmd/room-image/conduct types them, in commands for a desk.
const inTheRoom = `
officiant ceremony approve plan.yaml --key carol --confirm "$digest"
officiant ceremony check plan.yaml -o json | jq -e .people.approved
officiant ceremony run plan.yaml --station station.yaml --dir ceremony --present kim,alice,carol,eve,sam \
    --clock "$(date -u '+%Y-%m-%d %H:%M')" --confirm "$digest"
for witness in eve sam; do officiant ceremony sign ceremony --witness "$witness" --key "$witness"; done
officiant ceremony report ceremony
`

// TestPlaybook types what the playbook has people type outside the room.
func TestPlaybook(t *testing.T) {
	before, rest, ok := strings.Cut(readPage(t, "playbook.md"), "\n## 5. ")
	room, after, also := strings.Cut(rest, "\n## 7. ")
	if !ok || !also || len(blocks(room, "room")) == 0 || len(blocks(room, "sh")) != 0 {
		t.Fatal("the playbook's parts 5 and 6 are no longer those of the room")
	}
	typeAll(t, commands(before), inTheRoom, commands(after))
}

// TestRecordedCeremony: what is kept of the ceremony in the room image is all of it, with the
// power cut and what follows, and doctor has nothing to say.
func TestRecordedCeremony(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(source, "cmd", "room-image", "ceremony.txt"))
	if err != nil {
		t.Fatal(err)
	}
	said := string(text)
	for _, want := range []string{"approved by carol", "The head of the record as it was shown last",
		`Type "it was" to go on: it was`, "The ceremony is complete.", "witnessed by eve", "witnessed by sam",
		"written to the stick at /run/out:"} {
		var found bool
		if _, said, found = strings.Cut(said, want); !found {
			t.Errorf("it does not say %q, or not after what comes before", want)
		}
	}
	if strings.Contains(string(text), "but: ") {
		t.Error("doctor minds something")
	}
}

// TestRoomProgramIsNotStamped: two people compare the program and the image. Go's note of the
// commit is in what a clone builds, and not in what a worktree or an archive does.
func TestRoomProgramIsNotStamped(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(source, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`(?m)^\t.* build .*-buildvcs=false .*-o build/officiant-airgap `).Match(makefile) {
		t.Error("build-airgap has Go note the commit")
	}
}

func follow(t *testing.T, page string) {
	typeAll(t, commands(readPage(t, page)))
}

// typeAll types commands in one shell, in a folder of its own, and returns the
// folder and all that appeared. The shell stops at the first that fails.
func typeAll(t *testing.T, commands ...string) (dir, out string) {
	t.Helper()
	needSoftHSM(t)
	needTool(t, "jq")
	c := exec.Command("bash", "-euo", "pipefail", "-c", strings.Join(commands, "\n"))
	c.Dir = t.TempDir()
	c.Env = append(os.Environ(), "PATH="+programs+":"+os.Getenv("PATH"))
	typed, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, typed)
	}
	return c.Dir, string(typed)
}

// partsOf returns the commands of the guide before one of its parts, and those
// of a page that goes on from there, which has at least this many blocks.
func partsOf(t *testing.T, part, page string, least int) (guide, typed string) {
	t.Helper()
	first, _, ok := strings.Cut(readPage(t, "guide.md"), "\n## "+part+".")
	if !ok {
		t.Fatalf("the guide has no part %s", part)
	}
	text := readPage(t, page)
	if n := len(blocks(text, "sh")); n < least {
		t.Fatalf("docs/%s has %d blocks of commands", page, n)
	}
	return commands(first), commands(text)
}

// readPage reads a page of docs.
func readPage(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(source, "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func commands(page string) string { return strings.Join(blocks(page, "sh"), "\n") }

// needTool skips where a tool is absent, unless make test has seen to it.
func needTool(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("OFFICIANT_REQUIRE_SOFTHSM") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// blocks returns a page's blocks of one language.
func blocks(text, language string) []string {
	var out []string
	in := false
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "```"):
			if in = strings.TrimSpace(line) == "```"+language; in {
				out = append(out, "")
			}
		case in:
			out[len(out)-1] += line
		}
	}
	return out
}

// TestConsoleCanFail shows that a page that tells something else is refused.
func TestConsoleCanFail(t *testing.T) {
	if same("root  0123456789abcdef", "root  fedcba9876543210") == false {
		t.Error("fingerprints differ from run to run and must not matter")
	}
	for _, c := range [][2]string{{"done", "failed"}, {"2 bundles", "3 bundles"}, {"", "more"}} {
		if same(c[0], c[1]) {
			t.Errorf("%q passes for %q", c[1], c[0])
		}
	}
}

type session struct{ command, output string }

// console reads the console blocks of a page.
func console(text string) []session {
	var out []session
	in := false
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "```"):
			in = line == "```console"
		case in && strings.HasPrefix(line, "$ "):
			out = append(out, session{command: line[2:]})
		case in && len(out) > 0:
			last := &out[len(out)-1]
			if last.output == "" && strings.HasSuffix(last.command, "\\") {
				last.command += "\n" + line
			} else {
				last.output += line + "\n"
			}
		}
	}
	return out
}

// play types the commands in one shell's folder: after a cd, it is another one.
func play(t *testing.T, sessions []session) {
	dir, at := t.TempDir(), filepath.Join(t.TempDir(), "pwd")
	for _, s := range sessions {
		c := exec.Command("bash", "-c", "trap 'pwd >"+at+"' EXIT\n"+s.command)
		c.Dir = dir
		c.Env = append(os.Environ(), "PATH="+programs+":"+os.Getenv("PATH"), "OFFICIANT_SOURCE="+source, "NO_COLOR=1")
		got, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("$ %s\n%s%v", s.command, got, err)
		}
		if !same(s.output, string(got)) {
			t.Errorf("$ %s\nshows\n%s\nthe page says\n%s", s.command, got, s.output)
		}
		dir = strings.TrimSpace(readFile(t, at))
	}
}

var digestField = regexp.MustCompile(`"digest": *"([0-9a-f]{64})"`)

var changing = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`\b([0-9a-f]{4} ){3,}[0-9a-f]{4}\b`), "HEX"},
	{regexp.MustCompile(`\b[0-9a-f]{16,64}\b`), "HEX"},
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\b`), "TIME"},
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\d\b`), "DATE"},
	{regexp.MustCompile(`/\S*/`), "DIR/"},
}

// same compares what a page shows with what appeared, but for what changes
// from run to run: fingerprints, their words, times, folders. A line "…" in
// the page stands for any lines.
func same(page, got string) bool {
	return pattern(page).MatchString(normal(got))
}

func pattern(page string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString("^")
	for line := range strings.Lines(normal(page)) {
		if strings.TrimSpace(line) == "…" {
			b.WriteString(`(?:.*\n)*`)
		} else {
			b.WriteString(regexp.QuoteMeta(line))
		}
	}
	return regexp.MustCompile(b.String() + "$")
}

func normal(text string) string {
	words := map[string]bool{}
	for i := range 256 {
		var f fingerprint.SHA256
		f[0], f[1] = byte(i), byte(i)
		for _, w := range f.Words()[:2] {
			words[w] = true
		}
	}
	var out []string
	for line := range strings.Lines(strings.TrimSpace(text)) {
		for _, c := range changing {
			line = c.what.ReplaceAllString(line, c.with)
		}
		fields := strings.Fields(line)
		spoken := len(fields) >= 3
		for _, f := range fields {
			spoken = spoken && (words[f] || f == "HEX" || f == "…")
		}
		if spoken {
			line = "WORDS"
		}
		out = append(out, strings.Join(strings.Fields(line), " ")+"\n")
	}
	return strings.Join(out, "")
}
