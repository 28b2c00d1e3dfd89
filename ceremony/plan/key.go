package plan

import (
	"officiant/bundle/fingerprint"
	"officiant/signer"
)

// KeyNamed is what a plan says of a key that a station or a record calls by a name:
// an authority's, the release key or its successor.
type KeyNamed struct {
	Key
	Evidence signer.Grade // the least that is accepted
}

// Creates says whether the ceremony makes the key.
func (k KeyNamed) Creates() bool { return k.Create != "" }

// Exists says whether the plan names a key that is there already.
func (k KeyNamed) Exists() bool { return k.Existing != fingerprint.SHA256{} }

// KeyOf returns the key of that name. A key that the plan does not know has no
// origin, and no evidence short of its maker's attestation will do.
func (p *Plan) KeyOf(name string) (KeyNamed, bool) {
	switch r := p.Release; {
	case name == "":
	case name == r.Name:
		return KeyNamed{r.Key, r.Evidence}, true
	case name == r.Successor.Name:
		return KeyNamed{r.Successor.Key, r.Successor.Evidence}, true
	}
	if a := p.Named(name); a != nil {
		return KeyNamed{a.Key, a.Evidence}, true
	}
	return KeyNamed{Evidence: signer.Attested}, false
}
