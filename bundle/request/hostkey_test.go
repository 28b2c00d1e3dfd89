package request

import (
	"crypto/ed25519"
	"crypto/rand"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"officiant/bundle/sshsig"
)

func hostSigner(t testing.TB) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	s, err := ssh.NewSignerFromSigner(key)
	check(t, err)
	return s
}

func TestHostKeySigns(t *testing.T) {
	m, s := makeRequest(t, worker()), hostSigner(t)
	data, err := Make(testCluster(), m.node, m.leaves, m.keys, m.recipient, created, rand.Reader, HostKey{s})
	check(t, err)
	o, err := Parse("f", data)
	check(t, err)
	if o.HostKey == nil || string(o.HostKey.Marshal()) != string(s.PublicKey().Marshal()) {
		t.Errorf("signed by %v", o.HostKey)
	}
	plain, err := Parse("f", m.data)
	check(t, err)
	if plain.HostKey != nil {
		t.Error("a key signed what it did not")
	}
	e := entries(t, data)
	with := func(sig []byte) []byte { c := maps.Clone(e); c[hostSigFile] = sig; return repack(t, c) }
	other, err := sshsig.Sign(rand.Reader, s, HostNamespace, []byte("another request.json"))
	check(t, err)
	file, err := sshsig.Sign(rand.Reader, s, "file", e[requestFile])
	check(t, err)
	refused(t, "of another request", with(other), hostSigFile, "is not the signature of this file")
	refused(t, "for another purpose", with(file), hostSigFile, `is a signature for "file", not officiant-request`)
	refused(t, "not a signature", with([]byte("x")), hostSigFile, "is not an SSH signature")
	// Taking it away takes the voucher away, and nothing else.
	delete(e, hostSigFile)
	o, err = Parse("f", repack(t, e))
	if err != nil || o.HostKey != nil {
		t.Errorf("%v", err)
	}
}

// The page's commands check the signature with OpenSSH alone.
func TestHostKeyByHand(t *testing.T) {
	for _, tool := range []string{"bash", "tar", "ssh-keygen"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "formats", "request.md"))
	check(t, err)
	m, s := makeRequest(t, worker()), hostSigner(t)
	data, err := Make(testCluster(), m.node, m.leaves, m.keys, m.recipient, created, rand.Reader, HostKey{s})
	check(t, err)
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "worker-1.req"), data, 0o600))
	run := func(known ssh.Signer) (string, error) {
		check(t, os.WriteFile(filepath.Join(dir, "known_hosts"), append([]byte("worker-1 "), ssh.MarshalAuthorizedKey(known.PublicKey())...), 0o600))
		sh := exec.Command("bash", "-euo", "pipefail", "-c", block(t, string(page), "bash"))
		sh.Dir = dir
		out, err := sh.CombinedOutput()
		return string(out), err
	}
	if out, err := run(s); err != nil || !strings.Contains(out, `Good "officiant-request" signature for worker-1`) {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := run(hostSigner(t)); err == nil {
		t.Errorf("another's key is good:\n%s", out)
	}
}
