package stories

import (
	"strings"
	"testing"
)

// TestFleetPage types the commands of docs/fleet.md after those of the guide's first
// ceremony, whose two nodes then fetch for themselves.
func TestFleetPage(t *testing.T) {
	first, typed := partsOf(t, "5", "fleet.md", 2)
	_, out := typeAll(t, first, `
set +e
publish() { officiant fleet publish ceremony --to published --wave canary=worker-1 --wave control=cp-1; }
`+strings.Replace(typed, "officiant fleet publish ceremony --to published\n", "publish\necho exit $?\n", 1)+`
set -e
for n in worker-1 cp-1; do
  test -e published/$n.tar && echo $n is published
  officiant-node install published/$n.tar --release-key release.pub --root nodes/$n 2>/dev/null ||
    officiant-node install ceremony/bundles/$n --release-key release.pub --root nodes/$n
  officiant-node sync --once --from published --status-to published/status --root nodes/$n \
    --release-key release.pub || true
  publish || echo exit $?
  officiant fleet status published || echo exit $?
done
officiant fleet status published -o json | jq -r '.nodes[] | .node + " is " + .state'
sed -i 's/worker-1/worker-9/' published/status/worker-1.json
officiant fleet status published || echo exit $?
`)
	for _, want := range []string{
		"waits for its wave     cp-1", "exit 7", "worker-1 is published", "cp-1 is published",
		"worker-1 is well", "cp-1 is well", "the status in it is of another node",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("nobody was told %q:\n%s", want, out)
		}
	}
}
