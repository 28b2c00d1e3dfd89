package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"officiant/bundle/bundletest"
	"officiant/bundle/durable"
	"officiant/bundle/install"
	"officiant/cmd/internal/exit"
)

func TestValidFor(t *testing.T) {
	d := newDesk(t, bundletest.Worker())
	one := d.bundle(1)
	key := []string{"--release-key", d.release}
	d.run(exit.Done, "installed", append([]string{"install", one, "--root", d.root}, key...)...)
	for _, where := range [][]string{{one}, {one + ".tar"}, {"--root", d.root}} {
		for span, code := range map[string]int{"30d": exit.Done, "720h": exit.Done, "0d": exit.Done, "365d": exit.Done, "366d": exit.Unverified, "8785h": exit.Unverified} {
			want := "verdict        verified"
			if code == exit.Unverified {
				want = "expires at 2027-11-23T12:00:00Z, within "
			}
			d.run(code, want, append(append([]string{"verify", "--valid-for", span}, where...), key...)...)
		}
	}
	d.run(exit.Unverified, "within 400 days", append([]string{"verify", one, "--valid-for", "400d"}, key...)...)
	for _, bad := range []string{"30", "d", "-1d", "-5h", "1.5d", "99999d", "1000000h", "30days", " 30d"} {
		d.run(exit.Usage, "is not a time such as 30d or 720h", append([]string{"verify", one, "--valid-for", bad},
			key...)...)
	}
	d.run(exit.Usage, "--allow is for --root", append([]string{"verify", one, "--allow", "x"}, key...)...)
	bundletest.WriteFile(t, filepath.Join(d.root, "etc/kubernetes/pki/oidc.crt"), nil)
	d.run(exit.Unverified, "is not from the bundle in place", append([]string{"verify", "--root", d.root}, key...)...)
	d.run(exit.Done, "verified", append([]string{"verify", "--root", d.root, "--allow", "/etc/kubernetes/pki/oidc.crt"}, key...)...)
}

// The table has a line for each file, and findings stand below their file.
func TestVerifyTable(t *testing.T) {
	d := newDesk(t, bundletest.First())
	one := d.bundle(1)
	d.run(exit.Done, "", "install", one, "--root", d.root, "--release-key", d.release)
	d.run(exit.Done, "", "verify", one, "--release-key", d.release)
	for _, line := range []string{`(?m)^pki/apiserver.crt +ok +2027-11-23T12:00:00Z  CN=kube-apiserver$`, `(?m)^officiant/root.crt +ok +2046-\S+  CN=kubernetes-root-ca,O=demo$`, `(?m)^pki/sa.pub +ok +–`} {
		if !regexp.MustCompile(line).MatchString(d.stdout) {
			t.Errorf("no line %s in\n%s", line, d.stdout)
		}
	}
	d.must(os.Chmod(filepath.Join(d.root, "etc/kubernetes/admin.conf"), 0o644))
	d.must(os.Remove(filepath.Join(d.root, "etc/kubernetes/pki/ca.crt")))
	d.run(exit.Unverified, "verdict        not verified: 2 findings", "verify", "--root", d.root, "--release-key", d.release)
	for _, line := range []string{`(?m)^etc/kubernetes/admin.conf +1 finding +2027`, `(?m)^etc/kubernetes/admin.conf\n    mode is 0644, must be 0600\n\netc/kubernetes/pki/ca.crt\n    missing\n`} {
		if !regexp.MustCompile(line).MatchString(d.stdout) {
			t.Errorf("no line %s in\n%s", line, d.stdout)
		}
	}
}

func TestInstallDiff(t *testing.T) {
	d := newDesk(t, bundletest.First())
	one := d.bundle(1)
	d.run(exit.Done, "  new      etc/kubernetes/pki/etcd/ca.crt\n           subject      CN=etcd-ca,O=demo\n           expires      2036-11-20T12:00:00Z\n  new ", "install", one, "--root", d.root, "--release-key", d.release, "--dry-run")
	d.run(exit.Done, "", "install", one, "--root", d.root, "--release-key", d.release)
	d.pki.Cluster.CertSANs = []string{"api.new.test"}
	two := d.bundle(2)
	d.run(exit.Done, "nothing was written", "install", two, "--root", d.root, "--release-key", d.release, "--dry-run")
	for _, line := range []string{`(?m)^  same     etc/kubernetes/pki/ca.crt$`, `(?m)^  changed  etc/kubernetes/pki/apiserver.crt\n           serial       [0-9a-f]+ → [0-9a-f]+\n           names        \+api.new.test$`,
		`(?m)^  changed  etc/kubernetes/admin.conf\n           serial       [0-9a-f]+ → [0-9a-f]+$`} {
		if !regexp.MustCompile(line).MatchString(d.stdout) {
			t.Errorf("no line %s in\n%s", line, d.stdout)
		}
	}
	if strings.Contains(d.stdout, "PRIVATE") || strings.Contains(d.stdout, "BEGIN") {
		t.Error("a diff holds PEM")
	}
	d.run(exit.Done, "installed sequence 2", "install", two, "--root", d.root, "--release-key", d.release)
	d.run(exit.Done, "names        -api.new.test", "rollback", "--root", d.root, "--dry-run")
	d.run(exit.Done, "rolled back", "rollback", "--root", d.root)
	d.run(exit.Unverified, "sequence 2 is older than 3, the least asked for", "install", two, "--root", d.root, "--release-key", d.release, "--min-sequence", "3")
	d.run(exit.Usage, "--min-sequence", "install", two, "--root", d.root, "--release-key", d.release, "--min-sequence", "-1")
}

