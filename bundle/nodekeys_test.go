package bundle_test

import (
	"archive/tar"
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"slices"
	"strings"
	"testing"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/fingerprint"
	"officiant/bundle/seal"
)

func TestKeysPacked(t *testing.T) {
	keys := map[string]crypto.Signer{"kubelet.conf": bundletest.Key(t), "etcd/server": bundletest.Key(t)}
	packed, err := bundle.PackKeys(keys)
	if err != nil {
		t.Fatal(err)
	}
	got, err := bundle.UnpackKeys(packed)
	if err != nil || len(got) != 2 {
		t.Fatalf("%d keys, %v", len(got), err)
	}
	for name, key := range keys {
		if !got[name].(*ecdsa.PrivateKey).Equal(key) {
			t.Errorf("%s is another key", name)
		}
	}
}

func TestKeysUnpackedRefused(t *testing.T) {
	pem := bundletest.PrivatePEM(t, bundletest.Key(t))
	archive := func(entries ...tar.Header) []byte {
		var out bytes.Buffer
		w := tar.NewWriter(&out)
		for _, h := range entries {
			if h.Typeflag == tar.TypeReg && h.Size == 0 {
				h.Size = int64(len(pem))
			}
			if err := w.WriteHeader(&h); err != nil {
				t.Fatal(err)
			}
			if h.Typeflag == tar.TypeReg {
				if _, err := w.Write(append(pem, make([]byte, h.Size)...)[:h.Size]); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	file := func(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name} }
	for name, data := range map[string][]byte{
		"no tar":       pem,
		"another path": archive(file("etc/passwd")),
		"no name":      archive(file("keys/.key")),
		"another end":  archive(file("keys/a.pem")),
		"twice":        archive(file("keys/a.key"), file("keys/a.key")),
		"a link":       archive(tar.Header{Typeflag: tar.TypeSymlink, Name: "keys/a.key", Linkname: "/etc/shadow"}),
		"too long":     archive(tar.Header{Typeflag: tar.TypeReg, Name: "keys/a.key", Size: 1 << 20}),
		"no key":       archive(tar.Header{Typeflag: tar.TypeReg, Name: "keys/a.key", Size: 20}),
	} {
		keys, err := bundle.UnpackKeys(data)
		if err == nil {
			t.Errorf("%s: read %d keys", name, len(keys))
		} else if strings.Contains(err.Error(), "BEGIN") {
			t.Errorf("%s: repeats what is in it: %v", name, err)
		}
	}
}

// A bundle whose keys the ceremony made says so, and holds them sealed.
func TestKeysMade(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	n := p.NewNode(t, bundletest.Worker())
	_, recipient, err := seal.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := seal.Seal([]string{recipient}, []byte("keys"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		parts func(*bundle.Parts)
		files func(*bundle.Bundle)
		want  []string
	}{
		{"as it is made", nil, nil, nil},
		{"sealed keys missing", nil, func(b *bundle.Bundle) { delete(b.Files, bundle.KeysFile) }, []string{"officiant/keys.age: missing"}},
		{"keys in the clear", nil, func(b *bundle.Bundle) { b.Files[bundle.KeysFile] = []byte("keys\n") }, []string{"officiant/keys.age: is not one ASCII-armored age file"}},
		{"a request beside them", func(p *bundle.Parts) { p.Request = fingerprint.Of([]byte("x")) }, nil,
			[]string{"officiant/node.json: names a request and keys made in the ceremony, or neither"}},
		{"neither", func(p *bundle.Parts) { p.KeysSealed = nil }, nil,
			[]string{"officiant/node.json: names a request and keys made in the ceremony, or neither"}},
		{"not said", func(p *bundle.Parts) { p.KeysSealed, p.Request = nil, fingerprint.Of([]byte("x")) },
			func(b *bundle.Bundle) { b.Files[bundle.KeysFile] = sealed }, []string{"officiant/keys.age: does not belong to a node of this kind"}},
	} {
		parts := p.Parts(t, n)
		parts.Request, parts.KeysSealed = fingerprint.SHA256{}, sealed
		if tt.parts != nil {
			tt.parts(&parts)
		}
		b, err := bundle.Build(p.Header(n, 1), parts)
		if err != nil {
			t.Fatal(err)
		}
		if tt.files != nil {
			tt.files(b)
		}
		p.Reseal(t, b)
		var got []string
		for _, f := range b.Check(bundle.CheckOptions{}) {
			got = append(got, f.String())
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		if made := strings.Contains(string(b.Files[bundle.VerifyFile]), "THE CEREMONY MADE THIS NODE'S KEYS"); made != (parts.KeysSealed != nil) {
			t.Errorf("%s: VERIFY.txt says that the ceremony made keys: %t", tt.name, made)
		}
		if step := strings.Contains(string(b.Files[bundle.ReadmeFile]), "officiant-node unseal"); step != (parts.KeysSealed != nil) {
			t.Errorf("%s: README.txt has them opened: %t", tt.name, step)
		}
	}
}
