package plan

import (
	"math/big"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/approval"
	"officiant/ceremony/revocation"
	"officiant/signer"
)

// sound is a plan that Read and CheckHeader take.
const sound = `apiVersion: officiant/v1
kind: Plan
name: demo-1
cluster:
  name: demo
previous: none
authorities:
  - name: root
    key: {create: ECDSA-P384}
nodes: []
`

// read is what is wrong with a plan as such, one line each, without excerpts.
func read(text string) string {
	r := &Report{File: "plan.yaml"}
	p := Read(r, []byte(text))
	if !r.Broken() {
		CheckHeader(r, p)
	}
	var all []string
	for _, p := range r.Invalid().Problems {
		all = append(all, p.Place()+": "+p.Message)
	}
	return strings.Join(all, "\n")
}

// TestRefusals is the catalogue of what a plan as such is refused with. Each row puts
// one text in place of another, and then near in place of the same: something like it
// that gets other words, or is taken.
func TestRefusals(t *testing.T) {
	const (
		rows     = "nodes: []"
		shows    = "cannot be seen; a plan has only printable ones"
		writeOut = "a plan has no anchors, aliases and tags: write the value out"
	)
	if got := read(sound); got != "" {
		t.Fatal(got)
	}
	for name, tt := range map[string]struct{ old, new, says, near, instead string }{
		"nothing": {sound, "# nothing\n", "plan.yaml: the plan is empty", "---\n", "plan.yaml: the plan is empty"},
		"UTF-16": {sound, "\xff\xfea\x00",
			"plan.yaml: is UTF-16; a plan is UTF-8 without a byte order mark: save it so", "\xef\xbb\xbf" + sound,
			"plan.yaml: is UTF-8 with a byte order mark; a plan is UTF-8 without"},
		"not UTF-8": {"demo-1", "d\xffmo", "plan.yaml:3:8: byte 0xff is not UTF-8; save the plan as UTF-8",
			"d\u00f6mo", `name is "dömo"`},
		"right to left": {"demo-1", "demo-1 # \u202eenon", "plan.yaml:3:16: character U+202E " + shows,
			"demo-1 # \u2190 none", ""},
		"a no-break space": {"name: demo-1", "name:\u00a0demo-1", "plan.yaml:3:6: character U+00A0 " + shows,
			"name:\tdemo-1", ""},
		"an escape of what nobody sees": {"demo-1", `"demo\u200b1"`,
			"plan.yaml:3:7: name has the character U+200B, which nobody sees", `"demo\x2d1"`, ""},
		"a directive": {sound, "%YAML 1.2\n---\n" + sound, "plan.yaml:1:1: a plan has no YAML directives",
			"---\n" + sound, ""},
		"a second document": {rows, rows + "\n---\nkind: Plan",
			"plan.yaml:12:1: a plan is one document; here begins another", rows + "\n---\n", ""},
		"a key twice": {"kind: Plan\n", "kind: Plan\nkind: Plan\n",
			`plan.yaml:3:1: mapping key "kind" is there already, in line 2`, "kind: Plan\nKind: Plan\n",
			`unknown field "Kind" in the plan; did you mean kind?`},
		"an open bracket": {"previous: none", "previous: [none",
			"plan.yaml:7:1: not YAML: ',' or ']' must be specified", "previous: [none]",
			"plan.yaml:6:12: an item of previous is a mapping"},
		"too deep": {rows, "nodes: " + strings.Repeat("[", 200_000), "plan.yaml:10:1: nested more than 64 deep",
			"nodes: " + strings.Repeat("[", 20) + strings.Repeat("]", 20), "an item of nodes is a mapping"},
		"too deep by entries": {rows, "nodes:\n" + strings.Repeat("- ", 100_000),
			"plan.yaml:11:1: nested more than 64 deep", "nodes:\n- - a", "an item of nodes is a mapping"},

		"a misspelt section": {"cluster:\n", "clustr:\n",
			`plan.yaml:4:1: unknown field "clustr" in the plan; did you mean cluster?`, "slots:\n",
			`unknown field "slots" in the plan`},
		"a field of no section": {"{create: ECDSA-P384}", "{create: ECDSA-P384, slot: 1}",
			`plan.yaml:9:31: unknown field "slot" in key`, "{creat: ECDSA-P384}",
			`unknown field "creat" in key; did you mean create?`},
		"a merge": {rows, "nodes: [{<<: {name: a}}]", `plan.yaml:10:10: unknown field "<<" in an item of nodes`, "",
			""},
		"import": {"key: {create: ECDSA-P384}", "key: {import: ca.key}", "plan.yaml:9:11: import: no key is imported.",
			"", ""},
		"an alias": {"kind: Plan", "kind: &k Plan", "plan.yaml:2:7: " + writeOut, `kind: "Plan"`, ""},
		"a tag": {"kind: Plan", "kind: !!str Plan", "plan.yaml:2:7: " + writeOut, `kind: "!!str Plan"`,
			`kind is "!!str Plan", not Plan`},

		"no value": {"name: demo-1", "name:", "plan.yaml:3:6: name has no value", `name: ""`,
			`name is ""; it is 1 to 63`},
		"a list":  {"demo-1", "[demo-1]", "plan.yaml:3:7: name is text on one line", "demo-1 # [demo-1]", ""},
		"a truth": {"demo-1", "true", "plan.yaml:3:7: name is text: put quotes around true", `"true"`, ""},
		"not a list": {rows, "nodes: cp-1", "plan.yaml:10:8: nodes is a list", "nodes: {}",
			"plan.yaml:10:8: nodes is a list"},
		"not a number": {rows, "nodes: [{bindPort: x}]", "plan.yaml:10:20: bindPort is a whole number",
			"nodes: [{bindPort: 4}]", ""},
		"a number too large": {rows, "nodes: [{bindPort: 2147483648}]", "plan.yaml:10:20: bindPort is a whole number",
			"nodes: [{bindPort: -1}]", ""},
		"not a truth": {rows, "nodes: [{first: yes}]", "plan.yaml:10:17: first is true or false",
			"nodes: [{first: true}]", ""},
		"not a mapping": {"key: {create: ECDSA-P384}", "key: RSA-4096", "plan.yaml:9:10: key is a mapping",
			"key: {create: }", "create has no value"},
		"a section that is text": {"  name: demo\n", "  overrides: x\n", "plan.yaml:5:14: overrides is a mapping",
			"  overrides: {}\n", ""},
		"a key that is a number": {"  name: demo\n", "  overrides: {1: {}}\n",
			`plan.yaml:5:15: "1" is not a key of overrides`, "  overrides: {\"1\": {}}\n", ""},
		"a time without a zone": {"previous: none", "previous: none\nwindow: {from: 2026-12-01}",
			`plan.yaml:7:16: from: "2026-12-01" is not a time in UTC, such as 2026-12-01T09:00:00Z`,
			"previous: none\nwindow: {from: 2026-12-01T09:00:00Z}", ""},

		"another version": {"officiant/v1", "officiant/v2",
			`plan.yaml:1:13: apiVersion is "officiant/v2"; this program reads officiant/v1`, `"officiant/v1"`, ""},
		"another kind": {"kind: Plan", "kind: Plans", `plan.yaml:2:7: kind is "Plans", not Plan`, "kind: plan",
			`kind is "plan", not Plan`},
		"a station": {"kind: Plan", "kind: Station",
			"plan.yaml: is a station, not a plan: it says which token holds which key of one",
			"kind: Stations", `kind is "Stations", not Plan`},
		"a kubeadm file": {sound, "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n---\n",
			"plan.yaml: is a kubeadm file, not a plan: officiant ceremony new writes one from it",
			"apiVersion: kubeadm\nkind: Plan\n", `apiVersion is "kubeadm"`},
		"a pod": {sound, "apiVersion: v1\nkind: Pod\n",
			"plan.yaml: is a Pod of v1, not a plan",
			"apiVersion: v1\nkind: Plan\n", `apiVersion is "v1"`},
		"a request": {sound, strings.Repeat("csr/", 64) + "\x00ustar\x00",
			"plan.yaml: is a tar archive, as a node's request or a bundle is, not a plan",
			strings.Repeat("csr/", 64) + "\x00", "character U+0000 cannot be seen"},
		"a name in capitals": {"demo-1", "Demo 1",
			`plan.yaml:3:7: name is "Demo 1"; it is 1 to 63 lower-case letters, digits and dashes`,
			strings.Repeat("a", 63), ""},
		"no previous": {"previous: none\n", "",
			`plan.yaml: previous is missing: name the ceremonies this one continues, or say "previous: none"`,
			"previous:\n", "plan.yaml:6:10: previous has no value"},
		"previous is something else": {"previous: none", "previous: nothing",
			`plan.yaml:6:11: previous is "none", a list of ceremonies, or lost with sequence and reason`,
			"previous: {lost: {sequence: 2, reason: x}}", ""},
		"previous is empty": {"previous: none", "previous: []",
			`plan.yaml:6:11: previous is "none", a list of ceremonies`, "previous: {}",
			`plan.yaml:6:11: previous is "none", a list of ceremonies`},
		"previous lost something else": {"previous: none", "previous: {found: {}}",
			`plan.yaml:6:12: unknown field "found" in previous`, "previous: {lost: x}",
			"plan.yaml:6:18: lost is a mapping"},
	} {
		if !strings.Contains(sound, tt.old) {
			t.Fatalf("%s: there is no %q", name, tt.old)
		}
		if got := read(strings.Replace(sound, tt.old, tt.new, 1)); !strings.HasPrefix(got, tt.says) {
			t.Errorf("%s: %s\nwant %s", name, got, tt.says)
		}
		got := read(strings.Replace(sound, tt.old, tt.near, 1))
		if tt.near != "" && (!strings.Contains(got, tt.instead) || tt.instead == "" && got != "") {
			t.Errorf("%s: what is near: %s\nwant %q", name, got, tt.instead)
		}
	}
}

