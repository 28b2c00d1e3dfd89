package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/cmd/internal/exit"
)

// fleetOf is a folder with a kubeadm file and the requests of cp-1 and n workers.
func fleetOf(t *testing.T, n int) (dir string, prints map[string]fingerprint.SHA256) {
	t.Helper()
	dir, prints = t.TempDir(), map[string]fingerprint.SHA256{}
	put(t, filepath.Join(dir, "kubeadm.yaml"), demoKubeadm)
	requests := filepath.Join(dir, "requests")
	prints["cp-1"] = sendRequest(t, requests, demoFirst)
	for i := range n {
		name := fmt.Sprintf("worker-%d", i+1)
		prints[name] = sendRequest(t, requests, kubepki.Node{Name: name, Roles: []kubepki.Role{kubepki.Worker}})
	}
	return dir, prints
}

func planOf(t *testing.T, dir string, more ...string) (code int, stdout, stderr string) {
	t.Helper()
	os.Remove(filepath.Join(dir, "plan.yaml"))
	return officiant(t, append([]string{"ceremony", "new", "--kubeadm", filepath.Join(dir, "kubeadm.yaml"),
		"--requests", filepath.Join(dir, "requests"), "--out", filepath.Join(dir, "plan.yaml")}, more...)...)
}

// TestNodeLists holds requests against lists of either kind.
func TestNodeLists(t *testing.T) {
	dir, prints := fleetOf(t, 2)
	list := filepath.Join(dir, "nodes.csv")
	const kubectl = `{"kind": "List", "items": [
		{"kind": "Node", "metadata": {"name": "worker-2"}, "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.22"}]}},
		{"kind": "Node", "metadata": {"name": "worker-1"}},
		{"kind": "Node", "metadata": {"name": "cp-1", "labels": {"node-role.kubernetes.io/control-plane": ""}},
		 "status": {"addresses": [{"type": "Hostname", "address": "cp-1"}, {"type": "InternalIP", "address": "10.0.0.11"}]}}]}`
	csv := fmt.Sprintf("name,roles,address,fingerprint\n# two workers\nworker-2,worker,,\nworker-1,worker,,%s\ncp-1,etcd+control-plane,10.0.0.11,%s\n",
		prints["worker-1"], prints["cp-1"].Grouped())
	for name, text := range map[string]string{"CSV": csv, "names alone": "\ufeffName\nworker-2\nworker-1\ncp-1\n", "kubectl": kubectl} {
		put(t, list, text)
		code, stdout, stderr := planOf(t, dir, "--nodes", list)
		if code != exit.Done {
			t.Fatalf("%s: exit %d\n%s", name, code, stderr)
		}
		plan, err := os.ReadFile(filepath.Join(dir, "plan.yaml"))
		must(t, err)
		at := func(node string) int { return strings.Index(string(plan), "  - name: "+node+"\n") }
		if !(0 < at("worker-2") && at("worker-2") < at("worker-1") && at("worker-1") < at("cp-1")) {
			t.Errorf("%s: the plan's nodes are not in the list's order", name)
		}
		// Who has a fingerprint in the list was compared by it.
		if compared := !strings.Contains(stdout, "worker-1"); compared != (name == "CSV") || !strings.Contains(stdout, "worker-2") {
			t.Errorf("%s: to be compared is\n%s", name, stdout)
		}
		if strings.Contains(stderr, "of 2 requests are those in") != (name == "CSV") {
			t.Errorf("%s: %s", name, stderr)
		}
	}

	other := strings.Repeat("0", 64)
	for want, text := range map[string]string{
		"no request of worker-3":                         "name\ncp-1\nworker-1\nworker-2\nworker-3\n",
		"nodes that are not in the list: worker-2":       "name\ncp-1\nworker-1\n",
		"node worker-1: its request has the fingerprint": "name,fingerprint\ncp-1,\nworker-1," + other + "\nworker-2,\n",
		"node worker-1: its request asks for the roles":  "name,roles\ncp-1,\nworker-1,control-plane\nworker-2,\n",
		"the list says control plane: true":              strings.Replace(kubectl, `"name": "worker-1"`, `"name": "worker-1", "labels": {"node-role.kubernetes.io/master": ""}`, 1),
		"its request says its address is 10.0.0.11":      strings.Replace(kubectl, "10.0.0.11", "10.0.0.99", 1),
		"node cp-1 is there twice":                       "name\ncp-1\ncp-1\n",
		"no node in it":                                  "name\n",
		"no header":                                      "",
		`column "slot"`:                                  "name,slot\ncp-1,1\n",
		`column "name"`:                                  "name,name\ncp-1,cp-1\n",
		"no column name":                                 "roles\nworker\n",
		"line 3: a node without a name":                  "name,roles\ncp-1,\n,worker\n",
		`line 2: node cp-1: role "master" is none of`:    "name,roles\ncp-1,master\n",
		`line 2: node cp-1: "ten" is not an IP address`:  "name,address\ncp-1,ten\n",
		"line 2: node cp-1: fingerprint: 2 hex digits":   "name,fingerprint\ncp-1,00\n",
		"wrong number of fields":                         "name,roles\ncp-1\n",
		`kind "Pod"`:                                     `{"kind": "Pod"}`,
		`InternalIP "ten" is not an IP address`:          strings.Replace(kubectl, "10.0.0.22", "ten", 1),
		"that is no Node":                                `{"kind": "List", "items": [{"kind": "Pod", "metadata": {"name": "x"}}]}`,
		"not JSON of":                                    `{`,
	} {
		put(t, list, text)
		code, _, stderr := planOf(t, dir, "--nodes", list)
		if code != exit.Refused || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit %d\n%s", want, code, stderr)
		}
		if _, err := os.Stat(filepath.Join(dir, "plan.yaml")); err == nil {
			t.Errorf("%s: a plan was written", want)
		}
	}
	if code, _, _ := planOf(t, dir, "--nodes", filepath.Join(dir, "none")); code != exit.Usage {
		t.Errorf("a list that is not there: exit %d", code)
	}
}

