package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/request"
	"officiant/bundle/seal"
	"officiant/ceremony"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/placement"
	"officiant/ceremony/schedule"
	"officiant/ceremony/station"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/terminal"
	"officiant/signer"
)

const demoKubeadm = `apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
clusterName: demo
kubernetesVersion: v1.37.2
controlPlaneEndpoint: api.demo.test:6443
`

var (
	demoCluster = kubepki.Cluster{Name: "demo", KubernetesVersion: kubepki.Newest(),
		ControlPlaneEndpoint: "api.demo.test:6443"}.Complete()
	demoFirst = kubepki.Node{Name: "cp-1", Roles: []kubepki.Role{kubepki.ControlPlane, kubepki.Etcd},
		Address: netip.MustParseAddr("10.0.0.11"), First: true}
	demoWorker = kubepki.Node{Name: "worker-1", Roles: []kubepki.Role{kubepki.Worker}}
)

// sendRequest makes a node's request file and returns its fingerprint.
func sendRequest(t *testing.T, dir string, n kubepki.Node) fingerprint.SHA256 {
	t.Helper()
	leaves, err := kubepki.Leaves(demoCluster, n)
	must(t, err)
	keys := request.Keys{}
	for _, l := range leaves {
		keys[l.Name], err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(t, err)
	}
	_, recipient, err := seal.NewIdentity()
	must(t, err)
	data, err := request.Make(demoCluster, n, leaves, keys, recipient, time.Now(), rand.Reader)
	must(t, err)
	put(t, filepath.Join(dir, n.Name+".req"), string(data))
	o, err := request.Parse(n.Name, data)
	must(t, err)
	return o.Fingerprint
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(text), 0o644))
}

// desk is a folder with a kubeadm file and the requests of a demo cluster.
func desk(t *testing.T) (dir string, first fingerprint.SHA256) {
	t.Helper()
	dir = t.TempDir()
	put(t, filepath.Join(dir, "kubeadm.yaml"), demoKubeadm)
	first = sendRequest(t, filepath.Join(dir, "requests"), demoFirst)
	sendRequest(t, filepath.Join(dir, "requests"), demoWorker)
	return dir, first
}

func newPlan(t *testing.T, dir, out string, more ...string) (code int, stdout, stderr string) {
	t.Helper()
	return officiant(t, append([]string{"ceremony", "new", "--kubeadm", filepath.Join(dir, "kubeadm.yaml"),
		"--requests", filepath.Join(dir, "requests"), "--station-grade", "software", "--out", out}, more...)...)
}

// checkJSON runs check -o json.
func checkJSON(t *testing.T, args ...string) (code int, result checked, stderr string) {
	t.Helper()
	code, stdout, stderr := officiant(t, append([]string{"ceremony", "check", "-o", "json"}, args...)...)
	if err := json.Unmarshal([]byte(stdout), &result); err != nil {
		t.Fatalf("exit %d, %v\n%s%s", code, err, stdout, stderr)
	}
	return code, result, stderr
}

