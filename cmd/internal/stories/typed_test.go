//go:build linux

package stories

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// shell runs commands in a folder, with our programs at hand.
func shell(t *testing.T, dir, script string) string {
	t.Helper()
	c := exec.Command("bash", "-euo", "pipefail", "-c", script)
	c.Dir = dir
	c.Env = append(os.Environ(), "PATH="+programs+":"+os.Getenv("PATH"), "SOURCE="+source)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// pinOf is the PIN of a token in the room below a folder.
func pinOf(t *testing.T, dir, token string) string {
	t.Helper()
	return strings.TrimSpace(readFile(t, filepath.Join(dir, "room", token+".pin")))
}

const typedRoom = `
officiant softhsm init --dir room --station filed.yaml
sed 's/&pin-source=[^"]*//' filed.yaml >station.yaml
echo 'preflight: {clock: warn, default: record}' >>station.yaml
mkdir -p plan/requests
officiant-node request --kubeadm "$SOURCE/softhsm/demo/cp-1.yaml" --roles control-plane,etcd --root cp-1 --out plan/requests/cp-1.req
officiant ceremony new --kubeadm "$SOURCE/softhsm/demo/cp-1.yaml" --requests plan/requests --station-grade software --out plan/plan.yaml
for n in kim alice bob eve; do ssh-keygen -q -t ed25519 -N '' -f $n; done
{ echo 'approvals: 2'; echo 'people:'
  for p in 'kim administrator' 'alice officer' 'bob officer' 'eve witness'; do
    echo "  - {name: ${p% *}, role: ${p#* }, key: \"$(cut -d' ' -f1,2 ${p% *}.pub)\"}"
  done; } >>plan/plan.yaml
`

// TestTypedApproval: a key with a passphrase asks for it, and then for the plan's name.
// Neither a wrong passphrase nor another name leaves an approval behind, and what is
// typed is seen nowhere.
func TestTypedApproval(t *testing.T) {
	needSoftHSM(t)
	dir := t.TempDir()
	shell(t, dir, typedRoom+`
ssh-keygen -q -t ed25519 -N 'a passphrase' -f locked
locked=$(cut -d' ' -f1,2 locked.pub)
sed -i "s|^  - {name: kim, .*|  - {name: kim, role: administrator, key: \"$locked\"}|" plan/plan.yaml
`)
	for _, c := range []struct {
		passphrase, name string
		code             int
		says             string
	}{
		{"the passphrase", "", 3, "locked does not open with this passphrase"},
		{"a passphrase", "demo", 6, "nothing was signed"},
		{"a passphrase", "demo-1", 0, "1 of the 2 approvals that the plan asks for, by kim"},
	} {
		p := sit(t, dir, "officiant", "ceremony", "approve", "plan/plan.yaml", "--key", "locked")
		p.sees("assphrase")
		p.hides()
		p.types(c.passphrase)
		if c.name != "" {
			p.sees("to approve it: ")
			p.types(c.name)
		}
		p.leaves(c.code)
		if !strings.Contains(p.seen(), c.says) || strings.Contains(p.seen(), c.passphrase) {
			t.Errorf("want %q, and no passphrase, in\n%s", c.says, p.seen())
		}
		_, err := os.Stat(filepath.Join(dir, "plan", "approvals", "kim.sig"))
		if (err == nil) != (c.code == 0) {
			t.Errorf("exit code %d, and the approval: %v", c.code, err)
		}
	}
}

// TestTypedCeremony is a whole ceremony as people type it, on a terminal of 80
// columns: approvals, attendance, a watch, PINs of two tokens, an interruption in
// its midst with a reason and a deviation, going on, a witness. No PIN is seen
// anywhere, on the screen, in arguments or environment, or in any file.
func TestTypedCeremony(t *testing.T) {
	needSoftHSM(t)
	needTool(t, "jq")
	dir := t.TempDir()
	shell(t, dir, typedRoom)
	pin := func(token string) string { return pinOf(t, dir, token) }
	var all []*person
	at := func(args ...string) *person {
		p := sit(t, dir, args...)
		all = append(all, p)
		return p
	}

	for _, name := range []string{"alice", "bob"} {
		p := at("officiant", "ceremony", "approve", "plan/plan.yaml", "--key", name)
		p.sees("Digest of the ceremony:")
		p.sees("Type the plan's name to approve it: ")
		p.types("demo-1")
		p.leaves(0)
	}
	p := at("officiant", "ceremony", "run", "plan/plan.yaml", "--station", "station.yaml", "--dir", "ceremony")
	begin(p, "demo")
	p.leaves(6)
	if _, err := os.Stat(filepath.Join(dir, "ceremony")); err == nil {
		t.Fatal("a ceremony began without its plan's name")
	}

	run := []string{"officiant", "ceremony", "run", "plan/plan.yaml", "--station", "station.yaml", "--dir", "ceremony"}
	p = at(run...)
	begin(p, "demo-1")
	p.sees("present: kim, alice, eve; absent: bob")
	p.sees("token officiant-issuing, serial ")
	p.sees("PIN, to log in (no wrong PIN reported): ")
	p.types(pin("issuing"))
	p.sees("token officiant-root, serial ")
	p.sees("PIN, to log in (no wrong PIN reported): ")
	nobodySees(t, p, pin("issuing"))
	p.interrupts()
	p.sees("The ceremony is paused. Why, for the record? (Enter: no reason)")
	p.types("the fire alarm rang")
	p.sees("head of the record; write it down, a resumed run asks for it:")
	p.sees("to add to it: officiant ceremony note ceremony --by NAME [TEXT]")
	p.sees("to continue: officiant ceremony run plan/plan.yaml --station station.yaml")
	p.leaves(130)

	p = at("officiant", "ceremony", "note", "ceremony", "--deviation", "--by", "kim", "--by", "alice")
	p.sees("Text, for the record: ")
	p.types("the root's token waited in bag 7, not in bag 6")
	p.sees("On record.")
	p.leaves(0)

	p = at(run...)
	begin(p, "demo-1")
	p.sees("The head of the record as it was shown last, in hex or words:")
	p.types("deadbeef")
	p.sees("is neither 64 hex digits nor 32 words. Look at what was written down")
	p.sees("The head of the record as it was shown last, in hex or words:")
	p.types(strings.Repeat("ab", 32))
	p.sees("no line of the record has that head. Look at what was written down")
	p.sees("The head of the record as it was shown last, in hex or words:")
	p.types(strings.TrimSpace(shell(t, dir, "tail -n 1 ceremony/transcript.jsonl | sha256sum | cut -c 1-64")))
	p.sees("continuing where the record ends")
	p.sees("PIN, to log in (no wrong PIN reported): ")
	p.types(pin("issuing"))
	p.sees("token officiant-root, serial ")
	p.sees("PIN, to log in (no wrong PIN reported): ")
	p.types(pin("root"))
	p.sees("The ceremony is complete.")
	p.leaves(0)

	p = at("officiant", "ceremony", "sign", "ceremony", "--witness", "eve", "--key", "eve")
	p.sees("█")
	p.sees("witnessed by eve")
	p.leaves(0)

	people := strings.TrimSpace(shell(t, dir, "officiant ceremony check plan/plan.yaml -o json 2>/dev/null | jq -r .people.fingerprint"))
	p = at("officiant", "ceremony", "verify", "ceremony", "--release-key", "ceremony/release.pub", "--people", people)
	for _, want := range []string{"the ceremony was interrupted and continued", "dictated: the fire alarm rang",
		"deviation, agreed by [kim alice]: the root's token waited in bag 7",
		"approved by alice", "present: kim, alice, eve", "witnessed by eve", "guarantee 8"} {
		p.sees(want[:min(len(want), 40)])
	}
	p.leaves(0)

	for _, p := range all {
		p.fits()
		for _, secret := range []string{pin("issuing"), pin("root")} {
			if strings.Contains(p.seen(), secret) {
				t.Errorf("a PIN is on the screen:\n%s", p.seen())
			}
		}
	}
	noFileHas(t, dir, pin("issuing"), pin("root"))
}

// begin answers what a ceremony asks before its first step.
func begin(p *person, name string) {
	p.t.Helper()
	p.sees("Who is here? Their names: ")
	p.types("kim, alice eve")
	p.sees("A witness's watch says (UTC, as 2026-11-24 16:32): ")
	p.types(time.Now().UTC().Format("2006-01-02 15:04"))
	p.sees("Type the plan's name to begin: ")
	p.types(name)
}

// nobodySees wants a secret neither among a running program's arguments nor in its
// environment.
func nobodySees(t *testing.T, p *person, secret string) {
	t.Helper()
	for _, what := range []string{"cmdline", "environ"} {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.cmd.Process.Pid, what))
		if err != nil {
			t.Fatal(err)
		}
		if len(data) == 0 || strings.Contains(string(data), secret) {
			t.Errorf("a PIN is in %s, or it is empty", what)
		}
	}
}

