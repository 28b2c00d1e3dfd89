package stories

import (
	"strings"
	"testing"
)

// TestClustersPage types every command of docs/clusters.md after the guide's
// first cluster is installed.
func TestClustersPage(t *testing.T) {
	first, typed := partsOf(t, "6", "clusters.md", 5)
	needTool(t, "openssl")
	// What the page says is refused.
	refused := []string{
		"--kubeadm cp-1.yaml --requests requests --cluster third --previous ceremony --previous port/ceremony",
		"--kubeadm port/cluster.yaml --requests port/requests --previous ceremony --previous port/ceremony",
		"--kubeadm cp-1.yaml --requests requests --cluster third --previous renewed/ceremony",
	}
	renewal := "mkdir -p renewed/requests && cp requests/*.req renewed/requests\n" +
		"officiant ceremony new --kubeadm cp-1.yaml --requests renewed/requests --previous ceremony --out renewed/plan.yaml\n" +
		"officiant ceremony run renewed/plan.yaml --station station.yaml --dir renewed/ceremony --confirm $(officiant ceremony check renewed/plan.yaml -o json | jq -r .digest)\n"
	for _, flags := range refused {
		renewal += "officiant ceremony new " + flags + " --out refused/plan.yaml || test $? = 3\ntest ! -e refused\n"
	}
	_, out := typeAll(t, first, typed, renewal)
	for _, want := range []string{
		"ceremony port-1: verified", "\n0\n", "apiserver-kubelet-client.crt: OK",
		"port/ceremony continues ceremony: leave ceremony out", "continues ceremony already, so that is not the root's last ceremony",
		"renewed/ceremony: ceremony 2 of cluster harbour did not open the root's key",
		"\nharbour/root\n", "\nport/kubernetes\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("nobody was told %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "\nharbour/kubernetes\n") {
		t.Error("a key of the first cluster was opened")
	}
	if n := strings.Count(out, "verification failed"); n != 3 {
		t.Errorf("%d of three trust files keep the other cluster's client out:\n%s", n, out)
	}
}
