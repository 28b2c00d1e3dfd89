package bundle_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"slices"
	"strings"
	"testing"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/limittest"
)

// TestSuccession: sa.pub holds the key of sa.key first, others after it; a bundle
// announces the next release key; and only format 3 can hold either.
func TestSuccession(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	n := p.NewNode(t, bundletest.First())
	old, next := bundletest.Key(t).Public(), bundletest.Key(t).Public()
	for what, more := range map[string]func(*bundle.Parts){
		"a second service-account key": func(parts *bundle.Parts) {
			parts.ServiceAccountPublic = slices.Concat(parts.ServiceAccountPublic, bundletest.PublicPEM(t, old))
		},
		"a next release key": func(parts *bundle.Parts) { parts.NextRelease = bundletest.PublicPEM(t, next) },
	} {
		parts := p.Parts(t, n)
		more(&parts)
		for format := bundle.OldestFormat; format <= bundletest.Newest; format++ {
			h := p.Header(n, 2)
			h.Format = format
			b, err := bundle.Build(h, parts)
			if format < 3 {
				if err == nil || !strings.Contains(err.Error(), "format "+string(rune('0'+format))+" holds one authority of a family, one service-account key and no other release key") {
					t.Errorf("%s, format %d: %v", what, format, err)
				}
				continue
			}
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if found := b.Check(bundle.CheckOptions{Now: bundletest.Now}); len(found) > 0 {
				t.Errorf("%s: %v", what, found)
			}
			announces(t, b, parts.NextRelease != nil, next)
			if got, err := b.ServiceAccountPublic(); err != nil || !same(got, p.Account.Public()) {
				t.Errorf("%s: sa.key belongs to %v, %v", what, got, err)
			}
		}
	}
}

func announces(t *testing.T, b *bundle.Bundle, want bool, next crypto.PublicKey) {
	t.Helper()
	got, err := b.NextRelease()
	if err != nil || (got != nil) != want || want && !same(got, next) {
		t.Errorf("announces %v, %v", got, err)
	}
	if said := bytes.Contains(b.Files[bundle.ReadmeFile], []byte(bundle.NextReleaseFile)); said != want {
		t.Errorf("README.txt speaks of it: %t", said)
	}
}

func same(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

// TestSuccessionOfOlderFormats: a bundle of format 2 that holds what it cannot is
// found wrong, whoever signed it.
func TestSuccessionOfOlderFormats(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	n := p.NewNode(t, bundletest.First())
	b := p.BundleOf(t, n, 1, 2)
	b.Files["pki/sa.pub"] = slices.Concat(b.Files["pki/sa.pub"], bundletest.PublicPEM(t, bundletest.Key(t).Public()))
	b.Files[bundle.NextReleaseFile] = bundletest.PublicPEM(t, bundletest.Key(t).Public())
	b.Sums = bundletest.Sums(b.Header, b.Files)
	var found []string
	for _, f := range b.Check(bundle.CheckOptions{Now: bundletest.Now}) {
		found = append(found, f.String())
	}
	for _, want := range []string{"pki/sa.pub: holds 2 keys, and format 2 holds one", bundle.NextReleaseFile + ": does not belong to a node of this kind"} {
		if !slices.Contains(found, want) {
			t.Errorf("not found: %s in %q", want, found)
		}
	}
}

// FuzzParsePublicKeys: what is read is keys, and nothing between them is passed over.
func FuzzParsePublicKeys(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	one := bundletest.PublicPEM(f, key.Public())
	for _, seed := range [][]byte{nil, one, slices.Concat(one, one), slices.Concat(one, []byte("x\n"), one), slices.Concat([]byte("x\n"), one)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		defer limittest.Budget(t)()
		keys, err := bundle.ParsePublicKeys(data)
		if err != nil {
			return
		}
		var again []byte
		for _, k := range keys {
			again = append(again, bundletest.PublicPEM(t, k)...)
		}
		if len(keys) == 0 || len(keys) > 1 && !bytes.Equal(again, data) {
			t.Errorf("%d keys in %q", len(keys), data)
		}
	})
}
