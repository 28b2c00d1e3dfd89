package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/seal"
	"officiant/cmd/internal/exit"
)

// TestPinsSay: what is said where a bundle's release key or root is not the pinned one, and
// that the flag which the hint names lets the bundle in.
func TestPinsSay(t *testing.T) {
	d := newDesk(t, bundletest.Worker())
	in := func(path string, more ...string) []string {
		return append([]string{"install", path, "--release-key", d.release, "--root", d.root}, more...)
	}
	parts := d.pki.Parts(t, d.node)
	d.run(exit.Done, "installed sequence 1", in(d.written(d.pki.BundleOfParts(t, d.node, 1, parts)))...)
	d.silent("no file below")
	d.run(exit.Done, "no file below /etc/kubernetes changes", in(d.written(d.pki.BundleOfParts(t, d.node, 2,
		parts)))...)

	other := *d.pki
	other.Release = bundletest.Key(t)
	bundletest.WriteFile(t, d.release, bundletest.PublicPEM(t, other.Release.Public()))
	lost := d.written(other.Bundle(t, d.node, 3))
	d.run(exit.Unverified,
		"the pinned key's successor is accepted after the bundle that announces it; if the pinned key "+
			"is lost,", in(lost)...)
	release, err := fingerprint.SPKI(other.Release.Public())
	d.must(err)
	d.run(exit.Done, "installed sequence 3", in(lost, "--new-release-key", release.String())...)
	d.silent("successor is accepted")
	d.pki = &other

	next := other
	next.Root = other.Successor(t, kubepki.Root, bundletest.Authority{})
	next.Authorities = map[kubepki.Authority]bundletest.Authority{}
	for family := range other.Authorities {
		next.Authorities[family] = other.Successor(t, family, next.Root)
	}
	news := map[kubepki.Authority][]*x509.Certificate{kubepki.Root: {next.Root.Certificate}}
	for family, a := range next.Authorities {
		news[family] = []*x509.Certificate{a.Certificate}
	}
	trust := d.written(other.BundleWith(t, d.node, 4, news))
	root := fingerprint.Of(next.Root.Certificate.Raw).String()
	d.run(exit.Unverified, "a new root is accepted once people have compared its words: --new-root "+root, in(trust)...)
	d.run(exit.Done, "root certificate beside the pinned one; once a later bundle drops that, this one may replace it",
		in(trust, "--new-root", root)...)
	drop := d.written(next.Bundle(t, d.node, 5))
	d.run(exit.Done, "root certificate, would be pinned; the previous one is no longer in the bundle", in(drop,
		"--dry-run")...)
	d.run(exit.Done, "root certificate, no longer pinned", in(drop)...)
	d.silent("beside the pinned one")
	d.run(exit.Done, "installed sequence 6", in(d.written(next.Bundle(t, d.node, 6)))...)
	d.silent("no longer")
}

// TestKeysSay: what is said of keys that a request is to have, to be signed with, or sealed to.
func TestKeysSay(t *testing.T) {
	d := newDesk(t, bundletest.Worker())
	ask := func(more ...string) []string {
		return append([]string{"request", "--roles", "worker", "--name", "worker-1", "--cluster", "demo",
			"--control-plane-endpoint", "api.demo.test:6443", "--root", d.root, "--out",
			filepath.Join(t.TempDir(), "n.req")}, more...)
	}
	d.run(exit.Done, "wrote", ask("--extra", "kubelet-server")...)
	d.run(exit.Usage, "--extra: kubelet-server is there twice", ask("--extra", "kubelet-server,kubelet-server")...)

	_, key, err := ed25519.GenerateKey(rand.Reader)
	d.must(err)
	file := func(name string, block *pem.Block, err error) string {
		d.must(err)
		path := filepath.Join(d.stick, name)
		d.must(os.WriteFile(path, pem.EncodeToMemory(block), 0o600))
		return path
	}
	plain, err := ssh.MarshalPrivateKey(key, "host")
	open := file("host", plain, err)
	closed, err := ssh.MarshalPrivateKeyWithPassphrase(key, "host", []byte("secret"))
	locked := file("locked", closed, err)
	d.run(exit.Done, "signed by the SSH key SHA256:", ask("--sign-with", open)...)
	d.run(exit.Refused, "--sign-with "+locked+": the key has a passphrase; a host key has none", ask("--sign-with",
		locked)...)
	d.run(exit.Refused, "--sign-with "+d.release+": is not an SSH private key", ask("--sign-with", d.release)...)

	d.run(exit.Refused, "--identity "+open+": this node has another identity already, of recipient "+d.node.Recipient,
		ask("--identity", open)...)
	if !strings.Contains(d.talk, "leave --identity out to keep the one there is") {
		t.Error(d.talk)
	}

	// A kubelet.conf of another node does not vouch for this one.
	d.run(exit.Done, "installed sequence 1", "install", d.bundle(1), "--release-key", d.release, "--root", d.root)
	d.run(exit.Done, "signed by the node's present key, of kubelet.conf", ask("--reuse-keys")...)
	other := newDesk(t, kubepki.Node{Name: "worker-2", Roles: []kubepki.Role{kubepki.Worker}})
	other.run(exit.Done, "installed sequence 1", "install", other.bundle(1), "--release-key", other.release, "--root",
		other.root)
	data, err := os.ReadFile(filepath.Join(other.root, "etc/kubernetes/kubelet.conf"))
	d.must(err)
	d.must(os.WriteFile(filepath.Join(d.root, "etc/kubernetes/kubelet.conf"), data, 0o600))
	d.run(exit.Done, `kubelet.conf: is of "system:node:worker-2", not "system:node:worker-1"`, ask()...)
}

