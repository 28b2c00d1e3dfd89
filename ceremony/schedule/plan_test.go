package schedule

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"officiant/bundle/limittest"
	"officiant/ceremony/plan"
)

var update = flag.Bool("update", false, "write the golden files")

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// bare is a plan that makes authorities only, so it needs no request.
const bare = `apiVersion: officiant/v1
kind: Plan
name: demo-1
cluster:
  name: demo
  kubernetesVersion: v1.37.2
previous: none
authorities:
  - name: root
    key: {create: ECDSA-P384}
    evidence: software
  - name: kubernetes
    key: {create: ECDSA-P256}
    evidence: software
  - name: etcd
    key: {create: RSA-4096}
    evidence: consistent
  - name: front-proxy
    key: {create: ECDSA-P521}
    evidence: attested
release:
  key: {create: ECDSA-P256}
  evidence: software
nodes: []
`

// opens reads a plan and further files.
func opens(text string, inputs map[string]string) (*Ceremony, error) {
	return opensAt(now, text, inputs)
}

func opensAt(at time.Time, text string, inputs map[string]string) (*Ceremony, error) {
	fsys := fstest.MapFS{"plan.yaml": {Data: []byte(text)}}
	for name, data := range inputs {
		fsys[name] = &fstest.MapFile{Data: []byte(data)}
	}
	return opensBoth(fsys, Options{Now: at})
}

// opensBoth opens a plan, and again lean: each line has to be the same, and so has what is
// wrong with it.
func opensBoth(fsys fstest.MapFS, o Options) (*Ceremony, error) {
	c, err := OpenFS(fsys, "plan.yaml", o)
	o.Lean = true
	lean, leanErr := OpenFS(fsys, "plan.yaml", o)
	if fmt.Sprint(err) != fmt.Sprint(leanErr) {
		return nil, fmt.Errorf("opened lean, %w, otherwise %w", leanErr, err)
	}
	if err != nil {
		return nil, err
	}
	for n := range c.Len() + 1 {
		whole, once := c.Entry(n+1), lean.Entry(n+1)
		kind, node := c.Of(n + 1)
		leanKind, leanNode := lean.Of(n + 1)
		if !reflect.DeepEqual(whole, once) || kind != leanKind || node != leanNode {
			return nil, fmt.Errorf("line %d is %+v, expanded once it is asked for %+v", n+1, whole, once)
		}
	}
	if lean.Entries != nil || lean.Len() != len(c.Entries) || lean.Digest != c.Digest {
		return nil, fmt.Errorf("opened lean, it has %d lines and digest %s", lean.Len(), lean.Digest)
	}
	return c, nil
}

// opensHeld is opens for a plan by which a ceremony was held.
func opensHeld(text string, inputs map[string]string) (*Ceremony, error) {
	fsys := fstest.MapFS{"plan.yaml": {Data: []byte(text)}}
	for name, data := range inputs {
		fsys[name] = &fstest.MapFile{Data: []byte(data)}
	}
	return opensBoth(fsys, Options{Now: now, Held: true})
}

// problems returns what is wrong with a plan, one line each, without excerpts
// and with fingerprints cut short.
func problems(t *testing.T, err error) []string {
	t.Helper()
	var invalid *plan.Invalid
	if !errors.As(err, &invalid) {
		t.Fatalf("not a refusal: %v", err)
	}
	var out []string
	for _, p := range invalid.Problems {
		out = append(out, shorten(p.Place()+": "+p.Message))
	}
	return out
}

var hexDigest = regexp.MustCompile(`[0-9a-f]{64}`)

