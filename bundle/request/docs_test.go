package request

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The format's page shows the kept request, and commands that people can type.
func TestPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "formats", "request.md"))
	check(t, err)
	m := kept(t)
	o, err := Parse("worker-1.req", m.data)
	check(t, err)
	if got := block(t, string(page), "json"); got != string(entries(t, m.data)[requestFile]) {
		t.Errorf("the page shows\n%s", got)
	}
	for _, tool := range []string{"bash", "tar", "sha256sum", "openssl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "worker-1.req"), m.data, 0o600))
	sh := exec.Command("bash", "-euo", "pipefail", "-c", block(t, string(page), "sh"))
	sh.Dir = dir
	out, err := sh.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		o.Fingerprint.String(), "Verified OK", "system:node:worker-1",
		o.CSRs[0].SHA256.String(), o.CSRs[0].SPKI.String(), o.Request.Recipient.SHA256.String(),
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

// block returns the page's one block of that language.
func block(t *testing.T, page, language string) string {
	t.Helper()
	parts := strings.Split(page, "```"+language+"\n")
	if len(parts) != 2 {
		t.Fatalf("the page has %d blocks of %s", len(parts)-1, language)
	}
	text, _, _ := strings.Cut(parts[1], "```")
	return text
}
