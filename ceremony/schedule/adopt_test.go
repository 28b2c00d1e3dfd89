package schedule_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle/kubepki"
	"officiant/bundle/request"
	"officiant/bundle/seal"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/schedule"
)

// TestAdoption: the old authorities sign nothing and issue all the same, since
// every leaf is carried over from the nodes' requests.
func TestAdoption(t *testing.T) {
	r := ceremonytest.NewRunning(t)
	f := r.Adopting(t, 1, nil)
	c, err := schedule.Open(f.PlanFile, schedule.Options{Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	var signs []string
	for _, e := range c.Entries {
		signs = append(signs, e.Signer+" signs "+e.Name)
	}
	want := []string{"root signs root", "root signs kubernetes", "root signs etcd", "root signs front-proxy",
		"release signs bundle cp-1", "release signs bundle worker-1", "release signs transcript"}
	if !slices.Equal(signs, want) || !slices.Equal(c.KeysNeeded(), []string{"root", "kubernetes", "etcd", "front-proxy", "release"}) {
		t.Errorf("%q with the keys %q", signs, c.KeysNeeded())
	}
	if got := len(c.Carried["cp-1"]); got != len(c.Requests["cp-1"].Keys) || len(c.Warnings) > 0 {
		t.Errorf("%d carried over, warnings %v", got, c.Warnings)
	}
	if !strings.Contains(written(c), "carried=kubelet.conf trusts=kubernetes,etcd,front-proxy ") {
		t.Errorf("the schedule does not say what is carried and trusted:\n%s", written(c))
	}
	rehearsal, err := c.Rehearsal()
	if err != nil {
		t.Fatal(err)
	}
	if rehearsal.Plan.Adopts() || len(rehearsal.Carried) > 0 {
		t.Error("a rehearsal adopts, or carries over, what throw-away keys did not make")
	}
}

// What differs between a certificate and what the plan would make is told, and
// kept for a stage: other organizations, more names.
func TestAdoptionWarns(t *testing.T) {
	r := ceremonytest.NewRunning(t)
	f := r.Adopting(t, 0, func(_ string, a *request.Adoption) {
		l := leafOf(t, r, "apiserver-kubelet-client")
		l.Organization = []string{"system:masters"}
		a.Leaves["apiserver-kubelet-client"] = r.Leaf(t, l, a.Leaves["apiserver-kubelet-client"].PublicKey)
		l = leafOf(t, r, "apiserver")
		l.DNSNames = append(l.DNSNames, "old.demo.test")
		a.Leaves["apiserver"] = r.Leaf(t, l, a.Leaves["apiserver"].PublicKey)
	})
	c, err := schedule.Open(f.PlanFile, schedule.Options{Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, w := range c.Warnings {
		said = append(said, w.Message)
	}
	if all := strings.Join(said, "\n"); len(said) != 2 || !strings.Contains(all, "organization [system:masters], the plan says []") || !strings.Contains(all, "old.demo.test") {
		t.Errorf("warnings:\n%s", all)
	}
}

func leafOf(t *testing.T, r *ceremonytest.Running, name string) kubepki.Leaf {
	t.Helper()
	n := kubepki.Node{Name: "cp-1", Roles: []kubepki.Role{kubepki.ControlPlane, kubepki.Etcd}, Address: ceremonytest.Address, First: true}
	leaves, err := kubepki.Leaves(r.Cluster, n)
	if err != nil {
		t.Fatal(err)
	}
	return leaves[slices.IndexFunc(leaves, func(l kubepki.Leaf) bool { return l.Name == name })]
}

func recipient(t *testing.T) string {
	t.Helper()
	_, recipient, err := seal.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return recipient
}

// Each gate fails once.
func TestAdoptionRefused(t *testing.T) {
	r, other := ceremonytest.NewRunning(t), ceremonytest.NewRunning(t)
	kubernetes := kubepki.KubernetesAuthority
	remade := func(name string, by *ceremonytest.Running, change func(*kubepki.Leaf)) func(string, *request.Adoption) {
		return func(node string, a *request.Adoption) {
			if node != "cp-1" {
				return
			}
			l := leafOf(t, r, name)
			if change != nil {
				change(&l)
			}
			a.Leaves[name] = by.Leaf(t, l, a.Leaves[name].PublicKey)
		}
	}
	for name, tt := range map[string]struct {
		change   func(node string, a *request.Adoption)
		old, new string // in the plan
		spoil    func(folder string)
		want     string
	}{
		"a leaf that another authority signed": {change: remade("apiserver", other, nil), want: "adopted/leaf/apiserver.crt: was not signed by CN=kubernetes, which is adopted"},
		"another node's kubelet": {change: remade("kubelet.conf", r, func(l *kubepki.Leaf) { l.CommonName = "system:node:cp-9" }),
			want: `adopted/leaf/kubelet.conf.crt: CN is "system:node:cp-9"`},
		"a server that is another's": {change: remade("etcd/server", r, func(l *kubepki.Leaf) { l.DNSNames, l.IPAddresses = []string{"cp-9"}, nil }),
			want: "adopted/leaf/etcd/server.crt: is neither for cp-1"},
		"a node that trusts another": {change: func(node string, a *request.Adoption) {
			if node == "worker-1" {
				a.Authorities[kubernetes] = other.Authorities[kubernetes]
			}
		}, want: "worker-1.req: adopted/authority/kubernetes.crt: is not adopted/kubernetes.crt, which the plan adopts"},
		"another service-account key": {spoil: func(folder string) {
			f := other.Adopting(t, 0, nil)
			data, _ := os.ReadFile(filepath.Join(f.Folder, "adopted/sa.pub"))
			os.WriteFile(filepath.Join(folder, "adopted/sa.pub"), data, 0o600)
		}, want: "adopted/sa.pub: is another service-account key than adopted/sa.pub"},
		"a new pair": {old: "{sealed: adopted/cp-1.sa.key.age, public: adopted/sa.pub}", new: "{create: ECDSA-P256}", want: "keeps its service-account pair"},
		"sealed to another": {spoil: func(folder string) {
			f := r.Adopting(t, 0, nil)
			data, _ := os.ReadFile(filepath.Join(f.Folder, "adopted/cp-1.sa.key.age"))
			os.WriteFile(filepath.Join(folder, "adopted/cp-1.sa.key.age"), data, 0o600)
		}, want: "is not adopted/sa.key.age of requests/cp-1.req"},
		"nobody follows": {old: "  - {name: etcd, use: trust, key: {create: ECDSA-P256}, evidence: software, validity: 10y}\n", want: "there is none of family etcd to succeed it"},
		"trusted before it is known": {old: "family: etcd, adopted: true,", new: "family: etcd, adopted: true, use: trust,",
			want: "no node trusts its successor yet"},
		"a node whose keys are made": {old: "nodes:\n", new: "nodes:\n  - {name: appliance-1, roles: [worker], keys: {create: ECDSA-P256, recipient: " + recipient(t) + "}}\n",
			want: "authority kubernetes-former is adopted and signs nothing, and 1 certificates would be its"},
		"not said": {old: "family: etcd, adopted: true,", new: "family: etcd,",
			want: "adopted/etcd.crt: an intermediate has path length 0"},
		"a root": {old: "family: etcd, adopted: true,", new: "family: root, use: trust, adopted: true,",
			want: "the root and an online signer's are the ceremony's own"},
		"its key":          {old: "family: etcd, adopted: true,", new: "family: etcd, adopted: true, key: {existing: " + strings.Repeat("ab", 32) + "},", want: "its key was on disks"},
		"its key imported": {old: "family: etcd, adopted: true,", new: "family: etcd, key: {import: ca.key},", want: "import: no key is imported. One that lay in a file has been where it can be copied"},
		"no certificate":   {old: "adopted: true, certificate: adopted/etcd.crt", new: "adopted: true", want: "name its certificate"},
		"one for two": {spoil: func(folder string) {
			data, _ := os.ReadFile(filepath.Join(folder, "adopted/kubernetes.crt"))
			os.WriteFile(filepath.Join(folder, "adopted/etcd.crt"), data, 0o600)
		}, want: "have the same key"},
		"an intermediate": {spoil: func(folder string) {
			c := r.Leaf(t, leafOf(t, r, "apiserver"), r.Keys[kubepki.EtcdAuthority].Public())
			os.WriteFile(filepath.Join(folder, "adopted/etcd.crt"), ceremonytest.PEM(c), 0o600)
		}, want: "adopted/etcd.crt: is not a CA certificate"},
		"two of one family": {old: "authorities:\n",
			new:  "authorities:\n  - {name: etcd-older, family: etcd, adopted: true, certificate: adopted/etcd.crt}\n",
			want: "authorities etcd-former and etcd-older of family etcd are both adopted; a cluster has one"},
		"a request that brings nothing": {spoil: func(folder string) { replaceRequest(t, r, folder) },
			want: "worker-1.req: does not bring along what the node has; make it on node worker-1"},
		"a leaf that has ended": {change: func(_ string, a *request.Adoption) {
			if was := a.Leaves["apiserver"]; was != nil {
				end := time.Now().AddDate(0, 0, -1)
				a.Leaves["apiserver"] = r.LeafUntil(t, leafOf(t, r, "apiserver"), was.PublicKey, end)
			}
		}, want: "adopted/leaf/apiserver.crt: is valid from "},
	} {
		t.Run(name, func(t *testing.T) {
			f := r.Adopting(t, 1, tt.change)
			text, err := os.ReadFile(f.PlanFile)
			if err != nil || !strings.Contains(string(text), tt.old) {
				t.Fatalf("%v: no %q in\n%s", err, tt.old, text)
			}
			if err := os.WriteFile(f.PlanFile, []byte(strings.Replace(string(text), tt.old, tt.new, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			if tt.spoil != nil {
				tt.spoil(f.Folder)
			}
			_, err = schedule.Open(f.PlanFile, schedule.Options{Now: time.Now()})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("want %q: %v", tt.want, err)
			}
		})
	}
}

// replaceRequest puts a request of worker-1 in place that is of no running cluster.
func replaceRequest(t *testing.T, r *ceremonytest.Running, folder string) {
	t.Helper()
	n := kubepki.Node{Name: "worker-1", Roles: []kubepki.Role{kubepki.Worker}}
	leaves, err := kubepki.Leaves(r.Cluster, n)
	check(t, err)
	keys := request.Keys{}
	for _, l := range leaves {
		keys[l.Name], err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		check(t, err)
	}
	data, err := request.Make(r.Cluster, n, leaves, keys, recipient(t), time.Now().UTC().Truncate(time.Second),
		rand.Reader)
	check(t, err)
	o, err := request.Parse("worker-1.req", data)
	check(t, err)
	plan, err := os.ReadFile(filepath.Join(folder, "plan.yaml"))
	check(t, err)
	words := regexp.MustCompile(`(requests/worker-1.req\n    fingerprint: ).*`)
	text := words.ReplaceAllString(string(plan), "${1}"+o.Fingerprint.String())
	check(t, os.WriteFile(filepath.Join(folder, "requests", "worker-1.req"), data, 0o600))
	check(t, os.WriteFile(filepath.Join(folder, "plan.yaml"), []byte(text), 0o600))
}

// TestOneFileForTwo: what is sealed to one control-plane node opens for no other.
func TestOneFileForTwo(t *testing.T) {
	r := ceremonytest.NewRunning(t)
	control := []kubepki.Role{kubepki.ControlPlane, kubepki.Etcd}
	f := r.AdoptingShape(t, ceremonytest.Shape{Nodes: []kubepki.Node{
		{Name: "cp-1", Roles: control, Address: ceremonytest.Address, First: true},
		{Name: "cp-2", Roles: control, Address: ceremonytest.Address.Next()},
	}}, nil)
	const want = "nodes cp-1 and cp-2 have no file of their own (sealed), and adopted/cp-1.sa.key.age opens for one"
	_, err := schedule.Open(f.PlanFile, schedule.Options{Now: time.Now()})
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
	text, err := os.ReadFile(f.PlanFile)
	check(t, err)
	own := strings.Replace(string(text), "  - name: cp-2\n", "  - name: cp-2\n    sealed: adopted/cp-2.sa.key.age\n", 1)
	check(t, os.WriteFile(f.PlanFile, []byte(own), 0o600))
	if _, err := schedule.Open(f.PlanFile, schedule.Options{Now: time.Now()}); err != nil {
		t.Errorf("each its own: %v", err)
	}
}

// TestNothingAdopted: a plan that makes all anew says what that means for a cluster that
// runs.
func TestNothingAdopted(t *testing.T) {
	f := ceremonytest.NewRunning(t).Adopting(t, 0, nil)
	text, err := os.ReadFile(f.PlanFile)
	check(t, err)
	anew := regexp.MustCompile(`.*adopted: true.*\n`).ReplaceAllString(string(text), "")
	anew = strings.ReplaceAll(anew, "use: trust, ", "")
	anew = regexp.MustCompile(`serviceAccount: .*`).ReplaceAllString(anew, "serviceAccount: {create: ECDSA-P256}")
	check(t, os.WriteFile(f.PlanFile, []byte(anew), 0o600))
	c, err := schedule.Open(f.PlanFile, schedule.Options{Now: time.Now()})
	check(t, err)
	const want = "node cp-1: its request is of a running cluster, and the plan adopts none of its authorities"
	if len(c.Warnings) == 0 || !strings.HasPrefix(c.Warnings[0].Message, want) {
		t.Errorf("%v, want %s", c.Warnings, want)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// written is schedule.txt.
func written(c *schedule.Ceremony) string {
	var b strings.Builder
	_ = c.WriteSchedule(&b)
	return b.String()
}