// The commands fit how the node runs what has to be restarted.
func TestRestartCommands(t *testing.T) {
	const pods, units = "for p in etcd kube-apiserver kube-controller-manager kube-scheduler; do", "systemctl restart etcd kube-apiserver kube-controller-manager kube-scheduler kubelet\n"
	const crictl = "crictl ps -q --name '^(etcd|kube-apiserver|kube-controller-manager|kube-scheduler)$' | xargs -r crictl stop"
	for name, c := range map[string]struct {
		there     string
		says, not []string
	}{
		"unknown":     {"", []string{pods, crictl, units, "where kubeadm's static pods run", "where systemd runs them"}, nil},
		"static pods": {"etc/kubernetes/manifests/etcd.yaml", []string{pods, crictl, "systemctl restart kubelet\n"}, []string{units, "where systemd"}},
		"systemd":     {"etc/systemd/system/kube-apiserver.service", []string{units}, []string{pods, "crictl", "where kubeadm"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, bundletest.First())
			if c.there != "" {
				bundletest.WriteFile(t, filepath.Join(d.root, c.there), nil)
			}
			d.run(exit.Done, "how to restart what is already running", "install", d.bundle(1), "--root", d.root,
				"--release-key", d.release)
			for _, want := range c.says {
				if !strings.Contains(d.stdout, want) {
					t.Errorf("no %q in\n%s", want, d.stdout)
				}
			}
			for _, not := range c.not {
				if strings.Contains(d.stdout, not) {
					t.Errorf("%q in\n%s", not, d.stdout)
				}
			}
		})
	}
	d := newDesk(t, bundletest.Worker())
	d.run(exit.Done, "\n  systemctl restart kubelet\n", "install", d.bundle(1), "--root", d.root, "--release-key", d.release)
	if strings.Contains(d.stdout, "crictl") {
		t.Errorf("a worker has no control plane:\n%s", d.stdout)
	}
}

func TestStatusTable(t *testing.T) {
	d := newDesk(t, bundletest.Worker())
	d.run(exit.Done, "", "install", d.bundle(1), "--root", d.root, "--release-key", d.release)
	d.run(exit.Done, "", "install", d.bundle(2), "--root", d.root, "--release-key", d.release)
	d.run(exit.Done, "files        as they were installed", "status", "--root", d.root)
	for _, line := range []string{`(?m)^CERTIFICATE +EXPIRES +LEFT +FROM$`,
		`(?m)^kubelet.conf  2027-11-23T12:00:00Z  365 days   sequence 2$`,
		`(?m)^ca            2036-11-20T12:00:00Z  3650 days  sequence 1$`} {
		if !regexp.MustCompile(line).MatchString(d.stdout) {
			t.Errorf("no line %s in\n%s", line, d.stdout)
		}
	}
	for line := range strings.Lines(d.stdout) {
		if n := utf8.RuneCountInString(line) - 1; n > 80 {
			t.Errorf("%d columns, where a terminal has 80: %s", n, line)
		}
	}
}

