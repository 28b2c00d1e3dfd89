package stories

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/audit"
	"officiant/ceremony/chain"
	"officiant/ceremony/online/journal"
	"officiant/ceremony/online/onlinetest"
	"officiant/ceremony/online/policy"
	"officiant/cmd/internal/commandtest"
)

const journalRoom = `
officiant softhsm init --dir room --station made.yaml
sed 's/^  release: \(.*\)/&\n  kubelet-serving: \1\n  kubelet-client: \1/' made.yaml >station.yaml
sed 's/^  release: \(.*\)/&\n  journal: \1/' station.yaml >signer.yaml
officiant signer create demo/journal --station signer.yaml --algorithm ECDSA-P256 --evidence software \
  -o json >journal-key.json
mkdir requests
config=$SOURCE/softhsm/demo/cp-1.yaml
officiant-node request --kubeadm "$config" --roles control-plane,etcd --root cp-1 --out requests/cp-1.req
officiant ceremony new --kubeadm "$config" --requests requests --online-signer --station-grade software \
  --out one/plan.yaml
cat >>one/plan.yaml <<GRANT
grant:
  journal: "$(jq -r .spki journal-key.json)"
  signaturesPerDay: 9
  nodes:
    - {name: cp-1, roles: [control-plane, etcd], dnsNames: [cp-1], ipAddresses: [10.0.0.11]}
    - {name: node-0, roles: [worker]}
    - {name: node-1, roles: [worker]}
    - {name: node-2, roles: [worker]}
    - {name: node-3, roles: [worker]}
GRANT
digest=$(officiant ceremony check one/plan.yaml --digest)
officiant ceremony run one/plan.yaml --station station.yaml --dir ceremonies/1 --confirm "$digest"
cp ceremonies/1/release.pub .
`

// clerk is a desk with an online signer.
type clerk struct {
	t     *testing.T
	dir   string
	batch int
	held  int // ceremonies; the last one's grant is in force
}

func newClerk(t *testing.T) *clerk {
	needSoftHSM(t)
	needTool(t, "jq")
	if err := commandtest.Build(source, programs, "officiant-signer", "1"); err != nil {
		t.Fatal(err)
	}
	c := &clerk{t: t, dir: t.TempDir(), held: 1}
	shell(t, c.dir, journalRoom)
	return c
}

func (c *clerk) read(name string) []byte {
	data, err := os.ReadFile(filepath.Join(c.dir, name))
	if err != nil {
		c.t.Fatal(err)
	}
	return data
}

func (c *clerk) write(name string, data []byte) {
	if err := os.WriteFile(filepath.Join(c.dir, name), data, 0o644); err != nil {
		c.t.Fatal(err)
	}
}

// sign has the real signer certify a new key for each of some nodes.
func (c *clerk) sign(file string, n int) {
	c.t.Helper()
	var items []any
	for i := range n {
		q := onlinetest.ClientRequest(c.t, fmt.Sprint("node-", i), onlinetest.NewKey(c.t, "k"))
		items = append(items, asked(fmt.Sprint("csr-", i), q))
	}
	list, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
	if err != nil {
		c.t.Fatal(err)
	}
	c.write("csrs.json", list)
	c.batch++
	out := shell(c.t, c.dir, fmt.Sprintf(`officiant-signer batch csrs.json --grant ceremonies/%d/grant.json \
--release-key release.pub --station signer.yaml --journal %s --out answers-%d`, c.held, file, c.batch))
	if !strings.Contains(out, fmt.Sprintf("%d signed, 0 denied", n)) {
		c.t.Fatal(out)
	}
}

func asked(name string, q policy.Request) map[string]any {
	return map[string]any{"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
		"metadata": map[string]any{"name": name, "uid": "u-" + name, "resourceVersion": "1"},
		"spec": map[string]any{"signerName": q.SignerName, "username": q.Username, "groups": q.Groups,
			"usages": q.Usages, "request": q.CSR, "uid": "x"}}
}

// head is the newest of a journal, as a relay keeps it.
func (c *clerk) head(file string) string {
	lines := bytes.SplitAfter(c.read(file), []byte("\n"))
	lines = lines[:len(lines)-1]
	return fmt.Sprintf("%d:%x", len(lines), sha256.Sum256(lines[len(lines)-1]))
}

// flags name a journal as it is now.
func (c *clerk) flags(file string) string {
	return fmt.Sprintf("--journal %s --journal-head %s", file, c.head(file))
}

