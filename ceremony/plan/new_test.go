package plan_test

import (
	"strings"
	"testing"

	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
)

// TestOnlyThese: a plan that renews makes no authority that its cluster has done
// without; one that begins a cluster makes what is missing.
func TestOnlyThese(t *testing.T) {
	for _, only := range []bool{true, false} {
		text, err := plan.New(plan.NewOptions{
			Name: "demo-2", OnlyThese: only,
			Authorities: []plan.Authority{{Name: "root", Family: kubepki.Root}, {Name: "kubernetes", Family: kubepki.KubernetesAuthority}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if makes := strings.Contains(string(text), "- name: etcd\n"); makes == only {
			t.Errorf("only these: %t, and etcd is made: %t\n%s", only, makes, text)
		}
	}
}
