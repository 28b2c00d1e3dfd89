package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// What running components make of a certificate beside a key that is not its own: what
// is there between the two exchanges of an install that changes keys, for as long as one
// likes. Decision 37 says that none is hurt.

// apart puts another key beside a certificate, by an exchange as install makes it, until
// together is called.
func (m *machine) apart(name string) (together func() error, err error) {
	path := m.path("pki/" + name + ".key")
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	text, err := keyPEM(other)
	if err != nil {
		return nil, err
	}
	own, away := path+".own", path+".other"
	if err := errors.Join(os.WriteFile(away, text, 0o600), os.Link(path, own), os.Rename(away, path)); err != nil {
		return nil, err
	}
	return func() error { return os.Rename(own, path) }, nil
}

// whileApart runs a check while the pair does not fit, and another once it does again.
func (n *synced) whileApart(name string, during, after func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		started := n.v.count()
		together, err := n.m.apart(name)
		if err != nil {
			return err
		}
		err = during(ctx)
		if err := errors.Join(err, together()); err != nil {
			return err
		}
		if err := until(ctx, patience, nil, func() error { return after(ctx) }); err != nil {
			return fmt.Errorf("once they fit again: %w", err)
		}
		for component, was := range started {
			if now := n.v.count()[component]; now != was {
				return fmt.Errorf("%s was started %d times meanwhile", component, now-was)
			}
		}
		return nil
	}
}

// says waits until a component has written a text to its log that was not there before.
func (n *synced) says(ctx context.Context, component string, before int64, texts ...string) error {
	return until(ctx, patience, nil, func() error {
		log, err := os.ReadFile(n.log(component))
		if err != nil {
			return err
		}
		for _, text := range texts {
			if strings.Contains(string(log[min(before, int64(len(log))):]), text) {
				return nil
			}
		}
		return fmt.Errorf("the log of %s says nothing of %q", component, texts)
	})
}

func (n *synced) log(component string) string {
	return filepath.Join(n.m.logs, n.m.name+"-"+component+".log")
}

func (n *synced) logged(component string) int64 {
	info, err := os.Stat(n.log(component))
	if err != nil {
		return 0
	}
	return info.Size()
}

// works writes through the API server, to etcd.
func (n *synced) works(ctx context.Context) error {
	if err := n.m.ready(ctx, n.m.path("pki/ca.crt")); err != nil {
		return err
	}
	const name = "example.test/apart"
	return n.put(ctx, n.m, n.m.name, "PATCH", allNodes+"/"+n.m.name, label(name, "1"), 200, name)
}

const mismatch = "private key does not match public key"

// pairsApart shows, for each way of reading a pair, that who runs goes on, that nothing
// is taken that does not fit, and that nobody has to help.
func (n *synced) pairsApart() []trial {
	health := func(ctx context.Context) error { return n.m.etcdHealth(ctx, "healthcheck-client") }
	askKubelet := func(ctx context.Context) error {
		_, err := n.m.kubectl(ctx, "super-admin.conf", "get", "--raw", allNodes+"/"+n.m.name+"/proxy/healthz")
		return err
	}
	// starts shows that a component which is started just then comes up once the pair fits.
	starts := func(component, name string) func(context.Context) error {
		return func(ctx context.Context) error {
			together, err := n.m.apart(name)
			if err != nil {
				return err
			}
			before := n.logged(component)
			err = n.restart(ctx, component)
			if err == nil {
				err = n.says(ctx, component, before, mismatch)
			}
			well := func() error { return n.well(ctx, component) }
			return errors.Join(err, together(), until(ctx, patience, nil, well))
		}
	}
	reloads := func(name string) func(context.Context) error {
		before := int64(0)
		return n.whileApart(name, func(ctx context.Context) error {
			before = n.logged(apiServer)
			return errors.Join(n.says(ctx, apiServer, before, mismatch), n.works(ctx))
		}, n.works)
	}
	return []trial{
		{"pairs apart, apiserver: the API server notices, and goes on with the pair it has", reloads("apiserver")},
		{"pairs apart, front-proxy-client: the API server notices, and goes on with the pair it has",
			reloads("front-proxy-client")},
		{"pairs apart, etcd/server: etcd takes no new client, keeps those it has, and takes them once they fit",
			n.whileApart("etcd/server", func(ctx context.Context) error {
				return errors.Join(refused(health(ctx), "is unhealthy"), n.works(ctx))
			}, func(ctx context.Context) error { return errors.Join(health(ctx), n.works(ctx)) })},
		{"pairs apart, apiserver-etcd-client: the API server goes on",
			n.whileApart("apiserver-etcd-client", n.works, n.works)},
		{"pairs apart, apiserver-kubelet-client: the API server goes on, and asks kubelets once they fit",
			n.whileApart("apiserver-kubelet-client", n.works, askKubelet)},
		{"pairs apart, apiserver: an API server that is started just then comes up once they fit",
			starts(apiServer, "apiserver")},
		{"pairs apart, etcd/peer: an etcd that is started just then comes up once they fit", starts(etcd, "etcd/peer")},
		{"pairs apart: in the end all is well", n.allWell},
	}
}
