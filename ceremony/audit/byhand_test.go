package audit_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/transcript"
)

// pageScript is one script of the shell blocks of a page of docs.
func pageScript(page string) string {
	text := string(must(os.ReadFile(filepath.Join("..", "..", "docs", page))))
	var script strings.Builder
	in := false
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "```"):
			in = strings.TrimSpace(line) == "```sh"
		case in:
			script.WriteString(line)
		}
	}
	return script.String()
}

// byHand runs the shell blocks of docs/verify-by-hand.md in a directory.
func byHand(t *testing.T, dir string) (string, error) {
	t.Helper()
	c := exec.Command("bash", "-c", pageScript("verify-by-hand.md"))
	c.Dir = dir
	out, err := c.CombinedOutput()
	return string(out), err
}

// TestWrittenByHand types the page in every kind of ceremony that there are directories
// of: small ones, large ones, later generations, adoptions, other people's roots.
func TestWrittenByHand(t *testing.T) {
	for _, program := range []string{"bash", "openssl", "jq", "sha256sum", "tar", "ssh-keygen"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
	for name := range written {
		if name == "rehearsal" { // its files have other names, and it proves nothing
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(unpack(t, "testdata/written/"+name+".tar.gz"), "ceremony")
			if out, err := byHand(t, dir); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			file := filepath.Join(dir, "schedule.txt")
			must(0, os.WriteFile(file, append(must(os.ReadFile(file)), '\n'), 0o644))
			if out, err := byHand(t, dir); err == nil || !strings.Contains(out, "FAILED: ") {
				t.Errorf("a changed schedule: %v\n%s", err, out)
			}
		})
	}
}

// TestPeopleByHand does so for a ceremony that people approved and witnessed.
func TestPeopleByHand(t *testing.T) {
	for _, program := range []string{"bash", "openssl", "jq", "sha256sum", "tar", "ssh-keygen"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
	whole := approvedScene(t)
	whole.write(t, "witnesses/eve.sig", whole.witness(t, "eve"))
	out, err := byHand(t, whole.dir)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if want := "people  " + whole.audit(t).People.String(); !strings.Contains(out, want) {
		t.Errorf("%q is not shown:\n%s", want, out)
	}
	for name, spoil := range map[string]func(*testing.T, *scene){
		"approval":            func(t *testing.T, s *scene) { s.write(t, "approvals/bob.sig", s.approval(t, "mallory")) },
		"approval taken away": func(t *testing.T, s *scene) { must(0, os.Remove(s.path("approvals/bob.sig"))) },
		"approval added":      func(t *testing.T, s *scene) { s.write(t, "approvals/kim.sig", s.approval(t, "kim")) },
		"a stranger witness":  func(t *testing.T, s *scene) { s.write(t, "witnesses/eve.sig", s.witness(t, "mallory")) },
		"an officer witness":  func(t *testing.T, s *scene) { s.write(t, "witnesses/alice.sig", s.witness(t, "alice")) },
		"a forged approval": func(t *testing.T, s *scene) {
			f := s.forge(t)
			sig := s.approval(t, "mallory")
			change(f, func(o *transcript.Open) bool {
				o.Approvals = append([]transcript.Approval{}, o.Approvals...)
				o.Approvals[1].Signature = fingerprint.Of(sig)
				return true
			})
			f.scene.write(t, "approvals/bob.sig", sig)
			must(0, f.write())
			s.dir = f.dir
		},
		"one too few on record": func(t *testing.T, s *scene) {
			f := s.forge(t)
			change(f, func(o *transcript.Open) bool { o.Approvals = o.Approvals[:1]; return true })
			must(0, os.Remove(f.path("approvals/bob.sig")))
			must(0, f.write())
			s.dir = f.dir
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := whole.copy(t)
			spoil(t, s)
			if out, err := byHand(t, s.dir); err == nil {
				t.Errorf("passes:\n%s", out)
			}
		})
	}
}

// TestByHand shows that what the page tells an auditor to type passes on a
// finished ceremony, and does not on one that was spoilt.
func TestByHand(t *testing.T) {
	for _, program := range []string{"bash", "openssl", "jq", "sha256sum", "tar"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
	whole := perform(t)
	out, err := byHand(t, whole.dir)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	reported := whole.copy(t) // the minutes are no input
	reported.write(t, "report.html", []byte("<html>"))
	if out, err := byHand(t, reported.dir); err != nil {
		t.Errorf("with minutes: %v\n%s", err, out)
	}
	for _, want := range []string{"root    " + whole.result.Root.String(), "release " + whole.result.Release.String(),
		"head " + whole.result.Head.String()} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not shown:\n%s", want, out)
		}
	}
	flip := func(file string) func(*testing.T, *scene) {
		return func(t *testing.T, s *scene) { data := s.read(file); data[len(data)/2] ^= 1; s.write(t, file, data) }
	}
	for name, spoil := range map[string]func(*testing.T, *scene){
		"record":    flip("transcript.jsonl"),
		"signature": flip("transcript.sig"),
		"schedule":  flip("schedule.txt"),
		"request":   flip("requests/cp-1.req"),
		"authority": flip("authorities/etcd.crt"),
		"bundle":    flip("bundles/cp-1/pki/ca.crt"),
		"tar": func(t *testing.T, s *scene) { // in a file, not in what fills a block up
			data := s.read("bundles/worker-1.tar")
			data[bytes.Index(data, []byte("BEGIN CERTIFICATE"))] ^= 1
			s.write(t, "bundles/worker-1.tar", data)
		},
		"sealed":      flip("secrets/sa.key.age"),
		"stray file":  func(t *testing.T, s *scene) { s.write(t, "x", nil) },
		"stray key":   func(t *testing.T, s *scene) { s.write(t, "secrets/x", []byte("-----BEGIN PRIVATE KEY-----")) },
		"more in one": func(t *testing.T, s *scene) { s.write(t, "bundles/cp-1/pki/x.crt", nil) },
		"forged challenge": func(t *testing.T, s *scene) {
			f := s.forge(t)
			change(f, func(r *transcript.Challenge) bool { r.Signature = bytes.Repeat([]byte{1}, 70); return r.Name == "root" })
			if err := f.write(); err != nil {
				t.Fatal(err)
			}
			s.dir = f.dir
		},
		"unplanned certificate": func(t *testing.T, s *scene) {
			f := s.forge(t)
			tbs, der := stranger(f)
			before, _ := first(f, func(transcript.IssuingClosed) bool { return true })
			f.insert(before, transcript.Intent{Entry: 99, Name: "backdoor", Signer: "kubernetes", TBS: tbs},
				transcript.Issued{Certificate: der})
			if err := f.write(); err != nil {
				t.Fatal(err)
			}
			s.dir = f.dir
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := whole.copy(t)
			spoil(t, s)
			if out, err := byHand(t, s.dir); err == nil {
				t.Errorf("passes:\n%s", out)
			}
		})
	}
}
