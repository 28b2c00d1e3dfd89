package next

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
	"officiant/bundle/install"
	"officiant/bundle/kubepki"
	"officiant/bundle/request"
	"officiant/bundle/statement"
	"officiant/ceremony/history"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

// says checks that err has a text.
func says(t *testing.T, what string, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v, want %q", what, err, want)
	}
}

// TestListRefused: a list of nodes that is not of its form is refused by what is wrong in it.
func TestListRefused(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "nodes: no header with the columns name, roles, address, fingerprint: EOF"},
		{"node,roles\n", `nodes: column "node": the columns are name, roles, address, fingerprint, each once, and ` +
			"name has to be there"},
		{"name,name\n", `nodes: column "name": the columns are `},
		{"roles\n", "nodes: no column name"},
		{"name\n", "nodes: no node in it"},
		{"name,roles\n,worker\n", "nodes: line 2: a node without a name"},
		{"name,roles\na,worked\n", `nodes: line 2: node a: role "worked" is none of ` +
			"control-plane, etcd, worker; did you mean worker?"},
		{"name,address\na,10.0.0\n", `nodes: line 2: node a: "10.0.0" is not an IP address`},
		{"name,fingerprint\na,12\n", "nodes: line 2: node a: "},
		{"name\na\na\n", "nodes: node a is there twice"},
		{"name\n\"a\n", "nodes: parse error on line 2"},
		{"{", "nodes: not JSON of `kubectl get nodes -o json`: unexpected end"},
		{`{"kind":"Pod"}`, "nodes: kind \"Pod\": this reads what `kubectl get nodes -o json` prints"},
		{`{"kind":"List","items":[{}]}`, `nodes: an item of kind "" without a name, or that is no Node`},
		{`{"kind":"List"}`, "nodes: no node in it"},
		{`{"kind":"List","items":[{"kind":"Pod","metadata":{"name":"a"}}]}`,
			`nodes: an item of kind "Pod" without a name, or that is no Node`},
		{`{"kind":"List","items":[{"metadata":{"name":"a"},` +
			`"status":{"addresses":[{"type":"InternalIP","address":"a"}]}}]}`,
			`nodes: node a: InternalIP "a" is not an IP address`},
	} {
		list, err := parseList(File{Name: "nodes", Data: []byte(c.text)})
		says(t, c.text, err, c.want)
		if list != nil {
			t.Errorf("%s: %d nodes came with the error", c.text, len(list))
		}
	}
}

// TestHeldAgainstList: who is missing, who is not asked for, and what a request says otherwise.
func TestHeldAgainstList(t *testing.T) {
	f := fingerprint.Of([]byte("a request"))
	worker := requester{node: plan.Node{Name: "a", Roles: []kubepki.Role{kubepki.Worker},
		Address: "10.0.0.1"},
		request: &request.Opened{Fingerprint: f}}
	worker.request.Node.Address = netip.MustParseAddr("10.0.0.1")
	for _, c := range []struct{ list, want string }{
		{"name\na\nb\nc\n", "no request of b, c"},
		{"name\nb\n", "requests of nodes that are not in the list: a"},
		{"name,roles\na,control-plane\n",
			"node a: its request asks for the roles [worker], the list says [control-plane]"},
		{"name,address\na,10.0.0.2\n", "node a: its request says its address is 10.0.0.1, the list says [10.0.0.2]"},
		{"name,fingerprint\na," + fingerprint.Of(nil).String() + "\n",
			"node a: its request has the fingerprint " + f.String() + ", the list says " +
				fingerprint.Of(nil).String()},
		{`{"kind":"List","items":[{"metadata":{"name":"a","labels":{"node-role.kubernetes.io/control-plane":""}}}]}`,
			"node a: its request asks for the roles [worker], the list says control plane: true"},
	} {
		nodes, err := parseList(File{Name: "nodes", Data: []byte(c.list)})
		if err != nil {
			t.Fatal(c.list, err)
		}
		_, err = hold(nodes, []requester{worker})
		says(t, c.list, err, c.want)
	}
	nodes, err := parseList(File{Name: "nodes", Data: []byte("name,roles,address,fingerprint\na,worker,10.0.0.1," +
		f.String() + "\n")})
	if err != nil {
		t.Fatal(err)
	}
	if held, err := hold(nodes, []requester{worker}); err != nil || len(held) != 1 || !held[0].compared {
		t.Errorf("%+v, %v", held, err)
	}
}

