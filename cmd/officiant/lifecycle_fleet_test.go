package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle/fetch"
	"officiant/bundle/install"
	"officiant/bundle/kubepki"
	"officiant/bundle/statement"
	updating "officiant/bundle/update"
	"officiant/cmd/internal/exit"
)

// fleetLifecycle is a year of many nodes that fetch for themselves, from a real HTTP server.
type fleetLifecycle struct {
	*lifecycle
	server    *httptest.Server
	published string
	release   crypto.PublicKey
	fleet     map[string]*fetching
	onNodes   int // commands typed on nodes
	installs  int // what nodes did by themselves
	restarts  int
}

// fetching is a node's sync, with services that are played.
type fetching struct {
	*updating.Runner
	name      string
	with      map[string]int // the sequence each service was started with
	sickWith  int            // the sequence that makes it sick
	installs  int
	lifecycle *fleetLifecycle
}

func (f *fetching) Runs(_ context.Context, s kubepki.Service) bool {
	return f.lifecycle.nodes[f.name].node.Has(kubepki.ControlPlane) || s.Name == "kubelet"
}

func (f *fetching) Restart(_ context.Context, s kubepki.Service) error {
	b, err := f.Node.Bundle()
	if err == nil {
		f.with[s.Name] = b.Sequence
		f.lifecycle.restarts++
	}
	return err
}

func (f *fetching) Well(_ context.Context, s kubepki.Service) error {
	if s.Name == "kubelet" && f.sickWith > 0 && f.with[s.Name] == f.sickWith {
		return errors.New("the kubelet says that it is sick")
	}
	return nil
}

func (f *fetching) Others(context.Context) error { return nil }

func (f *fetching) Lock(context.Context, string) (func(context.Context) error, error) {
	return func(context.Context) error { return nil }, nil
}

const fleetNodes = 100

func newFleetLifecycle(t *testing.T) *fleetLifecycle {
	y := &fleetLifecycle{lifecycle: newLifecycle(t), fleet: map[string]*fetching{}}
	if dir, err := os.MkdirTemp("/dev/shm", "officiant-test-"); err == nil { // 100 nodes sync a lot
		t.Cleanup(func() { os.RemoveAll(dir) })
		y.machines = dir
	}
	y.published = y.at("published")
	files := http.StripPrefix("/demo", http.FileServer(http.Dir(y.published)))
	y.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPut {
			files.ServeHTTP(w, r)
			return
		}
		data, err := io.ReadAll(r.Body)
		if err == nil {
			err = os.WriteFile(filepath.Join(y.published, "status", filepath.Base(r.URL.Path)), data, 0o600)
		}
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	t.Cleanup(y.server.Close)
	return y
}

// joins puts a machine on the network, whose request goes to a plan.
func (y *fleetLifecycle) joins(next string, n kubepki.Node) {
	y.t.Helper()
	y.add(n)
	y.ask(next, n.Name)
	y.onNodes++ // officiant-node request
}

// firstInstall is by a person, who leaves the rest to sync.
func (y *fleetLifecycle) firstInstall(name string) {
	y.t.Helper()
	y.install(filepath.Join(y.done[0], "bundles", name+".tar"))
	y.onNodes += 2 // officiant-node install, and sync --install
	place, err := fetch.Open(y.server.URL+"/demo", fetch.Options{Timeout: time.Minute})
	must(y.t, err)
	f := &fetching{name: name, with: map[string]int{}, lifecycle: y}
	f.Runner = &updating.Runner{
		Node: y.nodes[name].Node, Place: place, Release: []crypto.PublicKey{y.release}, Patience: time.Second,
		Services: func(kubepki.Cluster, kubepki.Node) (updating.Services, updating.Members, error) { return f, f, nil },
		Wait:     func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Say:      func(string, ...any) {},
	}
	y.fleet[name] = f
}

// hour has every node look once, and leave its status.
func (y *fleetLifecycle) hour() {
	y.t.Helper()
	y.now = y.now.Add(time.Hour)
	for _, name := range slices.Sorted(maps.Keys(y.fleet)) {
		f := y.fleet[name]
		r, err := f.Run(y.t.Context())
		must(y.t, err)
		if r.State == statement.Installed {
			y.installs++
			f.installs++
		}
		y.leaveStatus(name, r.Outcome)
	}
}

func (y *fleetLifecycle) leaveStatus(name string, o statement.Outcome) {
	y.t.Helper()
	to, err := fetch.Open(y.server.URL+"/demo/status", fetch.Options{Timeout: time.Minute})
	must(y.t, err)
	node, data, err := statement.Of(y.fleet[name].Node, o, rand.Reader)
	must(y.t, err)
	must(y.t, to.Put(y.t.Context(), node+".json", data))
}

var waves = []string{"--wave", "canary=worker-1,worker-2", "--wave", "control=cp-1,cp-2,cp-3"}

