package audit_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"officiant/ceremony/audit"
)

// names says what a finding about a file may begin with: a bundle's files
// are named after the bundle.
func names(file string) []string {
	out := []string{file}
	if rest, ok := strings.CutPrefix(file, "bundles/"); ok {
		if node, inner, ok := strings.Cut(rest, "/"); ok {
			out = append(out, "bundles/"+node+": "+inner, "bundles/"+node+": SHA256SUMS", "bundles/"+node+": signature")
		}
	}
	return out
}

// wantNamed fails unless a finding names the file.
func wantNamed(t *testing.T, r *audit.Report, file string) {
	t.Helper()
	for _, f := range r.Findings() {
		for _, n := range names(file) {
			if strings.Contains(f, n) {
				return
			}
		}
		// A bit of a hash: what it belongs to no longer fits the list.
		if dir, ok := strings.CutSuffix(file, "/SHA256SUMS"); ok && strings.Contains(f, dir+": ") && strings.Contains(f, "not the one in SHA256SUMS") {
			return
		}
	}
	t.Errorf("no finding names %s; there are:\n%s", file, strings.Join(r.Findings(), "\n"))
}

// TestEveryFileCounts spoils each file of a finished ceremony in each way.
func TestEveryFileCounts(t *testing.T) {
	whole := perform(t)
	for _, file := range whole.files(t) {
		for name, spoil := range map[string]func(*testing.T, *scene){
			"removed": func(t *testing.T, s *scene) {
				if err := os.Remove(s.path(file)); err != nil {
					t.Fatal(err)
				}
			},
			"longer":  func(t *testing.T, s *scene) { s.write(t, file, append(s.read(file), '\n')) },
			"one bit": func(t *testing.T, s *scene) { data := s.read(file); data[len(data)/2] ^= 4; s.write(t, file, data) },
			"a link": func(t *testing.T, s *scene) {
				other := filepath.Join(t.TempDir(), "same")
				if err := os.Rename(s.path(file), other); err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(other, s.path(file)); err != nil {
					t.Fatal(err)
				}
			},
		} {
			if name == "longer" && strings.Count(file, "/") > 1 {
				continue // a bundle's files are listed with their hashes
			}
			t.Run(name+" "+file, func(t *testing.T) {
				t.Parallel()
				s := whole.copy(t)
				spoil(t, s)
				wantNamed(t, s.audit(t), file)
			})
		}
	}
}

func TestNothingElseMayBeThere(t *testing.T) {
	whole := perform(t)
	for _, file := range []string{
		"x", ".x", "transcript.jsonl.bak", "report.html", "plan/x", "requests/x.req", "approvals/alice.sig", "witnesses/bob.sig",
		"authorities/kubernetes-2.crt", "secrets/other.age", "bundles/x.tar", "bundles/cp-1/x", "bundles/cp-1/pki/ca.key",
		"bundles/cp-2/SHA256SUMS", ".officiant-tmp-1", "bundles/.officiant-tmp-2",
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			s := whole.copy(t)
			s.write(t, file, []byte("x"))
			wantNamed(t, s.audit(t), file)
		})
	}
	t.Run("an empty folder", func(t *testing.T) {
		s := whole.copy(t)
		if err := os.MkdirAll(s.path("witnesses"), 0o755); err != nil {
			t.Fatal(err)
		}
		wantNamed(t, s.audit(t), "witnesses/")
	})
	t.Run("folders in folders", func(t *testing.T) {
		s := whole.copy(t)
		if err := os.MkdirAll(s.path(strings.Repeat("d/", 1000)), 0o755); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		r := s.audit(t)
		wantNamed(t, r, "d/")
		wantNamed(t, r, "was not looked at")
		if took := time.Since(began); len(r.Findings()) > 100 || took > 10*time.Second {
			t.Errorf("%d findings after %s", len(r.Findings()), took)
		}
	})
	t.Run("a pipe", func(t *testing.T) {
		s := whole.copy(t)
		if err := syscall.Mkfifo(s.path("pipe"), 0o600); err != nil {
			t.Fatal(err)
		}
		wantNamed(t, s.audit(t), "pipe")
	})
	t.Run("the lock of a process", func(t *testing.T) {
		s := whole.copy(t)
		s.write(t, ".lock", nil)
		if r := s.audit(t); len(r.Findings()) > 0 {
			t.Error(r.Findings())
		}
		s.write(t, ".lock", []byte("x"))
		wantNamed(t, s.audit(t), ".lock")
	})
}

