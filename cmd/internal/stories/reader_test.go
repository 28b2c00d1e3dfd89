//go:build linux

package stories

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const oneReader = `
officiant softhsm init --dir room --station filed.yaml
sed 's/&pin-source=[^"]*//' filed.yaml >station.yaml
mkdir requests drawer
officiant-node request --kubeadm "$SOURCE/softhsm/demo/cp-1.yaml" --roles control-plane,etcd --root cp-1 --out requests/cp-1.req
officiant ceremony new --kubeadm "$SOURCE/softhsm/demo/cp-1.yaml" --requests requests --station-grade software --out plan.yaml
`

// drawer is where tokens lie that are not in the one reader of a room: its
// SoftHSM shows those in room/tokens.
type drawer struct {
	t   *testing.T
	dir string
}

func (d drawer) move(label, from, to string) {
	d.t.Helper()
	files, err := filepath.Glob(filepath.Join(d.dir, from, "*", "token.object"))
	if err != nil {
		d.t.Fatal(err)
	}
	for _, file := range files {
		if data, err := os.ReadFile(file); err == nil && strings.Contains(string(data), label) {
			if err := os.Rename(filepath.Dir(file), filepath.Join(d.dir, to, filepath.Base(filepath.Dir(file)))); err != nil {
				d.t.Fatal(err)
			}
			return
		}
	}
	d.t.Fatalf("no token %s in %s", label, from)
}

func (d drawer) takes(label string) { d.move(label, "room/tokens", "drawer") }
func (d drawer) gives(label string) { d.move(label, "drawer", "room/tokens") }

// TestOneReader is a ceremony of two tokens with one reader, as people type it: each
// swap names the token and waits, and no PIN is asked for with the wrong one in.
func TestOneReader(t *testing.T) {
	needSoftHSM(t)
	dir := t.TempDir()
	shell(t, dir, oneReader)
	pins := map[string]string{}
	for _, token := range []string{"issuing", "root"} {
		data, err := os.ReadFile(filepath.Join(dir, "room", token+".pin"))
		if err != nil {
			t.Fatal(err)
		}
		pins[token] = strings.TrimSpace(string(data))
	}
	people := drawer{t, dir}
	people.takes("officiant-root")

	p := sit(t, dir, "officiant", "ceremony", "run", "plan.yaml", "--station", "station.yaml", "--dir", "ceremony")
	p.sees("Type the plan's name to begin: ")
	p.types("demo-1")
	swap := func(step, out, in string) {
		t.Helper()
		p.sees(step)
		p.sees("put in token officiant-" + in + ", serial ")
		p.sees("    > ")
		before := p.read
		p.types("") // nobody has done anything yet: the wrong token is still in
		p.sees("put in token officiant-" + in + ", serial ")
		if said := p.seen()[before:p.read]; strings.Contains(said, "PIN") {
			t.Errorf("a PIN is asked for with the wrong token in:\n%s", said)
		}
		people.takes("officiant-" + out)
		people.gives("officiant-" + in)
		p.sees("    > ")
		p.types("")
	}
	p.sees("PIN, to log in")
	p.types(pins["issuing"])
	p.sees(": the point of no return")
	swap("Open the token of root", "issuing", "root")
	p.sees("PIN, to log in")
	p.types(pins["root"])
	swap("Go back to the token of kubernetes, etcd, front-proxy", "root", "issuing")
	p.sees("PIN, to log in")
	p.types(pins["issuing"])
	p.sees("The ceremony is complete.")
	p.leaves(0)
	p.fits()
	shell(t, dir, "officiant ceremony verify ceremony --release-key ceremony/release.pub && officiant ceremony report ceremony")
	noFileHas(t, dir, pins["issuing"], pins["root"])
}

