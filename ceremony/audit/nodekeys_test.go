package audit_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"strings"
	"testing"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
	"officiant/bundle/seal"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/transcript"
)

// The keys that were made are those that were certified, and the recipient the
// plan names opens them, and the audit notes that it was so.
func TestNodeKeys(t *testing.T) {
	s := performShape(t, ceremonytest.Shape{Appliances: 2})
	r := s.audit(t)
	for _, finding := range r.Findings() {
		t.Error(finding)
	}
	noted := false
	for _, c := range r.Checks {
		for _, n := range c.Notes {
			noted = noted || strings.Contains(n, "the keys of node appliance-1 were made in the ceremony and sealed to age1")
		}
	}
	if !noted {
		t.Error("nothing says that the ceremony made keys")
	}
	b := must(bundle.Open(s.path("bundles/appliance-1")))
	if !bytes.Equal(b.Files[bundle.KeysFile], s.read("secrets/appliance-1.keys.age")) {
		t.Error("the bundle holds other sealed keys than the directory")
	}
	keys := must(bundle.UnpackKeys(must(seal.Open(s.fixture.Identities["appliance-1"], b.Files[bundle.KeysFile]))))
	for name, cert := range must(b.LeafCertificates()) {
		if !keys[name].Public().(*ecdsa.PublicKey).Equal(cert.PublicKey) {
			t.Errorf("the key of %s is not its certificate's", name)
		}
	}
	if _, err := seal.Open(s.fixture.Identities["appliance-2"], b.Files[bundle.KeysFile]); err == nil {
		t.Error("another recipient opens them")
	}
}

// forgedNodeKeys are ceremonies in which what was made for a node, or for whom,
// is not what the plan says.
var forgedNodeKeys = []struct {
	what  string
	forge func(f *forger)
	says  []string
}{
	{"nothing changed", func(*forger) {}, nil},
	{"sealed to somebody else", func(f *forger) {
		change(f, func(k *transcript.NodeKeys) bool { k.Recipient = stranded(f); return true })
	}, []string{"keys of node appliance-1: are sealed to age1", "the plan says"}},
	{"sealed to one more", func(f *forger) {
		change(f, func(k *transcript.NodeKeys) bool {
			sealed := must(seal.Seal([]string{k.Recipient, stranded(f)}, []byte("keys")))
			f.scene.write(f.t, k.File, sealed)
			k.SHA256 = fingerprint.Of(sealed)
			return true
		})
	}, []string{"secrets/appliance-1.keys.age: can be opened by 2 recipients"}},
	{"another file", func(f *forger) {
		f.scene.write(f.t, "secrets/appliance-1.keys.age", must(seal.Seal([]string{f.plan.Recipient("appliance-1")}, []byte("keys"))))
	}, []string{"secrets/appliance-1.keys.age: SHA-256 is"}},
	{"not on record", func(f *forger) {
		line, _ := first(f, func(transcript.NodeKeys) bool { return true })
		f.drop(line)
	}, []string{"the plan asks for the keys of node appliance-1, and none are on record"}},
	{"of a node that has a request", func(f *forger) {
		line, k := first(f, func(transcript.NodeKeys) bool { return true })
		k.Node, k.File = "worker-1", "secrets/worker-1.keys.age"
		f.insert(line, k)
	}, []string{"keys of node worker-1 were made, and the plan does not ask for it"}},
	{"of a node nobody planned", func(f *forger) {
		line, k := first(f, func(transcript.NodeKeys) bool { return true })
		k.Node = "ghost"
		f.insert(line, k)
	}, []string{"keys of node ghost were made, which the plan does not have"}},
	{"certified before it was sealed", func(f *forger) {
		line, k := first(f, func(transcript.NodeKeys) bool { return true })
		closing, _ := first(f, func(transcript.IssuingClosed) bool { return true })
		f.drop(line)
		f.insert(closing, k)
	}, []string{"keys of node appliance-1: appliance-1/kubelet.conf was about to be certified in line"}},
	{"another key was certified", func(f *forger) {
		f.reissue("appliance-1/kubelet.conf", func(template, parent *x509.Certificate) []byte {
			key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
			template.SubjectKeyId = nil
			return must(x509.CreateCertificate(rand.Reader, template, parent, key.Public(), f.key("kubernetes")))
		})
	}, []string{"certificate of appliance-1/kubelet.conf: public key is"}},
	{"another algorithm", func(f *forger) {
		change(f, func(k *transcript.NodeKeys) bool { k.Algorithm = "RSA-2048"; return true })
	}, []string{"keys of node appliance-1: are RSA-2048, the plan says ECDSA-P256"}},
	{"of another curve", func(f *forger) {
		change(f, func(k *transcript.NodeKeys) bool {
			k.Keys[0].PublicKey = must(x509.MarshalPKIXPublicKey(must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)).Public()))
			return true
		})
	}, []string{"keys of node appliance-1: kubelet.conf is of ECDSA-P384, not ECDSA-P256"}},
	{"for another certificate", func(f *forger) {
		change(f, func(k *transcript.NodeKeys) bool { k.Keys[0].Name = "admin.conf"; return true })
	}, []string{`keys of node appliance-1: are for ["admin.conf"], the schedule has ["kubelet.conf"]`}},
	{"an authority's key", func(f *forger) {
		change(f, func(k *transcript.NodeKeys) bool {
			k.Keys[0].PublicKey = must(x509.MarshalPKIXPublicKey(f.key("etcd").(crypto.Signer).Public()))
			return true
		})
	}, []string{"keys of node appliance-1: kubelet.conf is another's: the etcd key"}},
	{"a file of another name", func(f *forger) {
		change(f, func(k *transcript.NodeKeys) bool { k.File = "secrets/x.age"; return true })
	}, []string{"keys of node appliance-1: are sealed as secrets/x.age"}},
}

func stranded(f *forger) string {
	_, r, err := seal.NewIdentity()
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

func TestForgedNodeKeys(t *testing.T) {
	whole := performShape(t, ceremonytest.Shape{Workers: 1, Appliances: 1})
	for _, tt := range forgedNodeKeys {
		t.Run(tt.what, func(t *testing.T) {
			f := whole.forge(t)
			tt.forge(f)
			if err := f.write(); err != nil {
				t.Fatal(err)
			}
			r := f.audit(t)
			if tt.says == nil {
				for _, finding := range r.Findings() {
					t.Error(finding)
				}
				return
			}
			wantFinding(t, r, tt.says...)
		})
	}
}