func TestReasonsOfLostRecords(t *testing.T) {
	for reason, refused := range map[string]bool{
		"the disk burnt": false, strings.Repeat("a", 300): false,
		"": true, " a": true, "a\n": true, "a\u202eb": true, strings.Repeat("a", 301): true,
	} {
		err := CheckLostReason(reason)
		if refused != (err != nil) || refused && !strings.Contains(err.Error(), "say what happened to the records") {
			t.Errorf("%q: %v", reason, err)
		}
	}
	lost := &Lost{Sequence: 7, Reason: "the disk burnt"}
	const want = "the chain begins anew: the records of ceremonies 1 to 7 are lost, reason: the disk burnt"
	if lost.Said() != want {
		t.Error(lost.Said())
	}
}

// TestNewWritesAll reads back all that New can write, and looks for what it tells the
// reviewer of it.
func TestNewWritesAll(t *testing.T) {
	if _, err := New(NewOptions{}); err == nil || err.Error() != "a plan needs a name" {
		t.Error(err)
	}
	fp := func(s string) fingerprint.SHA256 { return fingerprint.Of([]byte(s)) }
	control := []kubepki.Role{kubepki.ControlPlane}
	o := NewOptions{
		Name: "demo-9", Evidence: signer.Attested, AuthorityLife: Duration(5 * Year), KnownHosts: "known_hosts",
		Cluster: Cluster{Name: "demo", KubernetesVersion: "v1.37.2"},
		Previous: []Predecessor{{Cluster: "demo", Sequence: 8, Head: fp("head"), Transcript: "previous/8.jsonl",
			Earlier: []string{"previous/7.jsonl"}, Abandoned: []string{"previous/8a.jsonl"}}},
		Authorities: []Authority{
			{Name: "kubernetes", Family: kubepki.KubernetesAuthority, Adopted: true, Use: Trust, Certificate: "ca.crt"},
		},
		OnlineSigner: true,
		Grant: Grant{
			Journal: fp("journal"), Validity: Duration(90 * day), Life: Life(12 * time.Hour), SignaturesPerDay: 4,
			KeyAlgorithms: []signer.Algorithm{signer.ECDSAP256}, RefusedKeys: []fingerprint.SHA256{fp("a key")},
			Reserved: GrantReserved{DNSNames: []string{"api.test"},
				Networks: []netip.Prefix{netip.MustParsePrefix("10.96.0.0/12")}},
			Nodes: []GrantNode{{Name: "cp-1", Roles: control, DNSNames: []string{"cp-1.test"},
				IPAddresses: []netip.Addr{netip.MustParseAddr("10.0.0.11")}, SignaturesPerDay: 2, Bootstrap: "ann"}},
			Users: []GrantUser{{Name: "ann", Groups: []string{"ops"}, Requester: "ann", SignaturesPerDay: 1}},
		},
		ServiceAccount: ServiceAccount{Sealed: "sa.key.age", Public: "sa.pub", Former: []string{"former.pub"},
			Next: NextAccount{Create: signer.RSA3072}},
		People: approval.People{Threshold: 1, List: []approval.Person{
			{Name: "alice", Role: approval.Officer, Key: "ssh-ed25519 AAAA"},
		}},
		Nodes: []Node{
			{Name: "cp-1", Roles: control, Host: "cp-1.example", Request: "cp-1.req",
				Extra: []Extra{{Name: "node-server"}}},
			{Name: "cp-2", Roles: control, Request: "cp-2.req", Fingerprint: fp("cp-2")},
		},
		Left: []string{"cp-0"},
		Journals: []Journal{
			{File: "journals/1.jsonl", Line: 9, Head: fp("line 9"), Grants: []string{"grants/1.json"}, New: true},
		},
		CRLs:        []CRL{{"etcd", Duration(90 * day)}},
		Revocations: []Revocation{{Serial{big.NewInt(0x5b2f)}, "etcd", revocation.KeyCompromise, "a disk was sold"}},
	}
	text, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	r := &Report{File: "plan.yaml"}
	p := Read(r, text)
	if len(r.Problems) > 0 {
		t.Fatalf("%v\n%s", r.Problems, text)
	}
	sameSerial := cmp.Comparer(func(a, b Serial) bool { return a.Cmp(b.Int) == 0 })
	people := approval.People{Threshold: p.Approvals, List: p.People}
	for what, diff := range map[string]string{
		"previous": cmp.Diff(o.Previous, p.Previous.Ceremonies), "nodes": cmp.Diff(o.Nodes, p.Nodes),
		"grant": cmp.Diff(o.Grant, p.Grant, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
			cmp.Comparer(func(a, b netip.Addr) bool { return a == b })),
		"service account": cmp.Diff(o.ServiceAccount, p.ServiceAccount), "left": cmp.Diff(o.Left, p.Left),
		"lists": cmp.Diff(o.CRLs, p.CRLs), "people": cmp.Diff(o.People, people),
		"revocations": cmp.Diff(o.Revocations, p.Revocations, sameSerial), "journals": cmp.Diff(o.Journals, p.Journals),
	} {
		if diff != "" {
			t.Errorf("%s: %s\n%s", what, diff, text)
		}
	}
	for _, comment := range []string{
		"Those before it, newest first", "Ceremonies that were given up", "Valid as long as the kubeadm file says",
		"its key was on disks, and is never used here", "it signs nothing", "Asked for by the node",
		"No words to compare",
		"API servers learn to trust it now", "while tokens of theirs live", "An online signer's, whose host",
		"It does not continue the journal", "nothing is missing up to there",
		"What the online signer may sign", "Nodes that have left the cluster for good",
	} {
		if !strings.Contains(string(text), comment) {
			t.Errorf("does not say %q:\n%s", comment, text)
		}
	}
	o.Previous, o.Lost = nil, &Lost{Sequence: 8, Reason: "the disk burnt"}
	text, err = New(o)
	if err != nil || !strings.Contains(string(text), "The records of this cluster's ceremonies are gone") {
		t.Errorf("%v: %s", err, text)
	}
	if p := Read(&Report{}, text); p.Previous.Lost == nil || *p.Previous.Lost != *o.Lost {
		t.Errorf("lost: %+v", p.Previous)
	}
	if got := (Window{}).String(); got != "at any time" {
		t.Error(got)
	}
}
