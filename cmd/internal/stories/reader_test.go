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
		before := p.read
		p.types("") // nobody has done anything yet: the wrong token is still in
		p.sees("put in token officiant-" + in + ", serial ")
		if said := p.seen()[before:p.read]; strings.Contains(said, "PIN") {
			t.Errorf("a PIN is asked for with the wrong token in:\n%s", said)
		}
		people.takes("officiant-" + out)
		people.gives("officiant-" + in)
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
