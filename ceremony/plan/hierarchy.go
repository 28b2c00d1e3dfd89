package plan

import (
	"cmp"
	"crypto/x509"
	"strings"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/signer"
)

// hierarchy checks that every intermediate is, or can be, certified by a root and
// does not outlive it: by the one that issues, if it issues itself.
func (b *builder) hierarchy() {
	root := b.p.Issuing(kubepki.Root)
	if root == nil {
		return
	}
	for _, r := range b.p.ofFamily(kubepki.Root) {
		if c := b.c.Present(r.Name); c != nil && c.CheckSignatureFrom(c) != nil {
			b.refuseInput(cmp.Or(r.Certificate, r.Renews), "is not a root: it is not signed by its own key")
			return
		}
	}
	b.external()
	for i := range b.p.Authorities {
		a := &b.p.Authorities[i]
		where := at{"authorities", i}
		switch {
		case a.Family == kubepki.Root:
			if a.Root != "" {
				b.refuse(append(where, "root"), "authority %s is a root, which certifies itself", a.Name)
			}
		case b.c.Certificates[a.Name] != nil:
			b.certified(a, where)
		case a.Makes():
			b.certifiable(a, where)
		}
	}
}

// certified wants an intermediate that exists to be below a root of the plan.
func (b *builder) certified(a *Authority, where at) {
	issuing := b.p.Issuing(kubepki.Root)
	roots := []*Authority{issuing}
	if a.Use == Trust {
		roots = b.p.ofFamily(kubepki.Root)
	} else if issuing.Key.Create != "" {
		b.refuse(where, "authority %s exists already, so a root that is made now has not certified it", a.Name)
		return
	}
	certificate, names, why := b.c.Certificates[a.Name], []string{}, ""
	for _, r := range roots {
		c := b.c.Present(r.Name)
		if c != nil && !r.External && certificate.CheckSignatureFrom(c) == nil {
			return
		}
		if c != nil && r.External {
			err := b.below(certificate, c)
			if err == nil {
				return
			}
			why = ": " + err.Error()
		}
		if file := cmp.Or(r.Certificate, r.Renews); file != "" {
			names = append(names, file)
		}
	}
	if len(names) > 0 { // else the roots were refused
		b.refuseInput(a.Certificate, "is not signed by the key of %s%s", strings.Join(names, " or "), why)
	}
}

// certifiable wants the root that is to certify an intermediate to have its key
// named, and to last.
func (b *builder) certifiable(a *Authority, where at) {
	root := b.p.rootOf(a)
	switch {
	case root == nil:
		b.refuse(append(where, "root"), "authority %s: %q is no root of this plan", a.Name, a.Root)
	case a.Use == Issue && root.Use == Trust:
		b.refuse(append(where, "root"), "authority %s is to issue below %s, which is only trusted", a.Name, root.Name)
	case root.External:
		b.elsewhere(a, where, root)
	case root.Key == Key{}:
		b.refuse(where, "authority %s is to be certified by %s, whose key the plan does not name; say external: true if others sign with it", a.Name, root.Name)
	default:
		if old := b.c.Renewed[a.Name]; old != nil && b.c.Present(root.Name) != nil && old.CheckSignatureFrom(b.c.Present(root.Name)) != nil {
			b.refuseInput(a.Renews, "is not signed by the key of %s, which is to renew it", root.Name)
		}
		b.outlives(where, "authority "+a.Name, a.Validity, root)
	}
}

// rootOf returns the root that certifies an authority which is made, or nil.
func (p *Plan) rootOf(a *Authority) *Authority {
	if a.Root == "" {
		return p.Issuing(kubepki.Root)
	}
	for _, r := range p.ofFamily(kubepki.Root) {
		if r.Name == a.Root {
			return r
		}
	}
	return nil
}