// generations is a chain whose plans have these authorities, newest first: NAME:FAMILY:USE.
func generations(plans ...string) Chain {
	var c Chain
	for _, text := range plans {
		p := &plan.Plan{}
		for _, a := range strings.Fields(text) {
			part := strings.Split(a, ":")
			p.Authorities = append(p.Authorities, plan.Authority{Name: part[0], Family: kubepki.Authority(part[1]),
				Use: plan.Use(part[2])})
		}
		c.all = append(c.all, &Previous{plan: &schedule.Ceremony{Plan: p}})
	}
	return c
}

// TestMovesRefused: a stage that is not the next one is refused by what the last plan has.
func TestMovesRefused(t *testing.T) {
	one := "root:root:issue kubernetes:kubernetes:issue"
	comes := "root:root:issue kubernetes:kubernetes:issue kubernetes-2:kubernetes:trust"
	goes := "root:root:issue kubernetes-2:kubernetes:issue kubernetes:kubernetes:trust"
	three := comes + " kubernetes-3:kubernetes:trust"
	for _, c := range []struct {
		authority string
		stage     Stage
		chain     Chain
		says      string
	}{
		{"kubernets", Trust, generations(one),
			"no authority kubernets in the last ceremony's plan; it has root, kubernetes"},
		{"root", Trust, generations(one), ""},
		{"kubernetes", Trust, generations(one), ""},
		{"kubernetes", Issue, generations(one),
			"stage issue: nodes trust none beside kubernetes; the first stage is trust"},
		{"kubernetes", Trust, generations(comes, one),
			"stage trust: nodes trust kubernetes-2 already; the next stage is issue"},
		{"kubernetes", Issue, generations(comes, one), ""},
		{"kubernetes", Drop, generations(comes, one),
			"stage drop: leaves are by kubernetes still; the next stage is issue"},
		{"kubernetes-2", Trust, generations(goes, comes, one),
			"stage trust: nodes still trust kubernetes; finish that rollover first"},
		{"kubernetes-2", Issue, generations(goes, comes, one),
			"stage issue: kubernetes-2 issues already; the next stage is drop"},
		{"kubernetes-2", Drop, generations(goes, comes, one), ""},
		{"kubernetes", Drop, generations(three, comes, one),
			"stage drop: beside kubernetes nodes trust kubernetes-2, kubernetes-3; finish one rollover at a time"},
		{"kubernetes", SameKey, generations(goes, comes, one),
			"kubernetes is only trusted; a later end for the key there is, only one that issues gets"},
	} {
		for _, p := range c.chain.all {
			p.plan.Cluster.KubernetesVersion = kubepki.Version{Major: 1, Minor: 37}
		}
		r := &rolling{work: &work{chain: c.chain}, RolloverOptions: RolloverOptions{Authority: c.authority,
			Stage: c.stage}}
		_, err := r.moves()
		if c.says == "" {
			if err != nil {
				t.Errorf("%s of %s: %v", c.stage, c.authority, err)
			}
			continue
		}
		says(t, string(c.stage)+" of "+c.authority, err, c.says)
	}
}

// TestOldKubeadm: a kubeadm that takes one authority in a kubeconfig stands in the way of two.
func TestOldKubeadm(t *testing.T) {
	chain := generations("root:root:issue kubernetes:kubernetes:issue etcd:etcd:issue")
	chain.last().plan.Cluster.KubernetesVersion = kubepki.Version{Major: 1, Minor: 30}
	r := &rolling{work: &work{chain: chain}, RolloverOptions: RolloverOptions{Authority: "kubernetes", Stage: Trust}}
	_, err := r.moves()
	says(t, "kubernetes", err,
		"the cluster is of Kubernetes v1.30.0, whose kubeadm takes a kubeconfig with exactly one authority in it, "+
			"byte for byte the first of ca.crt; during a rollover kubeconfigs hold two")
	r.Authority = "etcd"
	if _, err := r.moves(); err != nil {
		t.Errorf("etcd: %v", err)
	}
}

