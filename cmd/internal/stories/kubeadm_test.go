package stories

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// placed is a block of docs/kubeadm.md that is typed somewhere: "```sh PLACE",
// or "```sh PLACE kubeadm" when it takes the real kubeadm.
type placed struct {
	place, text string
	kubeadm     bool
}

func placedBlocks(page string) []placed {
	var out []placed
	in := false
	for line := range strings.Lines(page) {
		switch {
		case strings.HasPrefix(line, "```"):
			info := strings.Fields(strings.TrimPrefix(line, "```"))
			if in = len(info) > 1 && info[0] == "sh"; in {
				out = append(out, placed{place: info[1], kubeadm: len(info) > 2 && info[2] == "kubeadm"})
			}
		case in:
			out[len(out)-1].text += line
		}
	}
	return out
}

// onNode lets a block be typed as on a machine of its own, whose / is the folder
// it is typed in.
const onNode = `officiant-node() {
  if [ "$1" != verify ]; then command officiant-node "$@" --root "$PWD"; return; fi
  local arguments=() a
  for a in "$@"; do [ "$a" != / ] || a=$PWD; arguments+=("$a"); done
  command officiant-node "${arguments[@]}"
}
`

// TestKubeadmPage types docs/kubeadm.md, each block where it belongs. Blocks that
// need kubeadm are typed by cmd/acceptance.
func TestKubeadmPage(t *testing.T) {
	needSoftHSM(t)
	needTool(t, "jq")
	text, err := os.ReadFile(filepath.Join(source, "docs", "kubeadm.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir, run := t.TempDir(), 0
	for _, b := range placedBlocks(string(text)) {
		if b.kubeadm {
			continue
		}
		at := filepath.Join(dir, b.place)
		for _, d := range []string{at, filepath.Join(dir, "stick")} {
			if err := os.MkdirAll(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		os.Symlink("../stick", filepath.Join(at, "stick")) // there from the second block on
		c := exec.Command("bash", "-euo", "pipefail", "-c", onNode+b.text)
		c.Dir = at
		c.Env = append(os.Environ(), "PATH="+programs+":"+os.Getenv("PATH"))
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("on %s:\n%s\n%v\n%s", b.place, b.text, err, out)
		}
		run++
	}
	if run < 20 {
		t.Fatalf("%d blocks were found", run)
	}
	for _, line := range []string{"cp-2", "worker-1"} {
		readme, err := os.ReadFile(filepath.Join(dir, "stick", "bundles", line, "README.txt"))
		if err != nil {
			t.Fatal(err)
		}
		join := regexp.MustCompile(`(?m)^    kubeadm join (?:.*\\\n)+.*\n`).FindString(string(readme))
		if join == "" || !strings.Contains(string(text), "```\n"+strings.ReplaceAll(join[4:], "\n    ", "\n")+"```") {
			t.Errorf("the page does not have README.txt's line of %s:\n%s", line, join)
		}
	}
	flags, err := os.ReadFile(filepath.Join(dir, "stick", "quay", "bundles", "etcd-1", "README.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "--") && line != "---\n" && !strings.Contains(string(flags), "    "+line) {
			t.Errorf("the page has etcd flags that README.txt of etcd-1 has not: %s", line)
		}
	}
}
