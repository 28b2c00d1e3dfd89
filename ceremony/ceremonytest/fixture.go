package ceremonytest

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/request"
	"officiant/bundle/seal"
	"officiant/ceremony"
	"officiant/ceremony/preflight"
	"officiant/ceremony/schedule"
	"officiant/ceremony/station"
	"officiant/ceremony/transcript"
	"officiant/signer"
	"officiant/signer/pkcs11"
	"officiant/softhsm"
)

// Fixture is a plan with its inputs, and a station with two tokens: one for
// the root, one for the rest.
type Fixture struct {
	Folder     string // of plan.yaml and its inputs
	PlanFile   string
	Station    string                  // file
	Room       string                  // folder of the tokens
	Identities map[string]string       // age identities by node
	Keys       map[string]request.Keys // private keys by node
	SSH        map[string]ssh.Signer   // keys of the plan's people, by name
	open       signer.Opener
}

// Shape says what a fixture's cluster looks like.
type Shape struct {
	Cluster      string // default demo
	Workers      int
	Appliances   int              // workers whose keys the ceremony makes: appliance-1, …
	Root         signer.Algorithm // default ECDSA-P384
	Below        signer.Algorithm // default ECDSA-P256
	Version      kubepki.Version  // default the newest known
	Nodes        []kubepki.Node   // in place of cp-1 and the workers
	ExternalEtcd bool
	Online       bool // the authorities of an online signer are made, too
	// Of the requests; the plan that is to say the same, the test changes.
	DNSDomain     string
	ServiceSubnet string
	Lists         []string              // authorities that sign a revocation list
	People        []string              // "alice officer", "eve witness"
	Approvals     int                   // how many of them have to approve
	SSH           map[string]ssh.Signer // keys that some of them have already
}

// New makes a fixture: cp-1 (first control-plane node, with etcd) and workers.
// Its requests are made now; its tokens are empty.
func New(t testing.TB, s Shape) *Fixture {
	t.Helper()
	if s.Root == "" {
		s.Root = signer.ECDSAP384
	}
	if s.Below == "" {
		s.Below = signer.ECDSAP256
	}
	f := &Fixture{Folder: t.TempDir(), SSH: map[string]ssh.Signer{}, Identities: map[string]string{}, Keys: map[string]request.Keys{}}
	f.PlanFile = filepath.Join(f.Folder, "plan.yaml")
	maps.Copy(f.SSH, s.SSH)
	if s.Version == (kubepki.Version{}) {
		s.Version = kubepki.Newest()
	}
	if s.Cluster == "" {
		s.Cluster = "demo"
	}
	cluster := kubepki.Cluster{
		Name: s.Cluster, KubernetesVersion: s.Version, ControlPlaneEndpoint: "api." + s.Cluster + ".test:6443", ExternalEtcd: s.ExternalEtcd,
		DNSDomain: s.DNSDomain, ServiceSubnet: s.ServiceSubnet,
	}.Complete()
	var list strings.Builder
	for _, n := range s.nodes() {
		fp := f.request(t, cluster, n)
		fmt.Fprintf(&list, "  - name: %s\n    roles: [%s]\n", n.Name, roles(n))
		if n.Address.IsValid() {
			fmt.Fprintf(&list, "    address: %s\n", n.Address)
		}
		if n.First {
			list.WriteString("    first: true\n")
		}
		fmt.Fprintf(&list, "    request: requests/%s.req\n    fingerprint: %s\n", n.Name, fp)
	}
	for i := range s.Appliances {
		name := fmt.Sprintf("appliance-%d", i+1)
		identity, recipient, err := seal.NewIdentity()
		check(t, err)
		f.Identities[name] = identity
		fmt.Fprintf(&list, "  - name: %s\n    roles: [worker]\n    keys: {create: ECDSA-P256, recipient: %s}\n", name, recipient)
	}
	if len(s.Lists) > 0 {
		list.WriteString("crls:\n")
	}
	for _, name := range s.Lists {
		fmt.Fprintf(&list, "  - {authority: %s, nextUpdate: 90d}\n", name)
	}
	list.WriteString(f.People(t, s.Approvals, s.People...))
	text := fmt.Sprintf(planText, s.Cluster, cluster.KubernetesVersion, s.ExternalEtcd, s.Root, s.Below)
	if s.Online {
		text = strings.Replace(text, "release:", onlineText+"release:", 1)
	}
	write(t, f.PlanFile, text+list.String())
	f.Tokens(t)
	return f
}