// TestStagesRefused: a stage of the other keys that is not the next one says which is.
func TestStagesRefused(t *testing.T) {
	public := func(name string) []byte { return []byte(name) }
	chain := func(keys transcript.AccountKeys) Chain {
		p := ceremonyOf("root")
		p.Record = &history.Record{Accounts: &keys, Ended: time.Unix(0, 0).UTC()}
		p.Open.Sequence = 3
		return Chain{all: []*Previous{p}}
	}
	former := transcript.AccountKeys{InUse: transcript.Sealed{PublicKey: public("b"), Former: [][]byte{public("a")}}}
	roll := func(c Chain, s Stage) *rolling {
		return &rolling{work: &work{chain: c, Changes: Changes{Desk: Desk{Now: time.Unix(3600, 0)}}},
			RolloverOptions: RolloverOptions{Stage: s, TokenLife: 2 * time.Hour}}
	}
	_, err := roll(Chain{}, Drop).dropAccount(account{})
	says(t, "no former key", err, "stage drop: API servers believe no former service-account key")
	c := chain(former)
	_, err = roll(c, Drop).dropAccount(account{c, former})
	says(t, "tokens live", err,
		"tokens signed with the former service-account key may live until 1970-01-01T02:00:00Z: 2h from the end of "+
			"ceremony 3, which had the new key sign")

	next := func(sealedTo string) transcript.AccountKeys {
		return transcript.AccountKeys{Next: &transcript.Sealed{PublicKey: public("c"), Recipients: []string{sealedTo}}}
	}
	again := trustAccount{account: account{Chain{}, next("")}} // no ceremony knows another recipient of any node
	says(t, "made already", again.apply(&plan.NewOptions{Nodes: []plan.Node{{Name: "cp-1"}}}),
		"stage trust: the next key, "+
			keyID(public("c"))+", is made already, and all these nodes can open it; the next stage is issue")

	release := func(successor string, s Stage) error {
		p := ceremonyOf("root")
		p.plan.Plan.Release = plan.Release{Name: "release", Successor: plan.Successor{Name: successor}}
		_, err := roll(Chain{all: []*Previous{p}}, s).releaseStage()
		return err
	}
	says(t, "drop", release("", Drop),
		"stage drop: each node leaves the old release key by itself, with the first bundle by the new one")
	says(t, "announced", release("release-2", Trust),
		"stage trust: the last ceremony announced release-2 already; the next stage is issue")
	says(t, "not announced", release("", Issue),
		"stage issue: the last ceremony announced no release key; the first stage is trust")
}

// TestLagging: a node that is not where the stage before leaves it is told by what it lacks.
func TestLagging(t *testing.T) {
	key := func(name string) fingerprint.SHA256 { return fingerprint.Of([]byte(name)) }
	keys := transcript.AccountKeys{InUse: transcript.Sealed{PublicKey: []byte("a")},
		Next: &transcript.Sealed{PublicKey: []byte("b")}}
	believes := func(names ...string) *install.Status {
		s := &install.Status{}
		for _, n := range names {
			s.ServiceAccount = append(s.ServiceAccount, install.ServiceAccountKey{SPKI: key(n)})
		}
		return s
	}
	later := key("release-2")
	made := func(text string) *Previous { return generations(text).all[0] }
	move := generation{moves: []Move{{Family: kubepki.KubernetesAuthority, Old: "kubernetes", Next: "kubernetes-2"}}}
	const comes, goes = "kubernetes:kubernetes:issue kubernetes-2:kubernetes:trust",
		"kubernetes-2:kubernetes:issue kubernetes:kubernetes:trust"
	for _, c := range []struct {
		stage stage
		made  *Previous
		s     *install.Status
		says  string
	}{
		{issueAccount{account{keys: keys}}, nil, believes("a"),
			"it does not believe the next service-account key: no bundle of the stage before was made for it"},
		{issueAccount{account{keys: keys}}, nil, believes("a", "b"), ""},
		{dropAccount{account{keys: keys}}, nil, believes("b", "a"),
			"it signs tokens with another service-account key still: no bundle of the stage before was made for it"},
		{dropAccount{account{keys: keys}}, nil, believes("a", "b"), ""},
		{issueRelease{"release", "release-2", later}, nil, &install.Status{},
			"the bundle in place does not announce release-2: no bundle of the stage before was made for it"},
		{issueRelease{"release", "release-2", later}, nil, &install.Status{NextRelease: &later}, ""},
		{issueGeneration{move}, made("kubernetes:kubernetes:issue"), nil,
			"it does not trust kubernetes-2: no bundle of the stage before was made for it"},
		{issueGeneration{move}, made(comes), nil, ""},
		{dropGeneration{move}, made("kubernetes:kubernetes:issue"), nil,
			"it does not trust kubernetes-2: no bundle of the stage before was made for it"},
		{dropGeneration{move}, made(comes), nil,
			"its certificates are by kubernetes still: no bundle of the stage before was made for it"},
		{dropGeneration{move}, made(goes), nil, ""},
	} {
		if got := c.stage.lags(c.made, c.s); got != c.says {
			t.Errorf("%T: %q, want %q", c.stage, got, c.says)
		}
	}
}

