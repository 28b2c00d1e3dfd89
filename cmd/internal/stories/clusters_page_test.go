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
	// A renewal opens no root, so it is not what a third cluster continues; nor does a
	// renewal guess which of two clusters it is for.
	after := "officiant ceremony new --kubeadm cp-1.yaml --requests requests --previous . --out renewed/plan.yaml\n" +
		"officiant ceremony run renewed/plan.yaml --station station.yaml --dir renewed/ceremony " +
		"--confirm $(officiant ceremony check renewed/plan.yaml -o json | jq -r .digest)\n" +
		"third() { officiant ceremony new --kubeadm cp-1.yaml --requests requests --cluster third --crls 1y \"$@\"; }\n" +
		"third --previous renewed/ceremony --out refused/plan.yaml || test $? = 3\n" +
		"officiant ceremony renew . --within 2y --out refused/plan.yaml || test $? = 3\n" +
		"test ! -e refused\n" +
		"third --previous . --out third/plan.yaml\n" +
		"grep -A1 '^crls:' third/plan.yaml\n" +
		"grep -A1 -e '- cluster:' third/plan.yaml | paste -sd' '\n"
	_, out := typeAll(t, first, typed, after)
	for _, want := range []string{
		"ceremony port-1: verified", "\n0\n", "apiserver-kubelet-client.crt: OK",
		"ceremony harbour-2: verified", "  - cluster: harbour\n  - cluster: port\n", "  - cluster: harbour     sequence: 2\n",
		"there are ceremonies of several clusters here: harbour, port", "--cluster NAME",
		"the root's key was not opened by renewed/ceremony (ceremony 3 of cluster harbour)",
		"\nharbour/root\n", "\nport/kubernetes\n", "  - {authority: etcd, nextUpdate: 1y}\n",
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