// Address is cp-1's.
var Address = netip.MustParseAddr("10.0.0.11")

func (s Shape) nodes() []kubepki.Node {
	if s.Nodes != nil {
		return s.Nodes
	}
	nodes := []kubepki.Node{{
		Name: "cp-1", Roles: []kubepki.Role{kubepki.ControlPlane, kubepki.Etcd}, Address: Address, First: true,
	}}
	for i := range s.Workers {
		nodes = append(nodes, kubepki.Node{Name: fmt.Sprintf("worker-%d", i+1), Roles: []kubepki.Role{kubepki.Worker}})
	}
	return nodes
}

const planText = `apiVersion: officiant/v1
kind: Plan
name: %[1]s-1
cluster:
  name: %[1]s
  kubernetesVersion: %[2]s
  controlPlaneEndpoint: api.%[1]s.test:6443
  externalEtcd: %[3]t
previous: none
authorities:
  - {name: root, key: {create: %[4]s}, evidence: software, validity: 20y}
  - {name: kubernetes, key: {create: %[5]s}, evidence: software, validity: 10y}
  - {name: etcd, key: {create: %[5]s}, evidence: software, validity: 10y}
  - {name: front-proxy, key: {create: %[5]s}, evidence: software, validity: 10y}
release: {key: {create: ECDSA-P256}, evidence: software}
serviceAccount: {create: ECDSA-P256}
leaves: {validity: 1y}
nodes:
`

// onlineText are the authorities of an online signer.
const onlineText = `  - {name: kubelet-serving, key: {create: ECDSA-P256}, evidence: software}
  - {name: kubelet-client, key: {create: ECDSA-P256}, evidence: software}
`

func roles(n kubepki.Node) string {
	var out []string
	for _, r := range n.Roles {
		out = append(out, string(r))
	}
	return strings.Join(out, ", ")
}

// request makes a node's keys and its request.
func (f *Fixture) request(t testing.TB, c kubepki.Cluster, n kubepki.Node) fingerprint.SHA256 {
	t.Helper()
	leaves, err := kubepki.Leaves(c, n)
	check(t, err)
	keys := request.Keys{}
	for _, l := range leaves {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		check(t, err)
		keys[l.Name] = k
	}
	identity, recipient, err := seal.NewIdentity()
	check(t, err)
	if !n.Has(kubepki.ControlPlane) {
		recipient = seal.Plain(recipient) // as officiant-node request has it
	}
	data, err := request.Make(c, n, leaves, keys, recipient, time.Now().UTC().Truncate(time.Second), rand.Reader)
	check(t, err)
	opened, err := request.Parse(n.Name+".req", data)
	check(t, err)
	write(t, filepath.Join(f.Folder, "requests", n.Name+".req"), string(data))
	f.Identities[n.Name], f.Keys[n.Name] = identity, keys
	return opened.Fingerprint
}

