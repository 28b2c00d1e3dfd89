package stories

import (
	"os"
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
	first, typed := partsOf(t, "5", "node.md", 7)
	dir, out := typeAll(t, first, asRoot, typed)
	for _, want := range []string{"verdict        verified", "nothing was written",
		"installed sequence 1 on node cp-1", "rolled back", "how to restart what is already running", "CERTIFICATE"} {
		if !strings.Contains(out, want) {
			t.Errorf("nobody was told %q:\n%s", want, out)
		}
	}
	metrics := filepath.Join(dir, "nodes", "cp-1", "var", "lib", "node_exporter", "officiant.prom")
	if data, err := os.ReadFile(metrics); err != nil || !strings.Contains(string(data), "\nofficiant_bundle_sequence{") {
		t.Errorf("%s: %v\n%s", metrics, err, data)
	}
}
