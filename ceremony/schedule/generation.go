package schedule

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
)

// generations checks the families of which the plan has more than one authority.
func (b *authorityPass) generations(issuing map[kubepki.Authority]int) {
	b.severalTaken()
	for i, a := range b.p.Authorities {
		where := plan.At{"authorities", i}
		if a.Use != plan.Trust && a.Use != plan.Issue {
			continue // refused before it was looked at
		}
		j, ok := issuing[a.Family]
		switch {
		case !ok && a.Family != kubepki.Root: // said of the root already
			b.Refuse(append(where, "use"), "authority %s is only trusted, and none of family %s issues", a.Name, a.Family)
		case a.Adopted && len(b.p.OfFamily(a.Family)) == 1:
			b.Refuse(where, "authority %s is adopted, and there is none of family %s to succeed it: add one (use: trust)",
				a.Name, a.Family)
		case len(b.p.OfFamily(a.Family)) > 1 && isFamily(a.Name) && a.Name != string(a.Family):
			b.Refuse(append(where, "name"), "authority %s is one of several of family %s: it cannot have another family's "+
				"name", a.Name, a.Family)
		case a.Use == plan.Trust && ok && b.p.Authorities[j].Key.Create != "" && a.Key.Create == "" && !b.past.genesis():
			b.Refuse(plan.At{"authorities", j}, "authority %s is made here, so no node trusts it yet, and %s is still "+
				"trusted: let it be trusted first (use: trust), and issue in the next ceremony",
				b.p.Authorities[j].Name, a.Name)
		}
	}
}

// severalTaken refuses two authorities in kubeconfigs of a release whose kubeadm
// takes one: nothing could be changed about it once bundles are signed.
func (b *authorityPass) severalTaken() {
	v := b.facts.cluster.KubernetesVersion
	several := b.p.OfFamily(kubepki.KubernetesAuthority)
	if len(several) < 2 || len(b.p.Nodes) == 0 || v == (kubepki.Version{}) || kubepki.SeveralInKubeconfig(v) {
		return
	}
	b.Refuse(authorityPlace(b.p, several[1].Name), "kubeconfigs would hold the authorities %s and %s, and kubeadm of %s "+
		"takes one: upgrade the cluster to v1.31.0 or later first",
		several[0].Name, several[1].Name, v)
}

func isFamily(name string) bool {
	for _, f := range plan.Families {
		if string(f) == name {
			return true
		}
	}
	return false
}

// renewed checks an authority that gets another certificate for its key: what it
// issued stays valid, since its issuer's name and key are the same.
func (b *authorityPass) renewed(a *plan.Authority, where plan.At) {
	switch {
	case a.Certificate != "":
		b.Refuse(append(where, "renews"), "authority %s: it has a certificate, or gets another; not both", a.Name)
		return
	case a.Key.Existing == fingerprint.SHA256{}:
		b.Refuse(append(where, "renews"), "authority %s: a certificate is renewed for the key it has: say key: "+
			"{existing: FINGERPRINT}", a.Name)
		return
	case a.Subject.CommonName != "" || a.Subject.Organization != nil:
		b.Refuse(append(where, "subject"), "authority %s: its subject is that of %s, and cannot be set", a.Name, a.Renews)
	}
	b.evidence(&a.Evidence, where, "authority "+a.Name, false)
	b.authorityValidity(a)
	old := b.certificate(a, a.Renews, append(where, "renews"))
	if old == nil {
		return
	}
	if got, err := fingerprint.SPKI(old.PublicKey); err != nil || got != a.Key.Existing {
		b.Refuse(append(where, "key", "existing"), "authority %s: the key of %s is %s, not this", a.Name, a.Renews, got)
	}
	a.Subject = plan.Subject{CommonName: old.Subject.CommonName, Organization: &old.Subject.Organization}
	if !bytes.Equal(subjectDER(a.Subject), old.RawSubject) {
		b.RefuseInput(a.Renews, "its subject, %s, is written otherwise than a ceremony writes it; what it issued would "+
			"not be the new one's", old.Subject)
	}
	if end := b.now.Add(time.Duration(a.Validity)); end.Before(old.NotAfter) {
		b.Refuse(append(where, "validity"), "authority %s would end on %s, sooner than now (%s)", a.Name,
			end.UTC().Format(time.DateOnly), old.NotAfter.UTC().Format(time.DateOnly))
	}
	b.cas.renewed[a.Name] = old
}

// subjectDER is a subject as ceremonies write it: organizations, then the common
// name, each in an RDN of its own.
func subjectDER(s plan.Subject) []byte {
	var n pkix.RDNSequence
	add := func(last int, value string) {
		n = append(n, pkix.RelativeDistinguishedNameSET{{Type: asn1.ObjectIdentifier{2, 5, 4, last}, Value: value}})
	}
	for _, o := range *s.Organization {
		add(10, o)
	}
	add(3, s.CommonName)
	der, err := asn1.Marshal(n)
	if err != nil {
		return nil // nothing a certificate has is like it
	}
	return der
}

// Present is an authority's certificate before the ceremony; nil when it is made
// with its key.
func (c *Ceremony) Present(name string) *x509.Certificate {
	if old := c.Renewed[name]; old != nil {
		return old
	}
	return c.Certificates[name]
}
