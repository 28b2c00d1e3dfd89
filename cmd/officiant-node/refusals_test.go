package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/durable"
	"officiant/bundle/install"
	"officiant/bundle/kubepki"
	"officiant/cmd/internal/exit"
)

// says runs a command and demands an exit code and words, however its lines are broken.
func (d *desk) says(code int, want string, o *options, args ...string) {
	d.t.Helper()
	var stdout, talk bytes.Buffer
	o.Stdin, o.Stdout, o.Stderr = strings.NewReader(""), &stdout, &talk
	o.Now, o.Version, o.Rand = func() time.Time { return bundletest.Now }, "test", rand.Reader
	if o.Disk == nil {
		o.Disk = &durable.Disk{}
	}
	got := execute(context.Background(), o, args)
	all := strings.Join(strings.Fields(stdout.String()+talk.String()), " ")
	if got != code || !strings.Contains(all, want) {
		d.t.Errorf("officiant-node %s: exit %d, want %d and %q\n%s", strings.Join(args, " "), got, code, want, all)
	}
}

// silent fails where the last command's output has words.
func (d *desk) silent(words string) {
	d.t.Helper()
	if all := strings.Join(strings.Fields(d.stdout+d.talk), " "); strings.Contains(all, words) {
		d.t.Errorf("says %q:\n%s", words, all)
	}
}

// written is a bundle as a folder.
func (d *desk) written(b *bundle.Bundle) string {
	d.t.Helper()
	dir := filepath.Join(d.t.TempDir(), b.Node)
	d.must(b.WriteDir(&durable.Disk{}, dir))
	return dir
}

// dies has the process die when a file takes its place, in a command that ends so.
func dies(file string) *options {
	dead := false
	return &options{Disk: &durable.Disk{Gate: func(op durable.Op, path string) error {
		if dead = dead || op == durable.OpRename && strings.HasSuffix(path, file); dead {
			return errors.New("the process died")
		}
		return nil
	}}}
}

// TestInterruptedIsSaid: what was interrupted, and what finished it.
func TestInterruptedIsSaid(t *testing.T) {
	d := newDesk(t, bundletest.Worker())
	one, two := d.bundle(1), d.bundle(2)
	in := func(path string) []string {
		return []string{"install", path, "--release-key", d.release, "--root", d.root}
	}
	d.run(exit.Done, "installed sequence 1", in(one)...)
	d.run(exit.Done, "installed    sequence 1", "status", "--root", d.root)
	d.silent("interrupted")
	d.says(exit.Failure, "the process died", dies("installed.tar"), in(two)...)
	d.run(exit.Unverified, "interrupted  install; the same command finishes it", "status", "--root", d.root)
	d.says(exit.Unverified, "the interrupted install was finished first; beyond that, nothing was changed", &options{},
		in(one)...)
	d.run(exit.Unverified, "nothing on this node was changed", in(one)...)
	d.silent("was finished first")

	d.says(exit.Failure, "the process died", dies("installed.tar"), "rollback", "--root", d.root)
	d.run(exit.Unverified, "interrupted  rollback; the same command finishes it", "status", "--root", d.root)
	d.run(exit.Done,
		"finished the rollback that had been interrupted\ninstalled on node worker-1 of cluster demo: sequence 1",
		"rollback", "--root", d.root)
}

