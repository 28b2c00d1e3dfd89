package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/statement"
	"officiant/cmd/internal/exit"
)

// TestSync: a node's next bundles come from a folder, with status and metrics, and no
// other command.
func TestSync(t *testing.T) {
	d := newDesk(t, bundletest.First())
	one, two := d.bundle(1), d.bundle(2)
	mirror, status := t.TempDir(), t.TempDir()
	prom := filepath.Join(t.TempDir(), "sync.prom")
	sync := func(more ...string) []string {
		return append([]string{"sync", "--from", mirror, "--release-key", d.release, "--root", d.root, "--status-to", status,
			"--prometheus", prom, "--once"}, more...)
	}
	publish := func(dir string) {
		data, err := os.ReadFile(dir + ".tar")
		d.must(err)
		d.must(os.WriteFile(filepath.Join(mirror, "cp-1.tar"), data, 0o600))
	}
	d.run(exit.Usage, "sync needs --from", "sync", "--root", d.root)
	d.run(exit.Usage, "--from: ", sync("--from", "http://bundles.test/")...)
	d.run(exit.Failure, "the first one is installed by a person", sync()...)
	d.run(exit.Failure, "the first one is installed by a person", sync("--root", t.TempDir())...)
	d.run(exit.Done, "installed sequence 1", "install", one, "--release-key", d.release, "--root", d.root)
	d.run(exit.Failure, "nothing could be fetched", sync()...)
	publish(two)
	before := d.below(d.root)
	d.run(exit.Done, "would install sequence 2", sync("--dry-run")...)
	if d.below(d.root) != before {
		t.Error("a dry run wrote something")
	}
	d.run(exit.Done, "installed", sync()...)
	d.run(exit.Done, "sequence 2 is in place already", sync()...)
	publish(one)
	d.run(exit.Unverified, "refused: bundle of cp-1: SHA256SUMS: sequence 1 is older than 2", sync()...)
	data, err := os.ReadFile(filepath.Join(status, "cp-1.json"))
	d.must(err)
	s, err := statement.Parse(data)
	d.must(err)
	b, err := bundle.Open(two)
	d.must(err)
	d.must(s.Check(b))
	if s.Sync.State != statement.Refused || s.Sequence != 2 || s.Status == nil || s.Old(bundletest.Now, statement.Life) {
		t.Errorf("the status says %+v", s.Statement)
	}
	if text, err := os.ReadFile(prom); err != nil || !strings.Contains(string(text), `state="refused"} 1`) {
		t.Errorf("metrics: %v\n%s", err, text)
	}
	d.run(exit.Done, "rolled back", "rollback", "--root", d.root)
	publish(two)
	d.run(exit.Failure, "was rolled back by hand", sync()...)
}

// TestSyncUnits: the units are what systemd takes, and start what was asked for.
func TestSyncUnits(t *testing.T) {
	d := newDesk(t, bundletest.Worker())
	d.run(
		exit.Done,
		"systemctl enable --now officiant-node-sync.timer",
		"sync",
		"--install",
		"--from",
		"https://bundles.test/a%20b",
		"--release-key",
		d.release,
		"--root",
		d.root,
		"--interval",
		"30m",
	)
	dir := filepath.Join(d.root, "etc/systemd/system")
	service, err := os.ReadFile(filepath.Join(dir, "officiant-node-sync.service"))
	d.must(err)
	for _, want := range []string{" sync --once ", " --from https://bundles.test/a%%20b ", " --release-key " + d.release} {
		if !strings.Contains(string(service), want) {
			t.Errorf("no %q in\n%s", want, service)
		}
	}
	verify, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip(err)
	}
	for _, name := range []string{"service", "timer"} {
		unit := filepath.Join(dir, "officiant-node-sync."+name)
		out, err := exec.CommandContext(t.Context(), verify, "verify", "--man=no", unit).CombinedOutput()
		if err != nil ||
			bytes.Contains(out, []byte("officiant-node-sync")) {
			t.Errorf("%v\n%s", err, out)
		}
	}
	bad := strings.Replace(string(service), "Type=oneshot", "Type=whatever", 1)
	d.must(os.WriteFile(filepath.Join(dir, "officiant-node-sync.service"), []byte(bad), 0o600))
	unit := filepath.Join(dir, "officiant-node-sync.service")
	out, _ := exec.CommandContext(t.Context(), verify, "verify", "--man=no", unit).CombinedOutput()
	if !bytes.Contains(out, []byte("whatever")) {
		t.Errorf("a unit that is none passes: %s", out)
	}
}

func TestUnitWord(t *testing.T) {
	for word, want := range map[string]string{
		"plain": "plain", "a b": `"a b"`, "100%": "100%%", "$HOME": "$$HOME", `say "x"`: `"say \"x\""`,
	} {
		if got := unitWord(word); got != want {
			t.Errorf("%s: %s, want %s", word, got, want)
		}
	}
}
