package schedule

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"slices"
	"strings"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/nearest"
	"officiant/ceremony/plan"
	"officiant/signer"
)

// cas is what is known of a plan's authorities, by name.
type cas struct {
	certificates map[string]*x509.Certificate // that the plan names rather than makes
	renewed      map[string]*x509.Certificate // what those had so far that get another for the same key
	issuers      []*x509.Certificate          // CAs between an external root and the authorities the plan names
	algorithms   map[string]signer.Algorithm  // of keys, the release key's and its successor's too
}

// present is an authority's certificate before the ceremony; nil when it is made
// with its key.
func (c *cas) present(name string) *x509.Certificate {
	if old := c.renewed[name]; old != nil {
		return old
	}
	return c.certificates[name]
}

// authorityPass checks the authorities: each by itself, what is above it, and what
// distinguishes it from others, of this cluster and of others.
type authorityPass struct {
	base
	facts *clusterFacts
	past  *records
	cas   *cas
}

func authoritiesOf(b base, facts *clusterFacts, past *records) *cas {
	pass := &authorityPass{b, facts, past, &cas{certificates: map[string]*x509.Certificate{},
		renewed: map[string]*x509.Certificate{}, algorithms: map[string]signer.Algorithm{}}}
	pass.check()
	pass.clusters()
	return pass.cas
}

// check goes through the authorities, each by itself, then what holds them together.
func (b *authorityPass) check() {
	names := map[string]bool{}
	issuing := map[kubepki.Authority]int{}
	for i := range b.p.Authorities {
		a := &b.p.Authorities[i]
		where := plan.At{"authorities", i}
		if !plan.IsLabel(a.Name) || plan.Reserved[a.Name] {
			b.Refuse(append(where, "name"), "authority name %q: it is %s, and not release, transcript or default", a.Name,
				plan.LabelRule)
			continue
		}
		if names[a.Name] {
			b.Refuse(append(where, "name"), "two authorities are named %s", a.Name)
			continue
		}
		names[a.Name] = true
		if !b.family(a, where) {
			continue
		}
		if a.Use == "" {
			a.Use = plan.Issue
		}
		if a.Use != plan.Issue && a.Use != plan.Trust {
			b.Refuse(append(where, "use"), "authority %s: use %q is not issue or trust%s", a.Name, a.Use,
				nearest.Among(a.Use, plan.Issue, plan.Trust))
			continue
		}
		if j, ok := issuing[a.Family]; ok && a.Use == plan.Issue {
			b.Refuse(where, "%s and %s are both of family %s; a ceremony issues from one, and can trust others (use: trust)",
				b.p.Authorities[j].Name, a.Name, a.Family)
			continue
		}
		if a.Use == plan.Issue {
			issuing[a.Family] = i
		}
		if a.Key.Create != "" && a.Key.Existing != (fingerprint.SHA256{}) {
			b.Refuse(append(where, "key"), "authority %s: its key is either created or existing", a.Name)
			continue
		}
		b.authority(a, where)
	}
	if _, ok := issuing[kubepki.Root]; !ok {
		b.Refuse(plan.At{"authorities"}, "no authority of family root")
	}
	b.generations(issuing)
	b.hierarchy()
	b.distinct()
}

func (b *authorityPass) family(a *plan.Authority, where plan.At) bool {
	if a.Family == "" {
		a.Family = kubepki.Authority(a.Name)
	}
	if slices.Contains(plan.Families, a.Family) {
		return true
	}
	names := make([]string, len(plan.Families))
	for i, f := range plan.Families {
		names[i] = string(f)
	}
	last := len(names) - 1
	known := strings.Join(names[:last], ", ") + " or " + names[last]
	if string(a.Family) == a.Name {
		near := nearest.Among(kubepki.Authority(a.Name), plan.Families...)
		second := func(f kubepki.Authority) bool { return strings.HasPrefix(a.Name, string(f)+"-") }
		if slices.ContainsFunc(plan.Families, second) {
			near = "" // etcd-2 is a good name for a second one
		}
		b.Refuse(where, "authority %s needs a family: %s%s", a.Name, known, near)
	} else {
		b.Refuse(append(where, "family"), "authority %s: family %q is not %s%s", a.Name, a.Family, known,
			nearest.Among(a.Family, plan.Families...))
	}
	return false
}

