package stories

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// asSyncing has the first node's first bundle installed, the next one on a share, and
// the commands of a page about the machine itself work on a folder that stands for it.
const asSyncing = `
node=$PWD/nodes/cp-1
mkdir -p "$node/mnt/bundles/status" "$node/etc/officiant" "$node/var/lib/node_exporter"
command officiant-node install ceremony/bundles/cp-1 --release-key release.pub --root "$node"
cp release.pub "$node/etc/officiant/"
cp ceremony/bundles/cp-1.tar "$node/mnt/bundles/"
officiant-node() {
  local args=() a
  for a in "$@"; do
    case $a in
    /*) args+=("$node$a") ;;
    *) args+=("$a") ;;
    esac
  done
  command officiant-node "${args[@]}" --root "$node"
}
`

// TestSyncPage types every command of docs/sync.md after those of the guide's first
// ceremony.
func TestSyncPage(t *testing.T) {
	first, typed := partsOf(t, "5", "sync.md", 2)
	last := `
command officiant-node sync --once --root "$node" --from "$node/mnt/bundles" --status-to "$node/mnt/bundles/status" \
    --release-key release.pub --prometheus "$node/var/lib/node_exporter/officiant-sync.prom"
cd "$node/mnt/bundles/status"
` + strings.ReplaceAll(strings.Join(blocks(readPage(t, "formats/status.md"), ""), "\n"), ">signed", ">../signed")
	last = strings.ReplaceAll(
		strings.ReplaceAll(last, "-signature signature signed", "-signature signature ../signed"),
		"\n\n",
		"\n",
	)
	dir, out := typeAll(t, first, asSyncing, typed, last)
	for _, want := range []string{
		"sequence 1 is in place already", "systemctl enable --now officiant-node-sync.timer", "left the status at",
		"Verified OK",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("nobody was told %q:\n%s", want, out)
		}
	}
	metrics := filepath.Join(dir, "nodes", "cp-1", "var", "lib", "node_exporter", "officiant-sync.prom")
	if data, err := os.ReadFile(metrics); err != nil ||
		!strings.Contains(string(data), `officiant_sync_outcome{state="current"} 1`) {
		t.Errorf("%s: %v\n%s", metrics, err, data)
	}
}