// TestAlike shows like nodes as one, and what differs by itself.
func TestAlike(t *testing.T) {
	dir, _ := fleetOf(t, 5)
	odd := kubepki.Node{Name: "etcd-1", Roles: []kubepki.Role{kubepki.Etcd}, Address: netip.MustParseAddr("10.0.0.31")}
	sendRequest(t, filepath.Join(dir, "requests"), odd)
	if code, _, stderr := planOf(t, dir); code != exit.Done {
		t.Fatal(stderr)
	}
	file := filepath.Join(dir, "plan.yaml")
	code, folded, stderr := officiant(t, "ceremony", "check", file)
	if code != exit.Done {
		t.Fatal(stderr)
	}
	for _, want := range []string{
		"{worker} stands for 5 nodes that differ only in name and address:", "worker-1 … worker-5",
		"{worker}/kubelet.conf ×5", "CN=system:node:{worker}", "bundle {worker} ×5", "etcd-1/etcd/server", "cp-1/apiserver",
	} {
		if !strings.Contains(strings.Join(strings.Fields(folded), " "), want) {
			t.Errorf("no %q in\n%s", want, folded)
		}
	}
	if strings.Contains(folded, "worker-2/kubelet.conf") {
		t.Error("a worker stands by itself")
	}
	if _, all, _ := officiant(t, "ceremony", "check", "--all", file); !strings.Contains(all, "worker-2/kubelet.conf") || strings.Contains(all, "{worker}") {
		t.Errorf("--all shows\n%s", all)
	}
	schedule, err := os.ReadFile(filepath.Join(dir, "schedule.txt"))
	must(t, err)
	if !strings.Contains(string(schedule), "name=worker-2/kubelet.conf") {
		t.Error("the schedule folds, too")
	}
}

// TestFoldHidesNobody: who stands behind a sign is told, and who has a name or an
// address of somebody else stands alone.
func TestFoldHidesNobody(t *testing.T) {
	dir, _ := fleetOf(t, 11)
	requests := filepath.Join(dir, "requests")
	for _, name := range []string{"kubernetes", "api.demo.test", "kube-apiserver", "worker-0-of-other"} {
		sendRequest(t, requests, kubepki.Node{Name: name, Roles: []kubepki.Role{kubepki.Worker}})
	}
	for i, address := range []string{"10.0.0.41", "10.0.0.42", "10.0.0.43", "10.0.0.99", "10.96.0.1", "10.0.0.11"} {
		n := kubepki.Node{Name: fmt.Sprintf("etcd-%d", i+1), Roles: []kubepki.Role{kubepki.Etcd}, Address: netip.MustParseAddr(address)}
		sendRequest(t, requests, n)
	}
	if code, _, stderr := planOf(t, dir); code != exit.Done {
		t.Fatal(stderr)
	}
	_, text, _ := officiant(t, "ceremony", "check", filepath.Join(dir, "plan.yaml"))
	folded := strings.Join(strings.Fields(text), " ")
	for _, want := range []string{
		"kubernetes/kubelet.conf", "api.demo.test/kubelet.conf", "kube-apiserver/kubelet.conf", // names of the API server
		"etcd-5/etcd/server", "etcd-6/etcd/server", "10.96.0.1", // addresses of the service and of cp-1
		"{etcd} stands for 4 nodes that differ only in name and address: etcd-1 10.0.0.41 … etcd-3 10.0.0.43, " +
			"etcd-4 10.0.0.99",
		"{worker} stands for 12 nodes that differ only in name and address: worker-1 … worker-11, worker-0-of-other",
	} {
		if !strings.Contains(folded, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