// authority checks one authority: made in the ceremony, or there already.
func (b *authorityPass) authority(a *plan.Authority, where plan.At) {
	switch {
	case a.Adopted && (a.Family == kubepki.Root || a.Key != plan.Key{} || a.Certificate == "" || a.Renews != ""):
		b.adopted(a, where) // says why not
		return
	case a.Renews != "":
		b.renewed(a, where)
		return
	case a.Certificate == "":
		b.created(a, where)
		return
	}
	if a.Key.Create != "" {
		b.Refuse(append(where, "certificate"), "authority %s: a key that is made in the ceremony has no certificate yet",
			a.Name)
		return
	}
	if a.Subject.CommonName != "" || a.Subject.Organization != nil || a.Validity != 0 || a.Root != "" {
		b.Refuse(where, "authority %s: subject, validity and root are those of its certificate, and cannot be set", a.Name)
	}
	b.evidence(&a.Evidence, where, "authority "+a.Name, false)
	if a.Adopted {
		b.adopted(a, where)
		return
	}
	certificate := b.certificate(a, a.Certificate, append(where, "certificate"))
	if certificate == nil {
		return
	}
	b.cas.certificates[a.Name] = certificate
	if want := a.Key.Existing; want != (fingerprint.SHA256{}) {
		if got, err := fingerprint.SPKI(certificate.PublicKey); err != nil || got != want {
			b.Refuse(append(where, "key", "existing"), "authority %s: the key of %s is %s, not this", a.Name, a.Certificate, got)
		}
	}
}

// created checks an authority whose key and certificate are made.
func (b *authorityPass) created(a *plan.Authority, where plan.At) {
	switch {
	case a.Key.Existing != fingerprint.SHA256{}:
		b.Refuse(where, "authority %s: an existing key needs its certificate", a.Name)
		return
	case a.Key.Create == "":
		b.Refuse(where, "authority %s has neither a key nor a certificate: say key: {create: ALGORITHM}, or "+
			"certificate: FILE", a.Name)
		return
	}
	algorithm, err := signer.ParseAlgorithm(string(a.Key.Create))
	if err != nil {
		b.Refuse(append(where, "key", "create"), "authority %s: %v", a.Name, err)
	}
	b.cas.algorithms[a.Name] = algorithm
	b.evidence(&a.Evidence, where, "authority "+a.Name, true)
	b.subject(a, where)
	b.authorityValidity(a)
}

// authorityValidity puts in how long a certificate that is made is valid.
func (b *authorityPass) authorityValidity(a *plan.Authority) {
	switch {
	case a.Family == kubepki.Root:
		validity(&a.Validity, 0, 20*plan.Year)
		return
	case a.Family.Online(): // its key is where requests come from
		validity(&a.Validity, 0, plan.OnlineLife)
		return
	}
	var said time.Duration
	if b.facts.kubeadm != nil {
		said = b.facts.kubeadm.CAValidity
	}
	validity(&a.Validity, said, 10*plan.Year)
}

// subject puts the defaults in, and refuses what a certificate cannot carry
// (RFC 5280 appendix A.1, ub-common-name and ub-organization-name).
func (b *authorityPass) subject(a *plan.Authority, where plan.At) {
	if b.facts.cluster.Name == "" {
		return // its facts do not hold, so there are no defaults
	}
	if a.Subject.CommonName == "" {
		a.Subject.CommonName = b.commonName(a)
	}
	if a.Subject.Organization == nil {
		a.Subject.Organization = &[]string{b.facts.cluster.Name}
	}
	for _, s := range append([]string{a.Subject.CommonName}, *a.Subject.Organization...) {
		if s == "" || len([]rune(s)) > 64 {
			b.Refuse(append(where, "subject"), "authority %s: %q has not 1 to 64 characters", a.Name, s)
		}
	}
}