func TestPrometheus(t *testing.T) {
	d := newDesk(t, bundletest.Worker())
	d.run(exit.Done, "officiant_bundle_sequence 0\n", "status", "--root", d.root, "-o", "prometheus")
	exposes(t, d.stdout)
	d.run(exit.Done, "", "install", d.bundle(3), "--root", d.root, "--release-key", d.release)
	d.run(exit.Done, "", "status", "--root", d.root, "-o", "prometheus")
	exposes(t, d.stdout)
	for _, line := range []string{
		`officiant_certificate_not_after_timestamp_seconds\{cluster="demo",node="worker-1",name="kubelet.conf",file="/etc/kubernetes/kubelet.conf",serial="[0-9a-f]+"\} 1826971200`,
		`officiant_certificate_sequence\{cluster="demo",node="worker-1",name="ca",file="/etc/kubernetes/pki/ca.crt",serial="[0-9a-f]+"\} 3`,
		`officiant_bundle_sequence\{cluster="demo",node="worker-1",ceremony="[0-9a-f]{64}"\} 3`,
		`officiant_bundle_not_after_timestamp_seconds\{cluster="demo",node="worker-1"\} 1826971200`,
		`officiant_bundle_newest_seen_sequence\{cluster="demo",node="worker-1"\} 3`, `officiant_node_findings 0`, `officiant_node_interrupted 0`, `officiant_node_status_timestamp_seconds 1795435200`,
	} {
		if !regexp.MustCompile(`(?m)^` + line + `$`).MatchString(d.stdout) {
			t.Errorf("no line %s in\n%s", line, d.stdout)
		}
	}
	file := filepath.Join(d.stick, "officiant.prom")
	d.must(os.WriteFile(file, []byte("old"), 0o600))
	printed := d.stdout
	d.run(exit.Done, "", "status", "--root", d.root, "--prometheus", file)
	data, err := os.ReadFile(file)
	d.must(err)
	info, err := os.Stat(file)
	d.must(err)
	if string(data) != printed || d.stdout != "" || info.Mode().Perm() != 0o644 {
		t.Errorf("%s has mode %o and holds\n%s", file, info.Mode().Perm(), data)
	}
	d.run(exit.Usage, "files that end in .prom", "status", "--root", d.root, "--prometheus", d.stick+"/officiant.txt")
	d.run(exit.Failure, "no such file", "status", "--root", d.root, "--prometheus", d.stick+"/none/officiant.prom")
}

// A reader never sees half a file, and a failed write leaves the old one.
func TestPrometheusFileIsReplacedWhole(t *testing.T) {
	d := newDesk(t, bundletest.Worker())
	file := filepath.Join(d.stick, "officiant.prom")
	for n := 1; ; n++ {
		d.must(os.WriteFile(file, []byte("old"), 0o644))
		count := 0
		o := &options{Stdout: io.Discard, Stderr: io.Discard, Now: func() time.Time { return bundletest.Now }, Disk: &durable.Disk{Gate: func(op durable.Op, _ string) error {
			if count++; count < n {
				return nil
			}
			return durable.ErrTorn
		}}}
		code := execute(context.Background(), o, []string{"status", "--root", d.root, "--prometheus", file})
		data, err := os.ReadFile(file)
		d.must(err)
		if code == exit.Done {
			if n < 5 {
				t.Errorf("only %d operations", n)
			}
			return
		}
		if s := string(data); s != "old" && !strings.HasSuffix(s, "\n") {
			t.Errorf("operation %d left %q", n, s)
		}
	}
}

var (
	helpLine   = regexp.MustCompile(`^# HELP (officiant_[a-z_]+) [^\\]+\.$`)
	sampleLine = regexp.MustCompile(`^(officiant_[a-z_]+)(\{[a-z]+="(?:[^"\\\n]|\\["\\n])*"(?:,[a-z]+="(?:[^"\\\n]|\\["\\n])*")*\})? -?[0-9]+$`)
)

// exposes holds metrics against Prometheus' text format, and what promtool says of
// names: HELP and TYPE before the samples, each family once, no sample twice.
func exposes(t *testing.T, text string) {
	t.Helper()
	family, seen := "", map[string]bool{}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		if m := helpLine.FindStringSubmatch(lines[i]); m != nil {
			if family = m[1]; seen[family] || i+1 == len(lines) || lines[i+1] != "# TYPE "+family+" gauge" || strings.HasSuffix(family, "_total") {
				t.Errorf("family %s is not as it must be", family)
			}
			seen[family] = true
			i++
			continue
		}
		m := sampleLine.FindStringSubmatch(lines[i])
		if m == nil || m[1] != family || seen[m[1]+m[2]] && m[2] != "" {
			t.Errorf("line %d is no sample of %s: %q", i+1, family, lines[i])
			continue
		}
		seen[m[1]+m[2]] = true
	}
	if !strings.HasSuffix(text, "\n") || len(seen) < 4 {
		t.Errorf("not a whole exposition:\n%s", text)
	}
}

// Labels are whoever's who made the certificate.
func TestPrometheusLabels(t *testing.T) {
	s := &install.Status{Installed: &install.Installed{Cluster: "a\"b\\c\nd", Node: "n"}, Certificates: []install.Certificate{{Name: "x\"} 1\nofficiant_evil 1", File: "f"}}}
	text := string(metrics(s, bundletest.Now))
	exposes(t, text)
	if strings.Contains(text, "\nofficiant_evil") {
		t.Errorf("a label made a metric:\n%s", text)
	}
}
