package install_test

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"officiant/bundle/bundletest"
)

// TestFileSystems: /etc/kubernetes, the folder that pki is a link to, and /var/lib lie on
// three file systems; an install, the next one and a rollback change all of them.
func TestFileSystems(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.First())
	must(t, os.RemoveAll(m.at("etc/kubernetes")))
	state := m.copy(t) // what a mount would hide
	for _, folder := range []string{"etc/kubernetes", "srv/certificates", "var/lib"} {
		must(t, os.MkdirAll(m.at(folder), 0o755))
		if err := syscall.Mount("tmpfs", m.at(folder), "tmpfs", 0, "size=8m,mode=0755"); err != nil {
			t.Skipf("nothing can be mounted here: %v", err)
		}
		t.Cleanup(func() { _ = syscall.Unmount(m.at(folder), syscall.MNT_DETACH) })
	}
	must(t, exec.Command("cp", "-a", state.at("var/lib/officiant-node"), m.at("var/lib/")).Run())
	must(t, os.Symlink("../../srv/certificates", m.at("etc/kubernetes/pki")))
	m.place(t, p, p.Bundle(t, m.who, 1))
	first := files(t, m.at("srv/certificates"))
	if len(first) < 10 {
		t.Fatalf("%d files behind the link", len(first))
	}
	m.place(t, p, p.Bundle(t, m.who, 2))
	m.sound(t, p)
	_, err := m.Rollback(false)
	must(t, err)
	if d := unlike(first, files(t, m.at("srv/certificates"))); len(d) > 0 {
		t.Errorf("after a rollback these differ: %v", d)
	}
	if left := temps(t, m.Root); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}