// hold carries out a plan, and verifies what it made.
func (c *clerk) hold(n int, plan string) string {
	c.t.Helper()
	c.held = n
	return shell(c.t, c.dir, fmt.Sprintf(`digest=$(officiant ceremony check %[2]s --digest)
officiant ceremony run %[2]s --station station.yaml --dir ceremonies/%[1]d --confirm "$digest"
officiant ceremony verify ceremonies/%[1]d --release-key release.pub --previous ceremonies`, n, plan))
}

// refused types a command and wants it refused, with a reason.
func (c *clerk) refused(want, command string) {
	c.t.Helper()
	out := shell(c.t, c.dir, "code=0; "+command+" || code=$?; echo exit $code")
	if !strings.Contains(out, want) || !strings.Contains(out, "exit 3") {
		c.t.Errorf("%s: want %q and exit 3:\n%s", command, want, out)
	}
}

// journalPage is the command of docs/signer.md that takes a journal in.
func journalPage(t *testing.T) string {
	t.Helper()
	typed := pageBlocks(t, "signer.md", "## At the next ceremony")
	if len(typed) == 0 || !strings.Contains(typed[0], "--journal ") {
		t.Fatalf("the page has no such command: %q", typed)
	}
	return typed[0]
}

var plainBlock = regexp.MustCompile("(?s)\n```\n(.*?)```\n")

