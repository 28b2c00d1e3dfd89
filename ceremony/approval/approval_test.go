package approval

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"officiant/bundle/fingerprint"
	"officiant/bundle/limittest"
	"officiant/bundle/sshsig"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newKey(t testing.TB) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	s, err := ssh.NewSignerFromSigner(key)
	check(t, err)
	return s
}

func weak(t testing.TB) string {
	t.Helper()
	t.(*testing.T).Setenv("GODEBUG", "rsa1024min=0")
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	check(t, err)
	s, err := ssh.NewSignerFromSigner(key)
	check(t, err)
	return sshsig.Line(s.PublicKey())
}

// cast is a few people with their keys.
var names = []string{"alice", "bob", "kim", "eve", "mallory", "alice-2"}

func cast(t testing.TB) map[string]ssh.Signer {
	keys := map[string]ssh.Signer{}
	for _, n := range names {
		keys[n] = newKey(t)
	}
	return keys
}

func person(keys map[string]ssh.Signer, name, role string) Person {
	return Person{name, role, sshsig.Line(keys[name].PublicKey())}
}

func must(t testing.TB, list []Person, threshold int) People {
	t.Helper()
	p, wrong := New(list, threshold)
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	return p
}

func TestPeopleRefused(t *testing.T) {
	keys := cast(t)
	alice, bob, eve := person(keys, "alice", Officer), person(keys, "bob", Officer), person(keys, "eve", Witness)
	with := func(p Person, change func(*Person)) Person { change(&p); return p }
	for _, c := range []struct {
		what      string
		list      []Person
		threshold int
		want      string
	}{
		{"nobody and a threshold", nil, 1, "approvals asks for 1 of nobody"},
		{"no threshold", []Person{alice, bob}, 0, "approvals is 0; 2 may approve, so it is from 1 to 2"},
		{"a negative one", []Person{alice, bob}, -1, "approvals is -1"},
		{"more than may approve", []Person{alice, bob, eve}, 3, "approvals is 3; 2 may approve"},
		{"witnesses alone", []Person{eve}, 1, "none of the people may approve"},
		{"twice", []Person{alice, alice}, 1, "alice is among the people twice"},
		{"two roles", []Person{alice, with(alice, func(p *Person) { p.Role = Witness })}, 1, "alice is officer and witness: one person has one role"},
		{"one key for two", []Person{alice, with(bob, func(p *Person) { p.Key = alice.Key })}, 1, "bob has the key of alice"},
		{"one key for two, another comment", []Person{alice, with(bob, func(p *Person) { p.Key = alice.Key + " bob" })}, 1, "bob has the key of alice"},
		{"no such role", []Person{with(alice, func(p *Person) { p.Role = "notary" })}, 1, `role of alice is "notary"`},
		{"no role", []Person{with(alice, func(p *Person) { p.Role = "" })}, 1, `role of alice is ""`},
		{"no name", []Person{with(alice, func(p *Person) { p.Name = "" })}, 1, `name is ""`},
		{"a path", []Person{with(alice, func(p *Person) { p.Name = "../x" })}, 1, `name is "../x"`},
		{"a large letter", []Person{with(alice, func(p *Person) { p.Name = "Alice" })}, 1, `name is "Alice"`},
		{"a pattern", []Person{with(alice, func(p *Person) { p.Name = "*" })}, 1, `name is "*"`},
		{"the name of a file for an old key", []Person{with(alice, func(p *Person) { p.Name = "bob.previous" })}, 1, `name is "bob.previous"`},
		{"no key", []Person{with(alice, func(p *Person) { p.Key = "" })}, 1, "key of alice: is not an SSH public key"},
		{"a weak key", []Person{with(alice, func(p *Person) { p.Key = weak(t) })}, 1, "key of alice: its RSA key has 1024 bits"},
		{"options", []Person{with(alice, func(p *Person) { p.Key = "no-pty " + p.Key })}, 1,
			`key of alice: has "no-pty" before its kind`},
	} {
		_, wrong := New(c.list, c.threshold)
		found := false
		for _, w := range wrong {
			found = found || strings.HasPrefix(w.Message, c.want)
		}
		if !found {
			t.Errorf("%s: got %v, want %s", c.what, wrong, c.want)
		}
	}
}

// TestFingerprint shows that order and comments do not matter, and all else does.
func TestFingerprint(t *testing.T) {
	keys := cast(t)
	alice, bob, eve := person(keys, "alice", Officer), person(keys, "bob", Administrator), person(keys, "eve", Witness)
	p := must(t, []Person{alice, bob, eve}, 2)
	want := fmt.Sprintf("officiant people v1\nthreshold 2\nalice officer %s\nbob administrator %s\neve witness %s\n", alice.Key, bob.Key, eve.Key)
	if string(p.Listing()) != want || p.Fingerprint() != fingerprint.Of([]byte(want)) {
		t.Errorf("listing\n%s\nwant\n%s", p.Listing(), want)
	}
	commented := eve
	commented.Key += " eve@home"
	if q := must(t, []Person{commented, bob, alice}, 2); q.Fingerprint() != p.Fingerprint() {
		t.Error("order or comment matters")
	}
	other := bob
	other.Role = Officer
	for what, q := range map[string]People{
		"threshold": must(t, []Person{alice, bob, eve}, 1), "role": must(t, []Person{alice, other, eve}, 2),
		"one less": must(t, []Person{alice, bob}, 2), "key": must(t, []Person{{"alice", Officer, person(keys, "mallory", Officer).Key}, bob, eve}, 2),
	} {
		if q.Fingerprint() == p.Fingerprint() {
			t.Errorf("%s does not matter", what)
		}
	}
}

