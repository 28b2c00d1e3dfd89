package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle"
	"officiant/bundle/durable"
	"officiant/bundle/install"
	"officiant/bundle/kubepki"
	"officiant/bundle/request"
	"officiant/bundle/seal"
	"officiant/cmd/internal/exit"
)

var first, second = netip.MustParseAddr("10.0.0.11"), netip.MustParseAddr("10.0.0.12")

// lifecycle is a cluster, the desk and the room of its people, and their clock.
type lifecycle struct {
	t        *testing.T
	now      time.Time
	dir      string
	done     []string // ceremony directories, the last one first
	nodes    map[string]*machine
	kubeadm  *kubeadmJudge
	etcd     *etcdJudge
	typed    int    // commands at the desk and in the room
	machines string // where nodes' roots lie; empty: in dir
}

// machine is a node: its files lie below a root of its own.
type machine struct {
	node kubepki.Node
	*install.Node
}

func newLifecycle(t *testing.T) *lifecycle {
	needSoftHSM(t)
	y := &lifecycle{t: t, now: time.Now().AddDate(-1, 0, 0), dir: t.TempDir(), nodes: map[string]*machine{}}
	y.kubeadm, y.etcd = newJudges(t)
	y.officiant("softhsm", "init", "--dir", y.at("room"), "--station", y.at("station.yaml"))
	put(t, y.at("kubeadm.yaml"), demoKubeadm)
	must(t, os.Mkdir(y.at("ceremonies"), 0o755))
	return y
}

func (y *lifecycle) at(name string) string { return filepath.Join(y.dir, name) }

// pass lets days go by.
func (y *lifecycle) pass(days int) { y.now = y.now.AddDate(0, 0, days) }

func (y *lifecycle) clock() time.Time { return y.now }

// types runs a command line with its clock.
func (y *lifecycle) types(args ...string) (code int, stdout, stderr string) {
	y.t.Helper()
	var out, talk bytes.Buffer
	o := &options{
		Stdin: strings.NewReader(""), Stdout: &out, Stderr: &talk, Disk: &durable.Disk{}, Rand: rand.Reader, Now: y.clock,
		Setenv: func(key, value string) error { y.t.Setenv(key, value); return nil }, Version: "test",
	}
	y.typed++
	code = execute(y.t.Context(), o, args)
	return code, out.String(), talk.String()
}

// officiant runs a command line that has to succeed.
func (y *lifecycle) officiant(args ...string) (stdout, stderr string) {
	y.t.Helper()
	code, stdout, stderr := y.types(args...)
	if code != exit.Done {
		y.t.Fatalf(
			"on %s: officiant %s: exit %d\n%s%s",
			y.now.Format(time.DateOnly),
			strings.Join(args, " "),
			code,
			stdout,
			stderr,
		)
	}
	return stdout, stderr
}

// refused runs a command line that has to end with an exit code and words.
func (y *lifecycle) refused(code int, want string, args ...string) {
	y.t.Helper()
	got, stdout, stderr := y.types(args...)
	if got != code || !strings.Contains(stdout+stderr, want) {
		y.t.Errorf(
			"on %s: officiant %s: exit %d, want %d and %q\n%s%s",
			y.now.Format(time.DateOnly),
			strings.Join(args, " "),
			got,
			code,
			want,
			stdout,
			stderr,
		)
	}
}

// edit changes a file as people do who know what they are looking for.
func (y *lifecycle) edit(file, old, new string) {
	y.t.Helper()
	text, err := os.ReadFile(file)
	must(y.t, err)
	if strings.Count(string(text), old) != 1 {
		y.t.Fatalf("%s: %q is not in it once\n%s", file, old, text)
	}
	put(y.t, file, strings.Replace(string(text), old, new, 1))
}

// folder is a new one for a plan and its requests.
func (y *lifecycle) folder(name string) string {
	y.t.Helper()
	dir, err := os.MkdirTemp(y.dir, name+"-")
	must(y.t, err)
	return dir
}

// add puts a machine on the network. One that has the name of another takes its
// place.
func (y *lifecycle) add(n kubepki.Node) {
	y.t.Helper()
	root := y.folder(n.Name)
	if y.machines != "" {
		root = filepath.Join(y.machines, filepath.Base(root))
		must(y.t, os.Mkdir(root, 0o755))
	}
	m := &machine{n, &install.Node{Root: root, Disk: &durable.Disk{}, Now: y.clock}}
	identity, recipient, err := seal.NewIdentity()
	must(y.t, err)
	must(y.t, m.State().Init())
	must(y.t, m.State().WriteIdentity(identity, recipient))
	y.nodes[n.Name] = m
}

