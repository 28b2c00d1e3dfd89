package bundle

import (
	"testing"
	"time"

	"officiant/bundle/limittest"
)

// Whatever node.json says, a check ends, with findings where it says nothing.
func FuzzFacts(f *testing.F) {
	f.Add([]byte(`{"apiVersion":"officiant/v1","kind":"NodeFacts","cluster":{"name":"demo","kubernetesVersion":"v1.37.2","naming":"kubeadm","serviceSubnet":"10.96.0.0/12","dnsDomain":"cluster.local"},"node":{"name":"worker-1","roles":["worker"],"address":""},"request":"0000000000000000000000000000000000000000000000000000000000000000"}`))
	f.Add([]byte(`{"apiVersion":"officiant/v1","kind":"NodeFacts"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		defer limittest.Budget(t)()
		b := &Bundle{Header: goodHeader(), Files: map[string][]byte{FactsFile: data}}
		b.Sums = renderSums(b.Header, listFiles(b.Files))
		if found := b.Check(CheckOptions{Now: time.Unix(0, 0)}); len(found) == 0 {
			t.Fatal("a bundle of its facts alone has no fault")
		}
	})
}