var digest, other = fingerprint.Of([]byte("this")), fingerprint.Of([]byte("another"))

func sign(t testing.TB, key ssh.Signer, namespace string, message []byte) []byte {
	t.Helper()
	sig, err := sshsig.Sign(rand.Reader, key, namespace, message)
	check(t, err)
	return sig
}

func TestJudge(t *testing.T) {
	keys := cast(t)
	plan := Group{Whose: "the plan", People: must(t, []Person{
		person(keys, "alice", Officer), person(keys, "bob", Officer), person(keys, "kim", Administrator), person(keys, "eve", Witness)}, 2)}
	good := func(name string) []byte { return sign(t, keys[name], PlanNamespace, PlanMessage(digest)) }
	type files = map[string][]byte
	for _, c := range []struct {
		what   string
		files  files
		enough bool
		says   string // of what was rejected, or the progress
	}{
		{"nothing", nil, false, "0 of the 2 approvals that the plan asks for; not by alice, bob, kim"},
		{"one", files{"alice.sig": good("alice")}, false, "1 of the 2 approvals that the plan asks for, by alice; not by bob, kim"},
		{"two", files{"alice.sig": good("alice"), "kim.sig": good("kim")}, true, "2 of the 2 approvals that the plan asks for, by alice, kim; not by bob"},
		{"another digest", files{"alice.sig": good("alice"), "bob.sig": sign(t, keys["bob"], PlanNamespace, PlanMessage(other))}, false,
			"approvals/bob.sig: is not an approval of this digest: it is of another, or damaged"},
		{"another purpose", files{"alice.sig": good("alice"), "bob.sig": sign(t, keys["bob"], HeadNamespace, PlanMessage(digest))}, false,
			`approvals/bob.sig: is a signature for "officiant-transcript", not officiant-plan`},
		{"the digest alone", files{"bob.sig": sign(t, keys["bob"], PlanNamespace, []byte(digest.String()+"\n"))}, false, "approvals/bob.sig: is not an approval of this digest"},
		{"a stranger", files{"alice.sig": good("alice"), "mallory.sig": good("mallory")}, false, "approvals/mallory.sig: is by a key of nobody who may approve: SHA256:"},
		{"a stranger under a name", files{"alice.sig": good("alice"), "bob.sig": good("mallory")}, false, "approvals/bob.sig: is by a key of nobody who may approve"},
		{"a witness", files{"alice.sig": good("alice"), "eve.sig": good("eve")}, false, "approvals/eve.sig: is by eve, a witness, who does not approve"},
		{"twice under two names", files{"alice.sig": good("alice"), "bob.sig": good("alice")}, false, "approvals/bob.sig: is alice's approval, and has to be called alice.sig"},
		{"as of a former key", files{"alice.previous.sig": good("alice")}, false, "has to be called alice.sig"},
		{"no signature", files{"alice.sig": []byte("yes\n")}, false, "approvals/alice.sig: is not an SSH signature"},
	} {
		v := Judge(digest, c.files, plan)
		said := ""
		for _, r := range v.Rejected {
			said += r.String() + "\n"
		}
		for _, progress := range v.Progress {
			said += progress.String() + "\n"
		}
		if v.Enough() != c.enough || !strings.Contains(said, c.says) {
			t.Errorf("%s: enough %t, want %t\n%s\nwant %s", c.what, v.Enough(), c.enough, said, c.says)
		}
	}
}

