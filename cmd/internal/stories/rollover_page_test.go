package stories

import (
	"strings"
	"testing"
)

// TestRolloverPage types every command of docs/rollover.md after those of the
// guide's first ceremony: the root is opened in the first stage alone, and what
// the old authority issued is refused after the last.
func TestRolloverPage(t *testing.T) {
	first, typed := partsOf(t, "6", "rollover.md", 9)
	_, out := typeAll(t, first, typed)
	for _, want := range []string{
		"kubernetes: kubernetes issues, nodes learn to trust kubernetes-2",
		"kubernetes: kubernetes-2 issues, nodes still trust kubernetes",
		"kubernetes: kubernetes-2 issues, nodes trust kubernetes no more",
		"kubectl -n kube-public patch configmap cluster-info",
		"ceremony harbour-4: verified",
		"\nrelease root kubernetes-2\nkubernetes-2 release\nrelease\n",
		"\nrefused\n",
		"worker-1/kubelet.conf",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("nobody was told %q:\n%s", want, out)
		}
	}
}
