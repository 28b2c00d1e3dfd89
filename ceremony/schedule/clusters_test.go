package schedule

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"officiant/bundle/fingerprint"
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
		}, "previous has to name the root's last one"},
		{"one that did not open the root", func(text string, p *past) string {
			p.files["previous/prod.jsonl"] = strings.Replace(p.files["previous/prod.jsonl"], `"type":"key"`, `"type":"note"`, 1)
			return text
		}, "ceremony 4 of cluster prod did not open the key of root"},
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
			last := `{"seq":5,"type":"closed","data":{}}` + "\n"
			p.files["previous/prod.jsonl"] = `{"seq":1,"type":"open","data":{"cluster":"prod","sequence":4}}` + "\n" +
				fmt.Sprintf(`{"seq":2,"type":"key","data":{"name":"root","spki":%q}}`+"\n", root) +
				`{"seq":3,"type":"intent","data":{"entry":2,"name":"etcd","signer":"root"}}` + "\n" +
				fmt.Sprintf(`{"seq":4,"type":"issued","data":{"intent":3,"certificate":%q}}`+"\n", base64.StdEncoding.EncodeToString(p.certs["etcd"].Raw)) + last
			p.files["root.crt"], p.files["theirs.crt"] = p.files["previous/demo-1/root.crt"], p.files["previous/demo-1/etcd.crt"]
			text := strings.Replace(bare, "    key: {create: ECDSA-P384}\n", fmt.Sprintf("    key: {existing: %q}\n    certificate: root.crt\n", root), 1)
			text = strings.Replace(text, "previous: none\n", fmt.Sprintf("previous:\n  - {cluster: prod, sequence: 4, head: %q, transcript: previous/prod.jsonl}\n", fingerprint.Of([]byte(last))), 1)
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
