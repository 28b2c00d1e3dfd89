package kubepki

import (
	"strings"
	"testing"
)

// TestPlaces: where files lie that kubeadm's configuration has elsewhere.
func TestPlaces(t *testing.T) {
	c := Cluster{Places: Places{CertificatesDir: "/etc/kubernetes/ssl", EtcdCAFile: "/etc/ssl/etcd/ca.pem",
		EtcdCertFile: "/etc/ssl/etcd/node.pem", EtcdKeyFile: "/etc/ssl/etcd/node-key.pem"}}
	plane, worker := Node{Roles: []Role{ControlPlane}}, Node{Roles: []Role{Worker}}
	for _, w := range []struct {
		node     Node
		file, at string
	}{
		{plane, "pki/ca.crt", "/etc/kubernetes/ssl/ca.crt"},
		{plane, "admin.conf", "/etc/kubernetes/admin.conf"},
		{plane, "pki/etcd/ca.crt", "/etc/ssl/etcd/ca.pem"},
		{plane, "pki/apiserver-etcd-client.key", "/etc/ssl/etcd/node-key.pem"},
		{worker, "pki/etcd/ca.crt", "/etc/kubernetes/ssl/etcd/ca.crt"},
	} {
		if at := c.Place(w.node, w.file); at != w.at {
			t.Errorf("%s lies at %s, not %s", w.file, at, w.at)
		}
	}
	if got := (Cluster{}).Place(plane, "pki/etcd/ca.crt"); got != "/etc/kubernetes/pki/etcd/ca.crt" {
		t.Errorf("by default etcd's authority lies at %s", got)
	}
	same := Places{CertificatesDir: "/etc/kubernetes/pki/", EtcdCAFile: "/etc/kubernetes/pki/etcd/ca.crt"}
	if p := same.Plain(); p != (Places{}) {
		t.Errorf("kubeadm's defaults are told as %+v", p)
	}
	if err := c.Places.Validate(); err != nil {
		t.Error(err)
	}
}

// TestMisplaced: a bundle reaches no folder in which no certificate has to be.
func TestMisplaced(t *testing.T) {
	for _, p := range []struct {
		places Places
		want   string
	}{
		{Places{CertificatesDir: "pki"}, "not an absolute path"},
		{Places{CertificatesDir: "/etc/kubernetes/../pki"}, "not an absolute path"},
		{Places{CertificatesDir: "/etc"}, "the machine's own"},
		{Places{CertificatesDir: "/"}, "the machine's own"},
		{Places{CertificatesDir: "/etc/kubernetes"}, "holds other files of Kubernetes"},
		{Places{CertificatesDir: "/etc/kubernetes/manifests"}, "no folder for certificates"},
		{Places{CertificatesDir: "/usr/lib/pki"}, "no folder for certificates"},
		{Places{CertificatesDir: "/var/lib/officiant-node/keys"}, "no folder for certificates"},
		{Places{CertificatesDir: "/root/.ssh"}, "a part that begins with a dot"},
		{Places{CertificatesDir: "/srv/a b"}, "other characters"},
		{Places{EtcdCAFile: "/etc/shadow"}, "the machine's own"},
		{Places{EtcdCAFile: "/etc/kubernetes/pki/ca.crt"}, "is where pki/ca.crt lies"},
		{Places{EtcdKeyFile: "/etc/kubernetes/admin.conf"}, "is where admin.conf lies"},
		{Places{EtcdCAFile: "/etc/kubernetes/pki/ca.key"}, "is where pki/ca.key lies"},
		{Places{EtcdCertFile: "/etc/ssl/etcd/node.pem", EtcdKeyFile: "/etc/ssl/etcd/node.pem"}, "is etcdCertFile, too"},
	} {
		err := p.places.Validate()
		if err == nil || !strings.Contains(err.Error(), p.want) {
			t.Errorf("%+v: %v, not %q", p.places, err, p.want)
		}
		c := Cluster{KubernetesVersion: Newest(), Places: p.places}
		if c.Validate() == nil {
			t.Errorf("a cluster with %+v is taken", p.places)
		}
	}
}
