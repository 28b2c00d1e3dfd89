package schedule

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/history/historytest"
	"officiant/ceremony/transcript"
)

// TestBelowAnothersRoot makes a cluster below the root that another's ceremony
// opened last.
func TestBelowAnothersRoot(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(text string, p *past) string
		want  string
	}{
		{"as it should be", nil, ""},
		{"no ceremony named", func(text string, _ *past) string {
			i, j := strings.Index(text, "previous:\n"), strings.Index(text, "authorities:\n")
			return text[:i] + "previous: none\n" + text[j:]
		}, "previous has to name the last one that opened it"},
		{"one that did not open the root", nil, "ceremony 4 of cluster prod did not open the key of root"},
		{"their subject", func(text string, _ *past) string {
			return strings.Replace(text, "name: etcd\n", "name: etcd\n    subject: {commonName: etcd, organization: [demo]}\n", 1)
		}, "authority etcd would have the subject of etcd of cluster prod, CN=etcd,O=demo"},
		{"their authority", func(text string, p *past) string {
			return strings.Replace(text, "    key: {create: RSA-4096}\n", "    certificate: theirs.crt\n", 1)
		}, "authority etcd is etcd of cluster prod: whom it certifies would log in to both clusters"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := makePast(t, defaultCAs, genesisOpen, "closed")
			root, err := fingerprint.SPKI(p.certs["root"].PublicKey)
			if err != nil {
				t.Fatal(err)
			}
			r := historytest.Begin(t, now.AddDate(0, -1, 0), transcript.Open{Cluster: "prod", Sequence: 4})
			if c.name != "one that did not open the root" {
				r.Key("root", p.certs["root"].PublicKey, false)
			}
			r.Key("release", newKey(t).Public(), true)
			r.Issue("etcd", "root", p.certs["etcd"])
			prod, _ := r.Close(historytest.Key(t), nil)
			p.files["previous/prod.jsonl"] = string(prod)
			p.files["root.crt"], p.files["theirs.crt"] = p.files["previous/demo-1/root.crt"], p.files["previous/demo-1/etcd.crt"]
			text := strings.Replace(
				bare,
				"    key: {create: ECDSA-P384}\n",
				fmt.Sprintf("    key: {existing: %q}\n    certificate: root.crt\n", root),
				1,
			)
			text = strings.Replace(
				text,
				"previous: none\n",
				fmt.Sprintf(
					"previous:\n  - {cluster: prod, sequence: 4, head: %q, transcript: previous/prod.jsonl}\n",
					historytest.Predecessor(t, prod).Head,
				),
				1,
			)
			if c.spoil != nil {
				text = c.spoil(text, p)
			}
			fsys := fstest.MapFS{"plan.yaml": {Data: []byte(text)}}
			for name, data := range p.files {
				fsys[name] = &fstest.MapFile{Data: []byte(data)}
			}
			_, err = OpenFS(fsys, "plan.yaml", Options{Now: now})
			if _, held := OpenFS(fsys, "plan.yaml", Options{Now: now, Held: true}); held != nil {
				t.Errorf("a ceremony that was held by it is refused: %v", held)
			}
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if got := problems(t, err); !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, c.want) }) {
				t.Errorf("got %v\nwant %s", got, c.want)
			}
		})
	}
}
