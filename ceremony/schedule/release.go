package schedule

import (
	"crypto"
	"crypto/x509"
	"slices"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/plan"
	"officiant/signer"
)

// releasePass checks the keys that sign bundles and records.
type releasePass struct {
	base
	past *records
	cas  *cas
}

// releaseKeysOf checks the release keys, and adds their algorithms to the authorities'.
func releaseKeysOf(b base, past *records, cas *cas) { (&releasePass{b, past, cas}).check() }

// check goes through the key that signs bundles and transcripts, and the one that
// will after it.
func (b *releasePass) check() {
	r := &b.p.Release
	where := plan.At{"release"}
	if r.Name == "" {
		r.Name = plan.ReleaseName
	}
	b.releaseLabel(append(where, "name"), r.Name)
	existing := r.Key.Existing != fingerprint.SHA256{}
	switch {
	case r.Key.Create != "" && existing:
		b.Refuse(append(where, "key"), "the release key is either created or existing")
		return
	case r.Key.Create == "" && !existing:
		b.Refuse(where, "the release key is missing: say release: {key: {create: ECDSA-P256}}, or existing")
		return
	}
	b.evidence(&r.Evidence, where, plan.ReleaseName, !existing)
	if existing {
		b.existingRelease(where, r.Name, r.Key.Existing, r.Public)
	} else {
		if r.Public != "" {
			b.Refuse(append(where, "public"), "a release key that is made in the ceremony has no public file yet")
		}
		b.releaseAlgorithm(append(where, "key", "create"), r.Name, r.Key.Create)
	}
	b.successor(append(where, "successor"))
	b.releaseSucceeds(where)
}

// releaseLabel checks a release key's name; its token label is CLUSTER/NAME.
func (b *releasePass) releaseLabel(where plan.At, name string) {
	if name == plan.ReleaseName {
		return // no authority can have it
	}
	taken := slices.ContainsFunc(b.p.Authorities, func(a plan.Authority) bool { return a.Name == name })
	if !plan.IsLabel(name) || taken || plan.Reserved[name] {
		b.Refuse(where, "release key name %q: it is %s, not an authority's, and not transcript or default", name,
			plan.LabelRule)
	}
}

// existingRelease checks a key that the plan names by its public file, and
// returns it; nil when it cannot be had.
func (b *releasePass) existingRelease(where plan.At, name string, want fingerprint.SHA256,
	file string) crypto.PublicKey {
	if file == "" {
		b.Refuse(where, "an existing release key needs its public file (release.pub of the last ceremony)")
		return nil
	}
	data := b.input(file, append(slices.Clone(where), "public"))
	if data == nil {
		return nil
	}
	pub, err := parsePublic(data)
	if err != nil {
		b.RefuseInput(file, "%v", err)
		return nil
	}
	if got, err := fingerprint.SPKI(pub); err != nil || got != want {
		b.Refuse(append(slices.Clone(where), "key", "existing"), "the key in %s is %s, not this", file, got)
		return nil
	}
	algorithm, err := signer.AlgorithmOf(pub)
	if err != nil {
		b.RefuseInput(file, "%v cannot be used: %s", err, usableKeys)
		return nil
	}
	b.releaseAlgorithm(append(slices.Clone(where), "public"), name, algorithm)
	for _, a := range b.p.Authorities {
		c := b.cas.present(a.Name)
		if c == nil {
			continue
		}
		if spki, err := fingerprint.SPKI(c.PublicKey); err == nil && spki == want {
			b.Refuse(append(slices.Clone(where), "key"), "the release key is the key of authority %s; it has to be one of "+
				"its own", a.Name)
		}
	}
	return pub
}

// releaseAlgorithm allows what every openssl checks with -sha256.
func (b *releasePass) releaseAlgorithm(where plan.At, name string, a signer.Algorithm) {
	switch a {
	case signer.ECDSAP256, signer.RSA2048, signer.RSA3072, signer.RSA4096:
		b.cas.algorithms[name] = a
	default:
		b.Refuse(where, "the release key is ECDSA-P256, RSA-2048, RSA-3072 or RSA-4096, not %s", a)
	}
}

