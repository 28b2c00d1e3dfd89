package bundle

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
)

// texts are for people, and say of which ceremony they are.
var texts = map[string]bool{ReadmeFile: true, VerifyFile: true}

// Alike says whether two bundles place and announce the same on their node, down to the
// byte. They may be of different ceremonies. What the facts say of authorities that the
// node has no trust file of is nothing to it: a worker has none of etcd's.
func Alike(a, b *Bundle) bool {
	if a.Cluster != b.Cluster || a.Node != b.Node || a.Format != b.Format || a.Rehearsal != b.Rehearsal {
		return false
	}
	for path, data := range a.Files {
		if !texts[path] && path != FactsFile && !bytes.Equal(data, b.Files[path]) {
			return false
		}
	}
	for path := range b.Files {
		if _, ok := a.Files[path]; !ok && !texts[path] {
			return false
		}
	}
	x, y := a.ownFacts(), b.ownFacts()
	return x != nil && bytes.Equal(x, y)
}

// ownFacts are the facts without what is nothing to the node; nil when there are none.
func (b *Bundle) ownFacts() []byte {
	f, err := b.Facts()
	if err != nil {
		return nil
	}
	files, err := kubepki.Files(f.Cluster, f.Node)
	if err != nil {
		return nil
	}
	foreign := func(family kubepki.Authority) bool {
		return family != kubepki.Root && !slices.ContainsFunc(files, func(f kubepki.File) bool {
			return f.Kind == kubepki.TrustFile && f.Authority == family
		})
	}
	own := *f
	own.Trusted, own.Adopted = maps.Clone(f.Trusted), maps.Clone(f.Adopted)
	maps.DeleteFunc(own.Trusted, func(family kubepki.Authority, _ []fingerprint.SHA256) bool { return foreign(family) })
	maps.DeleteFunc(own.Adopted, func(family kubepki.Authority, _ fingerprint.SHA256) bool { return foreign(family) })
	data, err := json.Marshal(&own)
	if err != nil {
		return nil
	}
	return data
}