// TestNewThenCheck writes a plan in place and checks it.
func TestNewThenCheck(t *testing.T) {
	dir, first := desk(t)
	file := filepath.Join(dir, "plan.yaml")
	code, stdout, stderr := newPlan(t, dir, file)
	if code != exit.Done {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	if !strings.Contains(stdout, first.Lines()[0]) || !strings.Contains(stdout, first.Lines()[2]) {
		t.Errorf("the fingerprint of cp-1 is not shown:\n%s", stdout)
	}
	if !strings.Contains(stderr, "Next:  officiant ceremony check "+file) {
		t.Errorf("no next step:\n%s", stderr)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 4 {
		t.Errorf("more than the plan and its schema was written: %v", entries)
	}

	code, stdout, stderr = officiant(t, "ceremony", "check", file)
	if code != exit.Done {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	for _, want := range []string{
		"Plan demo-1: ceremony 1 of cluster demo, Kubernetes v1.37.2",
		"certifies 3 authorities", "└─ front-proxy", "issues 8 certificates for 2 nodes",
		"── signed by root, ECDSA-SHA384, for 20y", "cp-1/etcd/server", "CN=system:node:worker-1, O=system:nodes;",
		"signs 2 bundles and the transcript",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("not shown: %s\n%s", want, stdout)
		}
	}
	// The same on a screen of 80 columns.
	var shown strings.Builder
	screen := terminal.NewScreen(&shown, "80")
	execute(t.Context(), &options{Stdout: screen, Stderr: io.Discard, Disk: &durable.Disk{}, Rand: rand.Reader,
		Now: time.Now}, []string{"ceremony", "check", file})
	if err := screen.Flush(); err != nil || shown.String() == stdout {
		t.Errorf("nothing is folded: %v", err)
	}
	for line := range strings.Lines(shown.String()) {
		if n := len([]rune(strings.TrimRight(line, "\n"))); n > 80 && !strings.Contains(line, dir) {
			t.Errorf("a line of %d columns: %s", n, line)
		}
	}
	code, result, _ := checkJSON(t, file)
	schedule, err := os.ReadFile(filepath.Join(dir, "schedule.txt"))
	if code != exit.Done || err != nil || result.Digest == nil || !strings.Contains(stdout, result.Digest.String()) ||
		len(result.Words) != 32 {
		t.Fatalf("exit %d, %v, %+v", code, err, result)
	}
	for _, s := range result.Signatures {
		if !strings.Contains(string(schedule), s.Line+"\n") {
			t.Errorf("not in the schedule: %s", s.Line)
		}
	}
	if len(result.Signatures) != 20 || len(result.Keys) != 5 || !result.Keys[0].Create ||
		result.Keys[0].Algorithm != "ECDSA-P384" {
		t.Errorf("%d signatures, keys %+v", len(result.Signatures), result.Keys)
	}
}

// TestNewCopies writes a plan far from its inputs.
func TestNewCopies(t *testing.T) {
	dir, _ := desk(t)
	out := filepath.Join(t.TempDir(), "plan.yaml")
	if code, _, stderr := newPlan(t, dir, out, "--name", "first", "--naming", "docs"); code != exit.Done {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	for _, name := range []string{"kubeadm.yaml", "requests/cp-1.req", "requests/worker-1.req"} {
		a, err := os.ReadFile(filepath.Join(dir, name))
		must(t, err)
		if b, err := os.ReadFile(filepath.Join(filepath.Dir(out), name)); err != nil || string(a) != string(b) {
			t.Errorf("%s: %v", name, err)
		}
	}
	text, err := os.ReadFile(out)
	must(t, err)
	for _, want := range []string{"name: first\n", "  naming: docs\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the plan lacks %q", want)
		}
	}

	// Again: the plan is there. And with another file where a copy would go.
	if code, _, stderr := newPlan(t, dir, out); code != exit.Usage || !strings.Contains(stderr, "already exists") {
		t.Errorf("exit %d\n%s", code, stderr)
	}
	put(t, filepath.Join(filepath.Dir(out), "requests/cp-1.req"), "other")
	must(t, os.Remove(out))
	if code, _, stderr := newPlan(t, dir, out); code != exit.Failure || !strings.Contains(stderr,
		"cp-1.req: already exists, with other content") {
		t.Errorf("exit %d\n%s", code, stderr)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a plan was written beside a wrong input")
	}
}

func TestNewRefuses(t *testing.T) {
	dir, _ := desk(t)
	file := filepath.Join(dir, "plan.yaml")
	for _, args := range [][]string{{}, {"--station-grade", "gold"}, {"--naming", "mine"}} {
		all := append([]string{"ceremony", "new"}, args...)
		if len(args) > 0 {
			all = append(all, "--kubeadm", "x", "--requests", "x", "--out", file)
		}
		if code, _, stderr := officiant(t, all...); code != exit.Usage {
			t.Errorf("%q: exit %d\n%s", args, code, stderr)
		}
	}
	raw, err := os.ReadFile(filepath.Join(dir, "requests/cp-1.req"))
	must(t, err)
	put(t, filepath.Join(dir, "requests/again.req"), string(raw))
	if code, _, stderr := newPlan(t, dir, file); code != exit.Refused || !strings.Contains(stderr,
		"are both requests of node cp-1") {
		t.Errorf("exit %d\n%s", code, stderr)
	}
	put(t, filepath.Join(dir, "requests/again.req"), strings.Replace(string(raw), "10.0.0.11", "10.0.0.12", 1))
	if code, _, stderr := newPlan(t, dir, file); code != exit.Refused || !strings.Contains(stderr, "again.req") {
		t.Errorf("exit %d\n%s", code, stderr)
	}
	if code, _, stderr := officiant(t, "ceremony", "new", "--kubeadm", filepath.Join(dir, "kubeadm.yaml"),
		"--requests", t.TempDir(), "--out", file); code != exit.Refused ||
		!strings.Contains(stderr, "no request (*.req) in it") {
		t.Errorf("exit %d\n%s", code, stderr)
	}
}

// TestCheckFindings shows findings as text and as JSON, and approves nothing.
func TestCheckFindings(t *testing.T) {
	dir, _ := desk(t)
	file := filepath.Join(dir, "plan.yaml")
	if code, _, stderr := newPlan(t, dir, file); code != exit.Done {
		t.Fatal(stderr)
	}
	text, err := os.ReadFile(file)
	must(t, err)
	put(t, file, strings.Replace(string(text), "evidence: software", "evidense: software", 1))
	code, stdout, stderr := officiant(t, "ceremony", "check", file)
	if code != exit.Refused || stdout != "" || !strings.Contains(stderr,
		"plan.yaml:29:5: unknown field \"evidense\" in an item of authorities; did you mean evidence?\n   29 |     "+
			"evidense: software\n      "+
			"|     ^\n") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	code, result, _ := checkJSON(t, file)
	if code != exit.Refused || result.Digest != nil || len(result.Findings) != 1 || result.Findings[0].Line != 29 ||
		result.Findings[0].Column != 5 {
		t.Errorf("exit %d, %+v", code, result)
	}
	if _, err := os.Stat(filepath.Join(dir, "schedule.txt")); err == nil {
		t.Error("a schedule was written for a plan with findings")
	}
	if code, _, _ := officiant(t, "ceremony", "check", file, "-o", "xml"); code != exit.Usage {
		t.Errorf("-o xml: exit %d", code)
	}
	if code, _, _ := officiant(t, "ceremony", "check", file+"x"); code != exit.Usage {
		t.Errorf("no plan: exit %d", code)
	}
}

// TestCheckStation asks the station's backends, without a login.
func TestCheckStation(t *testing.T) {
	needSoftHSM(t)
	dir, _ := desk(t)
	file, station := filepath.Join(dir, "plan.yaml"), filepath.Join(dir, "station.yaml")
	if code, _, stderr := newPlan(t, dir, file); code != exit.Done {
		t.Fatal(stderr)
	}
	if code, _, stderr := officiant(t, "softhsm", "init", "--dir", filepath.Join(dir, "room"), "--station",
		station); code != exit.Done {
		t.Fatal(stderr)
	}
	if code, result, stderr := checkJSON(t, file, "--station", station); code != exit.Done || len(result.Findings) > 0 {
		t.Errorf("exit %d, %+v\n%s", code, result.Findings, stderr)
	}
	text, err := os.ReadFile(station)
	must(t, err)

	etcd := regexp.MustCompile(`(?m)^  etcd: .*$`)
	put(t, station, etcd.ReplaceAllString(string(text), ""))
	code, result, _ := checkJSON(t, file, "--station", station)
	if code != exit.Refused || len(result.Findings) != 1 || !strings.Contains(result.Findings[0].Message,
		`no place for the key "etcd"`) || result.Digest == nil {
		t.Errorf("exit %d, %+v", code, result.Findings)
	}
	put(t, station, strings.Replace(string(text), "kind: Station", "kind: Station\npin: 1234", 1))
	code, result, _ = checkJSON(t, file, "--station", station)
	if code != exit.Refused || len(result.Findings) != 1 || result.Findings[0].Message != `unknown field "pin"` ||
		result.Findings[0].Line == 0 {
		t.Errorf("exit %d, %+v", code, result.Findings)
	}
	// A place the room's program has no backend for, and the full one cannot read.
	put(t, station, etcd.ReplaceAllString(string(text), `  etcd: "gcpkms://projects/p/x"`))
	code, result, _ = checkJSON(t, file, "--station", station)
	if airgap && (code != exit.Refused || len(result.Findings) != 1 || !strings.Contains(result.Findings[0].Message,
		"demo/etcd")) || result.Digest == nil {
		t.Errorf("exit %d, %+v", code, result.Findings)
	}
	if !airgap && (code != exit.Refused || len(result.Findings) != 1 ||
		!strings.HasPrefix(result.Findings[0].Message, "key etcd: gcpkms URI: ")) {
		t.Errorf("exit %d, %+v", code, result.Findings)
	}
	// A module that is not there.
	put(t, station, fmt.Sprintf("apiVersion: officiant/v1\nkind: Station\nname: x\nkeys:\n  default: %q\n",
		"pkcs11:token=x?module-path=/nowhere/module.so"))
	code, stdout, stderr := officiant(t, "ceremony", "check", file, "--station", station)
	if code != exit.Refused || !strings.Contains(stderr, "/nowhere/module.so") || !strings.Contains(stdout,
		"certifies 3 authorities") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
}

// TestSupported names the key whose algorithm its backend cannot do, and tells
// that from a token that is not there.
func TestSupported(t *testing.T) {
	dir, _ := desk(t)
	file := filepath.Join(dir, "plan.yaml")
	if code, _, stderr := newPlan(t, dir, file); code != exit.Done {
		t.Fatal(stderr)
	}
	c, err := schedule.Open(file, schedule.Options{Now: time.Now()})
	must(t, err)
	st, err := station.Parse("s", []byte("apiVersion: officiant/v1\nkind: Station\nname: x\nkeys: {default: "+
		"'pkcs11:token=x'}\n"))
	must(t, err)
	answers := func(no error) func(signer.Ref) (placement.Backend, error) {
		return func(signer.Ref) (placement.Backend, error) {
			return placement.Backend{Supports: func(_ signer.Ref, s signer.Spec) error {
				if s.Algorithm == signer.ECDSAP384 {
					return no
				}
				return nil
			}}, nil
		}
	}
	look := func(st *station.Station, of func(signer.Ref) (placement.Backend, error)) error {
		absent, err := placed(t.Context(), c, st, c.KeysNeeded(), of)
		return errors.Join(absent, err)
	}
	must(t, look(st, answers(nil)))
	err = look(st, answers(fmt.Errorf("token x: no ECDSA-P384: %w", signer.ErrUnsupported)))
	var refused *ceremony.Refused
	if !errors.As(err, &refused) || len(refused.Reasons) != 1 || !strings.HasPrefix(refused.Reasons[0],
		"key root: token x: no ECDSA-P384") {
		t.Errorf("got %v", err)
	}
	attested, err := station.Parse("s", []byte("apiVersion: officiant/v1\nkind: Station\nname: x\nkeys: {default: "+
		"'pkcs11:token=x'}\nevidence: {etcd: attested}\n"))
	must(t, err)
	err = look(attested, answers(nil)) // known before a key is made
	if !errors.As(err, &refused) || len(refused.Reasons) != 1 || !strings.HasPrefix(refused.Reasons[0],
		"key etcd: evidence attested is asked for") {
		t.Errorf("got %v", err)
	}
	if err := look(st, answers(signer.ErrUnavailable)); !errors.Is(err, signer.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

// TestNewPrevious continues a finished ceremony: nothing is made anew, and the
// root is not opened.
func TestNewPrevious(t *testing.T) {
	needSoftHSM(t)
	f := ceremonytest.New(t, ceremonytest.Shape{Workers: 1})
	ceremonyDir, _ := f.Run(t)
	dir := t.TempDir()
	put(t, filepath.Join(dir, "kubeadm.yaml"), demoKubeadm)
	file := filepath.Join(dir, "plan.yaml")
	args := []string{"ceremony", "new", "--kubeadm", filepath.Join(dir, "kubeadm.yaml"), "--requests",
		filepath.Join(f.Folder, "requests"),
		"--previous", ceremonyDir, "--out", file}
	if code, stdout, stderr := officiant(t, args...); code != exit.Done {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	for _, name := range []string{"demo-1.jsonl", "demo-1/root.crt", "demo-1/etcd.crt", "demo-1/release.pub",
		"demo-1/sa.key.age", "demo-1/sa.pub"} {
		if _, err := os.Stat(filepath.Join(dir, "previous", name)); err != nil {
			t.Error(err)
		}
	}
	code, result, stderr := checkJSON(t, file, "--station", f.Station)
	if code != exit.Done || result.Sequence != 2 || result.Name != "demo-2" {
		t.Fatalf("exit %d, %+v\n%s", code, result, stderr)
	}
	for _, k := range result.Keys {
		if k.Name == "root" || k.Create {
			t.Errorf("key %+v", k)
		}
	}

	// It can be carried out, and continued in its turn.
	f.PlanFile = file
	second, _ := f.Run(t)
	third := filepath.Join(t.TempDir(), "plan.yaml")
	args[len(args)-3], args[len(args)-1] = second, third
	if code, stdout, stderr := officiant(t, args...); code != exit.Done {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	if code, result, stderr := checkJSON(t, third); code != exit.Done || result.Sequence != 3 {
		t.Fatalf("exit %d, %+v\n%s", code, result, stderr)
	}

	// A new control-plane node cannot open what was sealed before it came.
	more := t.TempDir()
	sendRequest(t, more, kubepki.Node{Name: "cp-2", Roles: demoFirst.Roles, Address: netip.MustParseAddr("10.0.0.12")})
	args = []string{"ceremony", "new", "--kubeadm", filepath.Join(dir, "kubeadm.yaml"), "--requests", more,
		"--previous", ceremonyDir, "--out", filepath.Join(t.TempDir(), "plan.yaml")}
	if code, _, stderr := officiant(t, args...); code != exit.Refused || !strings.Contains(stderr,
		"node cp-2 cannot open the sealed service-account key") {
		t.Errorf("exit %d\n%s", code, stderr)
	}
	// A record with one line less is not finished.
	record := filepath.Join(ceremonyDir, "transcript.jsonl")
	raw, err := os.ReadFile(record)
	must(t, err)
	lines := strings.SplitAfter(string(raw), "\n")
	must(t, os.Remove(record))
	put(t, record, strings.Join(lines[:len(lines)-2], ""))
	args[len(args)-1] = filepath.Join(t.TempDir(), "plan.yaml")
	if code, _, stderr := officiant(t, args...); code != exit.Refused || !strings.Contains(stderr, "unfinished") {
		t.Errorf("exit %d\n%s", code, stderr)
	}
}
