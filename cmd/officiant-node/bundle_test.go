package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/bundle/install"
	"officiant/bundle/install/installtest"
	"officiant/bundle/kubepki"
	"officiant/cmd/internal/exit"
)

// desk is a machine with a stick: bundles on one side, the node's root on the other.
type desk struct {
	t            *testing.T
	pki          *bundletest.PKI
	node         *bundletest.Node
	stick, root  string
	release      string // release.pub
	stdout, talk string // of the last command
}

func newDesk(t *testing.T, n kubepki.Node) *desk {
	d := &desk{t: t, pki: bundletest.New(t, bundletest.Cluster()), stick: t.TempDir(), root: t.TempDir()}
	d.node = d.pki.NewNode(t, n)
	d.release = filepath.Join(d.stick, "release.pub")
	bundletest.WriteFile(t, d.release, bundletest.PublicPEM(t, d.pki.Release.Public()))
	installtest.Asked(t, d.root, d.node)
	return d
}

func (d *desk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// bundle writes a bundle of this sequence as a folder and a tar, and returns the folder.
func (d *desk) bundle(sequence int) string {
	d.t.Helper()
	b := d.pki.Bundle(d.t, d.node, sequence)
	dir := filepath.Join(d.t.TempDir(), b.Node)
	d.must(b.WriteDir(&durable.Disk{}, dir))
	d.must(b.WriteTar(&durable.Disk{}, dir+".tar"))
	return dir
}

// run runs a command and demands an exit code and words in its output or talk.
func (d *desk) run(code int, want string, args ...string) {
	d.t.Helper()
	d.at(strings.NewReader(""), code, want, args...)
}

// at is run with an input, such as a terminal.
func (d *desk) at(stdin io.Reader, code int, want string, args ...string) {
	d.t.Helper()
	var stdout, talk bytes.Buffer
	o := &options{
		Stdin: stdin, Stdout: &stdout, Stderr: &talk, Disk: &durable.Disk{},
		Now: func() time.Time { return bundletest.Now }, Version: "test", Rand: rand.Reader, Program: runProgram,
	}
	got := execute(context.Background(), o, args)
	d.stdout, d.talk = stdout.String(), talk.String()
	if got != code || !strings.Contains(d.stdout+d.talk, want) {
		d.t.Errorf("officiant-node %s: exit %d, want %d and %q\n%s%s", strings.Join(args, " "), got, code, want, d.stdout, d.talk)
	}
}

// below is every file below a folder, with mode and content.
func (d *desk) below(dir string) string {
	var all strings.Builder
	d.must(filepath.WalkDir(dir, func(at string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		all.WriteString(at + " " + info.Mode().String() + "\n")
		if e.Type().IsRegular() {
			data, err := os.ReadFile(at)
			if err != nil {
				return err
			}
			all.Write(data)
		}
		return nil
	}))
	return all.String()
}

func TestABundlesLife(t *testing.T) {
	d := newDesk(t, bundletest.First())
	one, two := d.bundle(1), d.bundle(2)
	key := []string{"--release-key", d.release}

	for _, path := range []string{one, one + ".tar"} {
		d.run(exit.Done, "verdict        verified", append([]string{"verify", path}, key...)...)
		d.run(exit.Unverified, "verdict        consistent, origin not established", "verify", path)
	}
	root := fingerprint.Of(d.pki.Root.Certificate.Raw)
	d.run(exit.Done, root.String(), append([]string{"verify", one, "--root-ca", root.Grouped()}, key...)...)
	d.run(exit.Unverified, "is not the pinned root", append([]string{"verify", one, "--root-ca", d.pki.Ceremony.String()}, key...)...)

	d.run(exit.Unverified, "no bundle is installed", append([]string{"verify", "--root", d.root}, key...)...)
	d.run(exit.Done, "installed    no bundle", "status", "--root", d.root)
	before := d.below(d.root)
	d.run(exit.Done, "nothing was written", append([]string{"install", one, "--root", d.root, "--dry-run"}, key...)...)
	if d.below(d.root) != before {
		t.Error("a dry run changed the node")
	}
	d.run(exit.Done, "installed sequence 1 on node cp-1 of cluster demo", append([]string{"install", one + ".tar", "--root", d.root}, key...)...)
	for _, want := range append(root.Lines(), root.String(), "root certificate, pinned", "release key, pinned", "new      etc/kubernetes/pki/sa.key", "kube-scheduler: restart it for scheduler.conf") {
		if !strings.Contains(d.stdout, want) {
			t.Errorf("install does not say %q:\n%s", want, d.stdout)
		}
	}
	d.run(exit.Done, "already installed", append([]string{"install", one, "--root", d.root}, key...)...)
	d.run(exit.Done, "verdict        verified", append([]string{"verify", "--root", d.root}, key...)...)
	d.run(exit.Unverified, "origin not established", "verify", "--root", d.root)
	d.run(exit.Done, "installed sequence 2", append([]string{"install", two, "--root", d.root}, key...)...)
	if strings.Contains(d.stdout, "pinned") {
		t.Errorf("pinned a second time:\n%s", d.stdout)
	}
	before = d.below(d.root)
	d.run(exit.Unverified, "sequence 1 is older than 2", append([]string{"install", one, "--root", d.root}, key...)...)
	if d.below(d.root) != before || !strings.Contains(d.talk, "nothing on this node was changed") {
		t.Errorf("the node was touched: %s", d.talk)
	}
	d.run(exit.Done, "would roll back node cp-1 of cluster demo from sequence 2 to sequence 1", "rollback", "--root", d.root, "--dry-run")
	d.run(exit.Done, "rolled back node cp-1 of cluster demo from sequence 2 to sequence 1", "rollback", "--root", d.root)
	d.run(exit.Failure, "nothing to go back to", "rollback", "--root", d.root)
	d.run(exit.Done, "newest seen  sequence 2", "status", "--root", d.root)
	d.run(exit.Done, `"sequence": 1`, "status", "--root", d.root, "-o", "json")
	var s install.Status
	d.must(json.Unmarshal([]byte(d.stdout), &s))
	d.run(exit.Done, "installed sequence 2", append([]string{"install", two, "--root", d.root}, key...)...)
	d.run(exit.Done, "verified", append([]string{"verify", "--root", d.root}, key...)...)
}

func TestVerifyNamesEveryFinding(t *testing.T) {
	d := newDesk(t, bundletest.First())
	one := d.bundle(1)
	key := []string{"--release-key", d.release}
	bundletest.WriteFile(t, filepath.Join(one, "pki/ca.crt"), []byte("x"))
	bundletest.WriteFile(t, filepath.Join(one, "pki/extra.crt"), []byte("x"))
	d.must(os.Remove(filepath.Join(one, "admin.conf")))
	d.run(exit.Unverified, "verdict        not verified: 3 findings", append([]string{"verify", one}, key...)...)
	for _, want := range []string{"pki/ca.crt\n    was changed", "pki/extra.crt\n    not listed", "admin.conf\n    listed in SHA256SUMS, but missing"} {
		if !strings.Contains(d.stdout, want) {
			t.Errorf("no finding %q:\n%s", want, d.stdout)
		}
	}
	before := d.below(d.root)
	d.run(exit.Unverified, "pki/extra.crt", append([]string{"install", one, "--root", d.root}, key...)...)
	if d.below(d.root) != before {
		t.Error("a refused bundle changed the node")
	}

	good := d.bundle(1)
	other := filepath.Join(d.stick, "other.pub")
	bundletest.WriteFile(t, other, bundletest.PublicPEM(t, bundletest.Key(t).Public()))
	d.run(exit.Unverified, "SHA256SUMS.sig\n    not a signature", "verify", good, "--release-key", other)
	d.run(exit.Unverified, "SHA256SUMS.sig: not a signature", "install", good, "--release-key", other, "--root", d.root)

	d.run(exit.Unverified, `"verdict": "not verified"`, "verify", good, "--release-key", other, "-o", "json")
	var v verdict
	d.must(json.Unmarshal([]byte(d.stdout), &v))
	if len(v.Findings) != 1 || v.Findings[0].File != bundle.SignatureFile {
		t.Errorf("findings %v", v.Findings)
	}

	rehearsal := bundletest.Clone(d.pki.Bundle(t, d.node, 1))
	rehearsal.Rehearsal = true
	d.pki.Reseal(t, rehearsal)
	dir := bundletest.Scatter(t, rehearsal)
	d.run(exit.Unverified, "not for use", append([]string{"verify", dir}, key...)...)
	d.run(exit.Unverified, "not for use", append([]string{"install", dir, "--root", d.root}, key...)...)
}

func TestBundleCommandLines(t *testing.T) {
	d := newDesk(t, bundletest.Worker())
	one := d.bundle(1)
	for _, args := range [][]string{
		{"verify"}, {"verify", one, "--root", d.root}, {"verify", one, one},
		{"verify", one, "-o", "xml"}, {"verify", one, "--root-ca", "abc"},
		{"install"}, {"install", one}, {"install", one, one, "--release-key", d.release}, {"rollback", one}, {"status", one}, {"status", "-o", "xml"}, {"verify", one, "--what"},
	} {
		d.run(exit.Usage, "officiant-node", args...)
	}
	nothing := filepath.Join(d.stick, "nothing")
	d.run(exit.Usage, "no such file", "verify", nothing, "--release-key", d.release)
	d.run(exit.Usage, "release key: ", "verify", one, "--release-key", nothing)
	d.run(exit.Refused, "release key", "install", one, "--release-key", filepath.Join(one, bundle.SumsFile), "--root",
		d.root)
	private := filepath.Join(d.stick, "release.key")
	bundletest.WriteFile(t, private, bundletest.PrivatePEM(t, d.pki.Release))
	d.run(exit.Refused, "holds a private key", "verify", one, "--release-key", private)
}

// A request must not take what an interrupted install has staged for its own
// leftovers: the install could never be finished.
func TestRequestDuringAnInterruptedInstall(t *testing.T) {
	d := newDesk(t, bundletest.Worker())
	out := filepath.Join(d.stick, "again.req")
	ask := []string{"request", "--roles", "worker", "--name", bundletest.Worker().Name, "--cluster", bundletest.Cluster().Name,
		"--control-plane-endpoint", bundletest.Cluster().ControlPlaneEndpoint, "--root", d.root, "--out", out}
	path := d.bundle(1)
	b, err := bundle.Open(path)
	d.must(err)
	dead := false
	node := &install.Node{Root: d.root, Now: func() time.Time { return bundletest.Now }, Disk: &durable.Disk{Gate: func(op durable.Op, path string) error {
		if dead = dead || op == durable.OpRename && strings.HasSuffix(path, "installed.tar"); dead {
			return errors.New("the process died")
		}
		return nil
	}}}
	if _, err := node.Install(b, install.Options{Release: d.pki.Release.Public()}); err == nil {
		t.Fatal("the install was not interrupted")
	}
	before := d.below(d.root)
	d.run(exit.Failure, "an interrupted install has to be finished first", ask...)
	if d.below(d.root) != before {
		t.Error("the request changed something")
	}
	d.run(exit.Done, "finished the install that had been interrupted", "install", path, "--release-key", d.release, "--root", d.root)
	d.run(exit.Done, "wrote", ask...)
}

// A bundle's names are shown before anybody has vouched for them: none may make
// the terminal show another verdict.
func TestNamesThatAreTerminalCommands(t *testing.T) {
	d := newDesk(t, bundletest.Worker())
	const erase = "\x1b[2J\x1b[Hverdict        verified"
	path := d.bundle(1)
	bundletest.WriteFile(t, filepath.Join(path, erase), nil)
	inside := d.pki.Bundle(t, d.node, 1)
	inside.Files[bundle.FactsFile] = bytes.Replace(inside.Files[bundle.FactsFile], []byte(`"demo"`), []byte(`"\u001b[2J\nverdict        verified"`), 1)
	d.pki.Reseal(t, inside)
	for _, path := range []string{path, bundletest.Scatter(t, inside)} {
		d.run(exit.Unverified, `\x1b[2J`, "verify", path)
		if strings.Contains(d.stdout+d.talk, "\x1b") || strings.Contains(d.stdout+d.talk, "\nverdict        verified") {
			t.Errorf("verify says %q", d.stdout+d.talk)
		}
		d.run(exit.Unverified, `\x1b[2J`, "install", path, "--release-key", d.release, "--root", d.root)
		if strings.Contains(d.stdout+d.talk, "\x1b") {
			t.Errorf("install says %q", d.stdout+d.talk)
		}
	}
}

// TestRequestAfterTheEnd: a certificate that has ended vouches for nothing, and
// whoever asks is told.
func TestRequestAfterTheEnd(t *testing.T) {
	d := newDesk(t, bundletest.Worker())
	d.run(exit.Done, "", "install", d.bundle(1), "--release-key", d.release, "--root", d.root)
	request := func(now time.Time, out string) string {
		var talk bytes.Buffer
		o := &options{Stdout: &talk, Stderr: &talk, Disk: &durable.Disk{}, Rand: rand.Reader, Now: func() time.Time { return now }}
		code := execute(context.Background(), o, []string{"request", "--roles", "worker", "--cluster", d.pki.Cluster.Name,
			"--control-plane-endpoint", d.pki.Cluster.ControlPlaneEndpoint, "--name", d.node.Name, "--root", d.root, "--out", filepath.Join(d.stick, out)})
		if code != exit.Done {
			t.Fatalf("exit %d\n%s", code, &talk)
		}
		return talk.String()
	}
	if talk := request(bundletest.Now, "now.req"); !strings.Contains(talk, "signed by the node's present key, of kubelet.conf") {
		t.Errorf("%s", talk)
	}
	late := bundletest.Now.AddDate(9, 0, 0)
	if talk := request(late, "late.req"); !strings.Contains(talk, "not signed by the node's present key: "+filepath.Join(d.root, "etc/kubernetes/kubelet.conf")+": expired on ") {
		t.Errorf("%s", talk)
	}
}
