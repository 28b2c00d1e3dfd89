package install_test

import (
	"crypto/tls"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"officiant/bundle/bundletest"
	"officiant/bundle/install"
	"officiant/bundle/privatekey"
)

// Who reads certificate and key by name while both change sees whole files, and
// takes no pair whose halves are of different bundles: decision 37.
func TestPairsFit(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	m := newMachine(t, p, bundletest.EtcdOnly())
	m.place(t, p, p.Bundle(t, m.who, 1))
	crt, key := m.at("etc/kubernetes/pki/etcd/server.crt"), m.at("etc/kubernetes/pki/etcd/server.key")
	var known sync.Map // which bundle a content is of
	note := func(bundle int) {
		for _, path := range []string{crt, key} {
			data, err := os.ReadFile(path)
			must(t, err)
			known.Store(string(data), bundle)
		}
	}
	note(1)
	var fit, apart atomic.Int64
	var whole sync.Map // pairs that were taken
	stop := make(chan struct{})
	var reading sync.WaitGroup
	for range 2 {
		reading.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				c, cerr := os.ReadFile(crt)
				k, kerr := os.ReadFile(key)
				if cerr != nil || kerr != nil {
					t.Errorf("missing: %v, %v", cerr, kerr)
					return
				}
				if _, err := tls.X509KeyPair(c, k); err != nil {
					apart.Add(1)
					continue
				}
				fit.Add(1)
				whole.Store([2]string{string(c), string(k)}, true)
			}
		})
	}
	for sequence := 2; sequence <= 20; sequence++ {
		m.who = p.NewNode(t, bundletest.EtcdOnly())
		for name, signer := range m.who.Keys {
			data, err := privatekey.PEM(signer)
			must(t, err)
			must(t, os.WriteFile(m.at(install.StateDir+"/keys/"+name+".key"), data, 0o600))
		}
		m.place(t, p, p.Bundle(t, m.who, sequence))
		note(sequence)
	}
	close(stop)
	reading.Wait()
	pairs := 0
	whole.Range(func(pair, _ any) bool {
		pairs++
		a, aok := known.Load(pair.([2]string)[0])
		b, bok := known.Load(pair.([2]string)[1])
		if !aok || !bok || a != b {
			t.Errorf("a certificate of bundle %v was taken with a key of bundle %v", a, b)
		}
		return true
	})
	if pairs < 2 {
		t.Errorf("only %d pairs were seen", pairs)
	}
	t.Logf("%d pairs fitted, %d did not", fit.Load(), apart.Load())
	m.sound(t, p)
}
