package stories

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRenewalPage types every command of docs/renewal.md after those of the
// guide's first ceremony.
func TestRenewalPage(t *testing.T) {
	needSoftHSM(t)
	needTool(t, "jq")
	page := func(name string) string {
		text, err := os.ReadFile(filepath.Join(source, "docs", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	first, _, ok := strings.Cut(page("guide.md"), "\n## 6.")
	if !ok {
		t.Fatal("the guide has no part 6")
	}
	typed := blocks(page("renewal.md"), "sh")
	if len(typed) < 6 {
		t.Fatalf("docs/renewal.md has %d blocks of commands", len(typed))
	}
	c := exec.Command("bash", "-euo", "pipefail", "-c", strings.Join(append(blocks(first, "sh"), typed...), "\n"))
	c.Dir = t.TempDir()
	c.Env = append(os.Environ(), "PATH="+programs+":"+os.Getenv("PATH"))
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"no plan was written", "dates and serial number", "same keys, as former records have them", "\nkubernetes\nrelease\n", "installed sequence 2 on node worker-1"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("nobody was told %q:\n%s", want, out)
		}
	}
	if _, err := os.Stat(filepath.Join(c.Dir, "early")); err == nil {
		t.Error("a folder for a plan that was not needed")
	}
}