// leaves are a node's certificates.
func (m *machine) leaves(t *testing.T) []kubepki.Leaf {
	t.Helper()
	leaves, err := kubepki.Leaves(demoCluster, m.node)
	must(t, err)
	return leaves
}

// ask makes the keys a node has not yet, and its request, as
// officiant-node request does.
func (y *lifecycle) ask(next, name string) {
	y.t.Helper()
	m := y.nodes[name]
	leaves, keys := m.leaves(y.t), request.Keys{}
	for _, l := range leaves {
		key, err := m.State().Key(l.Name)
		if errors.Is(err, fs.ErrNotExist) {
			key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			must(y.t, err)
			must(y.t, m.State().WriteKey(l.Name, key))
		}
		must(y.t, err)
		keys[l.Name] = key
	}
	recipient, err := m.State().Recipient()
	must(y.t, err)
	data, err := request.Make(demoCluster, m.node, leaves, keys, recipient, y.now, rand.Reader)
	must(y.t, err)
	put(y.t, filepath.Join(next, "requests", name+".req"), string(data))
}

// share seals the service-account key of one node to another's request.
func (y *lifecycle) share(next, from, to string) {
	y.t.Helper()
	recipient, err := y.nodes[to].State().Recipient()
	must(y.t, err)
	sealed, err := y.nodes[from].Share(recipient)
	must(y.t, err)
	put(y.t, filepath.Join(next, "requests", to+".sa.key.age"), string(sealed))
}

// plan writes the plan that goes on from what was done.
func (y *lifecycle) plan(command, next string, args ...string) {
	y.t.Helper()
	y.officiant(
		slices.Concat(
			[]string{"ceremony", command, y.at("ceremonies")},
			args,
			[]string{"--out", filepath.Join(next, "plan.yaml")},
		)...)
}

// statuses is a folder of what each node says of itself.
func (y *lifecycle) statuses(next string) (dir string) {
	y.t.Helper()
	dir = filepath.Join(next, "status")
	for name, m := range y.nodes {
		s, err := m.Status()
		must(y.t, err)
		text, err := json.Marshal(s)
		must(y.t, err)
		put(y.t, filepath.Join(dir, name+".json"), string(text))
	}
	return dir
}

// liesWhere is the URI of a key's token, as the station has it.
func (y *lifecycle) liesWhere(key string) string {
	y.t.Helper()
	text, err := os.ReadFile(y.at("station.yaml"))
	must(y.t, err)
	_, after, found := strings.Cut(string(text), "\n  "+key+": ")
	if !found {
		y.t.Fatalf("the station has no key %s\n%s", key, text)
	}
	uri, _, _ := strings.Cut(after, "\n")
	return uri
}

// clientOf is a copy of the files by which a node's API server asks etcd.
func (y *lifecycle) clientOf(node string) tls.Certificate {
	y.t.Helper()
	pki := filepath.Join(y.nodes[node].Root, "etc/kubernetes/pki")
	pair, err := tls.LoadX509KeyPair(pki+"/apiserver-etcd-client.crt", pki+"/apiserver-etcd-client.key")
	must(y.t, err)
	return pair
}

// conduct carries a plan out, and brings the bundles to their nodes, each of which is
// looked at before the next one.
func (y *lifecycle) conduct(next string) {
	y.t.Helper()
	bundles, err := filepath.Glob(filepath.Join(y.ceremony(next), "bundles", "*.tar"))
	must(y.t, err)
	for _, file := range bundles {
		y.install(file)
		y.etcd.restarts(y.nodes[strings.TrimSuffix(filepath.Base(file), ".tar")])
		y.tokensHold()
	}
}

// ceremony checks the plan of a folder, carries it out, and proves it.
func (y *lifecycle) ceremony(next string) (dir string) {
	y.t.Helper()
	plan, dir := filepath.Join(next, "plan.yaml"), y.at("ceremonies/"+filepath.Base(next))
	_, result, stderr := checkJSON(y.t, plan, "--station", y.at("station.yaml"))
	if result.Digest == nil {
		y.t.Fatalf("no digest\n%s", stderr)
	}
	y.officiant(
		"ceremony",
		"run",
		plan,
		"--station",
		y.at("station.yaml"),
		"--dir",
		dir,
		"--confirm",
		result.Digest.String(),
	)
	y.done = slices.Insert(y.done, 0, dir)
	y.officiant("ceremony", "verify", dir, "--previous", y.at("ceremonies"), "--release-key", y.release())
	return dir
}