// commonName is an authority's CN where the plan does not say one: its family's,
// and, beside another of its family, its own name, since no two may be alike.
func (b *authorityPass) commonName(a *plan.Authority) string {
	c := b.facts.cluster
	alone := len(b.p.OfFamily(a.Family)) == 1
	switch {
	case a.Family == kubepki.Root && alone:
		return c.Name + " root"
	case a.Family == kubepki.Root:
		return c.Name + " " + a.Name
	case !alone:
		return a.Name
	}
	for _, spec := range kubepki.Authorities(c) {
		if spec.Authority == a.Family {
			return spec.CommonName
		}
	}
	return ""
}

// usableKeys says which keys a ceremony signs with, or trusts.
const usableKeys = "a key is ECDSA on P-256, P-384 or P-521, or RSA of 2048, 3072 or 4096 bits"

// certificate reads an authority's certificate and checks what it is. One that
// has ended may still be trusted: nothing that it certified is valid.
func (b *authorityPass) certificate(a *plan.Authority, file string, where plan.At) *x509.Certificate {
	data := b.input(file, where)
	if data == nil {
		return nil
	}
	c, err := parseCertificate(data)
	if err != nil {
		b.RefuseInput(file, "%v", err)
		return nil
	}
	bad := func(format string, args ...any) { b.RefuseInput(file, format, args...) }
	algorithm, err := signer.AlgorithmOf(c.PublicKey)
	if err != nil {
		bad("%v cannot be used: %s", err, usableKeys)
		return nil // checking a signature by a key of any size could take hours
	}
	b.cas.algorithms[a.Name] = algorithm
	switch {
	case c.Version != 3:
		bad("is a certificate of X.509 version %d, which cannot say that it is a CA's: Go and OpenSSL want version 3",
			c.Version)
	case !c.BasicConstraintsValid || !c.IsCA:
		bad("is not the certificate of a CA")
	case !kubepki.MayCertify(c):
		bad("its key usage does not allow certificates to be signed")
	case a.Family == kubepki.Root && c.MaxPathLen == 0:
		bad("path length 0: no intermediate can be below it")
	case a.Family != kubepki.Root && !(c.MaxPathLen == 0 && c.MaxPathLenZero):
		bad("an intermediate has path length 0")
	}
	if b.now.Before(c.NotBefore) {
		bad("is not valid before %s", c.NotBefore.UTC().Format(time.RFC3339))
	}
	switch ended := b.now.After(c.NotAfter) && a.Use == plan.Issue && a.Renews == ""; {
	case ended && a.Family.Online(): // the rest of the cluster does not depend on it
		b.Warn(where, "authority %s expired on %s: the online signer signs nothing with it until it is renewed", a.Name,
			c.NotAfter.UTC().Format(time.RFC3339))
	case ended:
		bad("expired on %s", c.NotAfter.UTC().Format(time.RFC3339))
	}
	return c
}

// parseCertificate reads one PEM certificate and nothing else.
func parseCertificate(data []byte) (*x509.Certificate, error) {
	der, err := onePEM(data, "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func onePEM(data []byte, kind string) ([]byte, error) {
	block, rest := pem.Decode(data)
	if block == nil || block.Type != kind || len(bytes.TrimSpace(rest)) > 0 || !bytes.HasPrefix(data,
		[]byte("-----BEGIN ")) {
		return nil, errors.New("not one PEM block of type " + kind + " and nothing else")
	}
	return block.Bytes, nil
}

// dn writes a subject as x509.Certificate.Subject.String does.
func dn(s plan.Subject) string {
	n := pkix.Name{CommonName: s.CommonName}
	if s.Organization != nil {
		n.Organization = *s.Organization
	}
	return n.String()
}