// TestDoctorWithOneReader: with one reader doctor asks for a plan's tokens by turns, as
// the ceremony will, and makes nothing; "leave" goes on without one.
func TestDoctorWithOneReader(t *testing.T) {
	needSoftHSM(t)
	dir := t.TempDir()
	shell(t, dir, oneReader)
	pin := func(token string) string { return pinOf(t, dir, token) }
	people := drawer{t, dir}
	people.takes("officiant-root")
	doctor := []string{"officiant", "doctor", "--plan", "plan.yaml", "--station", "station.yaml"}

	p := sit(t, dir, doctor...)
	p.sees("PIN, to log in")
	p.types(pin("issuing"))
	p.sees("there is no kubernetes key yet, as it should be")
	p.sees("put in token officiant-root, serial ")
	p.types("") // it is not in yet
	p.sees("put in token officiant-root, serial ")
	people.takes("officiant-issuing")
	people.gives("officiant-root")
	p.types("")
	p.sees("PIN, to log in")
	p.types(pin("root"))
	p.sees("there is no root key yet, as it should be")
	for _, token := range []string{"officiant-issuing", "officiant-root"} {
		p.sees("token " + token)
	}
	p.leaves(0)
	if strings.Contains(p.seen(), "not-opened") || strings.Contains(p.seen(), pin("root")) {
		t.Errorf("%s", p.seen())
	}

	p = sit(t, dir, doctor...)
	p.sees("put in token officiant-issuing, serial ")
	p.types("leave")
	p.sees("PIN, to log in")
	p.types(pin("root"))
	p.sees("not-opened")
	p.leaves(5)
	shell(t, dir, `test -z "$(find room/tokens drawer -name '*.object' ! -name token.object)" && test ! -e ceremony`)
}

// TestTypedTooEarly: what is typed while a token is opened is not shown, and is no PIN.
func TestTypedTooEarly(t *testing.T) {
	needSoftHSM(t)
	dir, _, _ := wrapped(t, "hang C_OpenSession")
	control := filepath.Join(dir, "control")
	shell(t, dir, "mv station.yaml filed.yaml\n"+strings.SplitAfterN(oneReader, "\n", 3)[2])
	p := sit(t, dir, "officiant", "ceremony", "run", "plan.yaml", "--station", "station.yaml", "--dir", "ceremony")
	p.sees("Type the plan's name to begin: ")
	p.types("demo-1")
	p.sees("wanted: token officiant-")
	p.hides()
	p.types("typed-too-early-77")
	check(t, os.WriteFile(control, nil, 0o600)) // it opens now
	p.sees("PIN, to log in")
	p.interrupts()
	p.sees("Why, for the record?")
	p.types("the fire alarm rang")
	p.leaves(130)
	seen := p.seen()
	if strings.Contains(seen, "typed-too-early-77") || !strings.Contains(seen, "the fire alarm rang") {
		t.Errorf("on the screen:\n%s", seen)
	}
	if out := shell(t, dir, "cat ceremony/transcript.jsonl"); strings.Contains(out, "pin-refused") {
		t.Errorf("it was tried:\n%s", out)
	}
}

// TestPastedLines: a block of commands is pasted whole. A ceremony that asks for nothing
// takes none of the lines below its own.
func TestPastedLines(t *testing.T) {
	needSoftHSM(t)
	dir := t.TempDir()
	shell(t, dir, oneReader)
	p := sitWith(t, dir, []string{"NO_COLOR=1", "TERM=linux", "PATH=" + programs + ":" + os.Getenv("PATH")}, "bash",
		"--norc", "--noediting", "-i")
	p.types(`officiant ceremony run plan.yaml --station filed.yaml --dir ceremony ` +
		`--confirm "$(officiant ceremony check plan.yaml --digest)"` + "\ncp ceremony/release.pub kept.pub\nexit 7")
	p.sees("The ceremony is complete.")
	p.leaves(7)
	shell(t, dir, "cmp ceremony/release.pub kept.pub")
}

// TestNoAnswer: Ctrl-D at the prompt for the plan's name is an answer, too: no.
func TestNoAnswer(t *testing.T) {
	needSoftHSM(t)
	dir := t.TempDir()
	shell(t, dir, oneReader)
	p := sit(t, dir, "officiant", "ceremony", "run", "plan.yaml", "--station", "filed.yaml", "--dir", "ceremony")
	p.sees("Type the plan's name to begin: ")
	if _, err := p.pty.Write([]byte{4}); err != nil {
		t.Fatal(err)
	}
	p.sees("officiant: the input ended before an answer was typed; nothing was signed")
	p.leaves(6)
	shell(t, dir, "test ! -e ceremony")
}
