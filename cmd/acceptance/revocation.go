package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// turnedAway is how etcd ends a connection by a revoked certificate: after the
// handshake, which the client has seen through by then.
var turnedAway = []string{"remote error: tls", "EOF", "connection reset by peer"}

// revocation shows that etcd, as kubeadm runs it with what the bundle says, heeds
// the list of the bundle in place: it reads it again at each connection.
func (s *site) revocation(m *machine) []trial {
	const list = "pki/etcd/ca.crl"
	var client, peer *tls.Certificate // those that are revoked
	at := func(w way, who func() (*tls.Certificate, error)) func(context.Context) error {
		return attack{"", who, w, ""}.on(target{m})
	}
	held := func(c **tls.Certificate) func() (*tls.Certificate, error) {
		return func() (*tls.Certificate, error) { return *c, nil }
	}
	refusedBoth := func(ctx context.Context) error {
		return errors.Join(
			refused(at(opensEtcd, held(&client))(ctx), turnedAway...),
			refused(at(joinsEtcd, held(&peer))(ctx), turnedAway...))
	}
	return []trial{
		{"revocation: kubeadm gives etcd the list, for clients and for peers", func(context.Context) error {
			return hasFlags(m, "--client-crl-file=/etc/kubernetes/"+list, "--peer-crl-file=/etc/kubernetes/"+list)
		}},
		{"revocation: cp-1's certificates are made anew; the former ones still open etcd", func(ctx context.Context) (err error) {
			if client, err = pair(m.path("pki/etcd/healthcheck-client")); err != nil {
				return err
			}
			if peer, err = pair(m.path("pki/etcd/peer")); err != nil {
				return err
			}
			if err := s.planned(ctx, "ceremony-2", []string{"ceremony"}, "renew", "--within", "2y", "--node", m.name); err != nil {
				return err
			}
			if _, err := s.install(ctx, m.host, "ceremony-2"); err != nil {
				return err
			}
			return errors.Join(at(opensEtcd, held(&client))(ctx), at(joinsEtcd, held(&peer))(ctx))
		}},
		{"revocation: the former ones are revoked by serial number, and nothing has to be restarted", func(ctx context.Context) error {
			args := []string{"revoke", "--reason", "superseded"}
			for _, c := range []*tls.Certificate{client, peer} {
				leaf, err := x509.ParseCertificate(c.Certificate[0])
				if err != nil {
					return err
				}
				args = append(args, "--serial", fmt.Sprintf("%x", leaf.SerialNumber))
			}
			if err := s.planned(ctx, "ceremony-3", []string{"ceremony-2", "ceremony"}, args...); err != nil {
				return err
			}
			said, err := s.install(ctx, m.host, "ceremony-3")
			if told := restarts(said); err == nil && len(told) > 0 {
				return fmt.Errorf("%v are to be restarted\n%s", told, said)
			}
			return err
		}},
		{"not: the revoked ones open etcd, or speak to it as a peer", refusedBoth},
		{"revocation: etcd's log says why", func(context.Context) error {
			if said := tail(filepath.Join(m.logs, m.name+"-etcd.log"), 100); !bytes.Contains(said, []byte("revoked")) {
				return errors.New("no word of it\n" + string(said))
			}
			return nil
		}},
		{"revocation: those in place open etcd, and the API server reads it", func(ctx context.Context) error {
			return errors.Join(
				at(opensEtcd, credentials(m.tree, "pki/etcd/healthcheck-client"))(ctx),
				at(opensEtcd, credentials(m.tree, "pki/apiserver-etcd-client"))(ctx),
				at(joinsEtcd, credentials(m.tree, "pki/etcd/peer"))(ctx),
				m.ready(ctx, m.path("pki/ca.crt")))
		}},
		{"by hand: with the previous list in place the revoked ones open etcd again", func(ctx context.Context) error {
			former, err := os.ReadFile(s.path("ceremony", "crls", "etcd.crl"))
			if err != nil {
				return err
			}
			return with(m.path(list), former, func() error {
				return errors.Join(at(opensEtcd, held(&client))(ctx), at(joinsEtcd, held(&peer))(ctx))
			})
		}},
		{"not: with the list as PEM anybody opens etcd", func(ctx context.Context) error {
			text, err := os.ReadFile(s.path("ceremony-3", "crls", "etcd.crl.pem"))
			if err != nil {
				return err
			}
			return with(m.path(list), text, func() error {
				return refused(at(opensEtcd, credentials(m.tree, "pki/etcd/healthcheck-client"))(ctx), turnedAway...)
			})
		}},
		{"not: the revoked ones open etcd, with the list back in place", refusedBoth},
		{"revocation: officiant-node verify finds nothing on the node", func(ctx context.Context) error { return s.verify(ctx, m.tree) }},
	}
}

// hasFlags fails unless etcd's command line, as kubeadm wrote it, has these.
func hasFlags(m *machine, flags ...string) error {
	args, err := m.arguments(etcd)
	if err != nil {
		return err
	}
	for _, f := range flags {
		if !slices.Contains(args, f) {
			return fmt.Errorf("no %s in %q", f, args)
		}
	}
	return nil
}

// planned has a command write the plan that continues previous ceremonies, the last
// one first, and carries it out.
func (f *fleet) planned(ctx context.Context, ceremony string, former []string, command ...string) error {
	folder := "plan-" + ceremony
	args := append([]string{"ceremony", command[0]}, f.paths(former)...)
	args = append(append(args, command[1:]...), "--out", f.path(folder, "plan.yaml"))
	if _, err := f.command(ctx, f.officiant, args...); err != nil {
		return err
	}
	return f.perform(ctx, folder, ceremony, f.paths(former)...)
}

// with has a file hold something else for a while.
func with(path string, data []byte, do func() error) error {
	sound, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return err
	}
	return errors.Join(do(), os.WriteFile(path, sound, 0o644))
}