// TestStatusRefused: what is no node's status, and what a status says against its node.
func TestStatusRefused(t *testing.T) {
	status := func(node string) []byte {
		data, err := json.Marshal(install.Status{Root: "/", Installed: &install.Installed{Node: node}})
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	for _, c := range []struct {
		files []File
		says  string
	}{
		{[]File{{Name: "a.json", Data: make([]byte, MaxStatus+1)}}, "a.json: too long for a node's status"},
		{[]File{{Name: "a.json", Data: []byte("junk")}}, "a.json: not a node's status"},
		{[]File{{Name: "a.json", Data: []byte("{}")}}, "a.json: not a node's status"},
		{[]File{{Name: "a.json", Data: status("cp-1")}, {Name: "b.json", Data: status("cp-1")}},
			"b.json: a second status of node cp-1; keep the newer one"},
	} {
		_, err := ParseStatuses("statuses", c.files)
		says(t, c.says, err, c.says)
	}

	p := ceremonyOf("root")
	p.Record = &history.Record{}
	p.Open.Sequence, p.Open.Digest, p.Dir, p.folder = 3, fingerprint.Of([]byte("3")), "third", fstest.MapFS{}
	older := ceremonyOf("root")
	older.Record = &history.Record{}
	older.Open.Sequence, older.Open.Digest, older.folder = 2, fingerprint.Of([]byte("2")), fstest.MapFS{}
	p.plan.Nodes = []kubepki.Node{{Name: "cp-1"}}
	r := &rolling{work: &work{chain: Chain{all: []*Previous{p, older}}},
		RolloverOptions: RolloverOptions{Stage: Drop, Statuses: Statuses{Dir: "statuses"}}}
	of := func(sequence int, digest string, change func(*install.Status)) *install.Status {
		s := &install.Status{Installed: &install.Installed{Node: "cp-1", Sequence: sequence,
			Ceremony: fingerprint.Of([]byte(digest))}}
		if change != nil {
			change(s)
		}
		return s
	}
	for _, c := range []struct {
		s    *install.Status
		says string
	}{
		{nil, "no status of it in statuses, or nothing is installed there"},
		{of(3, "3", func(s *install.Status) { s.Interrupted = "install" }),
			"an interrupted install has to be finished: run officiant-node install again"},
		{of(3, "3", func(s *install.Status) {
			s.Findings = []bundle.Finding{{File: "pki/ca.crt",
				Problem: "missing"}}
		}),
			"its files are not as they were installed: pki/ca.crt: missing"},
		{of(3, "3", func(s *install.Status) { s.AdoptedKeys = []string{"ca.key", "etcd/ca.key"} }),
			"private keys of authorities that " +
				"kubeadm made are still on it, and the bundle of this stage would be refused: ca.key, etcd/ca.key"},
		{of(9, "9", nil), "ceremony 9, which its bundle is of, is none of those given"},
		{of(2, "2", nil),
			"it has the bundle of ceremony 2 installed; install that of ceremony 3, third/bundles/cp-1.tar"},
		{of(3, "3", nil), ""},
	} {
		if got := r.lags(p, c.s, false); got != c.says {
			t.Errorf("%q, want %q", got, c.says)
		}
	}

	signed := &statement.Signed{}
	signed.Time = time.Unix(0, 0).UTC()
	r.Statuses.signed = map[string]*statement.Signed{"cp-1": signed}
	r.Now = time.Unix(0, 0).Add(statement.Life + time.Hour)
	if got, want := r.unproven(p, "cp-1"), "its status is of 1970-01-01T00:00:00Z, and counts no more"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	r.Now = time.Unix(60, 0)
	if got, want := r.unproven(p, "cp-1"),
		"its status does not count: third has no bundle of it to hold its status against"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestCopiesRefused: a file of another content is not overwritten, nor are two of them copied to one place.
func TestCopiesRefused(t *testing.T) {
	in := &inputs{desk: Desk{Dir: "plans", Folder: fstest.MapFS{"there": {Data: []byte("one")}}}}
	says(t, "there", in.add("there", []byte("two")),
		"plans/there: already exists, with other content; nothing is overwritten")
	if err := in.add("there", []byte("one")); err != nil {
		t.Error(err)
	}
	if err := in.add("new", []byte("one")); err != nil {
		t.Error(err)
	}
	says(t, "two", in.add("new", []byte("two")), "two files of different content would be copied to plans/new")
}
