package install_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"officiant/bundle/bundletest"
	"officiant/bundle/install"
)

// TestManifestNames: a file reloads by itself only where the manifest that a component
// runs by names it; the first revocation list says which flags etcd lacks.
func TestManifestNames(t *testing.T) {
	c := bundletest.Cluster()
	c.RevocationLists = true
	p := bundletest.New(t, c)
	etcd := func(flags ...string) install.Notice {
		t.Helper()
		m := newMachine(t, p, bundletest.EtcdOnly())
		manifest := filepath.Join(m.Root, "etc/kubernetes/manifests/etcd.yaml")
		must(t, os.Remove(manifest))
		if flags != nil {
			must(t, os.WriteFile(manifest, []byte("    - etcd\n    - "+strings.Join(flags, "\n    - ")+"\n"), 0o600))
		}
		r := m.place(t, p, p.Bundle(t, m.who, 1))
		i := slices.IndexFunc(r.Notices, func(n install.Notice) bool { return n.Component == "etcd" })
		return r.Notices[i]
	}
	const list = "pki/etcd/ca.crl"
	for _, c := range []struct {
		flags        []string
		live, unread []string
	}{
		{nil, []string{list}, nil}, // nothing runs yet, or otherwise
		{[]string{"--data-dir=/x"}, nil, []string{list + " (--client-crl-file, --peer-crl-file)"}},
		{[]string{"--client-crl-file=/etc/kubernetes/ssl/etcd/ca.crl"}, []string{list},
			[]string{list + " (--peer-crl-file)"}},
		{[]string{"--client-crl-file=/etc/kubernetes/pki/etcd/ca.crl", "'--peer-crl-file=/etc/kubernetes/pki/etcd/ca.crl'"},
			[]string{list}, nil},
		{[]string{"--client-crl-file=/tmp/other.crl"}, nil, []string{list + " (--client-crl-file, --peer-crl-file)"}},
	} {
		n := etcd(c.flags...)
		if !slices.Equal(n.Live, c.live) || !slices.Equal(n.Unread, c.unread) {
			t.Errorf("%q: live %q, unread %q", c.flags, n.Live, n.Unread)
		}
		said := strings.Contains(fmt.Sprint(n), "its manifest does not name, so that it does not read "+list)
		if said != (len(c.unread) > 0) {
			t.Errorf("%q: %s", c.flags, n)
		}
	}
}
