package request

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"officiant/bundle/kubepki"
)

var update = flag.Bool("update", false, "write testdata/worker-1.req and its key anew")

// kept is a request that was made once and stays: what it holds must be read
// for as long as the format is version 1. Its key is beside it.
func kept(t testing.TB) *made {
	t.Helper()
	dir := filepath.Join("testdata", "worker-1")
	if *update {
		m := makeRequest(t, worker())
		der, err := x509.MarshalPKCS8PrivateKey(m.keys["kubelet.conf"])
		check(t, err)
		check(t, os.WriteFile(dir+".req", m.data, 0o644))
		check(t, os.WriteFile(dir+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o644))
	}
	data, err := os.ReadFile(dir + ".req")
	check(t, err)
	keyPEM, err := os.ReadFile(dir + ".key")
	check(t, err)
	block, _ := pem.Decode(keyPEM)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	check(t, err)
	return &made{node: worker(), keys: Keys{"kubelet.conf": key.(crypto.Signer)}, data: data}
}

func TestKeptRequestIsStillRead(t *testing.T) {
	o, err := Parse("worker-1.req", kept(t).data)
	check(t, err)
	if o.Node.Name != "worker-1" || o.Cluster.Name != "demo" || !o.Node.Has(kubepki.Worker) || len(o.CSRs) != 1 || !o.Created.Equal(created) {
		t.Errorf("read as %+v", o.Request)
	}
}