// publish lays a wave out.
func (y *fleetLifecycle) publish(lagging ...string) (code int, stdout, stderr string) {
	y.t.Helper()
	args := append([]string{"fleet", "publish", y.at("ceremonies"), "--to", y.published}, waves...)
	for _, node := range lagging {
		args = append(args, "--lagging", node)
	}
	return y.types(args...)
}

// reaches publishes wave after wave until nobody waits, and all are well.
func (y *fleetLifecycle) reaches() {
	y.t.Helper()
	for range 4 {
		code, stdout, stderr := y.publish()
		if code != exit.Done && code != exit.Expiring {
			y.t.Fatalf("publish: exit %d\n%s%s", code, stdout, stderr)
		}
		y.hour()
		if code == exit.Done {
			break
		}
	}
	y.officiant("fleet", "status", y.published)
}

// sick wants fleet status to name who is not well, and why.
func (y *fleetLifecycle) sick(nodes ...string) {
	y.t.Helper()
	code, stdout, _ := y.types("fleet", "status", y.published)
	if code != exit.Expiring {
		y.t.Fatalf("exit %d\n%s", code, stdout)
	}
	for _, node := range nodes {
		at := slices.IndexFunc(strings.Split(stdout, "\n"), func(line string) bool {
			return strings.HasPrefix(line, node+" ") && strings.Contains(line, "failed") && strings.Contains(line, "is sick")
		})
		if at < 0 {
			y.t.Errorf("%s is not told:\n%s", node, stdout)
		}
	}
}

// TestFleetLifecycle: a hundred nodes, renewals, an etcd rollover, a node that joins, one that
// leaves, one that breaks at each wave. After its first install nothing is typed on a
// node.
func TestFleetLifecycle(t *testing.T) {
	y := newFleetLifecycle(t)
	y.begins()
	typed := y.onNodes
	y.renewalThatBreaks()
	y.etcdRollsOver()
	if y.onNodes != typed {
		t.Errorf("%d commands were typed on nodes", y.onNodes-typed)
	}
	y.oneJoins()
	if y.onNodes != typed+3 {
		t.Errorf("%d commands were typed on the node that joined", y.onNodes-typed)
	}
	y.oneLeaves()
	t.Logf("typed at the desk: %d; on %d nodes: %d, all of them before or at the first install",
		y.typed, fleetNodes+1, y.onNodes)
	t.Logf("what nodes did by themselves, and was typed on them before: %d installs, %d restarts, a status each",
		y.installs, y.restarts)
}

func (y *fleetLifecycle) begins() {
	next := y.folder("genesis")
	for i := range 3 {
		addr := netip.AddrFrom4([4]byte{10, 0, 0, byte(11 + i)})
		y.joins(next, kubepki.Node{Name: fmt.Sprintf("cp-%d", i+1), Roles: []kubepki.Role{kubepki.ControlPlane, kubepki.Etcd},
			Address: addr, First: i == 0})
	}
	for i := range fleetNodes - 3 {
		y.joins(next, kubepki.Node{Name: fmt.Sprintf("worker-%d", i+1), Roles: []kubepki.Role{kubepki.Worker}})
	}
	y.officiant("ceremony", "new", "--kubeadm", y.at("kubeadm.yaml"), "--requests", next+"/requests",
		"--station-grade", "software", "--out", next+"/plan.yaml")
	y.edit(next+"/plan.yaml", "# leaves:\n#   validity: 1y", "leaves:\n  validity: "+lives)
	y.ceremony(next)
	var err error
	y.release, err = readReleaseKey(y.t.Context(), y.lifecycle.release())
	must(y.t, err)
	for name := range y.nodes {
		y.firstInstall(name)
	}
	y.reaches()
	if y.installs != 0 {
		y.t.Errorf("%d nodes installed again what they had", y.installs)
	}
}

// renewalThatBreaks: at each wave a node breaks, goes back, and is told; the desk goes on
// without it, and the next bundle helps it.
func (y *fleetLifecycle) renewalThatBreaks() {
	y.pass(30)
	next := y.folder("renewal")
	y.plan("renew", next, "--within", "400d")
	y.ceremony(next)
	broken := []string{"worker-2", "cp-3", "worker-50"}
	for _, name := range broken {
		y.fleet[name].sickWith = 2
	}
	for i := range broken {
		want := exit.Expiring
		if i == len(broken)-1 {
			want = exit.Done
		}
		if code, stdout, stderr := y.publish(broken[:i]...); code != want {
			y.t.Fatalf("wave %d: exit %d\n%s%s", i, code, stdout, stderr)
		}
		y.hour()
		y.sick(broken[:i+1]...)
		if code, _, stderr := y.publish(broken[:i]...); i < len(broken)-1 && code != exit.Expiring {
			y.t.Fatalf("the next wave did not wait for %s: exit %d\n%s", broken[i], code, stderr)
		}
		y.hour() // and is not tried again
	}
	if y.installs != fleetNodes-len(broken) {
		y.t.Errorf("%d installs", y.installs)
	}
	for _, name := range broken {
		if b, err := y.nodes[name].Bundle(); err != nil || b.Sequence != 1 || y.fleet[name].with["kubelet"] != 1 {
			y.t.Errorf("%s has %d, its kubelet runs with %d: %v", name, b.Sequence, y.fleet[name].with["kubelet"], err)
		}
	}
	y.pass(1)
	next = y.folder("healing")
	args := []string{"--within", "500d"}
	for _, name := range broken {
		args = append(args, "--node", name)
	}
	y.plan("renew", next, args...)
	y.ceremony(next)
	y.only(broken[1], broken[0], broken[2])
	y.reaches()
}