// Tokens makes two fresh SoftHSM tokens and a station for them.
func (f *Fixture) Tokens(t testing.TB) {
	t.Helper()
	module, err := softhsm.Find()
	if err != nil {
		if os.Getenv("OFFICIANT_REQUIRE_SOFTHSM") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	room := filepath.Join(t.TempDir(), "room")
	f.Room = room
	_, made, err := softhsm.Init(room, module, []softhsm.Token{
		{Label: "root", SOPIN: []byte("12345678"), PIN: []byte("1234")},
		{Label: "issuing", SOPIN: []byte("12345678"), PIN: []byte("1234")},
	}, func(k, v string) error { t.Setenv(k, v); return nil })
	check(t, err)
	pin := filepath.Join(room, "pin")
	write(t, pin, "1234\n")
	check(t, os.Chmod(pin, 0o600))
	uri := func(i int) string {
		return fmt.Sprintf("pkcs11:token=%s;serial=%s?module-path=%s&pin-source=file:%s", made[i].Label, made[i].Serial, module, pin)
	}
	f.Station = filepath.Join(room, "station.yaml")
	write(t, f.Station, fmt.Sprintf("apiVersion: officiant/v1\nkind: Station\nname: test\nkeys:\n  root: %q\n  default: %q\n", uri(0), uri(1)))
	f.open = pkcs11.Open
}

// NewKey makes a key in the token of what the ceremony issues, before it.
func (f *Fixture) NewKey(t testing.TB, label string, a signer.Algorithm) signer.Key {
	t.Helper()
	st, err := station.Open(f.Station)
	check(t, err)
	ref := signer.Ref{URI: st.Keys["default"], Label: label}
	store, err := pkcs11.Open(t.Context(), ref, nil)
	check(t, err)
	t.Cleanup(func() { store.Close() })
	id := signer.ID([]byte((label + "................")[:16]))
	key, err := store.Create(t.Context(), ref, signer.Spec{Algorithm: a}, id)
	check(t, err)
	return key
}

// Asking has PINs asked for instead of read from the file that the station names.
func (f *Fixture) Asking(t testing.TB) {
	t.Helper()
	text, err := os.ReadFile(f.Station)
	check(t, err)
	write(t, f.Station, strings.ReplaceAll(string(text), "&pin-source=file:"+filepath.Join(f.Room, "pin"), ""))
}

// InRoom is the same fixture with another room's tokens, as a copy.
func (f *Fixture) InRoom(t testing.TB, room string) *Fixture {
	t.Helper()
	conf := filepath.Join(room, "softhsm2.conf")
	text, err := os.ReadFile(conf)
	check(t, err)
	write(t, conf, strings.ReplaceAll(string(text), f.Room, room))
	t.Setenv("SOFTHSM2_CONF", conf)
	again := *f
	again.Room = room
	return &again
}

// Append adds lines to the end of the fixture's plan.
func (f *Fixture) Append(t testing.TB, lines string) {
	t.Helper()
	text, err := os.ReadFile(f.PlanFile)
	check(t, err)
	write(t, f.PlanFile, string(text)+lines)
}

// Config is a run of the fixture's plan into dir. The same fixture may run
// again into the same directory: that is a resume.
func (f *Fixture) Config(t testing.TB, dir string) ceremony.Config {
	t.Helper()
	c, err := schedule.Open(f.PlanFile, schedule.Options{Now: time.Now()})
	check(t, err)
	st, err := station.Open(f.Station)
	check(t, err)
	approvals, err := ceremony.ReadApprovals(os.DirFS(f.Folder))
	check(t, err)
	var present []string
	for _, p := range c.People.List {
		present = append(present, p.Name)
	}
	return ceremony.Config{
		Dir: dir, Plan: c, Station: st, Approvals: approvals, Present: present, Open: f.open, Disk: &durable.Disk{},
		Now: time.Now, Rand: rand.Reader, Observer: silent{},
		Ask: func(context.Context, signer.Device) ([]byte, error) { return []byte("1234"), nil },
		Heads: ceremony.Heads{Ask: func(context.Context, func(fingerprint.SHA256) bool) (fingerprint.SHA256, error) {
			return headOf(dir)
		}},
		Program: transcript.Program{Version: "test"}, Host: transcript.Host{Interfaces: []string{}},
		Look: func(context.Context, time.Time) ([]preflight.Result, error) {
			return []preflight.Result{{Name: "network", Seen: "up: none; down: none", Level: preflight.Record}}, nil
		},
	}
}

// Run carries the plan out into a new directory and returns it.
func (f *Fixture) Run(t testing.TB) (dir string, result *ceremony.Result) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "ceremony")
	result, err := ceremony.Run(context.Background(), f.Config(t, dir))
	check(t, err)
	return dir, result
}

// Public returns the public keys of a node by leaf name.
func (f *Fixture) Public(node string) map[string]crypto.PublicKey {
	out := map[string]crypto.PublicKey{}
	for name, k := range f.Keys[node] {
		out[name] = k.Public()
	}
	return out
}

// headOf is the head that people wrote down, in tests where nobody touches the record
// between two processes.
func headOf(dir string) (fingerprint.SHA256, error) {
	data, err := os.ReadFile(filepath.Join(dir, "transcript.jsonl"))
	if err != nil {
		return fingerprint.SHA256{}, err
	}
	whole := data[:bytes.LastIndexByte(data, '\n')+1]
	return fingerprint.Of(whole[bytes.LastIndexByte(bytes.TrimSuffix(whole, []byte("\n")), '\n')+1:]), nil
}

type silent struct{}

func (silent) Step(int, int, string)                  {}
func (silent) Say(string)                             {}
func (silent) Fingerprint(string, fingerprint.SHA256) {}

func write(t testing.TB, path, text string) {
	t.Helper()
	check(t, os.MkdirAll(filepath.Dir(path), 0o755))
	check(t, os.WriteFile(path, []byte(text), 0o644))
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