func TestSwappedFiles(t *testing.T) {
	whole := perform(t)
	for _, pair := range [][2]string{
		{"bundles/cp-1.tar", "bundles/worker-1.tar"},
		{"bundles/cp-1", "bundles/worker-1"},
		{"bundles/cp-1/SHA256SUMS.sig", "bundles/worker-1/SHA256SUMS.sig"},
		{"bundles/cp-1/kubelet.conf", "bundles/worker-1/kubelet.conf"},
		{"authorities/etcd.crt", "authorities/kubernetes.crt"},
		{"requests/cp-1.req", "requests/worker-1.req"},
		{"transcript.sig", "bundles/cp-1/SHA256SUMS.sig"},
	} {
		t.Run(pair[0], func(t *testing.T) {
			t.Parallel()
			s := whole.copy(t)
			for _, move := range [][2]string{{pair[0], "x"}, {pair[1], pair[0]}, {"x", pair[1]}} {
				if err := os.Rename(s.path(move[0]), s.path(move[1])); err != nil {
					t.Fatal(err)
				}
			}
			wantNamed(t, s.audit(t), pair[0])
			wantNamed(t, s.audit(t), pair[1])
		})
	}
}

// TestKeyInTheDirectory puts a CA's key where nothing, or something, belongs.
func TestKeyInTheDirectory(t *testing.T) {
	whole := perform(t)
	der := must(x509.MarshalPKCS8PrivateKey(whole.key("kubernetes")))
	stranger := must(x509.MarshalECPrivateKey(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))))
	for file, c := range map[string]struct {
		key  []byte
		says string
	}{
		"bundles/cp-1/pki/ca.key":         {der, "the private key of the kubernetes key"},
		"bundles/cp-1/pki/ca.crt":         {der, "the private key of the kubernetes key"},
		"bundles/cp-1.tar":                {der, "the private key of the kubernetes key"},
		"secrets/sa.key.age":              {stranger, "a private key"},
		"report.html":                     {stranger, "a private key"},
		"requests/cp-1.req":               {stranger, "a private key"},
		"bundles/worker-1/SHA256SUMS.sig": {stranger, "a private key"},
	} {
		t.Run(file, func(t *testing.T) {
			s := whole.copy(t)
			var before []byte
			if _, err := os.Stat(s.path(file)); err == nil {
				before = s.read(file)
			}
			s.write(t, file, append(bytes.Clone(before), c.key...))
			wantFinding(t, s.audit(t), file+": holds "+c.says)
		})
	}
	t.Run("of a node", func(t *testing.T) {
		s := whole.copy(t)
		key := must(x509.MarshalPKCS8PrivateKey(s.fixture.Keys["cp-1"]["apiserver"]))
		s.write(t, "x.der", key)
		wantFinding(t, s.audit(t), "x.der: holds the private key of cp-1/apiserver")
	})
}

func TestNoDirectory(t *testing.T) {
	if _, err := audit.Verify(filepath.Join(t.TempDir(), "absent"), audit.Options{}); err == nil {
		t.Error("no error for a directory that is not there")
	}
	r, err := audit.Verify(t.TempDir(), audit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	wantFinding(t, r, "transcript.jsonl: missing")
	if r.Verdict() != audit.Failed {
		t.Errorf("verdict %q", r.Verdict())
	}
}