// pageBlocks are the commands of a section that nothing types of itself.
func pageBlocks(t *testing.T, page, section string) (list []string) {
	t.Helper()
	_, text, ok := strings.Cut(readPage(t, page), "\n"+section+"\n")
	if !ok {
		t.Fatalf("%s has no section %s", page, section)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	for _, b := range plainBlock.FindAllStringSubmatch(text, -1) {
		list = append(list, strings.TrimSpace(b[1]))
	}
	return list
}

// TestJournal: what an online signer signed is on record with the next ceremony, which
// proves it; a later one continues the journal, and can revoke what is in it.
func TestJournal(t *testing.T) {
	c := newClerk(t)
	c.sign("journal.jsonl", 3)
	shell(t, c.dir, "head="+c.head("journal.jsonl")+"\n"+journalPage(t))
	out := c.hold(2, "plan.yaml")
	if !strings.Contains(out, "each certificate of an online signer was its grant's") ||
		!strings.Contains(out, "3 certificates") {
		t.Errorf("verify does not tell of the journal:\n%s", out)
	}
	out = shell(t, c.dir, "officiant ceremony inventory ceremonies --state rotating -o csv")
	if strings.Count(out, "/kubelet-client,") != 3 || !strings.Contains(out, "node-2/kubelet-client") {
		t.Errorf("the inventory does not list them:\n%s", out)
	}
	if out := shell(t, c.dir, "officiant ceremony expiry ceremonies --within 30d"); strings.Contains(out, "node-2") {
		t.Errorf("what rotates by itself is due:\n%s", out)
	}
	forgeries(t, c, "ceremonies/2")

	c.sign("journal.jsonl", 4)
	short := strings.Replace(c.flags("journal.jsonl"), "--journal journal", "--journal short", 1)
	shell(t, c.dir, "head -n -1 journal.jsonl >short.jsonl; head -n 3 journal.jsonl >three.jsonl")
	renew := "officiant ceremony renew ceremonies --out no/plan.yaml "
	c.refused("the lines after this one were cut", renew+short)
	c.refused("say new: true", renew+c.other("other.jsonl"))
	c.refused("the lines after this one were cut", renew+c.flags("three.jsonl"))
	c.refused("continues the journal that an earlier ceremony took in", renew+"--new-journal "+c.flags("journal.jsonl"))
	shell(t, c.dir, "officiant ceremony renew ceremonies --out three/plan.yaml "+c.flags("journal.jsonl"))
	c.hold(3, "three/plan.yaml")
	out = shell(t, c.dir, "officiant ceremony inventory ceremonies -o csv")
	if strings.Count(out, "/kubelet-client,") != 7 || strings.Count(out, ",rotating,") != 4 {
		t.Errorf("the inventory has not each certificate once:\n%s", out)
	}

	serial := strings.TrimSpace(shell(t, c.dir, `officiant ceremony inventory ceremonies --state rotating -o json |
jq -r '.certificates[] | select(.node == "node-1") | .serial'`))
	shell(t, c.dir, "officiant ceremony revoke ceremonies --reason keyCompromise --out four/plan.yaml --serial "+serial)
	c.hold(4, "four/plan.yaml")
	out = shell(t, c.dir, "openssl crl -in ceremonies/4/crls/kubelet-client.crl -inform DER -noout -text; "+
		"officiant ceremony inventory ceremonies --state revoked -o csv")
	if !strings.Contains(strings.ToLower(out), serial) || !strings.Contains(out, "node-1/kubelet-client") {
		t.Errorf("%s is not revoked:\n%s", serial, out)
	}
	if !strings.Contains(string(c.read("ceremonies/4/grant.json")), "refusedKeys") {
		t.Error("the grant does not refuse the key of what was revoked")
	}
	// The list is repeated in a plan that names no journal.
	shell(t, c.dir, "officiant ceremony revoke ceremonies --refresh --out five/plan.yaml")
	c.hold(5, "five/plan.yaml")
	shell(t, c.dir, "officiant ceremony renew ceremonies --new-journal --out six/plan.yaml "+c.other("other.jsonl"))
	out = c.hold(6, "six/plan.yaml")
	if !strings.Contains(out, "this ceremony took nothing in of it") {
		t.Errorf("nobody was told of the journal that was not continued:\n%s", out)
	}
}

// other has the signer begin another journal, and is the flags that name it.
func (c *clerk) other(file string) string {
	if _, err := os.Stat(filepath.Join(c.dir, file)); err != nil {
		c.sign(file, 1)
	}
	return c.flags(file)
}

// forgeries change the copy of the journal in a ceremony directory line by line. The
// audit names each line, or the one after it.
func forgeries(t *testing.T, c *clerk, dir string) {
	const file = "journal.jsonl"
	good := c.read(filepath.Join(dir, file))
	lines := bytes.SplitAfter(good, []byte("\n"))
	lines = lines[:len(lines)-1]
	named := func(what string, at []int, parts ...[][]byte) {
		t.Helper()
		c.write(filepath.Join(dir, file), bytes.Join(slices.Concat(parts...), nil))
		r, err := audit.Verify(filepath.Join(c.dir, dir), audit.Options{Previous: []string{c.dir + "/ceremonies/1"}})
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprint(r.Checks)
		names := func(n int) bool { return strings.Contains(text, fmt.Sprintf("%s: line %d:", file, n)) }
		if !slices.ContainsFunc(at, names) {
			t.Errorf("%s: the audit does not name line %v:\n%s", what, at, text)
		}
	}
	for i, line := range lines {
		n := i + 1
		last := n == len(lines)
		if last {
			named(fmt.Sprint("dropped ", n), []int{n - 1}, lines[:i]) // a kept head tells
		} else {
			named(fmt.Sprint("dropped ", n), []int{n}, lines[:i], lines[i+1:])
			named(fmt.Sprint("moved ", n), []int{n}, lines[:i], [][]byte{lines[n], line}, lines[n+1:])
		}
		named(fmt.Sprint("doubled ", n), []int{n + 1}, lines[:n], lines[i:])
		named(fmt.Sprint("forged ", n), heads(t, lines, n), rechained(t, lines, i))
	}
	c.write(filepath.Join(dir, file), good)
}

// heads are the lines at which a forger who made the chain whole again is found: the line
// itself, a signed head, or the kept one at the end.
func heads(t *testing.T, lines [][]byte, from int) (at []int) {
	for n := from; n <= len(lines); n++ {
		l, err := journal.Records.Decode(bytes.TrimSuffix(lines[n-1], []byte("\n")))
		if err != nil {
			t.Fatal(err)
		}
		if _, head := l.Record.(journal.Head); head || n == from || n == len(lines) {
			at = append(at, n)
		}
	}
	return at
}

// rechained has another time in one line, and all lines after it follow from it.
func rechained(t *testing.T, lines [][]byte, i int) (out [][]byte) {
	var before fingerprint.SHA256
	for k, raw := range lines {
		l, err := journal.Records.Decode(bytes.TrimSuffix(raw, []byte("\n")))
		if err != nil {
			t.Fatal(err)
		}
		if k >= i {
			l.Prev = before
			l.Time = l.Time.Add(time.Millisecond)
			switch r := l.Record.(type) {
			case journal.Head:
				r.Head = before
				l.Record = r
			case journal.Resumed:
				r.Head = before
				l.Record = r
			}
		}
		again, err := chain.Encode(l)
		if err != nil {
			t.Fatal(err)
		}
		out, before = append(out, again), fingerprint.Of(again)
	}
	return out
}
