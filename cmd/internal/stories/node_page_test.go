package stories

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// asRoot makes the commands of a page that are about the machine itself work on a
// folder that stands for it.
const asRoot = `
node=$PWD/nodes/cp-1
mkdir -p "$node/var/lib/node_exporter" stick
cp ceremony/bundles/cp-1.tar release.pub stick/
cd stick
officiant-node() {
  local args=() a
  for a in "$@"; do
    case $a in
    /) args+=("$node") ;;
    /var/*) args+=("$node$a") ;;
    *) args+=("$a") ;;
    esac
  done
  case $1 in
  verify) ;;
  *) args+=(--root "$node") ;;
  esac
  command officiant-node "${args[@]}"
}
`

// TestNodePage types every command of docs/node.md after those of the guide's
// first ceremony.
func TestNodePage(t *testing.T) {
	needSoftHSM(t)
	needTool(t, "jq")
	page := func(name string) string {
		text, err := os.ReadFile(filepath.Join(source, "docs", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	ceremony, _, ok := strings.Cut(page("guide.md"), "\n## 5.")
	if !ok {
		t.Fatal("the guide has no part 5")
	}
	typed := blocks(page("node.md"), "sh")
	if len(typed) < 7 {
		t.Fatalf("docs/node.md has %d blocks of commands", len(typed))
	}
	script := append(blocks(ceremony, "sh"), asRoot)
	c := exec.Command("bash", "-euo", "pipefail", "-c", strings.Join(append(script, typed...), "\n"))
	c.Dir = t.TempDir()
	c.Env = append(os.Environ(), "PATH="+programs+":"+os.Getenv("PATH"))
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"verdict        verified", "nothing was written", "installed sequence 1 on node cp-1", "rolled back", "how to restart what runs already", "CERTIFICATE"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("nobody was told %q:\n%s", want, out)
		}
	}
	metrics := filepath.Join(c.Dir, "nodes", "cp-1", "var", "lib", "node_exporter", "officiant.prom")
	if data, err := os.ReadFile(metrics); err != nil || !strings.Contains(string(data), "\nofficiant_bundle_sequence{") {
		t.Errorf("%s: %v\n%s", metrics, err, data)
	}
}