// TestSuccession shows that the former people have a say, each by the key they
// had, and that nobody counts twice.
func TestSuccession(t *testing.T) {
	keys := cast(t)
	renewed := person(keys, "alice-2", Officer)
	renewed.Name = "alice"
	plan := Group{Whose: "the plan", People: must(t, []Person{renewed, person(keys, "bob", Officer)}, 2)}
	former := Group{Whose: "ceremony 1", Former: true, People: must(t, []Person{person(keys, "alice", Officer), person(keys, "bob", Officer), person(keys, "kim", Witness)}, 2)}
	good := func(name string) []byte { return sign(t, keys[name], PlanNamespace, PlanMessage(digest)) }
	v := Judge(digest, map[string][]byte{"alice.sig": good("alice-2"), "bob.sig": good("bob")}, plan, former)
	if v.Enough() || !v.Progress[0].Enough() || v.Progress[1].Enough() {
		t.Errorf("without the old key: %v", v.Progress)
	}
	v = Judge(digest, map[string][]byte{"alice.sig": good("alice-2"), "alice.previous.sig": good("alice"), "bob.sig": good("bob")}, plan, former)
	if !v.Enough() || len(v.Rejected) > 0 || len(v.Approvals) != 3 {
		t.Errorf("with it: %v, %v", v.Progress, v.Rejected)
	}
	v = Judge(digest, map[string][]byte{"bob.sig": good("bob"), "bob.previous.sig": good("bob")}, plan, former)
	if len(v.Rejected) != 1 || v.Rejected[0].Reason != "bob approves a second time" ||
		len(v.Progress[1].Approved) != 1 {
		t.Errorf("twice: %v, %v", v.Progress, v.Rejected)
	}
	for key, want := range map[string]string{"alice-2": "alice.sig", "alice": "alice.previous.sig", "bob": "bob.sig"} {
		if file, _, err := FileFor(keys[key].PublicKey(), plan, former); err != nil || file != want {
			t.Errorf("%s: file %q, %v, want %s", key, file, err, want)
		}
	}
	for key, want := range map[string]string{"kim": "kim, a witness, who does not approve", "mallory": "nobody who may approve"} {
		if _, _, err := FileFor(keys[key].PublicKey(), plan, former); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestWitnessed(t *testing.T) {
	keys := cast(t)
	p := must(t, []Person{person(keys, "alice", Officer), person(keys, "eve", Witness)}, 1)
	good := func(name string) []byte { return sign(t, keys[name], HeadNamespace, HeadMessage(digest)) }
	if who, _, err := p.Witnessed(digest, "eve.sig", good("eve")); err != nil || who != "eve" {
		t.Errorf("%s, %v", who, err)
	}
	for _, c := range []struct {
		what, file string
		sig        []byte
		want       string
	}{
		{"another head", "eve.sig", sign(t, keys["eve"], HeadNamespace, HeadMessage(other)), "is not a signature over this record's head"},
		{"an approval", "eve.sig", sign(t, keys["eve"], PlanNamespace, HeadMessage(digest)), `is a signature for "officiant-plan"`},
		{"an officer", "alice.sig", good("alice"), "is by alice, who is officer and not a witness"},
		{"a stranger", "eve.sig", good("mallory"), "is by a key of nobody the plan names"},
		{"another name", "eva.sig", good("eve"), "is by eve, and has to be called eve.sig"},
		{"no signature", "eve.sig", nil, "is not an SSH signature"},
	} {
		if _, _, err := p.Witnessed(digest, c.file, c.sig); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

// TestSSHKeygen shows that ssh-keygen makes and verifies the same, with the
// kinds of keys people have.
func TestSSHKeygen(t *testing.T) {
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		if os.Getenv("OFFICIANT_REQUIRE_SOFTHSM") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	for _, kind := range []string{"ed25519", "ecdsa", "rsa"} {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir()
			run := func(stdin []byte, args ...string) []byte {
				t.Helper()
				c := exec.Command("ssh-keygen", args...)
				c.Dir, c.Stdin = dir, strings.NewReader(string(stdin))
				out, err := c.Output()
				if err != nil {
					t.Fatalf("%v: %v\n%s", args, err, out)
				}
				return out
			}
			run(nil, "-q", "-t", kind, "-N", "", "-f", "key", "-C", "alice@example.com")
			public, err := os.ReadFile(filepath.Join(dir, "key.pub"))
			check(t, err)
			group := Group{Whose: "the plan", People: must(t, []Person{{"alice", Officer, strings.TrimSpace(string(public))}}, 1)}
			theirs := run(PlanMessage(digest), "-Y", "sign", "-n", PlanNamespace, "-f", "key")
			if v := Judge(digest, map[string][]byte{"alice.sig": theirs}, group); !v.Enough() {
				t.Error(v.Rejected)
			}
			private, err := os.ReadFile(filepath.Join(dir, "key"))
			check(t, err)
			key, err := ssh.ParsePrivateKey(private)
			check(t, err)
			check(t, os.WriteFile(filepath.Join(dir, "alice.sig"), sign(t, key, PlanNamespace, PlanMessage(digest)), 0o600))
			check(t, os.WriteFile(filepath.Join(dir, "allowed"), []byte("alice "+group.People.List[0].Key+"\n"), 0o600))
			run(PlanMessage(digest), "-Y", "verify", "-f", "allowed", "-I", "alice", "-n", PlanNamespace, "-s", "alice.sig")
		})
	}
}

// FuzzJudge wants no panic, and never an approval of bytes that nobody signed.
func FuzzJudge(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(f, err)
	s, err := ssh.NewSignerFromSigner(key)
	check(f, err)
	good := sign(f, s, PlanNamespace, PlanMessage(digest))
	people, _ := New([]Person{{"alice", Officer, sshsig.Line(s.PublicKey())}}, 1)
	f.Add("alice.sig", good)
	f.Add("alice", good[:len(good)/2])
	f.Fuzz(func(t *testing.T, file string, data []byte) {
		defer limittest.Budget(t)()
		v := Judge(digest, map[string][]byte{file: data}, Group{Whose: "the plan", People: people})
		if v.Enough() && (file != "alice.sig" || string(data) != string(good)) {
			t.Errorf("%s counts", file)
		}
	})
}
