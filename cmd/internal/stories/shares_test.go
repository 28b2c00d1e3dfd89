//go:build linux

package stories

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const sharesRoom = `
officiant softhsm init --dir room --station filed.yaml
sed 's/&pin-source=[^"]*//' filed.yaml >station.yaml
mkdir requests
kubeadm="$SOURCE/softhsm/demo/cp-1.yaml"
officiant-node request --kubeadm "$kubeadm" --roles control-plane,etcd --root cp-1 --out requests/cp-1.req
officiant ceremony new --kubeadm "$kubeadm" --requests requests --station-grade software --out plan.yaml
for n in kim alice; do ssh-keygen -q -t ed25519 -N '' -f $n; done
`

// paperWords finds the words of a printed share.
var paperWords = regexp.MustCompile(`(?s)set   [0-9a-f ]+\n\n(.*?)\n  check ([0-9a-f]{4})`)

// TestTypedShares is a root whose PIN nobody has: the token gets a PIN that nobody
// sees, two of three people open it in a ceremony, and the record proves who. One
// share is sealed to each of two SSH keys, one is on paper.
func TestTypedShares(t *testing.T) {
	needSoftHSM(t)
	needTool(t, "jq")
	dir := t.TempDir()
	shell(t, dir, sharesRoom)
	pin := func(token string) string { return pinOf(t, dir, token) }
	var all []*person
	at := func(args ...string) *person {
		p := sit(t, dir, append([]string{"officiant"}, args...)...)
		all = append(all, p)
		return p
	}
	split := []string{
		"pin",
		"split",
		"--change",
		"demo/root",
		"--station",
		"station.yaml",
		"--threshold",
		"2",
		"--person",
		"kim=kim.pub",
		"--person",
		"alice=alice.pub",
		"--person",
		"bob",
		"--out",
		"set",
	}
	p := at(split...)
	p.sees("PIN, to log in")
	p.types(pin("root"))
	p.sees("Type the token's label to give it the new PIN: ")
	p.types("yes")
	p.sees("the token keeps its PIN")
	p.leaves(6)
	if _, err := os.Stat(filepath.Join(dir, "set")); err == nil {
		t.Fatal("shares were left behind that open nothing")
	}
	p = at(split...)
	p.sees("PIN, to log in (no wrong PIN reported): ")
	p.types(pin("root"))
	p.sees("PIN share 3 of 3, for bob")
	p.sees("Type the token's label to give it the new PIN: ")
	p.types("officiant-root")
	p.sees("its PIN is the one in these")
	p.leaves(0)
	paper := paperWords.FindStringSubmatch(strings.ReplaceAll(p.seen(), "\r\n", "\n"))
	if paper == nil {
		t.Fatalf("no words of a share:\n%s", p.seen())
	}
	words := strings.Join(strings.Fields(paper[1]), " ") + " " + paper[2]

	p = at("pin", "check", "set", "set/share-1-kim.age", "--identity", "kim")
	p.sees("share 1, kim: right")
	p.leaves(0)
	p = at("pin", "check", "set", "set/share-1-kim.age", "--identity", "alice")
	p.sees("is not sealed to the key in alice")
	p.leaves(4)

	p = at("pin", "drill", "set", "--out", "drill.txt")
	p.sees("Number or file of a share (Enter to end): ")
	p.types("set/share-2-alice.age")
	p.sees("a file: ")
	p.types("alice")
	p.sees("share 2, alice: right")
	p.sees("Number or file of a share (Enter to end): ")
	p.types("")
	p.sees("1 of 3 showed their shares: alice; not kim, bob")
	p.leaves(0)
	p = at("pin", "show", "set", "drill.txt")
	p.sees("2 of 3 shares open it")
	p.sees("not kim, bob")
	p.leaves(0)

	p = at("ceremony", "run", "plan.yaml", "--station", "station.yaml", "--dir", "ceremony")
	p.sees("Type the plan's name to begin: ")
	p.types("demo-1")
	p.sees("token officiant-issuing, serial ")
	p.sees("PIN, to log in (no wrong PIN reported): ")
	p.types(pin("issuing"))
	p.sees("token officiant-root, serial ")
	p.sees("PIN, to log in (no wrong PIN reported): ")
	p.types("shares")
	p.sees("Folder of the set: ")
	p.types("set")
	p.sees("Share 1 of 2, its number or its file: ")
	p.types("3")
	p.sees("Words of share 3, bob")
	p.types(swapFirst(words))
	p.sees("a word was misread")
	p.sees("Share 1 of 2, its number or its file: ")
	p.types("3")
	p.sees("Words of share 3, bob")
	p.types(words)
	p.sees("share 3, bob: right")
	p.sees("Share 2 of 2, its number or its file: ")
	p.types("3")
	p.sees("Words of share 3, bob")
	p.types(words)
	p.sees("was given already")
	p.sees("Share 2 of 2, its number or its file: ")
	p.types("set/share-1-kim.age")
	p.sees("a file: ")
	p.types("kim")
	p.sees("share 1, kim: right")
	p.sees("its PIN was put together by kim and bob")
	p.sees("The ceremony is complete.")
	p.leaves(0)

	p = at("ceremony", "verify", "ceremony", "--release-key", "ceremony/release.pub")
	p.sees("the PIN of token officiant-root was put")
	p.leaves(0)

	reshare := []string{"pin", "reshare", "set", "--threshold", "2", "--person", "kim=kim.pub", "--person", "noor",
		"--out", "set-2"}
	p = at(reshare...)
	p.sees("Share 1 of 2, its number or its file: ")
	p.types("set/share-2-alice.age")
	p.sees("a file: ")
	p.types("alice")
	p.sees("Share 2 of 2, its number or its file: ")
	p.types("")
	p.sees("takes 2 shares, and only that of alice was")
	p.leaves(6)
	if _, err := os.Stat(filepath.Join(dir, "set-2")); err == nil {
		t.Fatal("too few shares made a new set")
	}
	p = at(reshare...)
	p.sees("Share 1 of 2, its number or its file: ")
	p.types("set/share-2-alice.age")
	p.sees("a file: ")
	p.types("alice")
	p.sees("Share 2 of 2, its number or its file: ")
	p.types("3")
	p.sees("Words of share 3, bob")
	p.types(words)
	p.sees("PIN share 2 of 2, for noor")
	p.sees("The old shares open the old sealed PIN as before")
	p.leaves(0)

	// The set on record is the one that shares are checked by, in ten years too.
	shell(t, dir, `mkdir later
jq -r 'select(.type == "pin-shares").data.set' ceremony/transcript.jsonl | head -c -1 >later/pin-set.txt
cmp later/pin-set.txt set/pin-set.txt
officiant pin check later set/share-2-alice.age --identity alice`)

	typed := map[string]bool{}
	for _, p := range all {
		p.fits()
		typed["officiant "+strings.Join(p.cmd.Args[1:], " ")] = true
	}
	page, err := os.ReadFile(filepath.Join(source, "docs/pin-shares.md"))
	if err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile(`(?m)^officiant .*$`).FindAllString(string(page), -1)
	for _, c := range commands {
		if !typed[c] {
			t.Errorf("docs/pin-shares.md has a command that nobody types here: %s", c)
		}
	}
	if len(commands) < 5 {
		t.Errorf("docs/pin-shares.md has %d commands", len(commands))
	}
	noFileHas(t, dir, words, strings.Fields(words)[3]+" "+strings.Fields(words)[4])
}

// swapFirst exchanges two words of one list, which a person may do and no list tells.
func swapFirst(words string) string {
	all := strings.Fields(words)
	all[0], all[2] = all[2], all[0]
	return strings.Join(all, " ")
}