// TestInstallSays: what an install says of pins and of what it found, beside one that has
// no cause to.
func TestInstallSays(t *testing.T) {
	d := newDesk(t, bundletest.Worker())
	in := func(path string, more ...string) []string {
		return append([]string{"install", path, "--release-key", d.release, "--root", d.root}, more...)
	}
	next := bundletest.Key(t)
	parts := d.pki.Parts(t, d.node)
	parts.NextRelease = bundletest.PublicPEM(t, next.Public())
	one := d.written(d.pki.BundleOfParts(t, d.node, 1, parts))
	d.run(exit.Done, "root certificate, would be pinned", in(one, "--dry-run")...)
	d.run(exit.Done, "root certificate, pinned; later bundles must have the same", in(one)...)
	d.silent("damaged")
	d.pki.Release = next
	bundletest.WriteFile(t, d.release, bundletest.PublicPEM(t, next.Public()))
	d.run(exit.Done, "release key, would be pinned instead of the previous one; later bundles must have it",
		in(d.bundle(2), "--dry-run")...)
	d.run(exit.Done, "release key, pinned instead of the previous one", in(d.bundle(2))...)

	state := install.OpenState(d.root, &durable.Disk{})
	tar := filepath.Join(state.Dir(), "installed.tar")
	data, err := os.ReadFile(tar)
	d.must(err)
	d.must(os.WriteFile(tar, data[:len(data)/2], 0o600))
	d.run(exit.Done, "the installed bundle is damaged: files that only it had stay where they are", in(d.bundle(3))...)

	bundletest.WriteFile(t, filepath.Join(d.root, "var/lib/kubelet/config.yaml"),
		[]byte("kind: KubeletConfiguration\nrotateCertificates: true\n"))
	d.run(exit.Done, "and nobody signs the next one: make it use kubelet.conf, with", in(d.bundle(4))...)
	d.run(exit.Done, "it rotates its certificate, but nobody signs the next one (rotateCertificates: true in ",
		"status",
		"--root", d.root)
	d.must(os.WriteFile(filepath.Join(d.root, "var/lib/kubelet/config.yaml"),
		[]byte("kind: KubeletConfiguration\nrotateCertificates: false\n"), 0o600))
	d.run(exit.Done, "installed sequence 5", in(d.bundle(5))...)
	d.silent("nobody signs the next one")
	d.run(exit.Done, "uses kubelet.conf; it does not rotate its certificate", "status", "--root", d.root)

	ask := func(cluster string, more ...string) []string {
		return append([]string{"request", "--roles", "worker", "--name", "worker-1", "--cluster", cluster,
			"--control-plane-endpoint", "api.demo.test:6443", "--root", d.root, "--out",
			filepath.Join(t.TempDir(), "again.req")}, more...)
	}
	d.says(exit.Refused,
		"a bundle of cluster demo is installed on node worker-1, this would be cluster other, node worker-1",
		&options{}, ask("other")...)
	d.says(exit.Refused,
		"--adopt: a bundle of cluster demo is installed on this node already; only a node that has none "+
			"is adopted for a later stage or a renewal: officiant-node request --reuse-keys", &options{}, ask("demo",
			"--adopt")...)
	d.says(exit.Done, "wrote", &options{}, ask("demo", "--reuse-keys")...)
}

// TestRequestSays: what a request says of its host and its release.
func TestRequestSays(t *testing.T) {
	d := newDesk(t, bundletest.Worker())
	ask := func(version string) []string {
		return []string{"request", "--roles", "worker", "--cluster", "demo", "--control-plane-endpoint",
			"api.demo.test:6443",
			"--kubernetes-version", version, "--root", t.TempDir(), "--out", filepath.Join(t.TempDir(), "n.req")}
	}
	named := func() (string, error) { return "worker-1", nil }
	d.says(exit.Failure, "the host's name, for want of --name: uname: no name",
		&options{Hostname: func() (string, error) { return "", errors.New("uname: no name") }}, ask("v1.99.0")...)
	d.says(exit.Done, "this release is newer than "+bundletest.Cluster().KubernetesVersion.String()+
		", the newest one known here, whose facts are used", &options{Hostname: named}, ask("v1.99.0")...)
	d.says(exit.Done, "wrote", &options{Hostname: named}, ask(bundletest.Cluster().KubernetesVersion.String())...)
}