// noFileHas wants secrets in no file but the tokens' own folder.
func noFileHas(t *testing.T, dir string, secrets ...string) {
	t.Helper()
	looked := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && path == filepath.Join(dir, "room") {
			return fs.SkipDir
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		looked++
		data, err := os.ReadFile(path)
		for _, s := range secrets {
			if strings.Contains(string(data), s) {
				t.Errorf("%s holds a PIN", path)
			}
		}
		return err
	})
	if err != nil || looked < 50 {
		t.Errorf("%d files were looked at: %v", looked, err)
	}
}

// TestTypedSwap is a whole ceremony with two tokens and one reader: each swap is a
// gate that names the token and waits for it, a token that is not that one is not
// taken, and what is typed at a gate is on record.
func TestTypedSwap(t *testing.T) {
	needSoftHSM(t)
	dir := t.TempDir()
	shell(t, dir, typedRoom+"mkdir drawer; sed '/^approvals:/,$d' plan/plan.yaml >plain; mv plain plan/plan.yaml\n")
	// A token of SoftHSM is a folder: the drawer is where those lie that are not in.
	move := func(label, from, to string) {
		shell(t, dir, fmt.Sprintf(`f=$(grep -la %s %s/*/token.object); mv "${f%%/*}" %s/`, label, from, to))
	}
	tokens := filepath.Join("room", "tokens")
	in := func(label string) { move(label, "drawer", tokens) }
	out := func(label string) { move(label, tokens, "drawer") }
	pin := func(name string) string {
		data, err := os.ReadFile(filepath.Join(dir, "room", name+".pin"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(data))
	}
	out("officiant-root")
	p := sit(t, dir, "officiant", "ceremony", "run", "plan/plan.yaml", "--station", "station.yaml", "--dir", "ceremony")
	p.sees("A witness's watch says")
	p.types("")
	p.sees("Type the plan's name to begin: ")
	p.types("demo-1")
	p.sees("PIN, to log in")
	p.types(pin("issuing"))
	p.sees("put in token officiant-root, serial ")
	p.sees("Then press Enter; what is typed before it goes on record.")
	p.types("") // too early: it is not in
	p.sees("put in token officiant-root, serial ")
	p.sees("Then press Enter")
	out("officiant-issuing")
	in("officiant-root")
	p.types("the root's token was in bag 7")
	p.sees("PIN, to log in")
	p.types(pin("root"))
	p.sees("put in token officiant-issuing, serial ")
	out("officiant-root")
	in("officiant-issuing")
	p.types("")
	p.sees("PIN, to log in")
	p.types(pin("issuing"))
	p.sees("The ceremony is complete.")
	p.leaves(0)
	p.fits()
	shell(t, dir, `grep '"type":"note".*bag 7' ceremony/transcript.jsonl; officiant ceremony verify ceremony --release-key ceremony/release.pub | grep 'dictated: the root.s token was in bag 7'`)
}
