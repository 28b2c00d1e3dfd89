package plan

import (
	"crypto/x509"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/signer"
)

// hierarchy checks that every intermediate is, or can be, certified by the
// root and does not outlive it.
func (b *builder) hierarchy() {
	root := b.p.byFamily(kubepki.Root)
	if root == nil {
		return
	}
	rootCertificate := b.c.Certificates[root.Name]
	if rootCertificate != nil {
		if err := rootCertificate.CheckSignatureFrom(rootCertificate); err != nil {
			b.refuseInput(root.Certificate, "is not a root: it is not signed by its own key")
			return
		}
	}
	for i := range b.p.Authorities {
		a := &b.p.Authorities[i]
		where := at{"authorities", i}
		certificate := b.c.Certificates[a.Name]
		switch {
		case a.Family == kubepki.Root:
		case certificate != nil && root.Key.Create != "":
			b.refuse(where, "authority %s exists already, so a root that is made now has not certified it", a.Name)
		case certificate != nil && rootCertificate != nil:
			if err := certificate.CheckSignatureFrom(rootCertificate); err != nil {
				b.refuseInput(a.Certificate, "is not signed by the key of %s", root.Certificate)
			}
		case a.Key.Create == "":
		case root.Key == Key{}:
			b.refuse(where, "authority %s is to be certified by %s, whose key the plan does not name", a.Name, root.Name)
		default:
			b.outlives(where, "authority "+a.Name, a.Validity, root)
		}
	}
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
	if issuer.Key.Create != "" && v > issuer.Validity {
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
		if c := b.c.Certificates[a.Name]; c != nil {
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
	for name, c := range b.c.Certificates {
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