func shorten(s string) string { return hexDigest.ReplaceAllString(s, "…") }

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestBare(t *testing.T) {
	c, err := opens(bare, nil)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "bare.schedule.txt", []byte(written(c)))
	if got, want := strings.Join(c.KeysNeeded(), " "), "root kubernetes etcd front-proxy release"; got != want {
		t.Errorf("keys needed: %s, want %s", got, want)
	}
	if c.Sequence != 1 || len(c.Warnings) != 1 {
		t.Errorf("sequence %d, warnings %v", c.Sequence, c.Warnings)
	}
	// What plan and schedule do not say must not matter.
	again, err := opens(strings.ReplaceAll(bare, "nodes", "nodes"), map[string]string{"other.txt": "x"})
	if err != nil || again.Digest != c.Digest {
		t.Errorf("a file the plan does not name changes the digest: %v", err)
	}
	other, err := opens(bare+"# reviewed\n", nil)
	if err != nil || other.Digest == c.Digest {
		t.Errorf("another byte in the plan does not change the digest: %v", err)
	}
}

// TestRefused replaces one text of the bare plan by another.
func TestRefused(t *testing.T) {
	tests := []struct {
		name, old, new string
		want           []string
	}{
		{"unknown field", "cluster:\n", "clustr:\n", []string{`plan.yaml:4:1: unknown field "clustr" in the plan; did ` +
			`you mean cluster?`}},
		{"a text for a number", "nodes: []", "nodes: [{name: a, bindPort: x}]", []string{
			"plan.yaml:24:9: node a: roles: missing; a node is control-plane, etcd or worker", `plan.yaml:24:29: bindPort is ` +
				`a whole number`}},
		{"a text for a truth", "nodes: []", "nodes: [{name: a, first: yes}]", []string{
			"plan.yaml:24:9: node a: roles: missing; a node is control-plane, etcd or worker", `plan.yaml:24:26: first is ` +
				`true ` +
				`or false`}},
		{"everything at once", bare, "apiVersion: officiant/v1\n", []string{
			`plan.yaml: kind is "", not Plan`,
			`plan.yaml: name is ""; it is 1 to 63 lower-case letters, digits and dashes, with a letter or digit at both ends`,
			`plan.yaml: previous is missing: name the ceremonies this one continues, or say "previous: none"`,
			`plan.yaml: the cluster needs a name, or a kubeadm file that says it`,
			`plan.yaml: no authority of family root`,
			`plan.yaml: the release key is missing: say release: {key: {create: ECDSA-P256}}, or existing`}},
		{"cluster name", "name: demo\n", "name: -demo\n", []string{`plan.yaml:5:9: cluster name: "-demo" is not 1 to 64 ` +
			`letters, digits, dots, dashes or underscores with a letter or digit at both ends`}},
		{"no version", "  kubernetesVersion: v1.37.2\n", "", []string{`plan.yaml:5:3: cluster kubernetesVersion: ` +
			`missing; what certificates look like depends on it`}},
		{"version of Kubernetes", "v1.37.2", "1.37", []string{`plan.yaml:6:22: cluster kubernetesVersion: Kubernetes ` +
			`version "1.37" is not of the form v1.37.2`}},
		{"bad CIDR", "kubernetesVersion: v1.37.2", "kubernetesVersion: v1.37.2\n  serviceSubnet: 10.96.0.0/33",
			[]string{`plan.yaml:7:18: cluster serviceSubnet: "10.96.0.0/33" is not a subnet such as 10.96.0.0/12`}},
		{"bad SAN", "kubernetesVersion: v1.37.2", "kubernetesVersion: v1.37.2\n  certSANs: [a.example, 10.0.0.256]",
			[]string{`plan.yaml:7:25: cluster certSANs[1]: "10.0.0.256" looks like an IP address but is none`}},
		{"override of no certificate", "kubernetesVersion: v1.37.2", "kubernetesVersion: v1.37.2\n  overrides:\n    " +
			"kubelet: {commonName: x}", []string{`plan.yaml:8:14: cluster overrides.kubelet: no such certificate; known are …`}},
		{"override in an id with a dot", "kubernetesVersion: v1.37.2", "kubernetesVersion: v1.37.2\n  overrides:\n    " +
			"admin.conf:\n      organization: [\" x\"]", []string{`plan.yaml:9:22: cluster ` +
			`overrides.admin.conf.organization[0]: " x" is empty, begins or ends with a space, ` +
			`or has characters that cannot be seen`}},
		{"kubeadm file is not there", "  name: demo\n", "  kubeadm: kubeadm.yaml\n",
			[]string{`plan.yaml:5:12: kubeadm.yaml: file does not exist`}},

		{"no root", "- name: root", "- name: base\n    family: kubernetes", []string{
			`plan.yaml:9:3: no authority of family root`,
			`plan.yaml:13:5: base and kubernetes are both of family kubernetes; a ceremony issues from one, and can trust ` +
				`others (use: trust)`}},
		{"family unknown", "- name: etcd", "- name: etcd-2", []string{`plan.yaml:15:5: authority etcd-2 needs a family: ` +
			`root, kubernetes, etcd, front-proxy, kubelet-serving or kubelet-client`}},
		{"family misspelled", "- name: etcd", "- name: etcd-2\n    family: etc", []string{`plan.yaml:16:13: authority ` +
			`etcd-2: family "etc" is not root, kubernetes, etcd, front-proxy, kubelet-serving or kubelet-client; ` +
			`did you mean etcd?`}},
		{"authority named release", "- name: etcd", "- name: release\n    family: etcd",
			[]string{`plan.yaml:15:11: authority name "release": it is 1 to 63 lower-case letters, digits and dashes, with ` +
				`a letter or digit at both ends, and not release, transcript or default`}},
		{"two of one name", "- name: etcd", "- name: kubernetes", []string{`plan.yaml:15:11: two authorities are named ` +
			`kubernetes`}},
		{"no key", "    key: {create: RSA-4096}\n", "", []string{`plan.yaml:15:5: authority etcd has neither a key nor ` +
			`a certificate: say key: {create: ALGORITHM}, or certificate: FILE`}},
		{"two origins", "{create: RSA-4096}", "{create: RSA-4096, existing: \"" + strings.Repeat("a", 64) + "\"}",
			[]string{`plan.yaml:16:10: authority etcd: its key is either created or existing`}},
		{"existing without certificate", "{create: RSA-4096}", "{existing: \"" + strings.Repeat("a", 64) + "\"}",
			[]string{`plan.yaml:15:5: authority etcd: an existing key needs its certificate`}},
		{"fingerprint too short", "{create: RSA-4096}", "{existing: abc}", []string{`plan.yaml:16:21: existing: ` +
			`fingerprint: 3 hex digits in place of 64`}},
		{"algorithm", "RSA-4096", "RSA-1024", []string{`plan.yaml:16:19: authority etcd: unknown key algorithm ` +
			`"RSA-1024": one of ECDSA-P256, ECDSA-P384, ECDSA-P521, RSA-2048, RSA-3072, RSA-4096`}},
		{"no evidence", "    evidence: consistent\n", "", []string{`plan.yaml:15:5: authority etcd: say the least ` +
			`evidence accepted for its key: "attested", "consistent", or "software" for a software token`}},
		{"evidence of nothing", "evidence: consistent", "evidence: none", []string{`plan.yaml:17:15: authority etcd: ` +
			`evidence "none" is not "attested", "consistent", "software" or "unproven"`}},
		{"certificate of a new key", "    evidence: consistent", "    certificate: etcd.crt",
			[]string{`plan.yaml:17:18: authority etcd: a key that is made in the ceremony has no certificate yet`}},
		{"long subject", "    evidence: consistent", "    evidence: consistent\n    subject: {commonName: " +
			"" + strings.Repeat("x", 65) + "}", []string{`plan.yaml:18:14: authority etcd: "` + strings.Repeat("x",
			65) + `" has not 1 to 64 characters`}},
		{"one subject twice", "    evidence: consistent", "    evidence: consistent\n    subject: {commonName: kubernetes}",
			[]string{`plan.yaml:15:5: authorities kubernetes and etcd have the same subject, CN=kubernetes,O=demo`}},
		{"intermediate outlives the root", "    evidence: consistent", "    evidence: consistent\n    validity: 21y",
			[]string{`plan.yaml:18:15: authority etcd would be valid for 21y, longer than its issuer root (20y)`}},
		{"default outlives the root", "key: {create: ECDSA-P384}", "key: {create: ECDSA-P384}\n    validity: 9y", []string{
			`plan.yaml:13:5: authority kubernetes would be valid for 10y, longer than its issuer root (9y)`,
			`plan.yaml:16:5: authority etcd would be valid for 10y, longer than its issuer root (9y)`,
			`plan.yaml:19:5: authority front-proxy would be valid for 10y, longer than its issuer root (9y)`}},
		{"duration", "    evidence: consistent", "    evidence: consistent\n    validity: 1 year",
			[]string{`plan.yaml:18:15: validity: "1 year" is not a duration: write "1y" (365 days), "90d" or "8760h"`}},
		{"duration too short", "    evidence: consistent", "    evidence: consistent\n    validity: 59m",
			[]string{`plan.yaml:18:15: validity: 59m is not between 1h and 100y`}},
		{"duration too long", "    evidence: consistent", "    evidence: consistent\n    validity: 101y",
			[]string{`plan.yaml:18:15: validity: 101y is not between 1h and 100y`}},
		{"negative duration", "    evidence: consistent", "    evidence: consistent\n    validity: -9h",
			[]string{`plan.yaml:18:15: validity: -9h is not between 1h and 100y`}},

		{"no release key", "release:\n  key: {create: ECDSA-P256}\n  evidence: software\n", "",
			[]string{`plan.yaml: the release key is missing: say release: {key: {create: ECDSA-P256}}, or existing`}},
		{"release algorithm", "release:\n  key: {create: ECDSA-P256}", "release:\n  key: {create: ECDSA-P384}",
			[]string{`plan.yaml:22:17: the release key is ECDSA-P256, RSA-2048, RSA-3072 or RSA-4096, not ECDSA-P384`}},
		{"release evidence", "release:\n  key: {create: ECDSA-P256}\n  evidence: software",
			"release:\n  key: {create: ECDSA-P256}", []string{`plan.yaml:22:3: release: say the least evidence accepted ` +
				`for its key: "attested", "consistent", or "software" for a software token`}},
		{"service account without a node", "nodes: []", "serviceAccount: {create: ECDSA-P256}\nnodes: []",
			[]string{`plan.yaml:24:17: no node of this plan is a control-plane node, which alone has the service-account key`}},

		{"node's name", "nodes: []", node("CP", "[worker]", ""), []string{`plan.yaml:25:11: node CP: name: "CP" is not ` +
			`a lower-case DNS name, which a node's name has to be`}},
		{"no role", "nodes: []", node("w", "[]", ""), []string{`plan.yaml:26:12: node w: roles: missing; a node is ` +
			`control-plane, etcd or worker`}},
		{"role unknown", "nodes: []", node("w", "[worker, master]", ""), []string{`plan.yaml:26:21: node w: roles[1]: ` +
			`"master" is not a role; a node is control-plane, etcd or worker`}},
		{"no address", "nodes: []", node("w", "[etcd]", ""), []string{`plan.yaml:25:5: node w: address: missing; the ` +
			`certificates of a control-plane or etcd node carry it`}},
		{"bad address", "nodes: []", node("w", "[worker]", "    address: 10.0.0.300\n"),
			[]string{`plan.yaml:29:14: node w: "10.0.0.300" is not an IP address`}},
		{"no request", "nodes: []", "nodes:\n  - name: w\n    roles: [worker]", []string{
			`plan.yaml:25:5: node w has no request`}},
		{"first that is no control plane", "nodes: []", node("w", "[worker]", "    first: true\n"),
			[]string{`plan.yaml:29:12: node w: first: only a control-plane node can be the first`}},
		{"path out of the folder", "nodes: []", strings.ReplaceAll(node("w", "[etcd]", "    address: 10.0.0.1\n"),
			"requests/w.req", "../w.req"), []string{`plan.yaml:27:14: "../w.req": "..": inputs lie below the plan's folder`}},
		{"absolute path", "nodes: []", strings.ReplaceAll(node("w", "[etcd]", "    address: 10.0.0.1\n"), "requests/w.req",
			"/w.req"), []string{`plan.yaml:27:14: "/w.req" is an absolute path; inputs lie below the plan's folder`}},
		{"reserved path", "nodes: []", strings.ReplaceAll(node("w", "[etcd]", "    address: 10.0.0.1\n"), "requests/w.req",
			"Bundles/w.req"), []string{`plan.yaml:27:14: "Bundles/w.req": bundles belongs to the ceremony directory itself`}},
		{"hidden path", "nodes: []", strings.ReplaceAll(node("w", "[etcd]", "    address: 10.0.0.1\n"), "requests/w.req",
			"requests/.w.req"), []string{`plan.yaml:27:14: "requests/.w.req": names are of letters, digits and ._@+=,- and ` +
			`begin with a letter, a digit or _@+`}},
		{"folder for a file", "nodes: []", strings.ReplaceAll(node("w", "[etcd]", "    address: 10.0.0.1\n"),
			"requests/w.req", "some"), []string{`plan.yaml:27:14: some: not a regular file`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(bare, tt.old, tt.new, 1)
			if text == bare {
				t.Fatal("the test changes nothing")
			}
			c, err := opens(text, map[string]string{"some/file": "x"})
			if err == nil {
				t.Fatalf("accepted:\n%s", written(c))
			}
			got := problems(t, err)
			for i := range got {
				got[i] = regexp.MustCompile(`known are .*`).ReplaceAllString(got[i], "known are …")
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// node is a nodes section of one node.
func node(name, roles, more string) string {
	return "nodes:\n  - name: " + name + "\n    roles: " + roles + "\n    request: requests/" + name + ".req\n    " +
		"fingerprint: " + strings.Repeat("a", 64) + "\n" + more
}

// TestExcerpt shows what people see: the place, the message, the line.
func TestExcerpt(t *testing.T) {
	_, err := opens(strings.Replace(bare, "{create: ECDSA-P384}", "{create: ECDSA-P384, slot: 1}", 1)+"other: 1\n", nil)
	want := `plan.yaml:10:31: unknown field "slot" in key
   10 |     key: {create: ECDSA-P384, slot: 1}
      |                               ^
plan.yaml:25:1: unknown field "other" in the plan
   25 | other: 1
      | ^`
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
	_, err = opens(strings.Replace(bare, "name: demo-1", strings.Repeat("x", 200)+": 1", 1), nil)
	for line := range strings.Lines(err.Error()) {
		if len(line) > 90 && strings.Contains(line, "|") {
			t.Errorf("an excerpt of %d columns", len(line))
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte(bare))
	f.Add([]byte(strings.Replace(bare, "nodes: []", node("w", "[worker]", ""), 1)))
	f.Add([]byte("previous:\n  - {cluster: a, sequence: 1, head: 0, transcript: t}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		defer limittest.Budget(t)()
		c, err := opens(string(data), map[string]string{"t": "{}\n"})
		if err != nil {
			_ = err.Error()
			return
		}
		again, err := opens(string(data), nil)
		if err != nil || again.Digest != c.Digest {
			t.Errorf("read twice: %v", err)
		}
		if n := strings.Count(written(c), "\n"); n != len(c.Entries)+6 {
			t.Errorf("%d lines for %d entries", n, len(c.Entries))
		}
	})
}

// Files from a stick that would fill the memory, or wait for ever when opened.
func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Skip(err)
	}
	f, err := os.Create(filepath.Join(dir, "large"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(maxInput+1), f.Close()); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for name, want := range map[string]string{"pipe": "pipe: not a regular file", "large": "large: larger than 2 MiB",
		".": ".: not a regular file"} {
		if _, err := readFile(root.FS(), name, maxInput); err == nil || err.Error() != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}