// verified proves the last ceremony, with those before it.
func (y *lifecycle) verified(dirs []string) {
	y.t.Helper()
	args := []string{"ceremony", "verify", dirs[0], "--release-key", y.release()}
	for _, dir := range dirs[1:] {
		args = append(args, "--previous", dir)
	}
	y.officiant(args...)
}

// release is what the people kept of the first ceremony.
func (y *lifecycle) release() string {
	file := y.at("release.pub")
	if _, err := os.Stat(file); err != nil {
		data, err := os.ReadFile(filepath.Join(y.done[len(y.done)-1], "release.pub"))
		must(y.t, err)
		put(y.t, file, string(data))
	}
	return file
}

func (y *lifecycle) install(file string) {
	y.t.Helper()
	b, err := bundle.Open(file)
	must(y.t, err)
	key, err := readReleaseKey(y.t.Context(), y.release())
	must(y.t, err)
	_, err = y.nodes[b.Node].Install(b, install.Options{Release: key})
	must(y.t, err)
}

// everywhere has all nodes judged: by their own verify, kubeadm, and etcd.
func (y *lifecycle) everywhere() {
	y.t.Helper()
	key, err := readReleaseKey(y.t.Context(), y.release())
	must(y.t, err)
	for _, name := range slices.Sorted(maps.Keys(y.nodes)) {
		m := y.nodes[name]
		v, err := m.Verify(install.VerifyOptions{Release: key})
		must(y.t, err)
		for _, f := range v.Findings {
			y.t.Errorf("on %s: %s: %s", y.now.Format(time.DateOnly), name, f)
		}
		y.kubeadm.judges(m)
	}
	y.etcd.judges()
}

// only wants the last ceremony to have bundles of these nodes and no others.
func (y *lifecycle) only(nodes ...string) {
	y.t.Helper()
	found, err := filepath.Glob(filepath.Join(y.done[0], "bundles", "*.tar"))
	must(y.t, err)
	for i, file := range found {
		found[i] = strings.TrimSuffix(filepath.Base(file), ".tar")
	}
	if !slices.Equal(found, nodes) {
		y.t.Errorf("bundles of %q, want %q", found, nodes)
	}
}

// certificate is what a node has in place of a leaf.
func (y *lifecycle) certificate(node, leaf string) *x509.Certificate {
	y.t.Helper()
	m := y.nodes[node]
	leaves := m.leaves(y.t)
	i := slices.IndexFunc(leaves, func(l kubepki.Leaf) bool { return l.Name == leaf })
	u, err := m.InUse(leaves[i])
	must(y.t, err)
	return u.Chain[0]
}

// wholeChain proves the year once more from its end; without one of its middle,
// the one that is not there is named.
func (y *lifecycle) wholeChain() {
	y.t.Helper()
	y.verified(y.done)
	for _, i := range []int{1, len(y.done) / 2, len(y.done) - 2} {
		args := []string{"ceremony", "verify", y.done[0], "--release-key", y.release()}
		for _, dir := range slices.Concat(y.done[1:i], y.done[i+1:]) {
			args = append(args, "--previous", dir)
		}
		sequence := len(y.done) - i
		y.refused(
			exit.Unverified,
			fmt.Sprintf("ceremony %d of demo, which ceremony %d continues, is not here", sequence, sequence+1),
			args...)
		y.refused(
			exit.Refused,
			fmt.Sprintf("ceremony %d of cluster demo, which ", sequence),
			slices.Concat(
				[]string{"ceremony", "renew"},
				y.done[:i],
				y.done[i+1:],
				[]string{"--within", "1d", "--out", y.at("never.yaml")},
			)...)
	}
	_, note := y.officiant(slices.Concat([]string{"ceremony", "inventory"}, y.done[:1], y.done[2:])...)
	if !strings.Contains(
		note,
		fmt.Sprintf("ceremony %d of cluster demo is continued by one of these and not among them", len(y.done)-1),
	) {
		y.t.Errorf("the inventory does not say what is missing:\n%s", note)
	}
}