// etcdRollsOver replaces etcd's authority, by statuses that nodes signed; workers, for
// whom nothing changes, are asked for nothing.
func (y *fleetLifecycle) etcdRollsOver() {
	y.edit(y.at("station.yaml"), "  etcd:", "  etcd-2: "+y.liesWhere("etcd")+"\n  etcd:")
	before := map[string]int{}
	for name, f := range y.fleet {
		before[name] = f.installs
	}
	for _, stage := range []string{"trust", "issue", "drop"} {
		y.pass(1)
		if stage == "issue" {
			y.kubeletUsesAnother(stage)
		}
		next := y.folder("rollover-" + stage)
		y.plan("rollover", next, "--authority", "etcd", "--stage", stage, "--status", filepath.Join(y.published, "status"))
		y.ceremony(next)
		y.reaches()
	}
	for name, f := range y.fleet {
		want := 0
		if strings.HasPrefix(name, "cp-") {
			want = 3
		}
		if got := f.installs - before[name]; got != want {
			y.t.Errorf("%s installed %d times in an etcd rollover, want %d", name, got, want)
		}
	}
	// A status of a week ago counts as none.
	y.pass(8)
	y.refused(exit.Refused, "counts no more", "ceremony", "rollover", y.at("ceremonies"), "--authority", "etcd-2",
		"--stage", "trust", "--status", filepath.Join(y.published, "status"), "--out", y.at("never.yaml"))
}

// kubeletUsesAnother: a node whose kubelet asks by another certificate than the installed
// one does not count as done, until it is set right.
func (y *fleetLifecycle) kubeletUsesAnother(stage string) {
	y.t.Helper()
	lib := filepath.Join(y.nodes["worker-7"].Root, "var/lib/kubelet")
	put(y.t, filepath.Join(lib, "config.yaml"), "kind: KubeletConfiguration\nrotateCertificates: true\n")
	other := y.certificate("worker-8", "kubelet.conf")
	put(y.t, filepath.Join(lib, "pki/kubelet-client-current.pem"),
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: other.Raw})))
	y.leaveStatus("worker-7", statement.Outcome{State: statement.Current})
	y.refused(exit.Refused, "node worker-7: its files are not as they were installed: etc/kubernetes/kubelet.conf: "+
		"the kubelet does not use it", "ceremony", "rollover", y.at("ceremonies"), "--authority", "etcd", "--stage", stage,
		"--status", filepath.Join(y.published, "status"), "--out", y.at("never.yaml"))
	y.hour() // which moves it aside, and restarts the kubelet
	if _, err := os.Stat(filepath.Join(lib, "pki/kubelet-client-current.pem")); !errors.Is(err, os.ErrNotExist) {
		y.t.Errorf("the kubelet would still use another certificate: %v", err)
	}
	must(y.t, os.RemoveAll(lib))
	y.fleet["worker-7"].installs--
}

func (y *fleetLifecycle) oneJoins() {
	next := y.folder("joins")
	y.joins(next, kubepki.Node{Name: "worker-98", Roles: []kubepki.Role{kubepki.Worker}})
	y.plan("renew", next, "--within", "1d", "--requests", next+"/requests")
	y.ceremony(next)
	y.firstInstall("worker-98")
	y.reaches()
}

func (y *fleetLifecycle) oneLeaves() {
	y.pass(30)
	next := y.folder("leaves")
	delete(y.fleet, "worker-5")
	y.plan("renew", next, "--within", "500d", "--left", "worker-5")
	y.ceremony(next)
	y.reaches()
	if _, err := os.Stat(filepath.Join(y.published, "worker-5.tar")); !errors.Is(err, os.ErrNotExist) {
		y.t.Errorf("the bundle of the node that left is still there: %v", err)
	}
	key, err := readReleaseKey(y.t.Context(), y.lifecycle.release())
	must(y.t, err)
	for name := range y.fleet {
		v, err := y.nodes[name].Verify(install.VerifyOptions{Release: key})
		must(y.t, err)
		for _, f := range v.Findings {
			y.t.Errorf("%s: %s", name, f)
		}
	}
}