// successor checks the release key that every bundle announces under the present one.
func (b *releasePass) successor(where plan.At) {
	s := &b.p.Release.Successor
	if *s == (plan.Successor{}) {
		return
	}
	existing := s.Key.Existing != fingerprint.SHA256{}
	b.releaseLabel(append(where, "name"), s.Name)
	switch {
	case s.Name == b.p.Release.Name:
		b.Refuse(append(where, "name"), "two release keys are named %s", s.Name)
		return
	case (s.Key.Create != "") == existing:
		b.Refuse(where, "the key of the release key's successor is either created or existing")
		return
	}
	b.evidence(&s.Evidence, where, "successor of the release key", !existing)
	if !existing {
		if s.Public != "" {
			b.Refuse(append(where, "public"), "a release key that is made in the ceremony has no public file yet")
		}
		b.releaseAlgorithm(append(where, "key", "create"), s.Name, s.Key.Create)
		return
	}
	if s.Key.Existing == b.p.Release.Key.Existing {
		b.Refuse(append(where, "key"), "the release key cannot be its own successor")
		return
	}
	b.existingRelease(where, s.Name, s.Key.Existing, s.Public)
}

// releaseSucceeds holds the release key against what this cluster's last ceremony
// said: nodes take the one they pinned and the one it announced, and no other
// until people compared its words.
func (b *releasePass) releaseSucceeds(where plan.At) {
	r := &b.p.Release
	before, known := b.past.ReleaseKeys()
	lost := r.Lost != fingerprint.SHA256{}
	if !known {
		if lost {
			b.Refuse(append(where, "lost"),
				"no previous ceremony of this cluster is named here, so none lost its release key")
		}
		return
	}
	same := r.Key.Existing == before.Present
	announced := before.Announced != nil && r.Key.Existing == *before.Announced
	switch {
	case lost && (same || announced):
		b.Refuse(append(where, "lost"), "the release key is the one nodes know; none is lost")
	case lost && r.Lost != before.Present:
		b.Refuse(append(where, "lost"), "the release key of the last ceremony is %s, not this", before.Present)
	case lost:
		b.Warn(where, "nodes pinned the release key %s, and nothing of it vouches for this one: they refuse it until "+
			"its words are compared as those of a new release key", r.Lost)
	case !same && !announced:
		b.afterwards(where, "the release key is another than the last ceremony's, %s, and was not announced by it: "+
			"nodes would refuse its bundles. Announce a successor under the present key; or, when that "+
			"is lost, say lost: %s", before.Present, before.Present)
	}
	if s := r.Successor; before.Announced != nil && !announced && s.Key.Existing != *before.Announced {
		if s.Key.Existing != (fingerprint.SHA256{}) {
			b.Refuse(append(where, "successor"), "the last ceremony announced release key %s, not this", *before.Announced)
		} else {
			b.Warn(where, "the release key %s, which the last ceremony announced, is given up", *before.Announced)
		}
	} else if before.Announced == nil && s.Key.Existing != (fingerprint.SHA256{}) {
		b.Refuse(append(where, "successor"), "the last ceremony announced no release key: a successor is made in the "+
			"ceremony that announces it (create)")
	}
}

// ReleaseKey is the name of the key that signs this ceremony's bundles and transcript.
func (c *Ceremony) ReleaseKey() string { return c.Plan.Release.Name }

// successor is the fingerprint of the release key that bundles announce, when it
// is there already, or how it is made; empty when there is none.
func (c *Ceremony) successor() string {
	switch s := c.Plan.Release.Successor; {
	case s.Name == "":
		return ""
	case s.Key.Create != "":
		return "new:" + string(s.Key.Create)
	default:
		return "sha256:" + s.Key.Existing.String()
	}
}

func parsePublic(data []byte) (any, error) {
	der, err := onePEM(data, "PUBLIC KEY")
	if err != nil {
		return nil, err
	}
	return x509.ParsePKIXPublicKey(der)
}
