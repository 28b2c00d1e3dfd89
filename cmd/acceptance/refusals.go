package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// refusal is a fault, put by hand into a copy of the tree, which one of the
// checks has to notice.
type refusal struct {
	name   string
	spoil  func(files) error
	notice func(ctx context.Context, k kubeadm, tree string) error
	says   string // part of what the check says
}

// files is a tree's /etc/kubernetes.
type files string

func (f files) path(name string) string                    { return filepath.Join(string(f), name) }
func (f files) read(name string) ([]byte, error)           { return os.ReadFile(f.path(name)) }
func (f files) remove(name string) error                   { return os.Remove(f.path(name)) }
func (f files) write(name string, d []byte) error          { return os.WriteFile(f.path(name), d, 0o600) }
func pairsOf(_ context.Context, _ kubeadm, t string) error { return pairs(t) }
func scan(_ context.Context, _ kubeadm, t string) error    { return noAuthorityKey(t, "") }

// refusals has a case at least for every check of checks.
var refusals = []refusal{
	{"without super-admin.conf the kubeconfig phase refuses", without("super-admin.conf"), kubeconfigPhase, "super-admin.conf"},
	{"without kubelet.conf the kubeconfig phase refuses", without("kubelet.conf"), kubeconfigPhase, "kubelet.conf"},
	{"without admin.conf check-expiration says so", without("admin.conf"), expiration, "admin.conf"},
	{"without apiserver.key the certs phase refuses", without("pki/apiserver.key"), certsPhase, "apiserver"},
	{"without front-proxy-client.crt the certs phase refuses", without("pki/front-proxy-client.crt"), certsPhase, "front-proxy-c"},
	{"without sa.key and sa.pub, which kubeadm takes, files are found wanting", without("pki/sa.key", "pki/sa.pub"), complete, "sa.key"},
	{"without sa.key, which kubeadm takes, the pair is found wanting", without("pki/sa.key"), pairsOf, "sa.key"},
	{"a file that nobody planned is found", strayKey("pki/stray.key"), complete, "stray.key"},
	{"an apiserver.crt from another authority is refused", fromAnother("pki/apiserver"), certsPhase, "API server is not signed by corresponding CA"},
	{"an etcd/server.crt from another authority is refused", fromAnother("pki/etcd/server"), certsPhase, "etcd/server"},
	{"another authority's ca.crt is refused", replaceAuthority("pki/ca.crt", ""), certsPhase, "ca"},
	{"another authority's etcd/ca.crt is refused", replaceAuthority("pki/etcd/ca.crt", ""), certsPhase, "etcd"},
	{"with a ca.key check-expiration calls the authority not external", strayKey("pki/ca.key"), expiration, "not externally managed"},
	{"with an etcd/ca.key check-expiration calls the authority not external", strayKey("pki/etcd/ca.key"), expiration, "not externally managed"},
	{"with an authority's key and certificate renew all renews", replaceAuthority("pki/front-proxy-ca.crt", "pki/front-proxy-ca.key"), renewal, "front-proxy"},
	{"an admin.conf that trusts another authority is refused", otherTrust("admin.conf"), kubeconfigPhase, "admin.conf"},
	{"a scheduler.conf that points elsewhere is warned of", pointsAway("scheduler.conf"), kubeconfigPhase,
		"unexpected API Server URL"},
	{"a key that is not the certificate's is found", strayKey("pki/apiserver.key"), pairsOf, "pki/apiserver.crt"},
	{"a kubeconfig whose key is not the certificate's is found", strayConfKey("kubelet.conf"), pairsOf, "kubelet.conf"},
	{"an authority's key on the node is found", replaceAuthority("pki/ca.crt", "pki/elsewhere.pem"), scan, "elsewhere.pem"},
}

// show spoils a copy of tree and returns nil when the check notices.
func (r refusal) show(ctx context.Context, k kubeadm, tree, spoiled string) error {
	if err := os.RemoveAll(spoiled); err != nil {
		return err
	}
	if err := os.CopyFS(spoiled, os.DirFS(tree)); err != nil {
		return err
	}
	if err := r.spoil(files(filepath.Join(spoiled, etcKubernetes))); err != nil {
		return fmt.Errorf("putting in the fault: %w", err)
	}
	err := r.notice(ctx, k, spoiled)
	if err == nil {
		return errUnexpected
	}
	if !strings.Contains(err.Error(), r.says) {
		return fmt.Errorf("refused, but not for that reason: %w", err)
	}
	return os.RemoveAll(spoiled)
}

// without removes files.
func without(names ...string) func(files) error {
	return func(f files) error {
		for _, name := range names {
			if err := f.remove(name); err != nil {
				return err
			}
		}
		return nil
	}
}

// fromAnother replaces a certificate and its key by the same from an authority
// nobody trusts.
func fromAnother(base string) func(files) error {
	return func(f files) error {
		data, err := f.read(base + ".crt")
		if err != nil {
			return err
		}
		forged, key, err := forgery(base+".crt", data)
		if err != nil {
			return err
		}
		return errors.Join(f.write(base+".crt", forged), f.writeKey(base+".key", key))
	}
}

func (f files) writeKey(name string, key *ecdsa.PrivateKey) error {
	data, err := keyPEM(key)
	if err != nil {
		return err
	}
	return f.write(name, data)
}

// replaceAuthority replaces a trust file by another authority's, and adds that
// one's key when a place for it is given.
func replaceAuthority(file, keyFile string) func(files) error {
	return func(f files) error {
		other, err := newAuthority(nil, "kubernetes")
		if err != nil {
			return err
		}
		if keyFile != "" {
			err = f.writeKey(keyFile, other.key)
		}
		return errors.Join(err, f.write(file, certificatePEM(other.certificate)))
	}
}

// strayKey writes a key that belongs to nothing.
func strayKey(file string) func(files) error {
	return func(f files) error {
		other, err := newAuthority(nil, "stray")
		if err != nil {
			return err
		}
		return f.writeKey(file, other.key)
	}
}

// strayConfKey puts a key that belongs to nothing into a kubeconfig.
func strayConfKey(file string) func(files) error {
	return func(f files) error {
		other, err := newAuthority(nil, "stray")
		if err != nil {
			return err
		}
		data, err := keyPEM(other.key)
		if err != nil {
			return err
		}
		return f.replaceField(file, "client-key-data: ", base64Of(data))
	}
}

// otherTrust puts another authority's certificate into a kubeconfig.
func otherTrust(file string) func(files) error {
	return func(f files) error {
		other, err := newAuthority(nil, "kubernetes")
		if err != nil {
			return err
		}
		return f.replaceField(file, "certificate-authority-data: ", base64Of(certificatePEM(other.certificate)))
	}
}

func base64Of(data []byte) string { return base64.StdEncoding.EncodeToString(data) }

// pointsAway points a kubeconfig at another API server.
func pointsAway(file string) func(files) error {
	return func(f files) error { return f.replaceField(file, "server: ", "https://192.0.2.1:6443") }
}

// replaceField gives the first field of that name another value.
func (f files) replaceField(file, field, value string) error {
	data, err := f.read(file)
	if err != nil {
		return err
	}
	before, after, ok := bytes.Cut(data, []byte(field))
	if !ok {
		return fmt.Errorf("%s has no %s", file, field)
	}
	_, after, _ = bytes.Cut(after, []byte("\n"))
	return f.write(file, bytes.Join([][]byte{before, []byte(field), []byte(value), []byte("\n"), after}, nil))
}