// outlives refuses what would be valid for longer than its issuer.
func (b *builder) outlives(where at, what string, v Duration, issuer *Authority) {
	if c := b.c.Certificates[issuer.Name]; c != nil {
		if end := b.now.Add(time.Duration(v)); end.After(c.NotAfter) {
			b.refuse(append(where, "validity"), "%s would be valid until %s (%s), after its issuer %s ends on %s", what,
				end.UTC().Format(time.DateOnly), v, issuer.Name, c.NotAfter.UTC().Format(time.DateOnly))
		}
		return
	}
	if issuer.Makes() && v > issuer.Validity {
		b.refuse(append(where, "validity"), "%s would be valid for %s, longer than its issuer %s (%s)", what, v, issuer.Name, issuer.Validity)
	}
}

// distinct refuses two authorities of one subject or one key: whoever checks a
// chain could take one for the other.
func (b *builder) distinct() {
	subjects := map[string]string{}
	keys := map[fingerprint.SHA256]string{}
	for i, a := range b.p.Authorities {
		subject := dn(a.Subject)
		if c := b.c.Present(a.Name); c != nil {
			subject = c.Subject.String()
			if spki, err := fingerprint.SPKI(c.PublicKey); err == nil {
				if other, ok := keys[spki]; ok {
					b.refuse(at{"authorities", i}, "authorities %s and %s have the same key", other, a.Name)
				}
				keys[spki] = a.Name
			}
		} else if a.Key.Create == "" || b.c.Cluster.Name == "" {
			continue
		}
		if other, ok := subjects[subject]; ok {
			b.refuse(at{"authorities", i}, "authorities %s and %s have the same subject, %s", other, a.Name, subject)
		}
		subjects[subject] = a.Name
	}
}

// release checks the key that signs bundles and transcripts.
func (b *builder) release() {
	r := &b.p.Release
	where := at{"release"}
	existing := r.Key.Existing != fingerprint.SHA256{}
	switch {
	case r.Key.Create != "" && existing:
		b.refuse(append(where, "key"), "the release key is either created or existing")
		return
	case r.Key.Create == "" && !existing:
		b.refuse(where, "the release key is missing: say release: {key: {create: ECDSA-P256}}, or existing")
		return
	}
	b.evidence(&r.Evidence, where, releaseName, !existing)
	if !existing {
		if r.Public != "" {
			b.refuse(append(where, "public"), "a release key that is made in the ceremony has no public file yet")
		}
		b.releaseAlgorithm(append(where, "key", "create"), r.Key.Create)
		return
	}
	if r.Public == "" {
		b.refuse(where, "an existing release key needs its public file (release.pub of the last ceremony)")
		return
	}
	data := b.input(r.Public, append(where, "public"))
	if data == nil {
		return
	}
	pub, err := parsePublic(data)
	if err != nil {
		b.refuseInput(r.Public, "%v", err)
		return
	}
	if got, err := fingerprint.SPKI(pub); err != nil || got != r.Key.Existing {
		b.refuse(append(where, "key", "existing"), "the key in %s is %s, not this", r.Public, got)
		return
	}
	algorithm, err := signer.AlgorithmOf(pub)
	if err != nil {
		b.refuseInput(r.Public, "%v cannot be used", err)
		return
	}
	b.releaseAlgorithm(append(where, "public"), algorithm)
	for _, a := range b.p.Authorities {
		name, c := a.Name, b.c.Present(a.Name)
		if c == nil {
			continue
		}
		if spki, err := fingerprint.SPKI(c.PublicKey); err == nil && spki == r.Key.Existing {
			b.refuse(append(where, "key"), "the release key is the key of authority %s; it has to be one of its own", name)
		}
	}
}

// releaseAlgorithm allows what every openssl checks with -sha256.
func (b *builder) releaseAlgorithm(where at, a signer.Algorithm) {
	switch a {
	case signer.ECDSAP256, signer.RSA2048, signer.RSA3072, signer.RSA4096:
		b.c.algorithms[releaseName] = a
	default:
		b.refuse(where, "the release key is ECDSA-P256, RSA-2048, RSA-3072 or RSA-4096, not %s", a)
	}
}

func parsePublic(data []byte) (any, error) {
	der, err := onePEM(data, "PUBLIC KEY")
	if err != nil {
		return nil, err
	}
	return x509.ParsePKIXPublicKey(der)
}
