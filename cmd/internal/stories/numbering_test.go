package stories

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	onPaper = regexp.MustCompile(`(?m)^step (\d+) of (\d+)  (.*(?:\n {13,}\S.*)?)$`)
	inPage  = regexp.MustCompile(`<div class="n">step (\d+) of (\d+)</div>\s*<div[^>]*><h3>([^<]*)</h3>`)
)

// numbered reads steps off a text: "4/25 Open the token of root".
func numbered(pattern *regexp.Regexp, text string) []string {
	var out []string
	for _, m := range pattern.FindAllStringSubmatch(text, -1) {
		title := strings.Join(strings.Fields(html.UnescapeString(m[3])), " ")
		out = append(out, fmt.Sprintf("%s/%s %s", m[1], m[2], title))
	}
	return out
}

// TestOneNumbering: paper, page, screen and record have the same steps, with the
// same numbers and the same words.
func TestOneNumbering(t *testing.T) {
	needSoftHSM(t)
	dir := t.TempDir()
	shell := func(text string) (string, string) {
		t.Helper()
		var out, err bytes.Buffer
		c := exec.Command("bash", "-euc", text)
		c.Dir, c.Stdout, c.Stderr = dir, &out, &err
		c.Env = append(os.Environ(), "PATH="+programs+":"+os.Getenv("PATH"), "DEMO="+filepath.Join(source, "softhsm", "demo"))
		if e := c.Run(); e != nil {
			t.Fatalf("%s: %v\n%s", text, e, err.String())
		}
		return out.String(), err.String()
	}
	shell(`mkdir requests
officiant softhsm init --dir room --station station.yaml
officiant-node request --kubeadm $DEMO/cp-1.yaml --roles control-plane,etcd --root cp-1 --out requests/cp-1.req
officiant ceremony new --kubeadm $DEMO/cp-1.yaml --requests requests --station-grade software --out plan.yaml`)
	text, _ := shell(`officiant ceremony script plan.yaml --station station.yaml`)
	page, _ := shell(`officiant ceremony script plan.yaml --station station.yaml -o html`)
	_, screen := shell(`officiant ceremony run plan.yaml --station station.yaml --dir ceremony --confirm $(officiant ceremony check plan.yaml -o json | sed -n 's/.*"digest": "\(.*\)",/\1/p')`)
	paper := numbered(onPaper, text)
	if len(paper) < 20 {
		t.Fatalf("%d steps on paper:\n%s", len(paper), text)
	}
	for what, other := range map[string][]string{"page": numbered(inPage, page), "screen": numbered(onPaper, screen)} {
		if got, want := strings.Join(other, "\n"), strings.Join(paper, "\n"); got != want {
			t.Errorf("the %s has\n%s\nand the paper\n%s", what, got, want)
		}
	}
	record, err := os.ReadFile(filepath.Join(dir, "ceremony", "transcript.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	titles := 0
	for line := range bytes.Lines(record) {
		var l struct {
			Step int
			Type string
			Data struct {
				Title string
				Steps int
			}
		}
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatal(err)
		}
		switch {
		case l.Type == "open" && l.Data.Steps != len(paper):
			t.Errorf("the record has %d steps, the paper %d", l.Data.Steps, len(paper))
		case l.Type == "step":
			titles++
			if got := fmt.Sprintf("%d/%d %s", l.Step, len(paper), l.Data.Title); got != paper[l.Step-1] {
				t.Errorf("the record has %q, the paper %q", got, paper[l.Step-1])
			}
		}
	}
	if titles < 15 {
		t.Errorf("%d steps in the record", titles)
	}
	if n := strings.Count(text, "THE POINT OF NO RETURN"); n != 1 || !strings.Contains(string(record), "the point of no return") {
		t.Errorf("the point of no return is announced %d times on paper, or not in the record", n)
	}
	for line := range strings.Lines(text) {
		if len(line) > 81 || strings.ContainsFunc(line, func(r rune) bool { return r > '~' }) {
			t.Errorf("not 80 columns of ASCII: %q", line)
		}
	}
}
