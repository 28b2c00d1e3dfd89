package stories

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// nodes of the cluster whose renewal is counted: one control plane, five workers.
var sixNodes = []string{"cp-1", "worker-1", "worker-2", "worker-3", "worker-4", "worker-5"}

// TestSixNodes renews six nodes by what docs/renewal.md says is typed each month: at
// most six commands at the desk and in the room, and none on a node, whose timer runs
// sync. The first ceremony is not counted.
func TestSixNodes(t *testing.T) {
	page := readPage(t, "renewal.md")
	monthly := blocks(page, "bash")
	if len(monthly) != 1 {
		t.Fatalf("docs/renewal.md has %d blocks of what is typed each month", len(monthly))
	}
	typed := strings.Split(strings.TrimSpace(monthly[0]), "\n")
	if len(typed) > 6 {
		t.Errorf("%d commands, and six are the most", len(typed))
	}
	for i, line := range typed {
		t.Logf("%d  %s", i+1, line)
	}
	var variables string
	for _, block := range blocks(page, "sh") {
		if strings.HasPrefix(block, "export OFFICIANT_STATION") {
			variables = block
		}
	}
	if variables == "" {
		t.Fatal("the page exports no variables")
	}
	month := strings.NewReplacer("/mnt/bundles", "published", "--within 60d", "--within 2y").Replace(monthly[0])
	dir, out := typeAll(t, firstOfSix(), "mv ceremony ceremonies/first", variables, month)
	for _, want := range []string{"in 6 bundles", "verified; ", "--station " + filepath.Join(dir, "station.yaml") +
		", from $OFFICIANT_STATION"} {
		if !strings.Contains(out, want) {
			t.Errorf("nobody was told %q:\n%s", want, out)
		}
	}
	for _, node := range sixNodes { // as its timer does
		c := exec.Command(filepath.Join(programs, "officiant-node"), "sync", "--from", "published", "--once",
			"--root", "nodes/"+node, "--release-key", "release.pub")
		c.Dir = dir
		if said, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", node, err, said)
		}
		status := exec.Command(filepath.Join(programs, "officiant-node"), "status", "--root", "nodes/"+node)
		status.Dir = dir
		if is, err := status.Output(); err != nil || !strings.Contains(string(is), "sequence 2") {
			t.Errorf("%s: the renewed bundle is not in place: %v\n%s", node, err, is)
		}
	}
}

// firstOfSix is the cluster's first ceremony, with its bundles installed.
func firstOfSix() string {
	var b strings.Builder
	b.WriteString("mkdir -p requests ceremonies published\n")
	for _, node := range sixNodes {
		roles := "worker"
		if strings.HasPrefix(node, "cp") {
			roles = "control-plane,etcd --first --address 10.0.0.11"
		}
		fmt.Fprintf(&b, "officiant-node request --name %s --roles %s --cluster harbour --kubernetes-version v1.37.2 "+
			"--control-plane-endpoint api.harbour.test:6443 --root nodes/%s --out requests/%s.req\n", node, roles, node, node)
	}
	b.WriteString(`cat >kubeadm.yaml <<'YAML'
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
clusterName: harbour
kubernetesVersion: v1.37.2
controlPlaneEndpoint: api.harbour.test:6443
YAML
officiant ceremony new --kubeadm kubeadm.yaml --requests requests --station-grade software --out plan.yaml
officiant softhsm init --dir room --station station.yaml
digest=$(officiant ceremony check plan.yaml --digest)
officiant ceremony run plan.yaml --station station.yaml --dir ceremony --confirm "$digest"
cp ceremony/release.pub release.pub
`)
	for _, node := range sixNodes {
		fmt.Fprintf(
			&b,
			"officiant-node install ceremony/bundles/%s.tar --release-key release.pub --root nodes/%s\n",
			node,
			node,
		)
	}
	return b.String()
}
