package audit_test

import (
	"bytes"
	"strings"
	"testing"

	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/online/grant"
	"officiant/ceremony/transcript"
)

// TestGrant: a ceremony makes the grant that its plan says, which a signer reads and the
// audit writes again; who has every key cannot widen it unseen.
func TestGrant(t *testing.T) {
	s := &scene{fixture: ceremonytest.New(t, ceremonytest.Shape{Workers: 1, Online: true}), safe: newSafe(),
		dir: t.TempDir() + "/ceremony"}
	s.fixture.Append(t, `grant:
  journal: 51d0c6c9f5a4e1c0b7a3d2e1f00112233445566778899aabbccddeeff0011223
  life: 12h
  nodes:
    - {name: cp-1, roles: [control-plane, etcd], dnsNames: [cp-1], ipAddresses: [10.0.0.11]}
    - {name: worker-1, roles: [worker], dnsNames: [worker-1], signaturesPerDay: 9, bootstrap: "system:bootstrap:07401b"}
  users: [{name: ann, groups: [team], requester: ann}]
`)
	s.run(t)
	if found := s.audit(t).Findings(); len(found) > 0 {
		t.Fatal(found)
	}
	g, err := grant.Parse("grant.json", s.read("grant.json"))
	if err != nil {
		t.Fatal(err)
	}
	worker, _ := g.Node("worker-1")
	kubelets, _ := g.Authority(grant.KubeletClient)
	if g.Sequence != 1 || len(g.Authorities) != 3 || worker.SignaturesPerDay != 9 || len(g.RefusedKeys) != 7 ||
		kubelets.LongestLife().Hours() != 12 || !kubelets.X509().Equal(s.certificate("kubelet-client")) ||
		strings.Join(g.Reserved.DNSNames, " ") != "api.demo.test" {
		t.Errorf("%+v", g)
	}
	if err := grant.Verify(s.key("release").Public(), s.read("grant.json"), s.read("grant.json.sig")); err != nil {
		t.Error(err)
	}
	for what, c := range map[string]struct {
		forge func(f *forger)
		says  string
	}{
		"widened on the disk": {func(f *forger) {
			other := bytes.ReplaceAll(f.read("grant.json"), []byte("worker-1"), []byte("worker-9"))
			f.scene.write(t, "grant.json", other)
		}, "grant.json: is not what the record says"},
		"another signature": {func(f *forger) {
			f.scene.write(t, "grant.json.sig", f.read("transcript.sig"))
		}, "grant.json.sig: is not what the record says"},
	} {
		f := s.forge(t)
		c.forge(f)
		if found := strings.Join(f.audit(t).Findings(), "\n"); !strings.Contains(found, c.says) {
			t.Errorf("%s: %s", what, found)
		}
	}
	f := s.forge(t)
	change(f, func(r *transcript.SignatureIntent) bool {
		if r.Name != "grant" {
			return false
		}
		r.SHA256[0] ^= 1
		return true
	})
	if err := f.write(); err != nil {
		t.Fatal(err)
	}
	if found := strings.Join(f.audit(t).Findings(), "\n"); !strings.Contains(found,
		"what was signed as the grant is not what plan and record make it") {
		t.Errorf("signed otherwise: %s", found)
	}
}