// TestUnsealSays: whose keys are unsealed, by which identity.
func TestUnsealSays(t *testing.T) {
	d := newDesk(t, bundletest.Worker())
	made := func(n *bundletest.Node) string {
		parts := d.pki.Parts(t, n)
		secret, err := bundle.PackKeys(n.Keys)
		d.must(err)
		parts.Request = fingerprint.SHA256{}
		parts.KeysSealed, err = seal.Seal([]string{n.Recipient}, secret)
		d.must(err)
		b, err := bundle.Build(d.pki.Header(n, 1), parts)
		d.must(err)
		d.pki.Seal(t, b)
		return d.written(b)
	}
	identity := func(n *bundletest.Node) string {
		path := filepath.Join(t.TempDir(), "key.txt")
		d.must(os.WriteFile(path, []byte(n.Identity+"\n"), 0o600))
		return path
	}
	other := d.pki.NewNode(t, kubepki.Node{Name: "worker-2", Roles: []kubepki.Role{kubepki.Worker}})
	unseal := func(path, key string) []string {
		return []string{"unseal", path, "--identity", key, "--release-key", d.release, "--root", d.root}
	}
	d.run(exit.Unverified, "is not sealed to this identity", unseal(made(d.node), identity(other))...)
	if !strings.Contains(d.talk, "nothing on this node was changed") {
		t.Error(d.talk)
	}
	d.run(exit.Done, "there already", unseal(made(d.node), identity(d.node))...)
	d.run(exit.Done, "installed sequence 1", "install", made(d.node), "--release-key", d.release, "--root", d.root)
	d.run(exit.Unverified, "the bundle is for node worker-2 of cluster demo; this is node worker-1 of cluster demo",
		unseal(made(other), identity(other))...)
}

// TestShareSays: to whom the service-account key is sealed, and to whom it is not.
func TestShareSays(t *testing.T) {
	d := newDesk(t, bundletest.First())
	asked := func(name, cluster, roles string) string {
		out := filepath.Join(t.TempDir(), name+".req")
		d.run(exit.Done, "wrote", "request", "--roles", roles, "--name", name, "--cluster", cluster, "--address",
			"10.0.0.12",
			"--kubernetes-version", bundletest.Cluster().KubernetesVersion.String(), "--control-plane-endpoint",
			"api.demo.test:6443", "--root", t.TempDir(), "--out", out)
		return out
	}
	peer := asked("cp-2", "demo", "control-plane,etcd")
	share := func(to string, more ...string) []string {
		return append([]string{"share", "--to", to, "--root", d.root, "--out", filepath.Join(t.TempDir(), "sa.age")},
			more...)
	}
	print := func(path string) string {
		o := opened(t, path)
		return o.Fingerprint.String()
	}
	d.run(exit.Failure, "no bundle is installed below "+d.root, share(peer, "--fingerprint", print(peer))...)
	d.run(exit.Done, "installed sequence 1", "install", d.bundle(1), "--release-key", d.release, "--root", d.root)
	const peers = "control-plane,etcd"
	for want, to := range map[string]string{
		"is for cluster other; this node is of cluster demo": asked("cp-2", "other", peers),
		"is of this node, cp-1, itself":                      asked("cp-1", "demo", peers),
		"is of node w-1, which is no control-plane node and": asked("w-1", "demo", "worker"),
	} {
		d.run(exit.Refused, want, share(to, "--fingerprint", print(to))...)
		if !strings.Contains(d.talk, "nothing was sealed") {
			t.Error(d.talk)
		}
	}
	d.run(exit.Usage, "there is no terminal to ask on", share(peer)...)
	wrong := fingerprint.Of(nil).String()
	d.run(exit.Refused, "its fingerprint is "+print(peer)+", not "+wrong+": it is not the request that node cp-2 made",
		share(peer, "--fingerprint", wrong)...)
	d.typed(exit.Usage, "what was typed: ", "four words are enough\n", share(peer)...)
	d.typed(exit.Done, "put it beside the request for the next plan, as cp-2.sa.key.age", print(peer)+"\n",
		share(peer)...)
}

// typed runs a command at a terminal into which somebody has typed.
func (d *desk) typed(code int, want, text string, args ...string) {
	d.t.Helper()
	far, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	d.must(err)
	defer far.Close()
	d.must(unix.IoctlSetPointerInt(int(far.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(far.Fd()), unix.TIOCGPTN)
	d.must(err)
	near, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	d.must(err)
	defer near.Close()
	_, err = far.WriteString(text)
	d.must(err)
	d.at(near, code, want, args...)
}
