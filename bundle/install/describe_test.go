package install

import (
	"slices"
	"strings"
	"testing"

	"officiant/bundle/limittest"
)

// What lies on a node is anybody's: describing it for a diff ends, and shows no
// line of it that could be a key.
func FuzzDescribe(f *testing.F) {
	for _, seed := range []string{"", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		"apiVersion: v1\nkind: Config\nclusters: []\n"} {
		for kind := range extensions {
			f.Add(uint8(kind), []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		defer limittest.Budget(t)()
		p := &placed{path: "etc/kubernetes/x" + extensions[int(kind)%len(extensions)], data: slices.Clone(data), mode: 0o600}
		list := compare(nil, p)
		if len(list) == 0 {
			t.Fatal("a new file has no mode")
		}
		for _, d := range list {
			if strings.Contains(strings.Join(d.Is, " "), "PRIVATE KEY") && !strings.Contains(string(data), "CERTIFICATE") {
				t.Fatalf("shows %q", d.Is)
			}
		}
		if string(p.data) != string(data) {
			t.Fatal("describing a file changed it")
		}
	})
}

var extensions = []string{".crt", ".key", ".pub", ".conf", ""}