// TestSyncSays: what sync's flags cannot be, and what it could not do.
func TestSyncSays(t *testing.T) {
	d := newDesk(t, bundletest.Worker())
	published := t.TempDir()
	d.run(exit.Done, "installed sequence 1", "install", d.bundle(1), "--release-key", d.release, "--root", d.root)
	run := func(more ...string) []string {
		return append([]string{"sync", "--once", "--from", published, "--release-key", d.release, "--root", d.root},
			more...)
	}
	metrics := filepath.Join(t.TempDir(), "officiant.prom")
	d.run(exit.Usage, "--prometheus m.txt: node exporter reads files that end in .prom", run("--prometheus",
		"m.txt")...)
	d.says(exit.Usage,
		"--interval is a minute at least, --timeout above zero, --jitter and --patience are not negative",
		&options{}, run("--interval", "30s")...)
	d.says(exit.Usage, `a\nb.prom" cannot stand in a systemd unit`, &options{Program: runProgram},
		run("--install", "--prometheus", "a\nb.prom")...)
	d.says(exit.Done, "there is no systemd-analyze on this machine: systemd has not verified them", &options{
		Program: func(context.Context, string, ...string) ([]byte, error) { return nil, exec.ErrNotFound }},
		run("--install")...)
	d.says(exit.Done, "systemd-analyze verify finds nothing wrong", &options{
		Program: func(context.Context, string, ...string) ([]byte, error) { return nil, nil }}, run("--install")...)
	d.must(d.pki.Bundle(t, d.node, 2).WriteTar(&durable.Disk{}, filepath.Join(published, "worker-1.tar")))
	gone := filepath.Join(t.TempDir(), "not", "mounted")
	d.says(exit.Failure, "the status could not be left at "+gone, &options{Program: none},
		run("--prometheus", metrics, "--status-to", gone)...)
	d.says(exit.Done, "left the status at "+published, &options{Program: none}, run("--status-to", published)...)
}

func none(context.Context, string, ...string) ([]byte, error) { return nil, exec.ErrNotFound }

// TestRevocationsInMetrics: a node that has a revocation list says when the next is due.
func TestRevocationsInMetrics(t *testing.T) {
	for _, lists := range []bool{true, false} {
		d := newDesk(t, bundletest.EtcdOnly())
		c := bundletest.Cluster()
		c.RevocationLists = lists
		d.pki = bundletest.New(t, c)
		bundletest.WriteFile(t, d.release, bundletest.PublicPEM(t, d.pki.Release.Public()))
		d.run(exit.Done, "installed sequence 1", "install", d.bundle(1), "--release-key", d.release, "--root", d.root)
		d.run(exit.Done, "officiant_bundle_sequence", "status", "--root", d.root, "-o", "prometheus")
		const due = "When the next revocation list is due, in seconds since 1970."
		if strings.Contains(d.stdout, due) != lists ||
			strings.Contains(d.stdout, "Number of certificates that the installed revocation list revokes.") != lists {
			t.Errorf("lists %t:\n%s", lists, d.stdout)
		}
	}
}

const (
	kubeletOwn    = "var/lib/kubelet/pki/kubelet-client-current.pem"
	kubeletConfig = "var/lib/kubelet/config.yaml"
)

// TestKubeletSays: what a kubelet uses and does, with an online signer and without.
func TestKubeletSays(t *testing.T) {
	d := newDesk(t, bundletest.Worker())
	d.pki = bundletest.New(t, bundletest.OnlineCluster())
	d.node = d.pki.NewNode(t, bundletest.Worker())
	s := install.OpenState(d.root, &durable.Disk{})
	for name, key := range d.node.Keys {
		d.must(os.Remove(filepath.Join(s.Dir(), "keys", filepath.FromSlash(name)+".key")))
		d.must(s.WriteKey(name, key))
	}
	bundletest.WriteFile(t, d.release, bundletest.PublicPEM(t, d.pki.Release.Public()))
	d.must(os.Remove(filepath.Join(s.Dir(), "identity.txt")))
	d.must(s.WriteIdentity(d.node.Identity, d.node.Recipient))
	bundletest.WriteFile(t, filepath.Join(d.root, kubeletConfig),
		[]byte("kind: KubeletConfiguration\nrotateCertificates: true\n"))
	d.run(exit.Done, "installed sequence 1", "install", d.bundle(1), "--release-key", d.release, "--root", d.root)
	d.silent("nobody signs the next one")
	d.run(exit.Done, "uses kubelet.conf; it rotates its certificate (rotateCertificates: true", "status", "--root",
		d.root)
	var template *x509.Certificate
	for _, l := range d.pki.Leaves(t, bundletest.Worker()) {
		if l.Name == "kubelet.conf" {
			template = bundletest.LeafTemplate(l)
		}
	}
	key, by := bundletest.Key(t), d.pki.Authorities[kubepki.KubeletClientAuthority]
	got := bundletest.Sign(t, template, by.Certificate, key.Public(), by.Key)
	bundletest.WriteFile(t, filepath.Join(d.root, kubeletOwn),
		append(bundletest.CertificatePEM(got), bundletest.PrivatePEM(t, key)...))
	d.run(exit.Done, "uses what it was given, "+kubeletOwn+" (serial ", "status", "--root", d.root)
}

