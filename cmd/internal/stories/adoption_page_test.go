package stories

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAdoptionPage types every command of docs/adoption.md, on a cluster that
// kubeadm made where KUBEADM is one, else openssl in the same way. After each
// stage, and between nodes of neighbouring stages, mutual TLS is tried with old
// and new certificates, by Go as the API server has it and by openssl.
func TestAdoptionPage(t *testing.T) {
	needSoftHSM(t)
	needTool(t, "jq")
	needTool(t, "openssl")
	script, err := filepath.Abs(filepath.Join("testdata", "kubeadm-made.sh"))
	if err != nil {
		t.Fatal(err)
	}
	dir, out := t.TempDir(), ""
	shell := func(text string) {
		t.Helper()
		c := exec.Command("bash", "-euo", "pipefail", "-c", text)
		c.Dir = dir
		c.Env = append(os.Environ(), "PATH="+programs+":"+os.Getenv("PATH"))
		typed, err := c.CombinedOutput()
		out += string(typed)
		if err != nil {
			t.Fatalf("%v\n%s", err, typed)
		}
	}
	shell("bash " + script)
	keep := func(stage string) { shell("mkdir -p stages && cp -r nodes stages/" + stage) }
	keep("0")
	for _, part := range strings.Split(readPage(t, "adoption.md"), "\n## ") {
		shell(commands(part))
		if stage, _, ok := strings.Cut(part, "."); ok && strings.Contains("3 4 5", stage) {
			keep(map[string]string{"3": "1", "4": "2", "5": "3"}[stage])
		}
	}
	for _, want := range []string{
		"were not opened: etc/kubernetes/pki/ca.key, etc/kubernetes/pki/etcd/ca.key", "adopted, RSA-2048",
		"nodes still trust kubernetes-former", "nodes trust front-proxy-former no more", "ceremony harbour-3: verified",
		"no CA key is imported into a token", "\nrefused\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("nobody was told %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "PRIVATE KEY") {
		t.Error("a private key was shown")
	}
	stages := make([]stageOf, 4)
	for i := range stages {
		stages[i] = stageOf{i, filepath.Join(dir, "stages", string(rune('0'+i)))}
	}
	for i, server := range stages {
		for _, client := range stages[max(0, i-1):min(4, i+2)] {
			for _, made := range []stageOf{stages[0], stages[2]} {
				want := trusts(client, server) && trusts(server, made)
				if made.n == 0 && client.n == 3 && server.n == 3 {
					want = false
				}
				server.talks(t, client, made, want)
			}
		}
		server.opensslTalks(t, stages[0], server.n < 3)
		server.opensslTalks(t, stages[2], server.n > 0)
	}
	sameKeys(t, stages[0], stages[3])
}

// stageOf is what the nodes had at the end of a stage; 0 is before the first.
type stageOf struct {
	n   int
	dir string
}

// trusts says whether a node of stage a is to trust what one of stage b has:
// until the second stage certificates are kubeadm's, and the new authority is
// trusted from the first stage on, kubeadm's until the third.
func trusts(a, b stageOf) bool {
	if b.n < 2 {
		return a.n < 3
	}
	return a.n > 0
}

func (s stageOf) pki(node, file string) string {
	return filepath.Join(s.dir, node, "etc/kubernetes/pki", file)
}

func (s stageOf) pool(t *testing.T, node, file string) *x509.CertPool {
	t.Helper()
	data, err := os.ReadFile(s.pki(node, file))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		t.Fatalf("%s has no certificate", file)
	}
	return pool
}

