package audit_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/ceremonytest"
)

// witnessTools are all that a witness's machine has beside bash.
var witnessTools = []string{"openssl", "ssh-keygen", "sha256sum", "sort", "cut", "tail", "head", "mktemp", "mkdir", "cp", "rm"}

// bareMachine is a folder of programs that a witness has, to be the whole PATH.
func bareMachine(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, tool := range append([]string{"bash"}, witnessTools...) {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Skip(err)
		}
		if err := os.Symlink(path, filepath.Join(dir, tool)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// paper is what a witness wrote down in the room.
func (s *scene) paper(t *testing.T, key string) []string {
	r := s.audit(t)
	return []string{
		"root=" + r.Root.String(), "release=" + r.Release.String(), "head=" + r.Head.String(),
		"digest=" + r.Digest.String(), "people=" + r.People.String(), "me=eve", "key=" + key,
	}
}

// witnessByHand types docs/witness.md in the scene's directory.
func (s *scene) witnessByHand(t *testing.T, tools string, paper []string) (string, error) {
	t.Helper()
	c := exec.Command(filepath.Join(tools, "bash"), "--norc", "-c", pageScript("witness.md"))
	c.Dir = s.dir
	c.Env = append([]string{"PATH=" + tools, "TMPDIR=" + t.TempDir(), "HOME=" + t.TempDir()}, paper...)
	out, err := c.CombinedOutput()
	return string(out), err
}

// TestWitnessAlone goes a witness's whole path, by docs/witness.md, on a machine
// that has nothing but the directory and a handful of programs; and shows that
// she signs nothing that is not what she saw.
func TestWitnessAlone(t *testing.T) {
	tools := bareMachine(t)
	whole := &scene{safe: newSafe(), dir: filepath.Join(t.TempDir(), "ceremony")}
	key := filepath.Join(t.TempDir(), "eve")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	whole.fixture = ceremonytest.New(t, ceremonytest.Shape{Workers: 1, Approvals: 2,
		People: []string{"alice officer", "bob officer", "kim administrator", "eve witness"},
		SSH:    map[string]ssh.Signer{"eve": must(ssh.ParsePrivateKey(must(os.ReadFile(key))))}})
	whole.fixture.NewSSH(t, "mallory")
	whole.fixture.Approve(t, "alice", "bob")
	whole.run(t)
	paper := whole.paper(t, key)

	signed := whole.copy(t)
	if out, err := signed.witnessByHand(t, tools, paper); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if r := signed.audit(t); len(r.Findings()) > 0 || !slices.Equal(r.Witnessed, []string{"eve"}) {
		t.Errorf("witnessed by %v; %q", r.Witnessed, r.Findings())
	}

	// The minutes may lie there already; they are no input.
	reported := whole.copy(t)
	reported.write(t, "report.html", []byte("<html>"))
	if out, err := reported.witnessByHand(t, tools, paper); err != nil {
		t.Errorf("%v\n%s", err, out)
	}

	flip := func(file string) func(*testing.T, *scene) {
		return func(t *testing.T, s *scene) { data := s.read(file); data[len(data)/2] ^= 1; s.write(t, file, data) }
	}
	for what, spoil := range map[string]func(*testing.T, *scene){
		"record":              flip("transcript.jsonl"),
		"signature":           flip("transcript.sig"),
		"schedule":            flip("schedule.txt"),
		"request":             flip("requests/cp-1.req"),
		"authority":           flip("authorities/etcd.crt"),
		"bundle":              flip("bundles/worker-1/kubelet.conf"),
		"approval":            func(t *testing.T, s *scene) { s.write(t, "approvals/bob.sig", s.approval(t, "mallory")) },
		"one too few":         func(t *testing.T, s *scene) { must(0, os.Remove(s.path("approvals/bob.sig"))) },
		"another input":       func(t *testing.T, s *scene) { s.write(t, "requests/x.req", nil) },
		"signed already":      func(t *testing.T, s *scene) { s.write(t, "witnesses/eve.sig", s.witness(t, "eve")) },
		"bundles of no plan":  func(t *testing.T, s *scene) { s.write(t, "bundles/x/SHA256SUMS", nil) },
		"an unfinished one":   func(t *testing.T, s *scene) { s.write(t, "transcript.jsonl", withoutLast(s.read("transcript.jsonl"))) },
		"another release key": func(t *testing.T, s *scene) { s.write(t, "release.pub", s.read("authorities/root.crt")) },
	} {
		t.Run(what, func(t *testing.T) {
			s := whole.copy(t)
			spoil(t, s)
			before, _ := os.ReadFile(s.path("witnesses/eve.sig"))
			if out, err := s.witnessByHand(t, tools, paper); err == nil {
				t.Errorf("she signs:\n%s", out)
			}
			if after, _ := os.ReadFile(s.path("witnesses/eve.sig")); string(after) != string(before) {
				t.Error("there is a signature")
			}
		})
	}
	for i, line := range paper[:5] { // another ceremony than the one on her paper
		name, _, _ := strings.Cut(line, "=")
		other := slices.Clone(paper)
		other[i] = name + "=" + fingerprint.Of([]byte("other")).String()
		if out, err := whole.copy(t).witnessByHand(t, tools, other); err == nil {
			t.Errorf("another %s: she signs\n%s", name, out)
		}
	}
}

func withoutLast(record []byte) []byte {
	lines := strings.SplitAfter(string(record), "\n")
	return []byte(strings.Join(lines[:len(lines)-2], ""))
}