// TestRollbackPutsAside: what a kubelet created since an install makes way for what it had.
func TestRollbackPutsAside(t *testing.T) {
	for _, since := range []bool{true, false} {
		d := newDesk(t, bundletest.Worker())
		own := func() {
			bundletest.WriteFile(t, filepath.Join(d.root, kubeletOwn), bundletest.PrivatePEM(t, bundletest.Key(t)))
		}
		own()
		d.run(exit.Done, "the kubelet would use this instead of kubelet.conf, so it was moved aside", "install",
			d.bundle(1),
			"--release-key", d.release, "--root", d.root)
		if since {
			own()
		}
		d.run(exit.Done, "rolled back node worker-1", "rollback", "--root", d.root)
		words := "the kubelet has since created " + kubeletOwn + ", which is moved aside for the previous one"
		if strings.Contains(d.stdout+d.talk, words) != since {
			t.Errorf("since %t: %s%s", since, d.stdout, d.talk)
		}
	}
}

// TestAdoptedSays: kubeadm's own keys and files on a node that is adopted.
func TestAdoptedSays(t *testing.T) {
	d := newDesk(t, bundletest.First())
	former := d.pki.Former(t)
	d.pki.WriteFormer(t, d.root, d.node, former)
	admin := filepath.Join(d.root, "etc/kubernetes/admin.conf")
	plain, err := os.ReadFile(admin)
	d.must(err)
	config := filepath.Join(t.TempDir(), "kubeadm.yaml")
	d.must(os.WriteFile(config, []byte(adoptedKubeadm), 0o600))
	adopt := func() []string {
		return []string{"request", "--adopt", "--kubeadm", config, "--roles", "control-plane,etcd", "--root", d.root,
			"--out",
			filepath.Join(t.TempDir(), "cp-1.req")}
	}
	d.run(exit.Done, "with the installed certificates", adopt()...)
	d.silent("has more than kubeadm writes")
	d.must(os.WriteFile(admin, bytes.Replace(plain, []byte("    server: "),
		[]byte("    proxy-url: http://proxy.test:3128\n    server: "), 1), 0o600))
	d.run(exit.Done, "admin.conf has more than kubeadm writes; the bundle's file will not have it: ", adopt()...)
	d.must(os.WriteFile(admin, plain, 0o600))

	b := d.written(d.pki.BundleOfParts(t, d.node, 1, d.pki.TrustParts(t, d.node, former)))
	d.run(exit.Done, "installed sequence 1", "install", b, "--release-key", d.release, "--root", d.root)
	const status = "of an authority that kubeadm created; remove it before the last stage"
	const check = "of authorities that kubeadm created; remove before the last stage: etc/kubernetes/pki/ca.key"
	d.run(exit.Done, status, "status", "--root", d.root)
	d.run(exit.Done, check, "verify", "--root", d.root, "--release-key", d.release)
	for _, name := range []string{"ca.key", "etcd/ca.key", "front-proxy-ca.key"} {
		d.must(os.Remove(filepath.Join(d.root, "etc/kubernetes/pki", name)))
	}
	d.run(exit.Done, "installed", "status", "--root", d.root)
	d.silent(status)
	d.run(exit.Done, "verdict", "verify", "--root", d.root, "--release-key", d.release)
	d.silent("of authorities that kubeadm created")
}