func (s stageOf) pair(t *testing.T, node, name string) tls.Certificate {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(s.pki(node, name+".crt"), s.pki(node, name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// talks connects cp-2's peer of etcd, and a client of the API server, with a
// certificate as it was made in a stage, to cp-1's.
func (s stageOf) talks(t *testing.T, client, made stageOf, want bool) {
	t.Helper()
	for _, c := range []struct{ server, client, ca, name string }{
		{"apiserver", "apiserver-kubelet-client", "ca.crt", "api.harbour.test"},
		{"etcd/server", "etcd/peer", "etcd/ca.crt", "cp-1"},
	} {
		err := handshake(
			&tls.Config{Certificates: []tls.Certificate{s.pair(t, "cp-1", c.server)}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: s.pool(t, "cp-1", c.ca)},
			&tls.Config{GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				pair := made.pair(t, "cp-2", c.client)
				return &pair, nil
			}, RootCAs: client.pool(t, "cp-2", c.ca), ServerName: c.name})
		if (err == nil) != want {
			t.Errorf("%s of stage %d, client of stage %d with a certificate of stage %d: %v, want accepted: %t", c.server, s.n, client.n, made.n, err, want)
		}
	}
}

// handshake returns why either side refuses the other.
func handshake(server, client *tls.Config) error {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	served := make(chan error, 1)
	go func() {
		c := tls.Server(a, server)
		err := c.Handshake()
		if err == nil {
			_, err = c.Write([]byte("x"))
		}
		a.Close()
		served <- err
	}()
	c := tls.Client(b, client)
	err := c.Handshake()
	if err == nil {
		_, err = io.ReadFull(c, make([]byte, 1))
	}
	b.Close()
	if serverErr := <-served; serverErr != nil {
		return serverErr
	}
	return err
}

// opensslTalks is the same by openssl's own server and client.
func (s stageOf) opensslTalks(t *testing.T, made stageOf, want bool) {
	t.Helper()
	server := exec.Command("openssl", "s_server", "-accept", "127.0.0.1:0", "-naccept", "1", "-Verify", "2", "-verify_return_error", "-partial_chain",
		"-cert", s.pki("cp-1", "apiserver.crt"), "-key", s.pki("cp-1", "apiserver.key"), "-cert_chain", s.pki("cp-1", "apiserver.crt"), "-CAfile", s.pki("cp-1", "ca.crt"))
	if _, err := server.StdinPipe(); err != nil { // it ends when nobody can type any more
		t.Fatal(err)
	}
	stdout, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { server.Process.Kill(); server.Wait() }()
	address := ""
	for lines := bufio.NewScanner(stdout); address == "" && lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "ACCEPT "); ok {
			address = rest
		}
	}
	go io.Copy(io.Discard, stdout)
	chain := made.pki("cp-2", "apiserver-kubelet-client.crt")
	client := exec.Command("openssl", "s_client", "-connect", address, "-verify_return_error", "-partial_chain", "-CAfile", s.pki("cp-2", "ca.crt"),
		"-verify_hostname", "api.harbour.test", "-cert", chain, "-cert_chain", chain, "-key", made.pki("cp-2", "apiserver-kubelet-client.key"), "-tls1_2")
	client.Stdin = strings.NewReader("Q\n")
	client.WaitDelay = 10 * time.Second
	told, err := client.CombinedOutput()
	if accepted := err == nil && strings.Contains(string(told), "Verify return code: 0"); accepted != want {
		t.Errorf("openssl, stage %d with a client's certificate of stage %d: accepted %t, want %t: %v\n%s", s.n, made.n, accepted, want, err, told)
	}
}

// sameKeys wants every private key of cp-1 to be the one it was.
func sameKeys(t *testing.T, before, after stageOf) {
	t.Helper()
	for _, name := range []string{"apiserver.key", "etcd/peer.key", "sa.key"} {
		var public [2]string
		for i, s := range []stageOf{before, after} {
			out, err := exec.Command("openssl", "pkey", "-in", s.pki("cp-1", name), "-pubout").Output()
			if err != nil {
				t.Fatal(err)
			}
			public[i] = string(out)
		}
		if public[0] != public[1] {
			t.Errorf("%s is another key than before", name)
		}
	}
}
